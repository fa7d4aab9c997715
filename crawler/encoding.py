"""Bytes to text, by evidence, for feeds and pages alike.

Owns the choice of a charset and the decoding. Refuses to parse: all it knows of a document is where
the document says its charset.

Evidence, strongest first: a byte order mark; the zero bytes of UTF-16 and UTF-32; UTF-8 that
decodes (or nearly all of it does); what the HTTP header, then the document declare, weighed against
how the bytes read in the other East Asian charsets; GB18030. Labels are widened to what publishers
mean by them: gb2312 and gbk to GB18030, iso-8859-1 to windows-1252, as in the WHATWG Encoding
Standard, section 4.2. Nothing here raises: what cannot be decoded becomes U+FFFD and is counted.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["xml", "html", "json"]

# How far into a document a declaration is looked for. The WHATWG prescan reads 1,024 bytes; pages
# of Chinese portals put scripts before their meta element.
HEAD_BYTES = 16_384
# How many bytes are read in every candidate charset before one is chosen: some 2,000 characters,
# far more than the shares below need to differ, and 1 ms at most.
SAMPLE_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document as text.

    ``encoding`` is a Python codec name. ``guessed`` says that no sure sign and no believable
    declaration was found, so the choice may be wrong. ``replaced`` counts the characters U+FFFD
    that stand for bytes that could not be read.
    """

    text: str
    encoding: str
    guessed: bool
    replaced: int


@dataclass(frozen=True, slots=True)
class Charset:
    """A chosen charset: codec name, how many bytes of byte order mark to skip, and how sure.

    ``whole`` says that all bytes are known to be readable in it (never claimed but for UTF-8).
    """

    name: str
    skip: int = 0
    guessed: bool = False
    whole: bool = False


def decode_text(data: bytes, *, content_type: str | None = None, kind: Kind) -> Decoded:
    """The text of ``data``, without its byte order mark.

    ``content_type`` is the value of the HTTP header, ``kind`` says how the document itself would
    declare a charset: XML declaration, meta element (or XML declaration), not at all.

    >>> decode_text("涨停".encode("gbk"), content_type="text/xml; charset=gb2312", kind="xml").text
    '涨停'
    """
    if content_type and _HEADER_SAYS_UTF8.search(content_type) and _is_plainly_utf8(data):
        try:
            # The common page, at the cost of decoding it: no other evidence could outweigh this.
            return Decoded(data.decode(), "utf-8", guessed=False, replaced=0)
        except UnicodeDecodeError:
            pass
    return decode(data, find_charset(data, content_type=content_type, kind=kind))


def _is_plainly_utf8(data: bytes) -> bool:
    """Whether, if ``data`` can be read as UTF-8, it is nothing else: no mark, no zero bytes, and
    characters of three bytes, which other charsets do not form by chance."""
    return data[:1] not in _FIRST_OF_MARKS and b"\0" not in data and bool(_THREE_BYTES.search(data))


def decode(data: bytes, charset: Charset) -> Decoded:
    """The text of ``data`` in a charset that was found for it."""
    text = _decode(data[charset.skip :] if charset.skip else data, charset.name)
    replaced = 0
    if not charset.whole and "\ufffd" in text:
        own = data.count(b"\xef\xbf\xbd") if charset.name == "utf-8" else 0
        replaced = text.count("\ufffd") - own
    return Decoded(text, charset.name, charset.guessed, replaced)


def claims_utf8(data: bytes, *, content_type: str | None, kind: Kind) -> bool:
    """Whether nothing that a document says of itself speaks against UTF-8.

    For readers that check the bytes themselves and come back when they are not UTF-8.
    """
    head = data[:1024]
    return (
        b"\0" not in head
        and not head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        and {"utf-8"}.issuperset(declared_charsets(data, content_type=content_type, kind=kind))
    )


def find_charset(data: bytes, *, content_type: str | None, kind: Kind) -> Charset:
    """The charset of ``data``, by the order of evidence that the module describes."""
    if marked := _read_mark(data):
        return marked
    if wide := _find_wide(data):
        return Charset(wide)
    labels = declared_charsets(data, content_type=content_type, kind=kind)
    if data.isascii():
        # HZ and ISO-2022 write Chinese and Japanese in ASCII bytes, marked by ~{ and ESC.
        shifted = next((name for name in labels if name.startswith(_SHIFTED)), None)
        if shifted and (b"~{" in data or b"\x1b" in data):
            return Charset(shifted)
        return Charset("utf-8", whole=True)
    if is_utf8(data):
        return _doubt_utf8(data, labels)
    if damaged := _doubt_damaged_utf8(data, labels):
        return damaged
    return _weigh(data, [name for name in labels if name != "utf-8"])


def declared_charsets(data: bytes, *, content_type: str | None, kind: Kind) -> list[str]:
    """Codec names that the HTTP header, then the document name; unknown and impossible ones not.

    A document whose declaration could be read as ASCII is not in UTF-16 or UTF-32, so such labels
    are left out here: byte order marks and zero bytes were looked at before.
    """
    found: list[str] = []
    if content_type and (match := _HEADER_CHARSET.search(content_type)):
        found.append(match[1])
    head = data[:HEAD_BYTES]
    if kind != "json" and (declaration := _XML_CHARSET.search(head)):
        found.append(declaration[1].decode("ascii"))
    if kind == "html" and b"charset" in head.lower():
        first, *rest = head.split(b"<!--")
        seen = first + b"".join(part.partition(b"-->")[2] for part in rest)
        found.extend(meta[1].decode("ascii") for meta in _META_CHARSET.finditer(seen))
    names = dict.fromkeys(name for label in found if (name := _find_codec(label)))
    return [name for name in names if not name.startswith(("utf-16", "utf-32"))]


def is_utf8(data: bytes) -> bool:
    """Whether all of ``data`` is UTF-8; takes no memory beyond one block of it."""
    if len(data) <= _BLOCK:
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
        return True
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(data)
    try:
        for start in range(0, len(data), _BLOCK):
            decoder.decode(view[start : start + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


_BLOCK = 1 << 20

# Declarations are read by expression: they stand before anything that could be parsed. Each has a
# bounded run between its fixed parts, so none can run away.
_HEADER_SAYS_UTF8 = re.compile(r"charset\s*=\s*[\"']?utf-?8\b", re.IGNORECASE)
_FIRST_OF_MARKS = frozenset((b"\xef", b"\xff", b"\xfe", b"+", b"\x0e", b"\x84", b"\xdd"))
_HEADER_CHARSET = re.compile(
    r"charset\s{0,9}[=:]\s{0,9}[\"']?\s{0,9}([a-z0-9_.:+-]{1,40})", re.IGNORECASE
)
_XML_CHARSET = re.compile(
    rb"<\?xml[^>]{0,200}?\sencoding\s{0,9}=\s{0,9}[\"']?\s{0,9}([A-Za-z0-9_.:+-]{1,40})"
)
_META_CHARSET = re.compile(
    rb"<meta\s[^>]{0,500}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([a-z0-9_.:+-]{1,40})",
    re.IGNORECASE,
)

# What Python does not know by this name, or knows too narrowly. Python's gb2312 lacks characters
# that every "gb2312" page uses and maps the dash to U+2015; cp950 is what Windows writes as Big5.
_WIDENED = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "xgbk": "gb18030",
    "gb231280": "gb18030",
    "csgb2312": "gb18030",
    "cngb": "gb18030",
    "cp936": "gb18030",
    "windows936": "gb18030",
    "gb180302000": "gb18030",
    "gb180302005": "gb18030",
    "gb180302022": "gb18030",
    "big5": "cp950",
    "xxbig5": "cp950",
    "cnbig5": "cp950",
    "big5eten": "cp950",
    "big5hkscs": "cp950",
    "eucjp": "euc_jp",
    "xeucjp": "euc_jp",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "windows31j": "cp932",
    "euckr": "cp949",
    "windows949": "cp949",
    "ksc56011987": "cp949",
    "iso88591": "cp1252",
    "latin1": "cp1252",
    "usascii": "cp1252",
    "ascii": "cp1252",
    "iso88599": "cp1254",
    "tis620": "cp874",
    "iso885911": "cp874",
    "windows874": "cp874",
    "iso88598i": "iso8859-8",
    "unicode11utf8": "utf-8",
    "utf8mb4": "utf-8",
    "xmaccyrillic": "mac-cyrillic",
    "xcp1251": "cp1251",
}
# Codecs that turn bytes into prose. Python's table also holds rot13, punycode and its own escapes.
_PROSE = re.compile(
    r"utf-8|utf-(?:16|32)(?:-[bl]e)?|gb18030|gb2312|gbk|hz|big5|big5hkscs|cp\d+|euc_\w+|johab"
    r"|shift_jis\w*|iso2022_\w+|iso8859-\d+|koi8-\w|mac-\w+|tis-620|ptcp154|kz1048"
)
_SHIFTED = ("hz", "iso2022")


def _find_codec(label: str) -> str | None:
    """The codec a label means, None for an unknown label."""
    bare = re.sub(r"[^a-z0-9]", "", label.lower())
    if bare in _WIDENED:
        return _WIDENED[bare]
    try:
        name = codecs.lookup(label).name
    except LookupError:
        return None
    if not _PROSE.fullmatch(name):
        return None
    return _WIDENED.get(re.sub(r"[^a-z0-9]", "", name), name)


# --- byte order marks and zero bytes ---

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def _read_mark(data: bytes) -> Charset | None:
    for mark, name in _MARKS:
        if not data.startswith(mark):
            continue
        if name == "utf-8":
            # Some servers glue a marked template and a GBK database together: then it is no proof.
            rest = data[3:]
            if is_utf8(rest):
                return Charset(name, 3, whole=True)
            return Charset(name, 3) if _doubt_damaged_utf8(rest, ["utf-8"]) else None
        # Markup in two-byte units has zero bytes; without any it is chance.
        return Charset(name, len(mark)) if b"\0" in data[:HEAD_BYTES] else None
    return None


# A tag in UTF-16. The other zero bytes tell less: those of 一 (U+4E00) stand on the other side.
_LITTLE_TAG = re.compile(rb"(?<!\0)<\0[A-Za-z!?/]\0[A-Za-z-]\0")
_BIG_TAG = re.compile(rb"(?<!\0)\0<\0[A-Za-z!?/]\0[A-Za-z-]")


def _find_wide(data: bytes) -> str | None:
    """UTF-16 and UTF-32 without a mark, by where the zero bytes of ASCII markup stand."""
    head = data[:1024]
    if head.startswith(b"\x4c\x6f\xa7\x94"):
        return "cp037"  # "<?xm" in EBCDIC: XML 1.0, appendix F
    if b"\0" in head:
        if _LITTLE_TAG.search(head):
            return "utf-16-le"
        if _BIG_TAG.search(head):
            return "utf-16-be"
    if head.count(0) * 10 < len(head):
        return None
    zeros = [head[offset::4].count(0) for offset in range(4)]
    units = len(head) // 4
    if not units:
        return None
    wide = [count * 10 > units * 9 for count in zeros]
    if all(wide[:2]) and not wide[3]:
        return "utf-32-be"
    if all(wide[2:]) and not wide[0]:
        return "utf-32-le"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    if even > 4 * odd:
        return "utf-16-be"
    if odd > 4 * even:
        return "utf-16-le"
    return None


# --- UTF-8 ---

_THREE_BYTES = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2}")
_TWO_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]")


def _doubt_utf8(data: bytes, labels: list[str]) -> Charset:
    """UTF-8 for bytes that are UTF-8, unless they are as good in a declared East Asian charset.

    One or two GBK characters can happen to be two-byte UTF-8 (路 is); three-byte sequences that are
    right by chance, and all the others with them, are not seen beyond a word.
    """
    declared = next((name for name in labels if name in _CANDIDATES), None)
    if declared and not _THREE_BYTES.search(data) and _rate(_take_sample(data), declared) > 0.3:
        return Charset(declared, guessed=True)
    return Charset("utf-8", whole=True)


def _doubt_damaged_utf8(data: bytes, labels: list[str]) -> Charset | None:
    """UTF-8 for bytes most of which are: at least four characters for each bad place, or None.

    GBK, Big5 or windows-1252 text gives at most one good sequence in some ten bad ones.
    """
    for part in (_take_sample(data), data):  # the sample spares long GBK documents the second look
        good = len(_THREE_BYTES.findall(part)) + len(_TWO_BYTES.findall(part))
        text = part.decode("utf-8", "replace")
        bad = text.count("\ufffd")
        if good < bad:
            return None
    cut = text.endswith("\ufffd")  # a document that ends inside a character
    if not good or good < 4 * (bad - cut):
        return None
    return Charset("utf-8", guessed=bad > cut and "utf-8" not in labels)


# --- the other charsets, weighed against each other ---

# Guesses for undeclared text, in order of preference, and where the first level of characters (or
# the Korean syllables, or the kana and first kanji) stands: first bytes from, to, second bytes.
_HIGH = range(0xA1, 0xFF)
_EVERYDAY = {
    "gb18030": (0xB0, 0xD7, _HIGH),
    "cp950": (0xA4, 0xC6, (*range(0x40, 0x7F), *_HIGH)),
    "cp949": (0xB0, 0xC8, _HIGH),
    "cp932": (0x82, 0x97, (*range(0x40, 0x7F), *range(0x80, 0xFD))),
    "euc_jp": (0xA4, 0xCF, _HIGH),
}
_CANDIDATES = tuple(_EVERYDAY)

# The commonest signs of each script: read in its own charset about half of any running text is made
# of them, read in a wrong one about a twentieth.
_COMMON = frozenset(
    "，。、；：？！“”‘’（）《》【】「」『』…—·～％"
    # simplified Chinese
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年"
    "过发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心"
    "本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由"
    "问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世"
    "位次度门任常先海通教原东提立及比员解水名真论处走义各入几口认条平系气题活尔更别打四总何电数"
    "安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马"
    "科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北股券银债涨跌"
    "亿万元投融季版盘价额净增减央行宣布准备率释均案收购审监贸易汇预升降跟协沪深港持租贷款险税财"
    # traditional Chinese
    "這個們來為國說時會對過發後裡種經麼學現當沒動還進樣開從實軍無長機關點業將兩間問應戰頭體見"
    "產並話內門東員論處義幾認條氣題爾別總電數報結務場計區隊決馬書聽卻達強難權設記類據億萬銀漲"
    "證債價額淨減財經網訊與於調準備釋購審監貿匯預協滬貸險稅臺灣幣廠業績"
    # Japanese
    "あいうえおかがきくけこさしじすせそただちっつてでとどなにぬねのはばひふへほまみむめもやゆよら"
    "りるれろわをんアイウエオカキクコサシスタッテトナニノハフマムメラリルレロンーグジズデドバビブ"
    "プ円東証株値図価対済発会"
    # Korean
    "이다는의에가을를로하고은한지서도기자사니있인어아나라그리시정만부대해수것으일전주원과장들상보"
    "제경국조면소선여년며게까했된동공식스금세비성유무위신구및회업증권"
)


_HIRAGANA = re.compile(rb"\x82[\x9f-\xf1][\x00-\xff]{0,40}?\x82[\x9f-\xf1]")


def _weigh(data: bytes, labels: list[str]) -> Charset:
    """The charset for bytes that are not UTF-8, from what was declared and how they read."""
    sample = _take_sample(data)
    rates: dict[str, float] = {}

    def rate(name: str) -> float:
        if name not in rates:
            rates[name] = _rate(sample, name)
        return rates[name]

    paired = [name for name in labels if name in _CANDIDATES]
    single = [name for name in labels if name not in _CANDIDATES]
    declared = max(paired, key=rate, default="")
    if declared and rate(declared) > 0.5:
        return Charset(declared)
    bonus = {"gb18030": 0.03}
    if "cp932" not in labels and not _HIRAGANA.search(sample):
        bonus["cp932"] = -1.0  # Japanese has hiragana in every sentence; shifted Chinese has none
    best = max(_CANDIDATES, key=lambda name: rate(name) + bonus.get(name, 0.0))
    if declared and rate(declared) + 0.1 >= rate(best) > 0.2:
        return Charset(declared)
    if declared and rate(best) < 0.25 and not (single and rate(declared) < 0.2):
        return Charset(declared, guessed=rate(declared) < 0)
    isolated = _measure_runs(sample) < 1.7
    if rate(best) > (0.4 if single else 0.25) and not isolated:
        # A one-byte charset decodes anything, so a label like iso-8859-1 proves nothing against
        # bytes that read well as Chinese.
        return Charset(best, guessed=True)
    if single:
        return Charset(single[0])
    # Western text has its few accented letters between plain ones.
    western = isolated or rate("gb18030") < 0
    return Charset("cp1252" if western else "gb18030", guessed=True)


# Bytes below 0x30 and the angle brackets are never part of a character in these charsets, so words
# can be cut out at them.
_WORD = re.compile(rb"[\x80-\xff][^\x00-\x2f<=>?]{0,400}")
_WHOLE_WORD = re.compile(rb"[\x80-\xff][^\x00-\x2f<=>?]*")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")


def _take_sample(data: bytes) -> bytes:
    """Words of ``data`` that are not ASCII, up to SAMPLE_BYTES of them, in order."""
    words: list[bytes] = []
    size = 0
    for match in _WORD.finditer(data):
        words.append(match[0])
        size += len(match[0])
        if size > SAMPLE_BYTES:
            break
    return b" ".join(words)


def _rate(sample: bytes, name: str) -> float:
    """How well the sample reads in that charset: about 0.6 when right, 0.2 when wrong.

    Two thirds of it is the share of common signs; the rest, which alone helps with a lone headline,
    the share of characters in the charset's everyday part. Below 0 when a tenth or more of the
    characters cannot be read at all.
    """
    text = [char for char in sample.decode(name, "replace") if char > "\x7f"]
    if not text:
        return 0.0
    bad = text.count("\ufffd") / len(text)
    common = sum(map(_COMMON.__contains__, text)) / len(text)
    everyday = sum(map(_list_everyday(name).__contains__, text)) / len(text)
    return (2 * common + everyday) / 3 - (bad if bad < 0.1 else 1.0)


@cache
def _list_everyday(name: str) -> frozenset[str]:
    """The first level of the charset: what a newspaper uses, in one block of first bytes."""
    first, last, trails = _EVERYDAY[name]
    pairs = (bytes((lead, trail)) for lead in range(first, last + 1) for trail in trails)
    return frozenset(b"".join(pairs).decode(name, "ignore"))


def _measure_runs(sample: bytes) -> float:
    """The mean length of runs of high bytes: near 1 in Western text, 2 and more elsewhere."""
    runs = _HIGH_RUN.findall(sample)
    return sum(map(len, runs)) / len(runs) if runs else 0.0


# --- decoding that keeps damage local ---

# How many bytes of damaged words are aligned anew, at some 2 µs each; the rest of a document that
# is all damage is taken as it comes.
_REALIGNED_BYTES = 1 << 18
# What a reading costs: nothing for a common sign, the more the rarer, most for a byte that is lost.
_EVERYDAY_COST, _ASCII_COST, _RARE_COST, _LOST_COST = 0.2, 0.7, 1.2, 2.0


def _decode(data: bytes, name: str) -> str:
    if name in _CANDIDATES:
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            return _decode_damaged(data, name)
    # The five bytes that windows-1252 leaves open are C1 controls: WHATWG, section 4.2.
    return data.decode(name, "crawler.c1" if name == "cp1252" else "replace")


def _read_open_byte(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return chr(error.object[error.start]), error.start + 1


codecs.register_error("crawler.c1", _read_open_byte)


def _decode_damaged(data: bytes, name: str) -> str:
    """Text word by word, so that a lost byte spoils the word it is in and none after it."""
    pieces: list[str] = []
    position = 0
    left = _REALIGNED_BYTES
    for match in _WHOLE_WORD.finditer(data):
        pieces.append(data[position : match.start()].decode("ascii"))
        position = match.end()
        word = match[0]
        try:
            pieces.append(word.decode(name))
        except UnicodeDecodeError:
            left -= len(word)
            pieces.append(word.decode(name, "replace") if left < 0 else _realign(word, name))
    pieces.append(data[position:].decode("ascii"))
    return "".join(pieces)


def _realign(word: bytes, name: str) -> str:
    """The cheapest reading of damaged bytes, by dynamic programming over their positions.

    One lost byte makes pairs of all the wrong halves up to the next ASCII character, and most such
    pairs are characters, if rare ones; so the place where the pairs shift is where the reading gets
    cheaper by it.
    """
    costs = [0.0] + [1e9] * len(word)
    steps: list[tuple[int, str]] = [(0, "")] * (len(word) + 1)
    for start in range(len(word)):
        for size in (1, 2, 4):
            end = start + size
            if end > len(word):
                break
            char, cost = _read_char(word[start:end], name)
            if char and costs[start] + cost < costs[end]:
                costs[end] = costs[start] + cost
                steps[end] = (start, char)
    chars: list[str] = []
    end = len(word)
    while end:
        end, char = steps[end]
        chars.append(char)
    return "".join(reversed(chars))


def _read_char(data: bytes, name: str) -> tuple[str, float]:
    """The character that all of ``data`` is and what believing it costs; "" when it is none."""
    try:
        char = data.decode(name)
    except UnicodeDecodeError:
        char = ""
        if name == "cp950" and len(data) == 2:
            char = data.decode("big5hkscs", "ignore")
        elif name == "gb18030" and data == b"\x80":
            char = "€"  # as windows-936 and the WHATWG decoder have it
    if len(char) == 1:
        if char in _COMMON:
            return char, 0.0
        if char < "\x80":
            return char, _ASCII_COST  # a letter, or the second half of a pair
        return char, _EVERYDAY_COST if char in _list_everyday(name) else _RARE_COST
    return ("\ufffd", _LOST_COST) if len(data) == 1 else ("", 0.0)
