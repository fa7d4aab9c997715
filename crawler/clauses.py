"""Near-duplicates: which articles are one text published twice, with its credits, headline or
some paragraphs changed.

Pure. A text is compared clause by clause: whole clauses tell Chinese news apart where hashes over
characters do not (DESIGN, section 8). The hard part is not to find what is alike but to leave
look-alikes apart: last year's report, yesterday's market, the same notice of another company.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from zlib import crc32

from crawler.article import Article
from crawler.bylines import is_credit_line
from crawler.fingerprint import BULLET, fold
from crawler.images import pick_image
from crawler.markup import convert

SAMPLED = 6
"""Single clauses, and pairs of neighbours, by which a text is found again. Of two texts with half
of each in common fewer than two are the same once in 200 times. Pairs tell notices in one frame
apart; single clauses survive sentences put between them."""

_LONG_BYTES = 18  # UTF-8: six Chinese characters

_LEAST_SHARED = 20
"""Characters: below, two texts have too little in common to be called anything."""

_SHORT = 60
"""Characters shared: up to here it may be a stub (please log in) that stands under any title."""

_PART_OF_SHORTER, _PART_OF_LONGER = 0.6, 0.5
"""What must be shared, in characters. Two re-posts of one text, each without another fifth, share
three quarters; one with as much again added shares half of the longer. Unrelated news: 0.08."""

_SAME_CLAUSE = 0.6
"""From this likeness on (difflib's ratio) two clauses in one place are versions of one clause."""

_CLAUSES_A_SWAP = 20
"""One clause in so many may have a word changed."""

_MOST_PAIRS = 1000
"""Pairs of clauses that may be versions; two texts with more, where real ones have below 100, are
not near. Of a clause the first _COMPARED characters are held against another's."""
_COMPARED = 200
_LONGEST_TITLE = 200

# A full stop; in front of a digit it is a point.
_STOP = re.compile(r"\.(?![0-9])")
# Between the parts of a headline; not within an English one, nor in 3:0.
_TITLE_SPLIT = re.compile(r"(?<=[^a-zA-Z])\s+(?=[^a-zA-Z])|[:：](?![0-9])|(?<![0-9])[:：]|[_|｜丨]")
# A number with its unit (元 is left out as often as not, 美元 never), in digits or in Chinese, or a
# word that turns a sentence round.
_MARK = re.compile(
    r"(?:[0-9]+(?:[.:/-][0-9]+)*[%‰万亿千百]*|[一二三四五六七八九十百千万亿两零〇半]+)"
    r"(?:(?:美|港|欧|日|韩|澳|加|新台)[元币]|英镑|卢布|卢比)?"
    r"|同意|反对|通过|否决|批准|驳回|成功|失败|利好|利空|看好|看淡"
    r"|[涨跌升降增减高低多空买卖盈亏上下早午晚东南西北强弱正负胜败赢输进出入]"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:m|b|tr)illion|increas|decreas|ris[ei]|rose"
    r"|fall|fell|higher|lower|gain|lost|loss|profit"
)
# What takes back what a clause says, and what may stand beside it or in its place.
_NOT = re.compile(r"[不未无没非]")
_NOT_OR_SO = re.compile(r"[不未无没非有获已将会能]")
_HEADLINE = re.compile(r"\s*【([^【】]{2,80})】\s*")
# 中证网讯（记者 黄一灵）, 财联社6月3日电，, 格隆汇6月3日丨, 每经AI快讯，: one anchored expression,
# its parts bounded.
_DATELINE = re.compile(
    r"\s*(?:"
    r"据?(?:[^\s，。,；;：:（()）]{1,12}\s)?[^\s，。,；;：:（()）]{0,16}?"
    r"(?:报|网|社|刊|台|财经|新闻|数据|公司|客户端|财|快|专|日|APP)\s?(?:讯|电|消息|报道)"
    r"(?=[\s，,：:（(丨|｜])"
    r"|[^\s，。,；;：:（()）]{0,14}获悉(?=[，,：:])"
    r"|据[^\s，。,；;：:（()）]{0,12}(?:报道|消息)(?=[，,：:])"
    r"|[^\s，。,；;：:（()）]{2,8}?[0-9]{1,2}月[0-9]{1,2}日\s?(?=[丨|｜])"
    r")\s*(?:[（(][^（）()]{2,40}[）)])?[\s，,：:丨|｜]*"
)
_CREDIT_WORDS = re.compile(
    r"记者|来源|编辑|责编|作者|校对|撰文|通讯员|实习生|审核|出品|监制|撰稿|采写|供稿|转自|摄影|制图"
)
_BRACKET_WORDS = "记者 来源 编辑 责编 作者".split()
_CREDIT_BRACKET = re.compile(
    r"[（(【\[][^（）()【】\[\]]{0,30}?(?:记者|来源|编辑|责编|作者)[^（）()【】\[\]]{0,40}[）)】\]]"
)
# （600123）, (300123.SZ), (SH600123), (00123.HK) beside a company's name: one site has it, another
# has the date of the notice in its place.
_STOCK_CODE = re.compile(
    r"[（(](?:(?:SH|SZ|BJ)?[:：.]?[0-9]{6}(?:\.(?:SH|SZ|BJ))?|HK[:：.]?[0-9]{5}|[0-9]{5}\.HK)[)）]",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[。！？!?；;]")
_NAMED_LENGTH = 40  # characters of a line that signs
# Lines that belong to the site, not to the text.
_BOILERPLATE = re.compile(
    r"[\s（(【\[*※★●■◆▲>]*(?:(?:免责|郑重|特别|重要|版权|法律)?声明|免责条款|版权(?:所有|归)|"
    r"风险提示|(?:特别|温馨|友情)提示|提示[:：]|未经.{0,12}(?:授权|许可|允许)|转载请?(?:注明|须|联系)|"
    r"本文(?:仅|不|系|由|转自|首发|来自|内容)|文中(?:观点|内容)|以上(?:内容|观点|信息)|"
    r"(?:投资者?|股市|市场)(?:据此|有风险)|据此(?:操作|投资)|(?:扫|长按|识别).{0,8}(?:码|图)|"
    r"(?:点击|下载|关注|欢迎).{0,16}(?:查看|阅读|下载|客户端|公众号|APP|app|关注|订阅)|"
    r"(?:更多|相关|延伸|推荐)(?:精彩|阅读|新闻|报道|内容|资讯)|"
    r"(?:发布|发稿|更新|出版)?(?:时间|日期)\s*[:：]|(?:联系|咨询|举报|热线|投稿|客服)?"
    r"(?:电话|邮箱|热线|微信)\s*[:：]|(?:阅读|浏览|点击|评论)(?:量|数|次数)?\s*[:：(（]|"
    r"责任编辑|责编|编辑\s*[:：]|分享到|海量资讯|举报)"
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What of an article is compared: folded clauses, in order, of its title and of its text.

    Credit lines, datelines and what sites add to every article are left out.
    """

    title: tuple[str, ...]
    clauses: tuple[str, ...]

    def sample(self) -> list[int]:
        """Gives at most twice SAMPLED numbers of 30 bits, the same ones of every text that has
        the same clauses.

        Long clauses are taken rather than short ones, which many texts share.
        """
        if not self.clauses:
            return []
        clauses = "\n".join(self.clauses).encode("utf-8", "replace").split(b"\n")
        longer = [clause for clause in clauses if len(clause) >= _LONG_BYTES]
        if len(longer) >= 4:
            clauses = longer
        sizes = [len(clause) or 1 for clause in clauses]
        numbers = [crc32(clause) >> 2 for clause in clauses]
        singles = {number // size: number for number, size in zip(numbers, sizes, strict=True)}
        pairs = {
            (pair := one ^ other >> 1) // (size + next_size): pair
            for one, other, size, next_size in zip(
                numbers, numbers[1:], sizes, sizes[1:], strict=False
            )
        }
        sample = {singles[key] for key in sorted(singles)[:SAMPLED]}
        return sorted(sample.union(pairs[key] for key in sorted(pairs)[:SAMPLED]))


def sign(article: Article) -> Signature:
    """Gives the signature of an article as the archive keeps it, in whatever form its body is."""
    if article.form == "text":
        return sign_text(article.title, article.body)
    text = convert(
        article.body,
        origin=article.form,
        form="text",
        pick_image=partial(pick_image, base_url=article.canonical_url),
    ).text
    return sign_text(article.title, text)


def sign_text(title: str, text: str) -> Signature:
    """Gives the signature of a title and the visible text below it.

    >>> text = "财联社6月3日电，沪指收涨0.5%，成交1234亿元。\\n（来源：财联社）"
    >>> sign_text("快讯", text).clauses
    ('沪指收涨0.5%', '成交1234亿元')
    """
    lines = [line.removeprefix(BULLET) for line in text.split("\n") if line and _is_text(line)]
    if lines:
        headline = _HEADLINE.match(lines[0])
        if headline:
            title = f"{title}\n{headline[1]}"
            lines[0] = lines[0][headline.end() :]
    for index, line in enumerate(lines[:2]):
        dateline = _DATELINE.match(line)
        if dateline:
            lines[index] = line[dateline.end() :]
    whole = "。".join(lines)
    if any(word in whole for word in _BRACKET_WORDS):
        whole = _CREDIT_BRACKET.sub("。", whole)
    title, whole = _STOCK_CODE.sub("", title), _STOCK_CODE.sub("", whole)
    return Signature(_split(_TITLE_SPLIT.sub("。", title[:_LONGEST_TITLE])), _split(whole))


def _is_text(line: str) -> bool:
    if _BOILERPLATE.match(line) or is_credit_line(line):
        return False
    return not (
        len(line) <= _NAMED_LENGTH
        and _CREDIT_WORDS.search(line)
        and not _SENTENCE_END.search(line)
        and "，" not in line
    )


def _split(text: str) -> tuple[str, ...]:
    folded = fold(text)
    if "." in folded:
        folded = _STOP.sub("。", folded)
    for sign in ",!?;":
        folded = folded.replace(sign, "。")
    return tuple([clause for clause in folded.replace("—", "").split("。") if clause])


def is_near(one: Signature, other: Signature) -> bool:
    """Tells whether two articles are one text published twice; the same in both directions.

    They are when

    * they share most of their text, clause by clause: 60 % of the shorter, half of the longer;
    * no clause that stands in the same place of both (behind or before the same shared clause) is
      there in two versions that differ in a number, in digits or in Chinese, or in a word that
      turns it round (涨 and 跌, or 不). What only one of them says may hold any number. Titles are
      held against each other in the same way;
    * hardly any clause is there in two versions that differ in other words, and no two of them in
      the same words: that is a name put in the place of another;
    * there is no place where each has a name of its own title that is nowhere in the other;
    * a text so short that it may be a stub has numbers, or to do with both titles.
    """
    return share_of(one, other) is not None


def share_of(one: Signature, other: Signature) -> float | None:
    """Gives what part of the longer of two near texts they share; None when they are not near."""
    counts = Counter(one.clauses), Counter(other.clauses)
    common = counts[0] & counts[1]
    shared = _weigh(common)
    shorter, longer = sorted(map(_weigh, counts))
    if shared < _LEAST_SHARED:
        return None
    if shared < _PART_OF_SHORTER * shorter or shared < _PART_OF_LONGER * longer:
        return None
    if _titles_differ(one, other):
        return None
    if shared < _SHORT and _may_be_stub(one, other, common):
        return None
    pairs = _pair_clauses(one.clauses, other.clauses, common)
    if len(pairs) > _MOST_PAIRS or _names_differ(one, other, pairs):
        return None
    if _versions_differ(one, other, pairs, clauses=sum(common.values())):
        return None
    return shared / longer


def _weigh(clauses: Counter[str]) -> int:
    return sum(len(clause) * count for clause, count in clauses.items())


# ---------------------------------------------------------------------------------- versions


def _fold_marks(clause: str) -> str:
    return _MARK.sub("#", clause)


def _marks_differ(one: str, other: str) -> bool:
    """Tells whether each has a number, or a turning word, that the other has not."""
    marks = Counter(_MARK.findall(one)), Counter(_MARK.findall(other))
    return bool(marks[0] - marks[1]) and bool(marks[1] - marks[0])


def _is_taken_back(one: str, other: str) -> bool:
    """Tells whether the two say the same, but one of them that it is not so."""
    nots = len(_NOT.findall(one)), len(_NOT.findall(other))
    return nots[0] != nots[1] and _NOT_OR_SO.sub("", one) == _NOT_OR_SO.sub("", other)


def _titles_differ(one: Signature, other: Signature) -> bool:
    """Tells whether a clause of the titles is there in two versions by number.

    Headlines are rewritten, so only those count that are the same but for their numbers.
    """
    titles = set(one.title), set(other.title)
    own = {_fold_marks(clause) for clause in titles[0] - titles[1]}
    return any(_fold_marks(clause) in own for clause in titles[1] - titles[0])


def _versions_differ(
    one: Signature, other: Signature, pairs: Iterable[tuple[str, str]], *, clauses: int
) -> bool:
    """Tells whether versions of a clause differ in a number, or too many of them in other words.

    ``clauses`` is how many the two share.
    """
    swaps: Counter[tuple[str, str]] = Counter()
    put_in: set[tuple[str, str]] = set()  # what only one has; in its title too, it is a name
    for left, right in pairs:
        folded = _fold_marks(left), _fold_marks(right)
        if folded[0] == folded[1] or _are_alike(*folded):
            if _marks_differ(left, right) or _is_taken_back(left, right):
                return True
            swap = _find_swap(left, right)
            if all(swap):
                swaps[swap] += 1
            else:
                put_in.add(swap)
    if len(swaps) * _CLAUSES_A_SWAP > clauses:
        return True
    for left, right in zip(one.title, other.title, strict=False):
        if left != right and _are_alike(left, right):
            swap = _find_swap(left, right)
            if swap in put_in:
                return True
            swaps[swap] += 1
    return any(count > 1 for swap, count in swaps.items() if all(swap))


def _are_alike(one: str, other: str) -> bool:
    one, other = sorted(
        (one[:_COMPARED], other[:_COMPARED])
    )  # difflib's ratio depends on the order
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.quick_ratio() >= _SAME_CLAUSE and matcher.ratio() >= _SAME_CLAUSE


def _find_swap(one: str, other: str) -> tuple[str, str]:
    """Gives what stands in the one and in the other between what both begin and end with."""
    shorter = min(len(one), len(other))
    head = next((n for n in range(shorter) if one[n] != other[n]), shorter)
    rest = shorter - head
    tail = next((n for n in range(rest) if one[-1 - n] != other[-1 - n]), rest)
    return one[head : len(one) - tail], other[head : len(other) - tail]


def _pair_clauses(
    one: Sequence[str], other: Sequence[str], common: Counter[str]
) -> Collection[tuple[str, str]]:
    """Gives the pairs of clauses that may be versions of each other, each once; of too many, those
    with which they become too many.

    They stand behind, or before, the same clause that both texts share, and at least one of the
    two is not shared itself (as often as it stands there).
    """
    places = _place_clauses(one, common), _place_clauses(other, common)
    pairs: dict[tuple[str, str], None] = {}
    for place, clauses in places[0].items():
        for left in clauses:
            pairs |= {(left, right): None for right in places[1].get(place, ()) if left != right}
            if len(pairs) > _MOST_PAIRS:
                return pairs
    return pairs


def _place_clauses(
    clauses: Sequence[str], common: Counter[str]
) -> dict[tuple[str, str], list[str]]:
    """Gives the clauses that are not shared by the shared clause before and the one behind them."""
    counts = Counter(clauses)
    own = [counts[clause] > common[clause] for clause in clauses]
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for side, step in (("behind", 1), ("before", -1)):
        anchor = ""
        for index in range(len(clauses))[::step]:
            clause = clauses[index]
            if own[index]:
                places[side, anchor].append(clause)
            if common[clause]:
                anchor = clause
    return places


# ------------------------------------------------------------------------------------- names


def _names_differ(one: Signature, other: Signature, pairs: Iterable[tuple[str, str]]) -> bool:
    """Tells whether the two have, in one place, each something of its own title that is nowhere
    in the other.

    Notices of two companies differ in little else. A new headline is not enough: its words are
    not those of the text, or are in the text of both.
    """
    own = _find_own(one.title, other), _find_own(other.title, one)
    return bool(own[0] and own[1]) and any(
        any(name in left for name in own[0]) and any(name in right for name in own[1])
        for left, right in pairs
    )


def fit_titles(titles: Iterable[str], text: Signature) -> list[float]:
    """Gives what part of each headline another article has, in its own or in its text, by two
    characters. Costs little beside ``share_of``."""
    whole = "\n".join((*text.title, *text.clauses))
    folded = [_parts_of([fold(title)], 2) for title in titles]
    return [sum(part in whole for part in parts) / (len(parts) or 1) for parts in folded]


def _find_own(title: Iterable[str], other: Signature) -> list[str]:
    """Gives what of a title is nowhere in the other article, by three characters."""
    text = "\n".join((*other.title, *other.clauses))
    return [part for part in _parts_of(title, 3) if part not in text]


def _may_be_stub(one: Signature, other: Signature, common: Counter[str]) -> bool:
    if sum(any(map(str.isdigit, clause)) for clause in common) > 1:
        return False
    return not (_is_about(one, other) and _is_about(other, one))


def _is_about(one: Signature, other: Signature) -> bool:
    """Tells whether the title of the one has to do with the texts, or with the other title."""
    text = "\n".join((*one.clauses, *other.title))
    parts = _parts_of(one.title, 2)
    return 4 * sum(part in text for part in parts) >= len(parts)


def _parts_of(title: Iterable[str], length: int) -> set[str]:
    """Gives all parts of a title's clauses that have so many characters."""
    return {clause[n : n + length] for clause in title for n in range(len(clause) - length + 1)}
