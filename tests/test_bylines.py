"""Bylines: signatures are read, sentences that look like one are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.bylines import (
    Credits,
    clean_byline,
    clean_editor,
    clean_origin,
    is_credit_line,
    read_credits,
)

PARAGRAPH = (
    "本次调查显示，受访企业普遍认为融资环境有所改善，投资者和消费者的信心也在恢复，编制预算时更为积极。"
    "多位负责人表示，下半年将继续加大研发投入，并在合适的时候扩大产能，以满足不断增长的市场需求（见表）。"
)

WRITERS = {
    "house and name": ("证券时报记者 唐维", "唐维"),
    "wide blank": ("证券时报记者　唐维", "唐维"),
    "spread name": ("证券时报记者　唐　维", "唐维"),
    "glued": ("证券时报记者唐维", "唐维"),
    "house with Latin": ("证券时报e公司记者 张三", "张三"),
    "house ends in net": ("证券时报网记者 张三", "张三"),
    "bullet before": ("■ 本报记者 张三", "张三"),
    "dateline": ("中证网讯（记者 黄一灵）7月2日晚，交易所发布报告（节选）。", "黄一灵"),
    "dateline with a date": ("财联社7月2日讯（记者 张三）央行今日公告。", "张三"),
    "dateline with a place": ("新华社北京2月29日电（记者张三、李四）会议今日召开。", "张三 李四"),
    "dateline, blank before the bracket": ("人民网7月2日电 （记者张三）会议今日召开。", "张三"),
    "dateline outside brackets": ("本报讯 记者张三 通讯员李四", "张三 李四"),
    "dateline, work named": ("长江网10月4日讯（记者陈智 整合） 长假过半，热情不减。", "陈智"),
    "correspondent": ("本站讯（职工通讯员 李琴雯 刘会）为推进工作。", "李琴雯 刘会"),
    "two names": ("本报记者 张三 李四", "张三 李四"),
    "enumeration comma": ("新华社记者 张三、李四", "张三 李四"),
    "place and verb": ("记者 张三 北京报道", "张三"),
    "place like a name": ("本报记者 张三 武汉报道", "张三"),
    "place apart": ("本报记者 张三 武汉 报道", "张三"),
    "intern": ("21世纪经济报道记者 张三 实习生 李四 上海报道", "张三 李四"),
    "rank": ("见习记者 张三", "张三"),
    "before the text": (
        "本报记者 张三 李四 北京报道　近日，本报从有关部门获悉，计划已定。",
        "张三 李四",
    ),
    "label": ("作者：张三", "张三"),
    "slash": ("文/张三", "张三"),
    "upright stroke": ("文丨张三", "张三"),
    "house behind a slash": ("【文/观察者网专栏作者 王文】", "王文"),
    "label before a house": ("采写：南都见习记者 林子沛", "林子沛"),
    "in brackets": ("（记者张三、李四）", "张三 李四"),
    "at the end": ("情况总体良好。（记者张三、李四）", "张三 李四"),
    "text and pictures": ("展望未来，空间广阔。(文/图 刘玺东 易赛楠)", "刘玺东 易赛楠"),
    "compound family name": ("中国证券报记者 张三丰 欧阳修远", "张三丰 欧阳修远"),
    "minority name": ("记者 买买提·吐尔逊", "买买提·吐尔逊"),
    "Latin name": ("记者 John Smith 伦敦报道", "John Smith"),
    "once for each person": ("本报记者 张三 本报实习生 张三", "张三"),
}


@pytest.mark.parametrize(("line", "names"), WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("place", ["first", "last"])
def test_reporter_is_read_from_a_signature(line: str, names: str, place: str) -> None:
    body = [PARAGRAPH] * 20
    lines = [line, *body] if place == "first" else [*body, line]
    assert read_credits(lines) == Credits(byline=names)


OTHERS = {
    "reporter and editor": (
        "每经记者：张三 每经编辑：李四",
        Credits(byline="张三", editor="李四"),
    ),
    "reporter and editor, blanks": (
        "每经记者 张三    每经编辑 李四",
        Credits(byline="张三", editor="李四"),
    ),
    "strokes": ("文 | 张三 编辑 | 李四", Credits(byline="张三", editor="李四")),
    "editor": ("责任编辑：李四", Credits(editor="李四")),
    "editor, short": ("责编：薛艺磊", Credits(editor="薛艺磊")),
    "editor in brackets": ("（责任编辑：王五 HF001）", Credits(editor="王五")),
    "editor with a code": ("责任编辑：荀建国_NN7379", Credits(editor="荀建国")),
    "editor at the end": ("结果将于明日公布。（编辑：姚昊）", Credits(editor="姚昊")),
    "editor and proof-reader": ("编辑 刘晓阳 校对 李铭", Credits(editor="刘晓阳")),
    "source": ("文章来源：东方财富研究中心", Credits(origin="东方财富研究中心")),
    "source in brackets": ("（文章来源：证券时报网）", Credits(origin="证券时报网")),
    "source at the end": (f"{PARAGRAPH}（文章来源：证券时报网）", Credits(origin="证券时报网")),
    "paper and page": ("来源：证券时报 2026-09-24 A004版", Credits(origin="证券时报")),
    "half-width colon": ("来源:每日经济新闻", Credits(origin="每日经济新闻")),
    "this text's": ("本文来源：每日经济新闻", Credits(origin="每日经济新闻")),
    "all in one": (
        "来源：证券时报 作者：张三 责任编辑：李四",
        Credits(byline="张三", origin="证券时报", editor="李四"),
    ),
}


@pytest.mark.parametrize(("line", "expected"), OTHERS.values(), ids=OTHERS)
def test_source_and_editor_are_read(line: str, expected: Credits) -> None:
    assert read_credits([PARAGRAPH, line]) == expected


UNSIGNED = {
    "agency dateline": "人民财讯7月2日电，公司公告称，上半年净利润增长20%。",
    "question": "证券时报记者：您觉得当地市场还有哪些可进步的空间？",
    "question without a mark": "证券时报记者：面对改革这一历史机遇",
    "thanks": "记者：谢谢",
    "subject": "记者今天从新闻发布会上了解到，今年以来成效明显。",
    "verb": "记者获悉",
    "genre": "记者手记",
    "answering questions": "答记者问",
    "author described": "（作者系某大学教授）",
    "author in a sentence": "作者张三系某公司研究员",
    "department": "作者：医技药剂党支部",
    "office": "编辑部 张三",
    "picture": "图片来源：视觉中国",
    "data": "数据来源：同花顺",
    "nobody's": "来源：网络",
    "source in a sentence": "来源：据新华社报道，收入增长来源于主业。",
    "bracket of a name": "总体平稳。（张巨峰）",
    "nothing behind": "来源：",
}


@pytest.mark.parametrize("line", UNSIGNED.values(), ids=UNSIGNED)
def test_what_is_no_signature_names_nobody(line: str) -> None:
    assert read_credits([line, PARAGRAPH]) == Credits()


def test_signature_in_the_middle_of_a_long_text_is_not_looked_for() -> None:
    body = [PARAGRAPH] * 10
    assert read_credits([*body, "证券时报记者 唐维", *body]) == Credits()


def test_first_reporter_and_first_source_count() -> None:
    lines = ["本报记者 张三", "（文章来源：甲报）", PARAGRAPH, "本报记者 李四", "来源：乙报"]
    assert read_credits(lines) == Credits(byline="张三", origin="甲报")


def test_no_lines_name_nobody() -> None:
    assert read_credits([]) == Credits()


CREDIT_LINES = {
    "source": "文章来源：证券时报网",
    "source in brackets": "（文章来源：证券时报网）",
    "half-width": "(来源: 新华社)",
    "short": "来源：证券时报·e公司",
    "paper and page": "来源：证券时报 2026-09-24 A004版",
    "empty label": "来源：",
    "stroke": "来源｜证券时报",
    "editor": "责任编辑：张三",
    "editor's pen name": "责任编辑：棒棒不是糖",
    "editor in square brackets": "[责任编辑：刘斌]",
    "editor in lenses": "【编辑：姚昊】",
    "blanks around": "  　编辑：李四　",
    "proof-reader": "校对：刘威",
    "without colons": "编辑 刘晓阳 校对 李铭",
    "title": "原标题：这样的标题，您信吗？",
    "title in brackets": "（原标题：单项奖金100万美元，揭晓！）",
    "title, other words": "（原题为《新年伊始，谈了啥？》）",
}


@pytest.mark.parametrize("line", CREDIT_LINES.values(), ids=CREDIT_LINES)
def test_line_of_credits_is_one(line: str) -> None:
    assert is_credit_line(line)


TEXT_LINES = {
    "empty": "",
    "reporter": "证券时报记者 唐维",
    "sentence with a colon": "来源：据新华社报道，收入增长。",
    "sentence": "来源多样化是能源安全的关键",
    "sentence of editors": "编辑们认为：文章还可以更短。",
    "question to the editor": "编辑：这篇文章怎么改？",
    "picture": "图片来源：视觉中国",
    "data": "数据来源：同花顺",
    "cells of a table": "来源/渠道",
    "title in a sentence": "原标题党的做法已经行不通",
    "original in a sentence": "原题为难题所困",
    "long source": f"来源：{'证券时报' * 10}",
    "long": f"责任编辑：{PARAGRAPH}",
    "long title": f"原标题：{PARAGRAPH * 2}",
    "text in brackets": "（以下简称公司）",
    "editor who writes": "编辑 张三 记者 李四",
}


@pytest.mark.parametrize("line", TEXT_LINES.values(), ids=TEXT_LINES)
def test_line_of_text_is_no_credit_line(line: str) -> None:
    assert not is_credit_line(line)


ORIGINS = {
    "plain": ("证券时报网", "证券时报网"),
    "label": ("来源：证券时报网", "证券时报网"),
    "paper and page": ("来源：证券时报 2026-09-24 A004版", "证券时报"),
    "glued date": ("人民日报2021年6月4日03版", "人民日报"),
    "other label behind": ("来源：新华社 作者：张三", "新华社"),
    "comma before it": ("新华社，责任编辑：张三", "新华社"),
    "address behind": ("证券时报网（www.stcn.com）", "证券时报网"),
    "title marks": ("《证券时报》", "证券时报"),
    "bracket of the line": ("（来源：新华网）", "新华网"),
    "bracket of the name": ("新华网（北京）", "新华网（北京）"),
    "year in the name": ("21世纪经济报道", "21世纪经济报道"),
    "two houses": ("中国证券报·中证网", "中国证券报·中证网"),
    "label alone": ("来源：", None),
    "this site": ("来源:本站原创", None),
    "unknown": ("网络", None),
    "sentence": ("据" * 50, None),
}


@pytest.mark.parametrize(("text", "expected"), ORIGINS.values(), ids=ORIGINS)
def test_source_field_is_cleaned(text: str, expected: str | None) -> None:
    assert clean_origin(text) == expected


BYLINES = {
    "label": ("作者：张三、李四", "张三 李四"),
    "name": ("张三", "张三"),
    "spread name": ("张　三", "张三"),
    "names": ("张三 李四 王五", "张三 李四 王五"),
    "reporter": ("证券时报记者 唐维", "唐维"),
    "reporter at work": ("记者 张三 北京报道", "张三"),
    "house before": ("中国证券报·中证网 黄一灵", "黄一灵"),
    "house": ("证券时报网", "证券时报网"),
    "account": ("e公司官微", "e公司官微"),
    "RSS author": ("noreply@news.example (张三)", "张三"),
    "Latin": ("By John Smith", "John Smith"),
    "Latin, two": ("John Smith, Jane Doe", "John Smith Jane Doe"),
    "editor only": ("责任编辑：张三", None),
    "label alone": ("作者：", None),
    "unknown": ("作者：佚名", None),
    "administrator": ("Admin", None),
    "mail only": ("editor@news.example", None),
    "sentence": ("据" * 80, None),
}


@pytest.mark.parametrize(("text", "expected"), BYLINES.values(), ids=BYLINES)
def test_author_field_is_cleaned(text: str, expected: str | None) -> None:
    assert clean_byline(text) == expected


EDITORS = {
    "label and name": ("责任编辑：万健祎", "万健祎"),
    "code in brackets": ("（责任编辑：DF398）", "DF398"),
    "blank for a colon": ("（责编 某某社）", "某某社"),
    "label alone": ("责任编辑：", None),
}


@pytest.mark.parametrize(("text", "expected"), EDITORS.values(), ids=EDITORS)
def test_editor_field_is_cleaned(text: str, expected: str | None) -> None:
    assert clean_editor(text) == expected


pieces = st.sampled_from(
    [
        *(line for line, _ in (*WRITERS.values(), *OTHERS.values())),
        *"记者 作者 来源 编辑 责任编辑 文 图 报道 校对 原标题 讯 证券时报".split(),
        *"张三 李四 欧阳修远 John Al".split(),
        *" 　：:/|丨、，,（）()【】·_。\n",
    ]
)
texts = st.text(max_size=80) | st.lists(pieces, max_size=10).map("".join)


# What one element of a page says of all: publisher, author, editor.
META_LINES = {
    "date first": ("2026-06-03 18:26 来源：港城日报 作者：苏晚晴", "港城日报", "苏晚晴", None),
    "all four": (
        "2026年6月3日 18:26　来源：港城日报　作者：苏晚晴 何北辰　责任编辑：周知遥",
        "港城日报", "苏晚晴 何北辰", "周知遥",
    ),
    "author first": ("作者：苏晚晴 来源：港城日报 时间：2026-06-03", "港城日报", "苏晚晴", None),
    "bars": ("2026-06-03 10:00 | 来源：港城日报 | 阅读 1.2万", "港城日报", None, None),
    "brackets": ("【来源：港城日报】 【作者：苏晚晴】 【编辑：周知遥】", "港城日报", "苏晚晴", "周知遥"),
    "size and hits": ("字体：大 中 小 浏览：123 来源：港城日报", "港城日报", None, None),
    "blank label": ("2026-06-03 来源： 作者：苏晚晴", None, "苏晚晴", None),
    "date only": ("2026-06-03 10:00", None, None, None),
    "no labels": ("2026-06-03 10:00 港城日报", "港城日报", "港城日报", "港城日报"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "origin", "byline", "editor"), META_LINES.values(), ids=META_LINES
)
def test_line_of_several_labels_gives_each_field_its_own(
    text: str, origin: str | None, byline: str | None, editor: str | None
) -> None:
    assert (clean_origin(text), clean_byline(text), clean_editor(text)) == (origin, byline, editor)


@given(lines=st.lists(texts, max_size=18))
def test_any_lines_are_read(lines: list[str]) -> None:
    credits = read_credits(lines)
    for names in (credits.byline, credits.editor):
        assert names is None or (names and names == " ".join(names.split()))
    assert credits.origin is None or clean_origin(credits.origin) == credits.origin


@given(text=texts)
def test_cleaning_a_field_twice_changes_nothing(text: str) -> None:
    for clean in (clean_byline, clean_origin):
        once = clean(text)
        assert once is None or clean(once) == once


@given(text=texts)
def test_long_sentence_is_never_a_credit_line(text: str) -> None:
    assert not is_credit_line(f"{text}{PARAGRAPH}{PARAGRAPH}")
    assert not is_credit_line(f"责任编辑：{text}。")


CORPUS = Path(__file__).parents[2] / "shared" / "corpus" / "pages" / "zh"


@pytest.mark.skipif(not CORPUS.exists(), reason="the corpus is not beside the repository")
def test_reporters_of_the_corpus_are_never_wrong() -> None:
    truth = json.loads((CORPUS / "truth.json").read_text("utf-8"))
    read = {
        name: credits.byline.split()
        for name, page in truth.items()
        if (credits := read_credits(page["text"].split("\n"))).byline
    }
    known = {name: page["authors"] for name, page in truth.items() if page.get("authors")}
    assert len(read) >= 8
    assert {name: read[name] for name in read.keys() & known.keys()} == {
        name: known[name] for name in read.keys() & known.keys()
    }
