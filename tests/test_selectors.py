"""Selectors: one subset, two engines that agree on it, and trees that cost what they should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import NewsError
from crawler.selectors import (
    LexborTree,
    Selector,
    SelectorError,
    compile_selector,
    find_excess,
    parse_tree,
    read_image,
)

PAGE = """<!DOCTYPE html><html><head><title>页名 &amp; 站名</title>
<meta property="og:image" content="/cover.png"><style>p{}</style></head><body>
<header><h1>  沪指<em>收涨</em>　1.5%
 成交放量 </h1></header>
<div class="info"><span>来源：江渚晚报</span><span>作者：林疏影</span><span> 09:56 </span></div>
<div id="ContentBody" class="txtinfos main">
 <p>第一段<br>换行</p><script>var hidden = 1;</script><p class="x">第二段</p>
 <ul><li><a href="/a?x=1&amp;y=2" title="全题">一</a></li><li><a href="b.html">二</a></li></ul>
 <div class="ad">广告<p>广告内文</p></div>
 <img src="spacer.gif" data-original="real.jpg"><founder-content>方正</founder-content>
</div><p class="empty"> </p><p class="empty">后来</p></body></html>"""
XPATH = compile_selector("/html")  # its presence moves a rule to lxml


@pytest.fixture(params=["lexbor", "lxml"])
def tree(request):
    return parse_tree(PAGE, [XPATH] if request.param == "lxml" else [])


# ---------------------------------------------------------------------------- what they give

CSS_VALUES = {
    "an element means its text": ("title", ["页名 & 站名"]),
    "white space is squeezed, U+3000 stays": ("h1", ["沪指收涨　1.5% 成交放量"]),
    "::text": ("h1::text", ["沪指收涨　1.5% 成交放量"]),
    "a blank before ::text": ("h1 ::text", ["沪指收涨　1.5% 成交放量"]),
    "a line break is a blank": ("#ContentBody > p:first-child", ["第一段 换行"]),
    "a block begins and ends with a blank": (".ad", ["广告 广告内文"]),
    "scripts are not seen": ("#ContentBody > p, #ContentBody > script", ["第一段 换行", "var hidden = 1;", "第二段"]),
    "::attr()": ("li a::attr(href)", ["/a?x=1&y=2", "b.html"]),
    "::attr() with blanks": ("li a::attr( title )", ["全题"]),
    "an attribute nobody has": ("li a::attr(data-x)", []),
    "group in document order": ("#ContentBody .x, h1", ["沪指收涨　1.5% 成交放量", "第二段"]),
    "an element that fits twice counts once": ("#ContentBody .x, p.x", ["第二段"]),
    "empty texts are left out": ("p.empty", ["后来"]),
    "last-child": (".info span:last-child", ["09:56"]),
    "nth-of-type": (".info span:nth-of-type(2)", ["作者：林疏影"]),
    "child and sibling": ("p + p.x", []),
    "attribute begins": ("meta[property^='og:']::attr(content)", ["/cover.png"]),
    "has": ("li:has(a[title])", ["一"]),
    "is": ("p:is(.x, .y)", ["第二段"]),
    "not": ("li a:not([title])", ["二"]),
    "custom element": ("founder-content", ["方正"]),
    "no match": ("table td", []),
}  # fmt: skip


@pytest.mark.parametrize(("selector", "values"), CSS_VALUES.values(), ids=CSS_VALUES.keys())
def test_css_gives_the_same_values_on_both_engines(tree, selector, values):
    compiled = compile_selector(selector)
    assert tree.find_all(compiled) == values
    assert tree.find(compiled) == (values[0] if values else "")


XPATH_VALUES = {
    "element": ("//h1", ["沪指收涨　1.5% 成交放量"]),
    "attribute": ("//li/a/@href", ["/a?x=1&y=2", "b.html"]),
    "texts": ("//div[@class='info']/span/text()", ["来源：江渚晚报", "作者：林疏影", "09:56"]),
    "string": ("(substring-after(//div[@class='info']/span[2], '：'))", ["林疏影"]),
    "number": ("(count(//li))", ["2"]),
    "no number": ("(number('x'))", []),
    "truth is no value": ("(1 = 1)", []),
    "no match": ("//table", []),
}


@pytest.mark.parametrize(("selector", "values"), XPATH_VALUES.values(), ids=XPATH_VALUES.keys())
def test_xpath_values(selector, values):
    compiled = compile_selector(selector)
    assert parse_tree(PAGE, [compiled]).find_all(compiled) == values


def test_fields_are_looked_for_under_the_row(tree):
    rows = tree.select(compile_selector("li"))
    assert [tree.find(compile_selector("a"), row) for row in rows] == ["一", "二"]
    links = tree.select(compile_selector("li a"))
    assert [tree.find(compile_selector("::attr(href)"), link) for link in links] == [
        "/a?x=1&y=2",
        "b.html",
    ]
    assert tree.find(compile_selector("::text"), rows[1]) == "二"
    assert tree.find(compile_selector("a"), links[0]) == "一", "an element is under itself"


def test_xpath_under_a_row_begins_with_a_dot():
    inner, whole = compile_selector("./a/@href"), compile_selector("//a/@href")
    tree = parse_tree(PAGE, [inner])
    second = tree.select(compile_selector("//li"))[1]
    assert tree.find_all(inner, second) == ["b.html"]
    assert tree.find_all(whole, second) == ["/a?x=1&y=2", "b.html"]


def test_html_outer_and_inner(tree):
    [element] = tree.select(compile_selector("li:has([title])"))
    link = '<a href="/a?x=1&amp;y=2" title="全题">一</a>'
    assert tree.html(element) == f"<li>{link}</li>"
    assert tree.html(element, inner=True) == link


def test_html_leaves_out_the_text_behind_the_element():
    for selectors in ([], [XPATH]):
        tree = parse_tree("<p><b>1 &lt; 2</b>尾</p>", selectors)
        [bold] = tree.select(compile_selector("b"))
        assert tree.html(bold) == "<b>1 &lt; 2</b>"
        assert tree.html(bold, inner=True) == "1 &lt; 2"


def test_drop_takes_out_what_is_inside_and_keeps_the_text_around(tree):
    [body] = tree.select(compile_selector("#ContentBody"))
    drop = [compile_selector(text) for text in ("script", ".ad, .ad p", "div", "h1", "::text")]
    tree.drop(drop, body)
    html = tree.html(body)
    assert "hidden" not in html
    assert "广告" not in html
    assert "方正" in html
    assert tree.html(body).startswith('<div id="ContentBody"'), "never the element itself"
    tree.drop([compile_selector("br")], body)
    assert tree.read(body, "").startswith("第一段换行")


def test_drop_by_xpath_never_takes_the_element_or_what_holds_it():
    everything = compile_selector("//*")
    tree = parse_tree(PAGE, [everything])
    [body] = tree.select(compile_selector("#ContentBody"))
    tree.drop([everything], body)
    assert tree.html(body).startswith('<div id="ContentBody" class="txtinfos main">')
    assert not tree.select(compile_selector("p"), body)


def test_outermost_nodes_hold_no_others(tree):
    nodes = tree.select(compile_selector("#ContentBody, ul, li, .info, a, p.empty"))
    kept = [tree.read(node, "class") for node in tree.outermost(nodes)]
    assert kept == ["info", "txtinfos main", "empty", "empty"]


SHOWN = {
    "text": ("<div>字</div>", True),
    "an image": ("<div><p><img></p></div>", True),
    "nothing": ("<div> <p>&nbsp;　</p></div>", False),
    "only a script": ("<div><script>x</script><style>y</style></div>", False),
    "only a comment": ("<div><!-- x --></div>", False),
    "text behind a script": ("<div><script>x</script>字</div>", True),
    "text deep inside": ("<div>" * 300 + "字" + "</div>" * 300, True),
}


@pytest.mark.parametrize(("html", "shown"), SHOWN.values(), ids=SHOWN.keys())
@pytest.mark.parametrize("engine", ["lexbor", "lxml"])
def test_shows(html, shown, engine):
    tree = parse_tree(html, [XPATH] if engine == "lxml" else [])
    assert tree.shows(tree.select(compile_selector("div"))[0]) is shown


IMAGES = {
    "lazy": ('<img src="s.gif" data-original="r.jpg">', "r.jpg"),
    "lazy, other attribute": ('<img src="s.gif" data-src="r.jpg">', "r.jpg"),
    "plain": ('<img src=" r.jpg ">', "r.jpg"),
    "meta": ('<meta content="r.jpg">', "r.jpg"),
    "none": ('<img alt="r.jpg">', ""),
    "empty": ('<img src="">', ""),
}


@pytest.mark.parametrize(("html", "url"), IMAGES.values(), ids=IMAGES.keys())
def test_read_image(html, url):
    tree = LexborTree(html)
    assert read_image(tree, tree.select(compile_selector("img, meta"))[0]) == url


# ------------------------------------------------------------------------ what is no selector

WRONG = {
    "empty": "",
    "open bracket": "div[",
    "unknown pseudo-class": "li:first",
    "child of nothing": "> a",
    "two endings": "a::text::text",
    "an ending inside a group": "h1::text, h2::text",
    "attr without a name": "a::attr()",
    "another pseudo-element": "p::before",
    "unquoted number": "a[x=1]",
    "function outside of brackets": "string(//h1)",
    "open XPath": "//div[",
    "unknown XPath function": "//div[has-class('x')]",
    "unknown prefix": "//media:content",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_read_says_what_was_found_and_expected(text):
    with pytest.raises(SelectorError) as caught:
        compile_selector(text)
    assert str(caught.value).startswith(f"found {text!r}, expected ")
    assert isinstance(caught.value, NewsError)


def test_css_that_cannot_run_beside_xpath_is_told_before_it_runs():
    group = compile_selector("p:not(.a, .b)")
    assert parse_tree(PAGE, [group]).find(group) == "第一段 换行"
    with pytest.raises(SelectorError, match="beside XPath"):
        parse_tree(PAGE, [group, XPATH])


def test_compiled_once():
    assert compile_selector("div.a::attr(href)") is compile_selector("div.a::attr(href)")
    assert compile_selector("div.a::attr(href)") == Selector("div.a::attr(href)", "div.a", "href")


@given(
    st.text(max_size=40)
    | st.from_regex(r"(//?|\.//|\()?[a-z*.#@\[\]()':=/, >~]{0,30}(::[a-z()]{0,9})?")
)
def test_any_text_is_a_selector_or_an_error(text):
    try:
        compiled = compile_selector(text)
    except SelectorError:
        return
    parse_tree(PAGE, [compiled] if compiled.xpath else []).find_all(compiled)


# ------------------------------------------------------------------------------------ bounds

HOSTILE = {
    "deep (NEWS_MAX_DEPTH)": ("<div>" * 100_000, "elements nested more than 1000 deep (NEWS_MAX_DEPTH)"),
    "deep, upper case": ("<DIV>" * 100_000, "elements nested more than 1000 deep (NEWS_MAX_DEPTH)"),
    "deep, closed again": ("<x>" * 40_000 + "</x>" * 40_000, "elements nested more than 1000 deep (NEWS_MAX_DEPTH)"),
    "many attributes": (
        "<p " + " ".join(f"a{n}='{n}'" for n in range(20_000)) + ">",
        "more than 2000 attributes in one element (NEWS_MAX_ATTRIBUTES)",
    ),
    "open formatting repeated": (
        "<p>" + "".join(f"<font x{n}>" for n in range(1_000)) + "</p>" + "<p>x</p>" * 5_000,
        "too many formatting elements left open",
    ),
    "long (NEWS_MAX_PAGE)": (
        "<p>" + "x" * 8_000_000,
        "a page of 8000003 characters, more than 8000000 (NEWS_MAX_PAGE)",
    ),
    "many tags (NEWS_MAX_PAGE)": (
        "<p>" * 200_001,
        "a page of 200001 tags, more than 200000 (NEWS_MAX_PAGE)",
    ),
    "many bodies": (
        "".join(f"<body a{n}=1>" for n in range(20_000)),
        "more than 100 html or body elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("html", "reason"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_would_take_a_parser_too_long_is_named(html, reason):
    assert find_excess(html) == reason


HARMLESS = {
    "empty": "",
    "one long attribute": "<p class='" + "a " * 500_000 + "'>x",
    "one attribute many times": "<p " + "a=1 " * 100_000 + ">x",
    "unclosed paragraphs": "<p>x<br>" * 50_000,
    "unclosed items": "<ul>" + "<li>x" * 50_000,
    "many closed elements": "<div><b class=x>x</b></div>" * 20_000,
    "a script of comparisons": "<script>" + "if(a<b){c>d}" * 20_000 + "</script>",
    "unclosed bold": "<p><b>x</p>" * 2_000,
}


@pytest.mark.parametrize("html", HARMLESS.values(), ids=HARMLESS.keys())
def test_long_but_ordinary_documents_are_parsed(html):
    assert find_excess(html) is None


@pytest.mark.parametrize("engine", ["lexbor", "lxml"])
@given(text=st.text(alphabet="<>/abp=\"' &;#x!-\0\ud800字", max_size=200))
def test_any_text_is_a_tree(engine, text):
    tree = parse_tree(text, [XPATH] if engine == "lxml" else [])
    for node in tree.select(compile_selector("*")):
        assert tree.read(node, "") == tree.read(node, "").strip()
        tree.html(node).encode()
    assert len(tree.outermost(tree.select(compile_selector("*")))) <= 1
