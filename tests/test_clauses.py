"""Near-duplicates: re-posts are found, look-alikes never are."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.article import FORMS, Article
from crawler.clauses import SAMPLED, Signature, is_near, share_of, sign, sign_text
from crawler.normalize import normalize
from crawler.posts import parse_post
from fixtures.near import BASES, make_look_alikes, make_reposts

SEEDS = Path(__file__).parents[2] / "shared" / "seeds"
SIBLINGS = sorted((Path(__file__).parents[1] / "fixtures" / "near" / "siblings").glob("*.txt"))


def sign_lines(text: tuple[str, list[str]]) -> Signature:
    return sign_text(text[0], "\n".join(text[1]))


def test_of_a_hundred_reposts_ninety_nine_are_found():
    reposts = list(make_reposts())
    missed = [name for name, one, other in reposts if not is_near(*map(sign_lines, (one, other)))]
    assert len(reposts) >= 200
    assert len(missed) * 100 <= len(reposts), missed


def test_no_look_alike_is_taken_for_a_repost():
    look_alikes = list(make_look_alikes())
    assert len(look_alikes) >= 200
    assert [
        name for name, one, other in look_alikes if is_near(*map(sign_lines, (one, other)))
    ] == []


def test_reposts_of_one_article_are_near_each_other():
    by_base: dict[str, list[Signature]] = {}
    for name, _, other in make_reposts():
        by_base.setdefault(name.partition(",")[0], []).append(sign_lines(other))
    pairs = [pair for family in by_base.values() for pair in combinations(family, 2)]
    missed = sum(not is_near(*pair) for pair in pairs)
    assert missed * 100 <= len(pairs)


def test_a_repost_shares_sampled_clauses():
    for name, one, other in make_reposts():
        samples = [sign_lines(text).sample() for text in (one, other)]
        assert all(0 < len(sample) <= 2 * SAMPLED for sample in samples)
        assert len({*samples[0]} & {*samples[1]}) >= (2 if len(samples[0]) >= 4 else 1), name


NOTICE = """{}公告，股东启明创投拟减持公司股份不超过412.6万股，即不超过公司总股本的2%。
减持原因为自身资金需要，股份来源为首次公开发行前取得的股份。
本次减持计划的实施不会导致公司控制权发生变更，不会对公司治理结构产生重大影响。"""


@pytest.mark.parametrize(
    "name", ["瑞丰高科", "瑞丰高科(300988.SZ)", "瑞丰高科（SZ300988）", "瑞丰高科6月15日晚间"]
)
def test_code_of_a_stock_is_no_number_that_differs(name):
    one = sign_text("瑞丰高科（300988）：股东拟减持", NOTICE.format("瑞丰高科（300988）"))
    assert is_near(one, sign_text("瑞丰高科遭股东减持", NOTICE.format(name)))


@pytest.mark.parametrize("path", SIBLINGS, ids=lambda path: path.stem)
def test_siblings_in_the_same_frame_are_no_reposts(path):
    title, *lines = path.read_text("utf-8").splitlines()
    assert not is_near(sign_lines(BASES[path.stem]), sign_lines((title, lines)))


def test_the_articles_themselves_are_all_different():
    assert not any(is_near(*map(sign_lines, pair)) for pair in combinations(BASES.values(), 2))


def test_near_is_symmetric():
    for make in (make_reposts, make_look_alikes):
        for name, one, other in make(7):
            signed = sign_lines(one), sign_lines(other)
            assert share_of(*signed) == share_of(*reversed(signed)), name


CLAUSE = st.sampled_from(
    ["沪指收涨0.5%", "沪指收跌0.5%", "公司营收增长三成", "公司营收增长四成", "成交放大", "甲公司公告称",
     "乙公司公告称", "上述议案已获股东大会审议通过", "项目将于明年建成投产", "记者从有关部门获悉"]
)  # fmt: skip
TEXT = st.lists(CLAUSE, max_size=12).map("，".join)


@settings(deadline=None)
@given(CLAUSE, TEXT, CLAUSE, TEXT)
def test_near_is_symmetric_whatever_the_clauses(title, text, other_title, other_text):
    signed = sign_text(title, text), sign_text(other_title, other_text)
    assert share_of(*signed) == share_of(*reversed(signed))
    share = share_of(signed[0], signed[0])
    assert share in (1.0, None)  # None: too little text to tell


SHARED = "公司董事会审议通过了上述议案，独立董事发表了同意的意见，相关事项尚需提交股东大会审议。"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("基金规模40亿元", "基金规模50亿元"),
        ("基金规模3.5亿元", "基金规模3.5万元"),
        ("同比下降四成", "同比下降五成"),
        ("公司三季度盈利", "公司四季度盈利"),
        ("项目一期已经投产", "项目二期已经投产"),
        ("会议定于6月3日召开", "会议定于6月4日召开"),
        ("股票代码为600519", "股票代码为600520"),
        ("价格较上周上涨", "价格较上周下跌"),
        ("主力资金净流入", "主力资金净流出"),
        ("利率上调25个基点", "利率下调25个基点"),
        ("公司上半年扭亏", "公司下半年扭亏"),
        ("会议在东区举行", "会议在西区举行"),
        ("甲公司持股比例为5%", "乙公司持股比例为5%"),
        ("增长40%，降本增长50%", "增长50%，降本增长50%"),
    ],
)
@pytest.mark.parametrize("around", ["{0}，" + SHARED, SHARED + "{0}。", SHARED + "{0}，" + SHARED])
def test_two_versions_of_one_clause(one, other, around):
    texts = [sign_text("公告", around.format(clause)) for clause in (one, other)]
    assert not is_near(*texts)
    assert is_near(texts[0], texts[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("项目总投资3亿元", "项目总投资3亿美元"),
        ("公司不存在应披露而未披露的信息", "公司存在应披露而未披露的信息"),
        ("申请已获受理", "申请未获受理"),
        ("新药临床试验宣告成功", "新药临床试验宣告失败"),
    ],
)
def test_clause_that_says_the_contrary(one, other):
    """Also in a text so long that a word of it may be another."""
    text = "".join(f"第{n}项议题由有关部门汇报了进展，与会代表发表了意见。" for n in range(15))
    assert not is_near(*(sign_text("公告", f"{text}{clause}。") for clause in (one, other)))


@pytest.mark.parametrize(
    ("titles", "near"),
    [
        (("江海股份2025年年报", "江海股份2024年年报"), False),
        (("沪指涨0.5%", "沪指跌0.5%"), False),
        (("系列报道之一", "系列报道之二"), False),
        (("江海新款11 64GB售5499元", "江海新款11：64GB售5499元"), True),
        (("江海股份公布年报", "重磅！江海股份年报来了"), True),
        (("江海股份净利增长5%", "江海股份净利增长近一成，分红12亿元"), True),
    ],
)
def test_titles_are_held_against_each_other(titles, near):
    body = f"江海股份公布年报。{SHARED}董事长表示，公司将聚焦主业，提升经营质量，回报全体股东。"
    assert is_near(*(sign_text(title, body) for title in titles)) is near


def test_name_that_begins_with_another_is_another():
    body = "{}发布暴雨黄色预警，预计未来六小时将出现强降水。" + SHARED
    names = "白江", "白江东港"
    assert not is_near(*(sign_text(f"{n}发布黄色预警", body.format(n)) for n in names))
    assert is_near(*(sign_text("白江发布黄色预警", body.format(n)) for n in names))


def test_numbers_that_only_one_side_has_do_not_count():
    one = f"{SHARED}董事长表示，公司将聚焦主业。"
    other = f"{SHARED}今年一季度，公司营收增长5%至12亿元。董事长表示，公司将聚焦主业。"
    assert is_near(sign_text("公告", one), sign_text("公告", other))


def test_a_stub_under_other_headlines_is_no_repost():
    stub = "本文为付费内容，请登录之后阅读全文，感谢您对本站一直以来的支持"
    assert not is_near(sign_text("沪指收涨", stub), sign_text("央行降准", stub))


def test_a_brief_is_found_under_any_headline():
    brief = "央行今日开展850亿元逆回购操作，因有620亿元逆回购到期，单日实现净投放230亿元。"
    assert is_near(sign_text("央行净投放230亿元", brief), sign_text("刚刚，利好来了", brief))


def test_an_article_that_quotes_a_brief_is_not_the_brief():
    title, lines = BASES["flash_loan"]
    assert not is_near(sign_lines((title, lines)), sign_lines((title, lines + BASES["funds"][1])))


@pytest.mark.parametrize(
    "line",
    [
        "中证网讯（记者 黄一灵）", "财联社6月3日电，", "格隆汇6月3日丨", "e公司讯，", "每经AI快讯，",
        "智通财经APP获悉，", "本报讯（记者 张三 通讯员 李四）", "据央视新闻消息，", "新华社北京6月3日电 ",
        "钛媒体App 6月3日消息，", "36氪获悉，", "据报道，",
    ],
)  # fmt: skip
def test_datelines_do_not_count(line):
    assert sign_text("", f"{line}沪指收涨，成交放大。") == sign_text("", "沪指收涨，成交放大。")


@pytest.mark.parametrize(
    "line",
    [
        "（文章来源：证券时报网）", "责任编辑：李四", "来源：江海网　作者：张三　2026-06-03",
        "免责声明：本文仅供参考。", "风险提示：股市有风险。", "证券时报记者 唐维", "发布时间：2026-06-03 10:20",
    ],
)  # fmt: skip
def test_credits_and_boilerplate_do_not_count(line):
    text = "沪指收涨，成交放大。"
    assert sign_text("", f"{line}\n{text}\n{line}") == sign_text("", text)


@pytest.mark.parametrize("line", ["中兴通讯（000063）公告，", "记者：您怎么看这一轮行情？"])
def test_what_only_looks_like_a_credit_counts(line):
    assert sign_text("", f"{line}沪指收涨。") != sign_text("", "沪指收涨。")


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_body_does_not_count(form):
    title, lines = BASES["policy"]
    article = Article(title=title, body="".join(f"<p>{line}</p>" for line in lines))
    clean = normalize(article, body=form)
    assert clean.form == form
    assert sign(clean) == sign_lines((title, lines))


@pytest.mark.skipif(not SEEDS.is_dir(), reason="../shared/seeds is not there")
def test_seeds_are_near_themselves_only():
    articles = [parse_post(path.read_bytes()).article for path in sorted(SEEDS.glob("*.txt"))]
    assert not any(is_near(sign(one), sign(other)) for one, other in combinations(articles, 2))
    for article in articles:
        retitled = replace(article, title=f"快讯：{article.title}")
        assert is_near(sign(article), sign(retitled))


@pytest.mark.parametrize(
    "text",
    ["长" * 200_000, "，".join(f"增长{n}%" for n in range(20_000)), "（" * 100_000, " " * 100_000 + "a",
     "【" * 50_000, "\ud800。" * 1000, "记者" * 50_000],
    ids=["no-stop", "numbers", "brackets", "blanks", "headlines", "surrogates", "credits"],
)  # fmt: skip
def test_hostile_texts_cost_no_more_than_their_length(text):
    signed = sign_text(text, text), sign_text("题", f"{SHARED}{text}尾，{SHARED}")
    for one in signed:
        assert len(one.sample()) <= 2 * SAMPLED
        for other in signed:
            share_of(one, other)
