"""Charsets by evidence: honest labels, lies, none at all, damage. Feeds and pages alike."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.encoding import Decoded, declared_charsets, decode_text

SIMPLIFIED = (
    "江海港务周二公布，一季度货物吞吐量同比增长10.2%，集装箱增长较快。公司表示，全年目标不变——"
    "“稳中有进”；分析人士认为，航线调整已经完成，股价有望企稳。"
)
TRADITIONAL = (
    "江海港務週二公布，一季度貨物吞吐量同比增長10.2%，集裝箱增長較快。公司表示，全年目標不變；"
    "分析師認為，航線調整已經完成，股價有望回穩。"
)
RARE = "南岭铜业拟发行㙍转债，镕基𠮷😀。"
JAPANESE = "港湾会社は火曜日、第一四半期の貨物取扱量が前年同期より10%増えたと発表した。"
KOREAN = "항만 회사는 화요일 일분기 화물 처리량이 작년보다 10% 늘었다고 발표했다."
RUSSIAN = "Порт сообщил во вторник, что грузооборот вырос на десять процентов."
FRENCH = "Le port a publié mardi ses résultats ; l’activité a légèrement progressé."

# text, charset of the bytes, label (None: none); all are read exactly, by every transport.
CASES = {
    "utf-8": (SIMPLIFIED, "utf-8", "utf-8"),
    "utf-8 undeclared": (SIMPLIFIED, "utf-8", None),
    "utf-8 labelled gbk": (SIMPLIFIED, "utf-8", "gbk"),
    "utf-8 labelled big5": (TRADITIONAL, "utf-8", "big5"),
    "utf-8 labelled iso-8859-1": (SIMPLIFIED, "utf-8", "iso-8859-1"),
    "utf-8 French labelled gbk": (FRENCH, "utf-8", "gbk"),
    "utf-8 with mark labelled gb2312": (SIMPLIFIED, "utf-8-sig", "gb2312"),
    "gb18030": (SIMPLIFIED + RARE, "gb18030", "gb18030"),
    "gb18030 labelled gb2312": (SIMPLIFIED + RARE, "gb18030", "gb2312"),
    "gb18030 labelled x-gbk": (SIMPLIFIED + RARE, "gb18030", "x-gbk"),
    "gb18030 undeclared": (SIMPLIFIED, "gb18030", None),
    "gbk labelled utf-8": (SIMPLIFIED, "gbk", "utf-8"),
    "gbk labelled iso-8859-1": (SIMPLIFIED, "gbk", "iso-8859-1"),
    "gbk labelled big5": (SIMPLIFIED, "gbk", "big5"),
    "gbk labelled with nonsense": (SIMPLIFIED, "gbk", "rot13"),
    "big5": (TRADITIONAL, "big5", "big5"),
    "big5 undeclared": (TRADITIONAL, "big5", None),
    "big5 labelled gb2312": (TRADITIONAL, "big5", "gb2312"),
    "big5 of Hong Kong": (TRADITIONAL + "啲嘅", "big5hkscs", "big5-hkscs"),
    "utf-16 with mark": (SIMPLIFIED, "utf-16", "utf-16"),
    "utf-16-le undeclared": (SIMPLIFIED, "utf-16-le", None),
    "utf-16-be labelled utf-8": (SIMPLIFIED, "utf-16-be", "utf-8"),
    "utf-32-le undeclared": (SIMPLIFIED, "utf-32-le", None),
    "shift_jis": (JAPANESE, "cp932", "shift_jis"),
    "euc-jp undeclared": (JAPANESE, "euc_jp", None),
    "iso-2022-jp": (JAPANESE, "iso2022_jp", "iso-2022-jp"),
    "euc-kr": (KOREAN, "cp949", "euc-kr"),
    "euc-kr undeclared": (KOREAN, "cp949", None),
    "windows-1251": (RUSSIAN, "cp1251", "windows-1251"),
    "koi8-r": (RUSSIAN, "koi8-r", "koi8-r"),
    "windows-1252": (FRENCH, "cp1252", "windows-1252"),
    "windows-1252 labelled iso-8859-1": (FRENCH, "cp1252", "iso-8859-1"),
    "windows-1252 undeclared": (FRENCH, "cp1252", None),
    "hz": (SIMPLIFIED.replace("—", ""), "hz", "hz-gb-2312"),
}
TRANSPORTS = ("header", "document", "both")
KINDS = ("xml", "html")


def build(text: str, label: str | None, kind: str) -> str:
    if kind == "html":
        meta = f'<meta charset="{label}">' if label else ""
        return (
            f"<!DOCTYPE html><html><head>{meta}<title>{text[:9]}</title></head><p>{text}</p></html>"
        )
    encoding = f' encoding="{label}"' if label else ""
    return f'<?xml version="1.0"{encoding}?><rss><channel><title>{text}</title></channel></rss>'


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("case", CASES)
def test_text_is_read_exactly(case, transport, kind):
    text, codec, label = CASES[case]
    document = build(text, label if transport != "header" else None, kind)
    header = (
        f"text/{kind}; charset={label}" if label and transport != "document" else f"text/{kind}"
    )
    found = decode_text(document.encode(codec), content_type=header, kind=kind)
    assert found.text == document
    assert found.replaced == 0


@pytest.mark.parametrize("codec", ["gb18030", "big5", "euc_jp", "cp949"])
def test_one_headline_is_enough_to_tell_undeclared_charsets_apart(codec):
    text = {"gb18030": "央行宣布下调准备金率", "big5": "央行宣布調降準備率", "euc_jp": "日銀が金利を据え置く",
            "cp949": "한국은행 기준금리 동결"}[codec]  # fmt: skip
    document = build(text, None, "xml")
    assert decode_text(document.encode(codec), kind="xml").text == document


GUESSES = {
    "declared": (build(SIMPLIFIED, "gb2312", "xml").encode("gbk"), False),
    "utf-8 needs no label": (build(SIMPLIFIED, None, "xml").encode(), False),
    "utf-8 against the label": (build(SIMPLIFIED, "gbk", "xml").encode(), False),
    "plain ASCII": (b"<rss/>", False),
    "undeclared": (build(SIMPLIFIED, None, "xml").encode("gbk"), True),
    "against the label": (build(SIMPLIFIED, "utf-8", "xml").encode("gbk"), True),
    "Western without a label": (build(FRENCH, None, "xml").encode("cp1252"), True),
}


@pytest.mark.parametrize("case", GUESSES)
def test_a_guess_that_may_be_wrong_is_told(case):
    data, guessed = GUESSES[case]
    assert decode_text(data, kind="xml").guessed is guessed


LABELS = {
    "header": (b"", "text/xml;charset=GB2312", "xml", ["gb18030"]),
    "quoted header": (b"", 'text/html; charset="Big5"', "html", ["cp950"]),
    "header before document": (
        b'<?xml version="1.0" encoding="utf-8"?>', "text/xml; charset=koi8-r", "xml", ["koi8-r", "utf-8"],
    ),
    "declaration in single quotes": (b"<?xml version='1.0' encoding='GBK'?>", None, "xml", ["gb18030"]),
    "old meta": (
        b'<META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=gb2312">', None, "html", ["gb18030"],
    ),
    "bare meta": (b"<meta charset=gbk>", None, "html", ["gb18030"]),
    "meta in a comment": (b"<!-- <meta charset=big5> --><meta charset=gbk>", None, "html", ["gb18030"]),
    "meta in a feed does not count": (b"<rss><meta charset=big5>", None, "xml", []),
    "json declares nothing": (b'{"a":"<meta charset=big5>"}', None, "json", []),
    "unknown": (b"", "text/html; charset=x-unknown", "html", []),
    "not for prose": (b"", "text/html; charset=base64", "html", []),
    "readable bytes are not UTF-16": (b"<meta charset=utf-16>", None, "html", []),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_declared_charsets(case):
    data, header, kind, expected = LABELS[case]
    assert declared_charsets(data, content_type=header, kind=kind) == expected


DAMAGES = {
    "a byte that is never used": lambda data, place: data[:place] + b"\xff" + data[place:],
    "a byte lost": lambda data, place: data[:place] + data[place + 1 :],
    "a byte changed": lambda data, place: data[:place] + b"\x80" + data[place + 1 :],
    "a blank for a byte": lambda data, place: data[:place] + b" " + data[place + 1 :],
}


@pytest.mark.parametrize(
    ("codec", "text"), [("utf-8", SIMPLIFIED), ("gb18030", SIMPLIFIED), ("big5", TRADITIONAL)]
)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_stays_within_four_characters(damage, codec, text):
    document = build(text, codec, "xml")
    data = document.encode(codec)
    start = data.index("江".encode(codec))
    for place in range(start, start + 90):
        if data[place] < 0x80:
            continue
        found = decode_text(DAMAGES[damage](data, place), kind="xml")
        assert found.encoding == ("cp950" if codec == "big5" else codec)
        matcher = difflib.SequenceMatcher(None, document, found.text, autojunk=False)
        for tag, first, last, *_ in matcher.get_opcodes():
            assert tag == "equal" or last - first <= 4


def test_damage_is_counted():
    data = build(SIMPLIFIED, "utf-8", "xml").encode().replace("港".encode(), b"\xff", 1)
    found = decode_text(data, kind="xml")
    assert (found.encoding, found.guessed, found.replaced) == ("utf-8", False, 1)


def test_replacement_characters_of_the_document_itself_are_no_damage():
    text = build("标题\ufffd一", "utf-8", "xml")
    assert decode_text(text.encode(), kind="xml") == Decoded(text, "utf-8", False, 0)


def test_document_cut_inside_a_character_is_still_utf_8():
    data = build(SIMPLIFIED, None, "xml").encode()
    cut = data[: data.index("港".encode()) + 2]
    found = decode_text(cut, kind="xml")
    assert (found.encoding, found.guessed, found.replaced) == ("utf-8", False, 1)


def test_gbk_has_its_euro_sign():
    data = "报价".encode("gbk") + b"\x80" + "三百一十二万，比上年增长".encode("gbk")
    assert decode_text(data, content_type="text/html; charset=gbk", kind="html").text == (
        "报价€三百一十二万，比上年增长"
    )


def test_declaration_after_long_scripts_is_found():
    page = b"<html><head><script>" + b"x" * 9000 + b"</script><meta charset=big5>"
    data = page + TRADITIONAL.encode("big5")
    assert decode_text(data, kind="html").encoding == "cp950"


@given(st.binary(max_size=300), st.sampled_from(["xml", "html", "json"]), st.text(max_size=30))
@example(b"\xff\xfe", "xml", "")
@example(b"\x00\x00\x00<", "xml", "charset=utf-32")
@example(b"\xef\xbb\xbf\xff", "html", "charset=hz")
@settings(deadline=None)
def test_any_bytes_give_text_without_surrogates(data, kind, header):
    found = decode_text(data, content_type=header, kind=kind)
    assert found.text.encode("utf-8", "strict").decode() == found.text
    assert found.replaced >= 0


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
@settings(deadline=None)
def test_declared_utf_8_is_read_as_it_was_written(text):
    data = text.encode()
    assert decode_text(data, content_type="text/xml; charset=utf-8", kind="xml").text == text


def test_a_lost_byte_does_not_turn_chinese_into_japanese() -> None:
    text = "证券时报记者近日从江海市获悉，该市上半年新增上市公司十一家，直接融资规模连续两年超过六百亿元。"
    data = f"<p>{text}</p>".encode("gb18030")
    for place in range(3, len(data) - 4):
        damaged = data[:place] + data[place + 1 :]
        for content_type in (None, "text/html; charset=utf-8"):
            decoded = decode_text(damaged, content_type=content_type, kind="html")
            assert decoded.encoding == "gb18030", place


@pytest.mark.parametrize("text", ["市民嘅生活好多", "佢哋喺度講嘢，香港市民嘅生活好多"])
def test_big5_with_the_signs_of_hong_kong_is_believed(text: str) -> None:
    decoded = decode_text(text.encode("big5hkscs"), content_type="a/b; charset=big5", kind="xml")
    assert decoded.text == text
