"""What the page says, in English and Chinese. What comes from feeds and runs is shown as it is."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

from lxml import etree

from crawler.overview.html import tag

Said: TypeAlias = "list[etree._Element]"

LANGUAGES = {"en": "English", "zh": "中文"}

# {…} are values that the caller gives.
WORDS: dict[str, tuple[str, str]] = {
    "title": ("News archive report", "新闻归档报告"),
    "span": ("{first} to {last}, {days} days", "{first} 至 {last}，共 {days} 天"),
    "made": ("made {at}", "生成于 {at}"),
    # ------------------------------------------------ the figures on top
    "articles": ("articles", "文章"),
    "a-day": ("a day", "每天"),
    "so-many-a-day": ("{n} a day", "每天 {n}"),
    "delay": ("from publication to archive", "从发布到入档"),
    "median": ("median", "中位数"),
    "p90": ("90th percentile", "九成以内"),
    "of-runs": ("of {count} runs failed", "次失败，共运行 {count} 次"),
    "all-runs": ("runs, none failed", "次运行，无一失败"),
    "redesigns": ("signs of changed layouts", "版面变化迹象"),
    "no-runs": ("runs", "次运行"),
    # ------------------------------------------------ sections
    "sources": ("Sources", "来源"),
    "per-day": ("Articles a day", "每日文章"),
    "delays": ("From publication to archive", "从发布到入档"),
    "repeats": ("Duplicates", "重复"),
    "edits": ("Edits", "修订"),
    "nears": ("Near-duplicates", "近似重复"),
    "drift": ("Changed layouts", "版面变化"),
    "refusals": ("Refused", "拒收"),
    "warnings": ("Other warnings", "其他警告"),
    "hosts": ("Hosts", "主机"),
    "runs": ("Runs", "运行"),
    "damaged": ("Reports that cannot be read", "无法读取的运行报告"),
    # ------------------------------------------------ what stands under a heading
    "about-sources": (
        "Articles by the day of publication. Refused and warnings count what the runs told, each "
        "time they told it.",
        "文章按发布日期计。拒收与警告按各次运行所报累计，重复出现则重复计数。",
    ),
    "about-per-day": (
        "By the day of publication, in {zone}. Each bar is one day.",
        "按发布日期，时区 {zone}，每柱一天。",
    ),
    "about-per-days": (
        "By the day of publication, in {zone}. Each bar is {days} days.",
        "按发布日期，时区 {zone}，每柱 {days} 天。",
    ),
    "about-delays": (
        "Of articles that were published while their source was followed already and whose date "
        "has a clock. The bar reaches from the median to the 90th percentile, on a scale from one "
        "minute to {end}; the line is the median of each day.",
        "只计来源已在跟踪之后发布、且日期带钟点的文章。横条由中位数至九成以内，"
        "刻度为一分钟至 {end}；折线为每日中位数。",
    ),
    "about-repeats": (
        "The same text under another identity: written once, and remembered where else it stood.",
        "同一文本以另一身份出现：只写一次，并记下还在何处出现过。",
    ),
    "about-edits": (
        "Articles whose text changed; every earlier version stands in revisions/.",
        "文本有改动的文章；各旧版本存于 revisions/。",
    ),
    "about-nears": (
        "Most of the text of another article of the same days.",
        "与同期另一篇文章大部分文字相同。",
    ),
    "about-drift": (
        "Signs that a site was redesigned: its rules should be looked at.",
        "网站可能已改版的迹象：请检查其规则。",
    ),
    "about-refusals": (
        "What was not taken, with the reason.",
        "未予收录者及其原因。",
    ),
    "about-warnings": ("What was odd and taken all the same.", "有异常但仍予收录者。"),
    "about-hosts": (
        "How each host was asked: pauses kept between requests, time it was left alone when it "
        "asked for that, and what its robots.txt says.",
        "对各主机的访问方式：请求间隔、应其要求而暂停的时间、其 robots.txt 的规定。",
    ),
    "about-runs": (
        "The newest runs, and the newest of those that failed. Half of the runs took at most "
        "{median}; the longest time without a run was {pause}, from {since}.",
        "最近的运行，以及最近失败的运行。半数运行用时不超过 {median}；"
        "最长的间断为 {pause}，始于 {since}。",
    ),
    "about-damaged": (
        "{count} files in reports/ are not counted here.",
        "reports/ 中有 {count} 个文件未计入。",
    ),
    "to-damaged": ("{count} reports cannot be read", "{count} 个运行报告无法读取"),
    "by-pairs": ("Who carries whose texts", "谁转载了谁的文本"),
    # ------------------------------------------------ columns
    "source": ("source", "来源"),
    "total": ("in all", "存档总数"),
    "newest": ("newest", "最新"),
    "repeated": ("duplicates", "重复"),
    "elsewhere": ("stood elsewhere", "他处转载"),
    "edited": ("edited", "修订"),
    "near": ("near-duplicates", "近似重复"),
    "refused": ("refused", "拒收"),
    "warned": ("warnings", "警告"),
    "failed-runs": ("failed runs", "失败次数"),
    "measured": ("articles measured", "计入文章"),
    "range": ("median to 90th percentile", "中位数至九成以内"),
    "trend": ("median by day", "每日中位数"),
    "first-seen": ("first met", "首次见到"),
    "carrier": ("carried by", "转载来源"),
    "count": ("times", "次数"),
    "article": ("article", "文章"),
    "stood": ("where else it stood", "还见于"),
    "last-edit": ("last edit", "最近修订"),
    "versions": ("versions", "版本数"),
    "file": ("file", "文件"),
    "met": ("met", "见到"),
    "twin": ("repeats", "近似于"),
    "shared": ("shared", "相同部分"),
    "last": ("last", "最近"),
    "first": ("first", "最早"),
    "reason": ("reason", "原因"),
    "sample": ("address", "地址"),
    "host": ("host", "主机"),
    "requests": ("requests", "请求"),
    "per-run": ("a run", "每次运行"),
    "received": ("received", "接收"),
    "pause": ("pause, s", "间隔（秒）"),
    "waited": ("left alone", "暂停时间"),
    "retries": ("asked again", "重试"),
    "robots": ("robots.txt", "robots.txt"),
    "gave-up": ("given up", "放弃"),
    "began": ("began", "开始"),
    "took": ("took", "用时"),
    "status": ("exit status", "退出状态"),
    "source-count": ("sources", "来源数"),
    "new": ("new", "新增"),
    "updated": ("updated", "更新"),
    "said": ("what went wrong", "出错原因"),
    # ------------------------------------------------ values
    "and-more": ("and {count} more", "另有 {count} 处"),
    "not-ended": ("did not end", "未完成"),
    "done": ("done", "完成"),
    "failed": ("failed", "失败"),
    "busiest": ("most {count}", "最多 {count}"),
    "rows": ("{shown} of {count} shown.", "共 {count} 条，显示 {shown} 条。"),
    "groups": (
        "{shown} of {count} kinds shown.",
        "共 {count} 类，显示 {shown} 类。",
    ),
    "left-out": (
        "{count} more are counted but no longer told apart.",
        "另有 {count} 条只计数，不再分列。",
    ),
    "none": ("None in these days.", "这些天里没有。"),
    "no-delays": (
        "No article of these days tells: see above which are counted.",
        "这些天没有可计的文章：计法见上。",
    ),
    "empty": (
        "Nothing was published in these days that the archive holds.",
        "存档中没有这些天发布的文章。",
    ),
    "seconds": ("{n} s", "{n} 秒"),
    "minutes": ("{n} min", "{n} 分"),
    "hours": ("{n} h", "{n} 小时"),
    "days": ("{n} d", "{n} 天"),
    "footer": (
        "Made from the ledger and the runs' reports. This page asks nothing of anybody. Reasons "
        "are told as the runs wrote them.",
        "本页由账本与运行报告生成，不向任何地方发出请求；原因按运行时的原文显示。",
    ),
}


def say(key: str, **values: str | int | date | Said) -> Said:
    """Gives what the page says in both languages; the reader sees one of them. A value may be
    something said itself."""
    return [
        tag(
            "span",
            text.format(
                **{
                    name: value[n].text if isinstance(value, list) else value
                    for name, value in values.items()
                }
            ),
            lang=language,
        )
        for n, (language, text) in enumerate(zip(LANGUAGES, WORDS[key], strict=True))
    ]


def say_duration(seconds: float) -> Said:
    """Gives a time as people say it, in the unit that fits."""
    key, size = next((key, size) for key, size, until in _UNITS if seconds < until or key == "days")
    n = seconds / size
    return say(key, n=f"{n:.1f}".removesuffix(".0") if n < 10 and size > 60 else f"{n:,.0f}")


# Words, seconds, and up to how many seconds people count in it.
_UNITS = (
    ("seconds", 1, 60),
    ("minutes", 60, 3600),
    ("hours", 3600, 2 * 86400),
    ("days", 86400, 0),
)
