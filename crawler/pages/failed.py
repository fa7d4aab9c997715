"""Pages that come with status 200 where there is no article: error pages, walls, nothing. Pure.

Without a rule whatever has running text would pass for the article. An expression each, because
such pages share nothing but how they call themselves.
"""

from __future__ import annotations

import re

from crawler.markup.blocks import squeeze
from crawler.selectors import LexborTree, visible_texts

# Error pages are short; what is longer is looked at no further.
_MOST_HTML = 30_000  # characters
_MOST_TEXT = 1_500
_PARTS = re.compile(r"\s*[|_–—]\s*|\s+-\s+")  # a page's title and the site's

# Whole titles or headings.
_CALLED_FAILED = re.compile(
    r"(?:http )?(?:status |error )?(?:code )?(?:40[358]|429|5[0-2][0-9])(?:[ :.]+[a-z .-]{0,60})?"
    r"|bad gateway|service (?:temporarily )?unavailable|gateway time-?out|internal server error"
    r"|too many requests|just a moment[. …]*|attention required!?|access denied|forbidden"
    r"|one more step|are you (?:a )?(?:human|robot)\??|(?:ddos|bot) protection|error 1[0-9]{3}"
    r"|checking your browser.{0,40}|(?:site |website )?(?:is )?(?:under |down for )?maintenance"
    r"|(?:人机|安全|访问|滑动)验证|验证码|(?:系统|网站)(?:正在)?(?:升级)?(?:维护|升级)(?:中|公告)?"
    r"|(?:服务器|系统|网络)(?:内部)?(?:错误|繁忙|异常|开小差了?)|访问(?:过于频繁|受限|被(?:阻断|拒绝|拦截))",
    re.IGNORECASE,
)
_CALLED_GONE = re.compile(
    r"(?:http )?(?:status |error )?(?:404|410)(?:[ :.,!-]+.{0,60})?|not found|gone"
    r"|(?:the )?page (?:was |is |could )?(?:not (?:be )?found|missing)|page does not exist"
    r"|(?:您|你)?(?:要)?(?:访问|查找|请求)?的?(?:页面|网页|文章|内容|信息)(?:不存在|找不到|丢失|已(?:经)?(?:被)?(?:删除|下线|失效)).{0,12}"
    r"|(?:用户)?(?:登录|登陆)|(?:请先?)?登录后.{0,12}|(?:please )?(?:log|sign) ?in",
    re.IGNORECASE,
)
# What they say where they have no title.
_SAYS_FAILED = re.compile(
    r"Error establishing a database connection|(?:Fatal|Parse) error: |Allowed memory size of \d+"
    r"|Enable JavaScript and cookies to continue|protect itself from online attacks"
    r"|访问过于频繁|对网站造成安全威胁|(?:系统|网站)(?:正在)?(?:进行)?(?:升级)?维护中?，?请稍后"
)


def find_failure(text: str, *, title: str) -> tuple[str, bool] | None:
    """Gives what shows that a page is no article, and whether that is for good; None where nothing
    does. ``title`` is the article's as its feed tells it: a page that holds it is taken for it.
    """
    if len(text) > _MOST_HTML:
        return None
    if "<" not in text:
        return (
            f"no page: it begins {text[:40].strip()!r}" if text.strip() else "an empty page"
        ), False
    tree = LexborTree(text)
    seen = squeeze(" ".join(visible_texts(tree.root))).strip()
    if not seen and not tree.root.css("script, img, iframe, frame, video, meta[http-equiv]"):
        return "an empty page", False
    told = "".join(title.rstrip(".… ").split())
    if len(seen) > _MOST_TEXT or (told and told in "".join(seen.split())):
        return None
    for node in tree.root.css("title, h1, h2")[:4]:
        name = squeeze(node.text()).strip()
        for part in (name, *_PARTS.split(name)[:1]):
            if _CALLED_FAILED.fullmatch(part):
                return f"an error page: {name[:60]!r}", False
            if _CALLED_GONE.fullmatch(part):
                return f"a page without an article: {name[:60]!r}", True
    if says := _SAYS_FAILED.search(seen):
        return f"an error page: it says {says[0]!r}", False
    return None
