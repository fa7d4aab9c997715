"""Who wrote an article and where it is from, as its own lines say it.

Newsrooms sign in a few fixed ways: on a line of its own (证券时报记者 唐维), in brackets behind
the dateline (中证网讯（记者 黄一灵）) or at the end (（文章来源：证券时报网）). A line counts only
where every word of it is part of a signature: interviews have lines that begin with 记者：, and
sentences begin with 来源. This room reads lines of visible text and knows nothing of markup.

Expressions over one line, because a signature is no tree. Their parts have bounded lengths and
cannot stand for one another, and of a long line only the ends are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

HEAD_LINES, TAIL_LINES = 6, 8
"""Signatures stand below title, summary and pictures, or above what the page adds."""

MAX_SIGNATURE = 60
"""Characters of a line, a dateline or a bracket that signs; the longest seen had 44."""

MAX_TITLE_LINE = 120
"""Characters of a line that repeats the original title."""

MAX_SOURCE = 40
"""Characters of a publisher's name."""


@dataclass(frozen=True, slots=True)
class Credits:
    """What a text says of its makers; None: it does not say.

    ``byline`` and ``editor`` are names of persons with one blank between two; ``origin`` is the
    publisher the text is credited to.
    """

    byline: str | None = None
    origin: str | None = None
    editor: str | None = None


# ---------------------------------------------------------------------------------- words

_WRITERS = "特约撰稿人 特约撰稿 撰稿人 撰稿 撰文 记者 作者 实习生 通讯员 评论员 采写 执笔".split()
_EDITORS = "责任编辑 责编 编辑".split()
_OTHERS = "校对 审校 审核 终审 监制 主编 统筹 策划 编审 编译 翻译 摄影 制图 美编 视频 排版".split()
_ROLES = {
    **dict.fromkeys((*_WRITERS, "文", "文/图", "图/文"), "writer"),
    **dict.fromkeys(_EDITORS, "editor"),
    **dict.fromkeys((*_OTHERS, "图"), "other"),
}

# First characters of family names, of compound ones too: they tell 记者张三 from 记者获悉.
_FAMILY_NAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕"
    "丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱丘江尹薛闫阎段雷侯龙史陶黎贺顾毛郝龚邵万钱"
    "严覃武戴莫孔向汤常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符"
    "舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓"
    "古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇"
    "桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗燕楚鄢劳谌奚皮粟冼蔺楼盘满闻厉"
    "伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿狄平计索宣晋相初门云容敬来扈晁芮都普阙浦戈伏鹿"
    "薄邸雍辜羊阿乌母裘亓修邰赫杭况那宿鲜印逯隆茹诺战慕危玉银亢嵇公哈湛宾戎勾茅利呼居揭冶斯元束檀衣信"
    "展阴昝智幸奉植衡富尧闭上诸东西候皇令宇长轩拓淳澹端独濮壤木占庆水朗"
    "洪赖荀贝寿庹岳郗郇逄隗靖麴蒯訾桓钮宓巢苌莘菅蔚郦鄂酆闪贲谯佴撒仰仉尧伦昌"
)
# Words and places that begin like a name and stand where one would.
_NO_NAMES = (
    "谢谢 高兴 时间 文章 原创 关注 关于 来源 来自 连线 时评 平台 都市 国际 明天 东方 金融 管理 "
    "安全 成都 武汉 上海 长沙 长春 宁波 温州 常州 苏州 徐州 杭州 郑州 柳州 南京 南昌 南宁 东莞 "
    "西安 西宁 金华 江门 安庆 黄石 荆州 石家庄 连云港 乌鲁木齐 华盛顿 马尼拉"
).split()
_NO_WRITERS = frozenset("未知 佚名 匿名 不详 无 暂无 admin administrator root".split())
_HOUSE_ENDS = (*"报网社台版讯电部局", "公司", "中心", "财经", "新闻", "客户端", "官微")
_NO_SOURCES = frozenset("网络 互联网 网上 未知 不详 本站 本站原创 原创 佚名 综合 其他 无".split())

# ---------------------------------------------------------------------------- expressions

# These three have a name in them, and with it hundreds of family names: to compile them takes as
# long as a tenth of Scrapy's start, so that waits for the first line that needs one.
_compile = cache(re.compile)

_HAN = r"[\u3400-\u4e27\u4e29-\u9fff]"  # without 丨, which newsrooms use as a stroke
_ROLE_WORDS = "|".join(sorted((*_WRITERS, *_EDITORS, *_OTHERS), key=len, reverse=True))
_CHINESE_NAME = (
    rf"(?!(?:{'|'.join(_NO_NAMES)})(?!{_HAN})|{_HAN}{{0,4}}(?:报道|综合|整理|{_ROLE_WORDS}))"
    rf"[{_FAMILY_NAMES}](?:\s{{0,2}}(?<=\s){_HAN}|(?:(?![您你我他她吗呢吧的了是们]){_HAN}){{1,3}})"
    rf"(?<![报网社台版讯电部])(?!{_HAN}|·)"
)
_NAME = (
    rf"(?:{_CHINESE_NAME}|(?!{_HAN}{{0,7}}(?:{_ROLE_WORDS}))"
    rf"{_HAN}{{1,8}}(?:[·•‧](?!{_HAN}{{0,7}}(?:{_ROLE_WORDS})){_HAN}{{1,8}}){{1,3}}(?<![报网社台])"
    r"|(?!By\b)[A-Z][A-Za-z.'’-]{1,19}(?: [A-Z][A-Za-z.'’-]{0,19}){0,3}(?![A-Za-z0-9]))"
)
_BETWEEN = r"[\s、，,;；&＆/／|｜丨]"
_SIGN = r"\s{0,2}[:：/／|｜丨]\s{0,2}"
# One part of a signature: house and rank (证券时报e公司见习记者), role, names, and where they were
# or what else they did. Before it a dateline may stand (本报讯 记者…), or 文/ before the house
# (文/观察者网专栏作者 王文).
_PART = (
    rf"(?:{_BETWEEN}|[■□●◎◆▲★])*(?:[^\s，。]{{1,20}}[讯电]\s{{1,2}})?"
    rf"(?:(?P<short>文/图|图/文|文|图)(?:{_SIGN}|(?<=/[文图])\s)"
    rf"|(?:(?:文|图|采写|撰文){_SIGN})?[^\s:：、，,/／|｜丨]{{0,15}}?"
    rf"(?P<role>{_ROLE_WORDS})(?:{_SIGN}|\s{{0,2}}))"
    rf"(?P<names>{_NAME}(?:{_BETWEEN}{{1,3}}{_NAME}){{0,7}})"
    r"(?:_[A-Za-z0-9]{1,10}|\s?[A-Z]{1,4}\d{2,6}(?![A-Za-z]))?"
    rf"(?P<after>\s{{0,2}}(?:{_HAN}{{2,8}}\s?)?(?:报道|发回)|\s{{1,2}}(?:发自{_HAN}{{2,8}}"
    r"|综合|整理|整合|供稿|编译|摄影|摄|文|图|等))?"
)
# A label inside a line: 来源：… 作者：…
_PART_LABEL = re.compile(rf"\s(?=\S{{0,15}}?(?:{_ROLE_WORDS})\s*[:：/／|｜丨])")
_NAME_APART = rf"{_NAME}(?:{_BETWEEN}{{1,3}}{_NAME}){{0,15}}"
_SENTENCE = re.compile(r"[。！？!?；;…“”]")
_BRACKETS = str.maketrans(dict.fromkeys("（）()【】[]〔〕「」", " "))
_DATELINE = re.compile(
    r"\s*(?:[^（(。，,]{0,40}[讯电息道稿报网社台])?\s?[（(]([^（）()]{3,60})[）)]"
)
_LAST_BRACKET = re.compile(r"[（(【\[]([^（）()【】\[\]]{3,60})[）)】\]]$")
_SOURCE = re.compile(r"[\s（(【\[]*(?:文章|本文|稿件|新闻|内容|消息)?来源\s*[:：｜|丨]")
# One of these stands in every signature.
_NEEDLES = tuple("记者 来源 编辑 责编 作者 通讯员 实习生 评论员 撰 采写 执笔".split())
_SHORT = re.compile(r"[【（(\[]?文\s?[/／|｜丨:：]|[（(]文/图")

# What is cut from both ends of a value.
_EDGES = " :：、，,;；.。|｜丨/-—·"
_OPEN, _CLOSED = frozenset("（(【[《〈「“"), frozenset("）)】]》〉」”")
_BRACKETED = "（(【[〔〕]】)）"
# The first character tells most lines apart from credits.
_CREDIT_STARTS = frozenset("（(【[〔文本稿新内消来责执值栏编校审原")
_TITLE_LINE = re.compile(r"[（(【\[]?\s*原(?:标题\s*[:：]|题\s*(?:[:：]|为\s*[《“])).+")
_CREDIT_LINE = re.compile(
    r"[（(【\[〔]?\s*(?:(?:文章|本文|稿件|新闻|内容|消息)?来源|(?:责任|执行|值班|栏目)?编辑|责编|责任校对"
    r"|校对|审校|审核)\s*[:：｜|丨]\s*[^。！？!?；;，,“”…]{0,30}[）)】\]〕]?"
)
_EDITOR_FIRST = re.compile(r"[（(【\[〔]?\s*(?:(?:责任|执行|值班)?编辑|责编|校对|审校|审核)\s")
# An address, a paper date, a page or another label behind the publisher.
_BEHIND_SOURCE = re.compile(
    r"\s*(?:[（(]\s?(?:https?:|www\.)|\d{4}\s*[-/.年]\s*\d|第?\s*[A-Z]{0,2}\d{1,3}\s*版"
    r"|(?:作者|记者|责任编辑|责编|编辑|校对|时间|日期|发布|阅读|点击|浏览|评论|字号|分享|原标题|原文)"
    r"[^\s:：]{0,4}\s*[:：]"
    r"|(?<=\s)(?:作者|记者|通讯员|责任编辑|责编|编辑)\s|[|｜丨]\s?(?:阅读|点击|浏览|评论))"
)
_WRITER_LABEL = re.compile(
    rf"\s*(?:(?:{'|'.join((*_WRITERS, '文'))})\s*[:：/／|｜丨]|by\b[:\s])\s*", re.IGNORECASE
)
# Many sites write date, publisher, author and editor into one element, with a label each.
_FIELD_LABEL = re.compile(
    r"(?:^|(?<=[\s|｜丨/／【（(\[】）)\],，;；]))(?:"
    r"(?P<origin>(?:文章|本文|稿件|新闻|内容|消息|信息|稿源)?来源)"
    rf"|(?P<writer>(?:本文|文章)?(?:{'|'.join(_WRITERS)}))"
    rf"|(?P<editor>(?:执行|值班|本文)?(?:{'|'.join(_EDITORS)}))"
    rf"|(?P<other>{'|'.join(_OTHERS)}"
    r"|[^\s:：]{0,2}(?:时间|日期|发布|阅读|点击|浏览|访问|评论|字号|字体|分享|原标题|原文|栏目|版次)"
    r"[^\s:：]{0,2}))\s{0,2}[:：]"
)
_DATE = (
    r"(?:19|20)\d\d\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}\s?日?"
    r"(?:\s{0,2}\d{1,2}[:：]\d{2}(?:[:：]\d{2})?)?"
)
_DATE_AT_ENDS = re.compile(rf"^{_DATE}(?!\d)|(?<!\d){_DATE}$")
_EDITOR_LABEL = re.compile(r"(?:责任编辑|责编|编辑|校对)\s*[:：/]?\s*")
_ADDRESS = re.compile(r"\S{1,80}@\S{1,80}|https?://\S*")
_SPREAD = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")


def read_credits(lines: Sequence[str]) -> Credits:
    """Returns what the first and last of ``lines`` (paragraphs of visible text) say.

    >>> read_credits(["中证网讯（记者 黄一灵）7月2日晚，公告发布。", "（文章来源：中证网）"])
    Credits(byline='黄一灵', origin='中证网', editor=None)
    """
    if len(lines) > HEAD_LINES + TAIL_LINES:
        lines = [*lines[:HEAD_LINES], *lines[-TAIL_LINES:]]
    byline = origin = editor = None
    for line in lines:
        for text in _signatures_in(line):
            if origin is None and _SOURCE.match(text):
                origin = clean_origin(text)
            found = _read_signature(text)
            byline = byline or _joined(found.get("writer", ()))
            editor = editor or _joined(found.get("editor", ()))
    return Credits(byline, origin, editor)


def is_credit_line(line: str) -> bool:
    """Tells whether a whole line only names source, editor, proof-reader or original title.

    >>> is_credit_line("（文章来源：证券时报网）"), is_credit_line("来源：据报道，收入增长。")
    (True, False)
    """
    line = line.strip()
    if line[:1] not in _CREDIT_STARTS or len(line) > MAX_TITLE_LINE:
        return False
    if _TITLE_LINE.fullmatch(line):
        return True
    if len(line) > MAX_SIGNATURE:
        return False
    if _CREDIT_LINE.fullmatch(line):
        return True
    found = _read_signature(line) if _EDITOR_FIRST.match(line) else {}
    return bool(found) and "writer" not in found


def clean_origin(text: str) -> str | None:
    """Returns the publisher in the value of a source field; None where it names none.

    Label, paper date, page and whatever else stands behind are left out.

    >>> clean_origin("来源：证券时报 2026-09-24 A004版")
    '证券时报'
    """
    text = " ".join(text[: 4 * MAX_SIGNATURE].split())
    label = _SOURCE.match(text)
    if label is None and (picked := _pick_field(text, "origin")) != text:
        return clean_origin(picked)
    cut = _BEHIND_SOURCE.search(text, label.end() if label else 0)
    rest = text[label.end() if label else 0 : cut.start() if cut else None].strip(_EDGES)
    if "】" in rest and "【" in (label[0] if label else ""):
        rest = rest.partition("】")[0]
    if rest[:1] in _OPEN and rest[-1:] in _CLOSED:
        rest = rest[1:-1]
    elif rest[-1:] in _CLOSED and not any(sign in rest for sign in _OPEN):
        rest = rest[:-1]  # the bracket around the whole line
    if rest != text:
        return clean_origin(rest)  # （来源：来源：新华网）
    return None if not rest or rest in _NO_SOURCES or len(rest) > MAX_SOURCE else rest


def clean_byline(text: str) -> str | None:
    """Returns the persons in the value of an author field, else the value without its label.

    None where it names nobody.

    >>> clean_byline("作者：张三、李四"), clean_byline("证券时报记者 唐维"), clean_byline("e公司")
    ('张三 李四', '唐维', 'e公司')
    """
    text = " ".join(text[: 4 * MAX_SIGNATURE].split())
    found = _read_signature(text)
    if not found and (picked := _pick_field(text, "writer")) != text:
        return clean_byline(picked)
    rest = _WRITER_LABEL.sub("", _ADDRESS.sub(" ", text).translate(_BRACKETS), count=1)
    persons = " ".join(word for word in rest.split() if not word.endswith(_HOUSE_ENDS))
    cleaned: str | None
    if found:
        cleaned = _joined(found.get("writer", ()))
    elif persons.lower() not in _NO_WRITERS and _compile(_NAME_APART).fullmatch(persons):
        cleaned = _joined(_compile(_NAME).findall(persons))
    else:
        cleaned = " ".join(rest.split()).strip(_EDGES)
    if cleaned and cleaned != text:
        return clean_byline(cleaned)  # 作者：作者：张三
    if not cleaned or cleaned.lower() in _NO_WRITERS or len(cleaned) > MAX_SIGNATURE:
        return None
    return cleaned


def clean_editor(text: str) -> str | None:
    """Returns the persons in the value of an editor field, else the value without its label.

    >>> clean_editor("责任编辑：万健祎"), clean_editor("（责任编辑：DF398）")
    ('万健祎', 'DF398')
    """
    text = " ".join(text[: 4 * MAX_SIGNATURE].split())
    found = _read_signature(text)
    if not found and (picked := _pick_field(text, "editor")) != text:
        return clean_editor(picked)
    names = _joined(found.get("editor", ()))
    return names or _EDITOR_LABEL.sub("", text, count=1).strip(_EDGES + _BRACKETED) or None


def _pick_field(text: str, field: str) -> str:
    """Returns what a line of several labelled values says of one field, with its label.

    Without that label: what stands before the first of the others, without dates.

    >>> _pick_field("2026-06-03 18:26 来源：港城日报 作者：苏晚晴", "origin")
    '来源：港城日报'
    """
    labels = list(_FIELD_LABEL.finditer(text))
    for label in labels:
        if label.lastgroup == field:
            ends = (other for other in labels if other.start() > label.start())
            end = next((other.start() for other in ends if other.lastgroup != field), None)
            if not text[label.end() : end].strip(_EDGES + _BRACKETED):
                return ""
            return text[label.start() : end].strip(_EDGES + _BRACKETED)
    first = text[: labels[0].start()].strip(_EDGES + _BRACKETED) if labels else text
    bare = _DATE_AT_ENDS.sub("", first)
    return bare if bare == first else bare.strip(_EDGES)


def _signatures_in(line: str) -> Sequence[str]:
    """Returns what may be a signature in a line: all of it, its dateline, its last bracket."""
    if len(line) <= MAX_SIGNATURE:
        head = tail = line.strip()
    else:
        # Most lines end here: a paragraph signs in a bracket, or with 报道 before its text.
        head = line[: MAX_SIGNATURE + 10]
        if "（" not in head and "(" not in head and "报道" not in head:
            head = ""
        tail = line[-MAX_SIGNATURE - 5 :] if line[-1] in _CLOSED else ""
        if not head and not tail:
            return ()
    texts = []
    if head and _may_sign(head):
        if len(line) <= MAX_SIGNATURE and not _SENTENCE.search(head):
            texts.append(head)
        dateline = _DATELINE.match(head)
        if dateline:
            texts.append(dateline[1])
        else:
            part = _compile(_PART).match(head)
            if part and "报道" in (part["after"] or ""):
                texts.append(part[0])
    if tail and _may_sign(tail):
        bracket = _LAST_BRACKET.search(tail)
        if bracket:
            texts.append(bracket[1])
    return texts


def _may_sign(text: str) -> bool:
    for needle in _NEEDLES:
        if needle in text:
            return True
    return "文" in text and _SHORT.search(text) is not None


def _read_signature(text: str) -> dict[str, list[str]]:
    """Returns the names by role (writer, editor, other); nothing where a word is part of none."""
    source = _SOURCE.match(text)
    text = text.translate(_BRACKETS)
    found: dict[str, list[str]] = {}
    place = 0
    if source:
        label = _PART_LABEL.search(text, source.end())
        place = label.start() if label else len(text)
    while text[place:].strip():
        match = _compile(_PART).match(text, place)
        if match is None:
            return {}
        role = _ROLES[match["role"] or match["short"]]
        found.setdefault(role, []).extend(_compile(_NAME).findall(match["names"]))
        place = match.end()
    return found


def _joined(names: Iterable[str]) -> str | None:
    """Returns the names with one blank between, each once; short ones close up (唐　维)."""
    closed = (_SPREAD.sub("", name) for name in names)
    return " ".join(dict.fromkeys(closed)) or None
