"""What a reader sees of a body, in all three forms, whatever the markup was."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from html import escape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from crawler.article import FORMS, Form
from crawler.markup import Converted, convert, to_text
from crawler.markup.blocks import INDENT, tidy_lines
from crawler.markup.flat import flatten
from crawler.markup.html import ALLOWED_ATTRIBUTES, ALLOWED_TAGS
from crawler.markup.links import ALLOWED_SCHEMES, clean_link, plain_src
from crawler.markup.tame import rewrite
from crawler.markup.text import render_text
from crawler.markup.walk import Walker, is_structured, read_style
from crawler.posts import escape_body
from fixtures.attacks import list_vectors

SEEDS = Path(__file__).parent.parent.parent / "shared" / "seeds"
COMMONMARK = MarkdownIt("commonmark").enable("table")
NAIVE = MarkdownIt("commonmark").enable("table")  # as most renderers: any address will do
NAIVE.validateLink = lambda url: True
GFM = MarkdownIt("gfm-like", {"linkify": False})


def text_of(html: str, **options: object) -> str:
    return convert(html, origin="html", form="text", **options).body  # type: ignore[arg-type]


def markdown_of(html: str) -> str:
    return convert(html, origin="html", form="markdown").body


def html_of(html: str) -> str:
    return convert(html, origin="html", form="html").body


def read_by_tree(html: str, *, lined: bool | None = None) -> tuple[str, list[str]]:
    lined = not is_structured(html) if lined is None else lined
    walker = Walker(rich=False, lined=lined, base_url=None, pick_image=plain_src)
    walker.walk(html)
    return render_text(walker.blocks), list(walker.images)


def squeeze(text: str) -> str:
    """What is left without any white space or invisible character."""
    return re.sub(
        rf"[\s{re.escape(INDENT)}\x00-\x1f\x7f-\x9f\xad\u202a-\u202e\u2066-\u2069\ufffc]", "", text
    )


TEXTS = [
    ("paragraphs", "<p>甲</p><p>乙</p>", "甲\n\n乙"),
    ("paragraphs without end tags", "<p>甲<p>乙", "甲\n\n乙"),
    ("text beside blocks", "甲<div>乙</div>丙", "甲\n\n乙\n\n丙"),
    ("stray end tag of a paragraph", "甲</p>乙", "甲\n\n乙"),
    ("stray end tag of a division", "甲</div>乙", "甲乙"),
    ("break", "<p>甲<br>乙</p>", "甲\n乙"),
    ("two breaks", "甲<br><br>乙", "甲\n\n乙"),
    ("two breaks around indentation", "甲<br>&nbsp;　<br/>乙", "甲\n\n乙"),
    ("breaks at the edges", "<p><br>甲<br></p>", "甲"),
    ("break in a mark", "<p><b>甲<br></b>乙</p>", "甲\n乙"),
    ("upper case", "<P>甲<BR>乙</P>", "甲\n乙"),
    (
        "indentation",
        "<p>　　甲</p><p>&nbsp;&nbsp;乙&emsp;</p><p>\u200b丙\ufeff</p>",
        "甲\n\n乙\n\n丙",
    ),
    ("indentation after a break", "甲<br>　　乙", "甲\n乙"),
    ("ideographic blank inside a line", "<p>甲　乙</p>", "甲　乙"),
    ("no-break blanks inside a line", "<p>甲&nbsp;&nbsp;乙</p>", "甲 乙"),
    ("white space collapses", "<p>a \n\t <b> b</b>\n</p>", "a b"),
    ("empty paragraphs", "<p></p><p>&nbsp;</p><p>　　</p><p><br></p><p>甲</p>", "甲"),
    ("entities decoded once", "<p>&amp;lt; &lt;b&gt; &#x4e2d; &ldquo;</p>", "&lt; <b> 中 “"),
    ("entities parted by a tag", "<p>&am<b>p;lt;</b></p>", "&amp;lt;"),
    ("angle bracket in text", "<p>1 < 2 & 3 > 2</p>", "1 < 2 & 3 > 2"),
    ("angle bracket before a tag", "<<b>p></b>", "<p>"),
    ("unknown tags", "<p><o:p>甲</o:p><founder-content>乙</founder-content></p>", "甲乙"),
    ("tagless lines", "甲\n\n  乙 &amp; 丙\r\n丁", "甲\n\n乙 & 丙\n\n丁"),
    ("lines with inline tags", "甲<b>乙\n丙</b>", "甲乙\n\n丙"),
    ("lines in a paragraph", "<p>a\nb</p>", "a b"),
    ("bullets", "<ul><li>甲</li><li>乙</li></ul>", "• 甲\n• 乙"),
    ("bullets with paragraphs", "<ul><li><p>甲</p></li><li><p>乙</p></li></ul>", "• 甲\n• 乙"),
    ("item of two paragraphs", "<ul><li>甲<p>乙</p><li>丙</ul>", "• 甲\n\n乙\n\n• 丙"),
    ("numbers", "<ol><li>甲<li>乙</ol>", "1. 甲\n2. 乙"),
    ("numbers from a start", "<ol start=3><li>甲<li value=9>乙<li>丙</ol>", "3. 甲\n9. 乙\n10. 丙"),
    ("unreadable number", "<ol start=x><li value=-2>甲</ol>", "1. 甲"),
    ("nested list", "<ul><li>甲<ol><li>乙</ol><li>丙</ul>", "• 甲\n  1. 乙\n• 丙"),
    ("list right in a list", "<ul><li>甲</li><ul><li>乙</li></ul></ul>", "• 甲\n  • 乙"),
    ("item without a list", "<li>甲</li><li>乙</li>", "• 甲\n• 乙"),
    ("two lists", "<ul><li>甲</ul><ul><li>乙</ul>", "• 甲\n\n• 乙"),
    ("empty item", "<ol><li></li><li>甲</li></ol>", "2. 甲"),
    ("list beside text", "甲<ul><li>乙</ul>丙", "甲\n\n• 乙\n\n丙"),
    ("definitions", "<dl><dt>甲<dd>乙</dl>", "甲\n\n乙"),
    ("table", "<table><tr><th>甲<th>乙<tr><td>1<td>2</table>", "甲\t乙\n1\t2"),
    ("empty cells", "<table><tr><td><td>甲<td><td>乙<tr><td>丙<td></table>", "甲\t\t乙\n丙"),
    ("blocks in cells", "<table><tr><td><p>甲<p>乙<td>丙<br>丁</table>", "甲 乙\t丙 丁"),
    ("caption", "<table><caption>甲</caption><tr><td>1<td>2</table>", "甲\n\n1\t2"),
    ("layout table of one column", "<table><tr><td><p>甲<p>乙<tr><td>丙</table>", "甲\n\n乙\n\n丙"),
    ("layout table with a list", "<table><tr><td><ul><li>甲</ul><td>乙</table>", "• 甲\n\n乙"),
    ("table in a layout table", "<table><tr><td><table><tr><td>1<td>2</table></table>", "1\t2"),
    ("headings and quotes", "<h1>甲</h1><blockquote>乙<p>丙</blockquote>", "甲\n\n乙\n\n丙"),
    ("caption of a figure", "<figure><img src=x><figcaption>甲</figcaption></figure>", "甲"),
    ("rule", "甲<hr>乙", "甲\n\n乙"),
    ("code keeps lines and blanks", "<pre>\na\n  b  c\n\n\n\td \n</pre>", "a\n  b  c\n\n\td"),
    ("breaks and blocks in code", "<pre>a<br>b<div>c</div>d</pre>", "a\nb\nc\nd"),
    ("no-break blanks in code", "<pre>a\n&nbsp;&nbsp;b</pre>", "a\n  b"),
    ("inline code", "<p>a <code> b </code>c</p>", "a b c"),
    ("xmp shows tags", "甲<xmp><b>a</b></xmp>乙", "甲\n\n<b>a</b>\n\n乙"),
    ("plaintext shows tags", "甲<plaintext></p>", "甲\n\n</p>"),
    ("ruby", "<ruby>漢<rp>（</rp><rt>かん</rt><rp>）</rp></ruby>字", "漢(かん)字"),
    ("quotation", "<p><q>甲</q></p>", "“甲”"),
    ("invisible break points", "<p>a<wbr>b&shy;c</p>", "abc"),
    ("formula keeps text", "<math><mi>x</mi><mo>=</mo><mn>1</mn></math>", "x=1"),
    ("labels and buttons keep text", "<label>甲</label><button>乙</button>", "甲乙"),
    ("stand-ins for objects", "<p>a\ufffcb&#65532;</p>", "ab"),
    ("stand-ins in code", "<pre>a\ufffcb&#xfffc;</pre>", "ab"),
    ("stand-ins in a table", "<table><tr><td>a\ufffcb</table>", "ab"),
    ("stand-ins in a line", "a\ufffcb", "ab"),
    ("direction overrides and controls", "<p>a\u202eb\u2066c&#1;d\x7fe\ufffef</p>", "abcdef"),
    ("lone surrogate", "<p>a\ud800b</p>", "ab"),
    ("joined emoji", "<p>👨\u200d👩\u200d👧</p>", "👨\u200d👩\u200d👧"),
    ("line separator", "<p>a\u2028b</p>", "a b"),
    (
        "whole document",
        "<!DOCTYPE html><html><head><title>x</title></head><body>甲</body></html>",
        "甲",
    ),
    ("frames", "<frameset><frame src=x></frameset><noframes>x</noframes>甲", "甲"),
    ("style shown as block", "<span style='display: block'>甲</span>乙", "甲\n\n乙"),
    ("strong shown as block", "<strong style='display:block'>甲</strong>乙", "甲\n\n乙"),
    ("nothing", "", ""),
    ("only markup", "<div><p><br></p><hr></div>", ""),
]


@pytest.mark.parametrize(
    ("html", "text"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS]
)
def test_text_holds_paragraphs_as_the_reader_saw_them(html: str, text: str) -> None:
    assert text_of(html) == text


@pytest.mark.parametrize(
    "hidden",
    [
        "<script>x</script>",
        "<style>x</style>",
        "<template>x</template>",
        "<!-- x -->",
        "<?x ?>",
        "<svg><text>x</text></svg>",
        "<iframe>x</iframe>",
        "<object>x</object>",
        "<video>x</video>",
        "<audio>x</audio>",
        "<canvas>x</canvas>",
        "<noscript>x</noscript>",
        "<noembed>x</noembed>",
        "<textarea>x</textarea>",
        "<select><option>x</select>",
        "<datalist><option>x</datalist>",
        "<title>x</title>",
        "<dialog>x</dialog>",
        "<p hidden>x</p>",
        "<p HIDDEN=''>x</p>",
        "<p style='display:none'>x</p>",
        "<p style='color: red; DISPLAY : None !important'>x</p>",
        "<p style='display:/* */none'>x</p>",
        "<p style='display&#58;none'>x</p>",
        "<div style='display:none'><p style='display:block'>x</p></div>",
        "<span style='visibility: hidden'>x</span>",
        "<span style='font-size:0'>x</span>",
        "<span style='font-size: 0.0px'>x</span>",
        "<math><annotation>x</annotation></math>",
    ],
)
def test_what_nobody_sees_is_gone(hidden: str) -> None:
    assert text_of(f"<p>甲</p>{hidden}<p>乙</p>") == "甲\n\n乙"
    assert html_of(f"<p>甲</p>{hidden}<p>乙</p>") == "<p>甲</p>\n<p>乙</p>"


@pytest.mark.parametrize(
    "shown",
    [
        "<p aria-hidden=true>x</p>",
        "<p style='display:none;display:block'>x</p>",
        "<p style='opacity:0'>x</p>",
        "<p style='font-size:large'>x</p>",
        "<p style='font-size:0.5em'>x</p>",
        "<div style='font-size:0'><p>x</p></div>",
        "<div id=js_content style='visibility:hidden'>x</div>",
        "<details><summary>x</summary></details>",
        "<dialog open>x</dialog>",
        "<p data-style='display:none'>x</p>",
    ],
)
def test_what_a_page_may_still_show_stays(shown: str) -> None:
    assert text_of(shown) == "x"


MARKDOWN = [
    ("heading", "<h2>甲 #</h2>", "## 甲 \\#"),
    ("break in a heading", "<h2>甲<br>乙</h2>", "## 甲<br>乙"),
    ("break", "甲<br>乙", "甲\\\n乙"),
    (
        "marks",
        "<p>a <b>b</b> <i>c</i> <s>d</s> H<sub>2</sub>O</p>",
        "a **b** *c* <del>d</del> H<sub>2</sub>O",
    ),
    ("blanks stand outside of marks", "<p>a<b> b </b>c</p>", "a **b** c"),
    ("neighbouring equal marks", "<p><b>甲</b><strong>乙</strong></p>", "**甲乙**"),
    ("empty marks", "<p>甲<b></b><i> </i>乙</p>", "甲 乙"),
    ("mark inside a word", "<p>拟以<b>3亿元</b>收购</p>", "拟以**3亿元**收购"),
    (
        "punctuation inside, letters outside",
        "<p>说<b>“精准”</b>文</p>",
        "说<strong>“精准”</strong>文",
    ),
    ("punctuation inside and outside", "<p>，<b>“精准”</b>。</p>", "，**“精准”**。"),
    ("marks at the same place", "<p><b><i>甲</i></b>乙</p>", "<strong><em>甲</em></strong>乙"),
    ("mark across paragraphs", "<b><p>甲</p><p>乙</p></b>", "**甲**\n\n**乙**"),
    ("stars", "<p>*ST 与 *ST</p>", "\\*ST 与 \\*ST"),
    ("underscores", "<p>_a_ b_c __d</p>", "\\_a\\_ b_c \\_\\_d"),
    ("numbers at a line's start", "<p>1. a<br>2) b<br>3.5</p>", "1\\. a\\\n2\\) b\\\n3.5"),
    (
        "signs at a line's start",
        "<p>#a<br>- b<br>+ c<br>&gt; d<br>: e</p>",
        "\\#a\\\n\\- b\\\n\\+ c\\\n\\> d\\\n\\: e",
    ),
    ("underlines of headings", "<p>a<br>===<br>---<br>-5%</p>", "a\\\n\\===\\\n\\---\\\n-5%"),
    ("four blanks", "<p>&nbsp;&nbsp;&nbsp;&nbsp;a</p>", "a"),
    ("fences", "<p>```<br>~~~</p>", "\\`\\`\\`\\\n\\~\\~\\~"),
    ("tags as text", "<p>&lt;b&gt; 1&lt;2 &amp;lt; AT&amp;T</p>", "&lt;b> 1&lt;2 &amp;lt; AT&T"),
    ("brackets and backslashes", "<p>[a](b) \\ |</p>", "\\[a\\](b) \\\\ \\|"),
    ("what kramdown reads", "<p>$$x$$ {: .c} $5</p>", "\\$\\$x\\$\\$ \\{: .c} $5"),
    (
        "template code that a backslash would part until Markdown is rendered",
        "<h2>a {#</h2><h2>a {##</h2><p>{{: a }}</p>",
        "## a {&#35;\n\n## a {&#35;#\n\n{&#123;: a }}",
    ),
    (
        "what kramdown reads at the end of an item",
        "<ul><li>a\\<ul><li>b</li></ul></li></ul>",
        "- a&#92;\n  - b",
    ),
    (
        "what kramdown reads in a link",
        "<a href='http://e.example/'>^a</a>",
        "[&#94;a](http://e.example/)",
    ),
    ("link", "<a href='http://e.example/a_b'>甲</a>", "[甲](http://e.example/a_b)"),
    (
        "link with parentheses",
        "<a href='http://e.example/a_(b)'>甲</a>",
        "[甲](<http://e.example/a_(b)>)",
    ),
    (
        "link with a reference",
        "<a href='http://e.example/?a&amp;amp;b'>甲</a>",
        "[甲](http://e.example/?a&amp;amp;b)",
    ),
    (
        "link behind an exclamation mark",
        "<p>好!<a href='http://e.example/'>甲</a></p>",
        "好\\![甲](http://e.example/)",
    ),
    (
        "image",
        "<img src='http://e.example/a.png' alt='甲]*'>",
        "![甲&#93;\\*](http://e.example/a.png)",
    ),
    (
        "image in a link",
        "<a href='http://e.example/'><img src='http://e.example/a.png'></a>",
        "[![](http://e.example/a.png)](http://e.example/)",
    ),
    (
        "code",
        "<p><code>a*b</code> <code>`</code> <code>{|}</code></p>",
        "`a*b` `` ` `` <code>&#123;&#124;&#125;</code>",
    ),
    ("code span that might come alive", "<code>&lt;b></code>", "<code>&#60;b&#62;</code>"),
    (
        "brackets in a link",
        "<a href=http://e.example/>![a](b)</a>",
        "[!&#91;a&#93;(b)](http://e.example/)",
    ),
    ("code block", "<pre><code>a\n  *b*</code></pre>", "~~~\na\n  *b*\n~~~"),
    ("code block with a fence", "<pre>~~~</pre>", "~~~~\n~~~\n~~~~"),
    (
        "code block with template code",
        "<pre>{{ a }} &lt;</pre>",
        "<pre><code>&#123;&#123; a &#125;&#125; &#60;</code></pre>",
    ),
    ("list", "<ul><li>甲<li>乙</ul>", "- 甲\n- 乙"),
    ("nested lists", "<ol start=9><li>甲<li>乙<ul><li>丙</ul></ol>", "9. 甲\n10. 乙\n    - 丙"),
    ("two lists", "<ul><li>甲</ul><ul><li>乙</ul>", "- 甲\n\n* 乙"),
    ("number out of turn", "<ol><li>甲<li value=5>乙</ol>", "1. 甲\n\n5) 乙"),
    ("item of two paragraphs", "<ul><li>甲<p>乙</p><li>丙</ul>", "- 甲\n\n  乙\n\n- 丙"),
    ("code in an item", "<ul><li>甲<pre>a\n\nb</pre></ul>", "- 甲\n\n  ~~~\n  a\n\n  b\n  ~~~"),
    (
        "list in a list in a paragraph's way",
        "<ul><li>甲<ol start=2><li>乙</ol></ul>",
        "- 甲\n\n  2. 乙",
    ),
    ("quote", "<blockquote><p>甲<p>乙</blockquote>丙", "> 甲\n>\n> 乙\n\n丙"),
    ("two quotes", "<blockquote>甲</blockquote><blockquote>乙</blockquote>", "> 甲\n\n> 乙"),
    ("list in a quote", "<blockquote><ul><li>甲<li>乙</ul></blockquote>", "> - 甲\n> - 乙"),
    ("rule in a list", "<ul><li><hr></ul>甲", "- ___\n\n甲"),
    (
        "table",
        "<table><tr><th>甲<th>|<tr><td>1<br>2</table>",
        "| 甲 | \\| |\n| --- | --- |\n| 1<br>2 |  |",
    ),
    (
        "table with merged cells",
        "<table><tr><td colspan=2>甲<tr><td>1<td>&lt;</table>",
        '<table>\n<tr><td colspan="2">甲</td></tr>\n<tr><td>1</td><td>&lt;</td></tr>\n</table>',
    ),
]


@pytest.mark.parametrize(
    ("html", "markdown"), [row[1:] for row in MARKDOWN], ids=[row[0] for row in MARKDOWN]
)
def test_markdown_escapes_what_would_be_misread(html: str, markdown: str) -> None:
    assert markdown_of(html) == markdown


HTML = [
    (
        "paragraphs",
        "<div class=a>甲<p style='x'>乙 &amp; &lt;</div>",
        "<p>甲</p>\n<p>乙 &amp; &lt;</p>",
    ),
    (
        "marks",
        "<p><b>a</b><i>b</i><u>c</u><s>d</s><font color=red>e</font></p>",
        "<p><strong>a</strong><em>b</em><u>c</u><del>d</del>e</p>",
    ),
    ("break", "<p>甲<br/>乙<br></p>", "<p>甲<br>乙</p>"),
    (
        "list",
        "<ol start=2><li>甲<ul><li>乙</ul><li value=9>丙</ol>",
        '<ol start="2">\n<li>甲\n<ul>\n<li>乙</li>\n</ul></li>\n<li value="9">丙</li>\n</ol>',
    ),
    ("item of two paragraphs", "<ul><li><p>甲<p>乙</ul>", "<ul>\n<li>甲\n<p>乙</p></li>\n</ul>"),
    ("quote", "<blockquote>甲</blockquote>", "<blockquote>\n<p>甲</p>\n</blockquote>"),
    ("code", "<pre class=x>\n\n a\n\n b</pre>", "<pre> a<br>\n b</pre>"),
    ("code like a table", "<pre>a | b\n--|--\nc</pre>", "<pre>a | b<br>--|--\nc</pre>"),
    (
        "link in code",
        "<pre>a <a href='http://e.example/'>b</a>\n</pre>",
        '<pre>a <a href="http://e.example/">b</a></pre>',
    ),
    (
        "table",
        "<table border=1><thead><tr><th colspan=2 class=x>甲<tbody><tr><td>1<td>2</table>",
        '<table>\n<tr><th colspan="2">甲</th></tr>\n<tr><td>1</td><td>2</td></tr>\n</table>',
    ),
    (
        "image",
        "<img src='http://e.example/a.png' alt='甲\"' width=1 class=x>",
        '<p><img src="http://e.example/a.png" alt="甲&quot;"></p>',
    ),
    ("heading and rule", "<h1 id=a><a name=b></a>甲</h1><hr class=c>", "<h1>甲</h1>\n<hr>"),
]


@pytest.mark.parametrize(("html", "clean"), [row[1:] for row in HTML], ids=[row[0] for row in HTML])
def test_html_is_canonical(html: str, clean: str) -> None:
    assert html_of(html) == clean


@pytest.mark.parametrize(
    ("href", "base_url", "link"),
    [
        ("http://e.example/a?b=1#c", None, "http://e.example/a?b=1#c"),
        (" HTTPS://e.example\n/a ", None, "https://e.example/a"),
        ("//e.example/a", None, "https://e.example/a"),
        ("mailto:a@e.example?subject=x y", None, "mailto:a@e.example?subject=x%20y"),
        ("/a", "http://e.example/b/c", "http://e.example/a"),
        ("?a", "http://e.example/b/c", "http://e.example/b/c?a"),
        ("#a", "http://e.example/b", "http://e.example/b#a"),
        ("/a", None, None),
        ("#a", None, None),
        ("", "http://e.example/", None),
        ("http://e.example/“甲” {a}|b\\c", None, "http://e.example/“甲”%20%7Ba%7D%7Cb/c"),
        ("http://例子.example/", None, "http://例子.example/"),
        ("http://e.example:8080/a%20b", None, "http://e.example:8080/a%20b"),
        ("https:/e.example/a", None, "https://e.example/a"),
        ("http:\\\\e.example\\a", None, "http://e.example/a"),
        ("http://e.example/?a\\b", None, "http://e.example/?a%5Cb"),
        ("http://[::1]/", None, "http://[::1]/"),
        ("http://[::1", None, None),
        ("http://e.example:99999/", None, None),
        ("http://a%zz/", None, None),
        ("//[", "http://e.example/", None),
        ("http://", None, None),
        ("mailto:", None, None),
        ("javascript:alert(1)", "http://e.example/", None),
        ("java\tscript:alert(1)", "http://e.example/", None),
        ("data:text/html,x", None, None),
        ("ftp://e.example/", None, None),
        ("tel:1", None, None),
    ],
)
def test_links_lead_to_absolute_addresses(
    href: str, base_url: str | None, link: str | None
) -> None:
    assert clean_link(href, base_url) == link
    if link is not None:
        assert clean_link(link, base_url) == link


def test_link_without_address_keeps_its_text() -> None:
    html = "<p><a href='/a'>甲</a><a name=x>乙</a><a href='http://e.example/'></a></p>"
    assert html_of(html) == "<p>甲乙</p>"


def test_proxies_in_page_links_are_not_decoded() -> None:
    url = "https://images.weserv.nl/?url=e.example/a.png"
    assert html_of(f"<a href='{url}'>甲</a>") == f'<p><a href="{url}">甲</a></p>'


def pick_lazy(attributes: Mapping[str, str | None]) -> str | None:
    for key in ("data-src", "data-srcset", "src"):
        value = attributes.get(key) or ""
        if value.startswith("http"):
            return value
    return None


IMAGES = [
    ("plain", "<p>甲<img src='http://e.example/1.png'>乙</p>", ["1"]),
    ("twice", "<img src='http://e.example/1.png'>甲<img src='http://e.example/1.png'>", ["1"]),
    ("lazy", "<img src='data:x' data-src='http://e.example/1.png'>", ["1"]),
    (
        "stand-in behind its image",
        "<img data-src='http://e.example/1.png'> <noscript><img src='http://e.example/2.png'></noscript>",
        ["1"],
    ),
    (
        "stand-in before its image",
        "<noscript><img src='http://e.example/1.png'></noscript><img data-src='http://e.example/1.png'>",
        ["1"],
    ),
    (
        "stand-in for an image that cannot be used",
        "<img src='data:x'><noscript><img src='http://e.example/2.png'>甲</noscript>",
        ["2"],
    ),
    (
        "picture with a usable image",
        "<picture><source data-srcset='http://e.example/2.png'><img src='http://e.example/1.png'></picture>",
        ["1"],
    ),
    (
        "picture with a usable source",
        "<picture><source data-srcset='http://e.example/2.png'><img src='data:x'></picture>",
        ["2"],
    ),
    (
        "source without a picture",
        "<source data-srcset='http://e.example/2.png'><img src='data:x'>",
        [],
    ),
    (
        "hidden",
        "<img hidden src='http://e.example/1.png'><img style='display:none' src='http://e.example/2.png'>",
        [],
    ),
    ("waiting to be shown", "<img style='visibility:hidden' src='http://e.example/1.png'>", ["1"]),
    ("in tiny type", "<p style='font-size:0'><img src='http://e.example/1.png'>x</p>", ["1"]),
    ("in a cell", "<table><tr><td>甲<td><img src='http://e.example/1.png'></table>", ["1"]),
    ("in code", "<pre>甲<img src='http://e.example/1.png'></pre>", ["1"]),
    ("in a template", "<template><img src='http://e.example/1.png'></template>", []),
]


@pytest.mark.parametrize(
    ("html", "names"), [row[1:] for row in IMAGES], ids=[row[0] for row in IMAGES]
)
@pytest.mark.parametrize("form", FORMS)
def test_usable_images_are_listed_and_shown(html: str, names: list[str], form: Form) -> None:
    urls = [f"http://e.example/{name}.png" for name in names]
    converted = convert(html, origin="html", form=form, pick_image=pick_lazy)
    assert converted.images == urls
    assert ("http" in converted.body) == (form != "text" and bool(urls))
    if form != "text":
        again = convert(converted.body, origin=form, form=form)
        assert (again.body, again.images) == (converted.body, urls)


def test_stand_in_shows_its_image_once() -> None:
    html = "<noscript><img src='http://e.example/1.png'></noscript><img data-src='http://e.example/1.png'>"
    converted = convert(html, origin="html", form="html", pick_image=pick_lazy)
    assert converted.body == '<p><img src="http://e.example/1.png"></p>'


def test_image_addresses_are_checked_after_they_are_picked() -> None:
    converted = convert("<img src=x>", origin="html", form="html", pick_image=lambda _: "data:x")
    assert converted == Converted("", "")


def test_image_attributes_are_given_decoded() -> None:
    seen: list[dict[str, str | None]] = []

    def pick(attributes: Mapping[str, str | None]) -> None:
        seen.append(dict(attributes))

    for html in ('<p><img src="a&amp;b" alt=""></p>', "<p><IMG SRC='a&amp;b' alt></p>"):
        text_of(html, pick_image=pick)
    assert seen == [{"src": "a&b", "alt": ""}, {"src": "a&b", "alt": None}]


@pytest.mark.parametrize(
    ("text", "tidy"),
    [
        ("甲\n\n乙", "甲\n\n乙"),
        ("甲\r\n\r\n\r\n\r\n乙 \r\n", "甲\n\n乙"),
        ("　　甲\n\xa0乙", "甲\n乙"),
        ("• 甲\n  • 乙\n\tc\n a　", "• 甲\n  • 乙\n\tc\n a"),
        ("a\xa0b\x00\u202e\u200bc", "a b\u200bc"),
        ("a\ufffcb", "ab"),
        ("<b>&lt;\n\u3000\n*", "<b>&lt;\n\n*"),
        ("甲\t\t乙", "甲\t\t乙"),
        ("", ""),
    ],
)
def test_text_from_text_is_verbatim_but_for_padding(text: str, tidy: str) -> None:
    assert convert(text, origin="text", form="text") == Converted(tidy, tidy)
    assert to_text(tidy, "text") == tidy


def test_text_becomes_paragraphs_and_breaks() -> None:
    text = "一、<甲>\n*ST\t乙\n\n  丙"
    assert convert(text, origin="text", form="html") == Converted(
        "<p>一、&lt;甲&gt;<br>*ST 乙</p>\n<p>丙</p>", text
    )
    assert convert(text, origin="text", form="markdown").body == "一、&lt;甲>\\\n\\*ST 乙\n\n丙"


@pytest.mark.parametrize(
    ("markdown", "text", "html"),
    [
        ("# 甲\n\n乙  \n丙", "甲\n\n乙\n丙", "<h1>甲</h1>\n<p>乙<br>丙</p>"),
        (
            "[甲](http://e.example/路 'x')",
            "甲",
            '<p><a href="http://e.example/路">甲</a></p>',
        ),
        ("[甲](</路> 'x')", "甲", "<p>甲</p>"),
        ("[甲](javascript:alert(1))", "甲", "<p>甲</p>"),
        ("<b onclick=x>甲</b><script>x</script>", "甲", "<p><strong>甲</strong></p>"),
        ("~~甲~~ &lt;b>", "甲 <b>", "<p><del>甲</del> &lt;b&gt;</p>"),
        ("a | b\n--|--\n1 | 2", "a\tb\n1\t2", None),
        ("1. 甲\n2. 乙\n\n\n3) 丙", "1. 甲\n2. 乙\n\n3. 丙", None),
    ],
)
def test_markdown_is_read_like_a_renderer_would(markdown: str, text: str, html: str | None) -> None:
    assert to_text(markdown, "markdown") == text
    if html is not None:
        assert convert(markdown, origin="markdown", form="html").body == html


# Laws


FRAGMENTS = [
    *"甲乙。“”*_`~[]()!<>&#+-=.:|\\{}$^'\"1 2a@€→é\n\t　\u200b\xa0",
    *(
        "  ",
        "&nbsp;",
        "&lt;",
        "&amp;",
        "lt;",
        "&#10;",
        "&#1;",
        "\x1e",
        "\u2028",
        "\u202e",
        "\ufffc",
        "😀",
    ),
    *("*ST", "1. ", "- ", "a_b", "```", "~~~", "===", "---", "{{ x }}", "{: .c}", "$$", "    "),
    *("http://e.example/a_b", "[x](javascript:x)", "[r]: x", "</x>", "<!-- c -->", "<x-y>"),
    *("<p>", "</p>", "<br>", "<br/>", "<div>", "</div>", "<h2>", "</h2>", "<hr>", "<center>"),
    *("<b>", "</b>", "<i>", "</i>", "<em>", "</em>", "<code>", "</code>", "<del>", "</del>"),
    *("<span>", "</span>", "<sub>", "</sub>", "<u>", "</u>", "<q>", "</q>", "<pre>", "</pre>"),
    *("<ul>", "</ul>", "<ol start=4>", "</ol>", "<li>", "</li>", "<li value=9>", "<blockquote>"),
    *("</blockquote>", "<table>", "</table>", "<tr>", "<td>", "<th>", "<td colspan=2>", "<rt>"),
    *("<table><tr><td>a<td>b<tr><td>c<td>d</table>", "<ul><li>p<ul><li>q</ul></ul>", "<dl><dd>"),
    *("<script>x</script>", "<svg>", "</svg>", "<math>", "<noscript>", "</noscript>", "<xmp>"),
    *("<p style='display:none'>", "<p hidden>", "<p class='a'>", '<p style="color:red">'),
    *("<span style='font-size:0'>", "<b style='display:block'>", '<img alt="x]" src="x">'),
    *("<a href='http://e.example/(a)_b*'>", "<a href='javascript:x'>", "<a href='/r'>", "</a>"),
    *("<img src='http://e.example/_a_.png' alt='*a_]`'>", '<img src="//e.example/b.png">'),
]
soups = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)
bodies = soups | st.text(max_size=30) | soups.map("<p>{}".format)
law = settings(max_examples=150, deadline=None)


@law
@given(body=bodies, form=st.sampled_from(FORMS), origin=st.sampled_from(FORMS))
@example(body="<ol><li>a<li value=9>b</ol>", form="markdown", origin="html")
@example(body="<pre>a<b></b><p>b</p></pre>", form="html", origin="html")
@example(body="<a href='http://xn--/'>a</a>", form="html", origin="html")
@example(body="<ul><li><pre>\ta</pre></ul>", form="markdown", origin="html")
def test_converting_twice_changes_nothing(body: str, form: Form, origin: Form) -> None:
    once = convert(body, origin=origin, form=form)
    twice = convert(once.body, origin=form, form=form)
    assert twice.body == once.body
    if form != "text":
        assert twice.images == once.images


@law
@given(body=bodies, origin=st.sampled_from(FORMS))
@example(body="a<b style='display:block'>b", origin="html")
def test_all_forms_show_the_same_text(body: str, origin: Form) -> None:
    text = convert(body, origin=origin, form="text")
    assert text.text is text.body
    for form in FORMS:
        converted = convert(body, origin=origin, form=form)
        assert converted.text == text.body
        assert converted.images == text.images
        assert squeeze(to_text(converted.body, form)) == squeeze(text.body)


@law
@given(body=bodies)
def test_renderers_give_the_visible_text_back(body: str) -> None:
    converted = convert(body, origin="html", form="markdown")
    for renderer in (COMMONMARK, GFM):
        rendered = convert(renderer.render(converted.body), origin="html", form="html")
        assert squeeze(rendered.text) == squeeze(converted.text)
        assert len(rendered.images) == len(converted.images)


@law
@given(body=bodies)
def test_html_and_rendered_markdown_are_clean(body: str) -> None:
    assert find_alive(html_of(body)) == []
    assert find_alive(COMMONMARK.render(markdown_of(body))) == []


@law
@given(body=bodies)
def test_bodies_end_without_a_line_feed_and_hold_no_empty_lines(body: str) -> None:
    for form in FORMS:
        converted = convert(body, origin="html", form=form).body
        assert converted == converted.rstrip()
        if form == "text":
            assert "\n\n\n" not in converted
        if form == "html" and "<pre" not in converted:
            assert "\n\n" not in converted


@settings(max_examples=400, deadline=None)
@given(body=bodies)
@example(body="&am<b>p;</b>")
@example(body="<<b>p></b>")
@example(body="<p>a</p></div>b<p>")
@example(body="<div><section></div>a</section>b")
@example(body='<p>a<br><img src="x"><br>b</p>')
@example(body='<p>a<br><img src="http://e.example/1.png"><br>b</p>')
@example(body="a</p>\nb")
@example(body='<p style="font-size:0">a</p>')
def test_short_way_and_tree_agree(body: str) -> None:
    flat = flatten(body, plain_src)
    if flat is not None:
        assert (flat[0], list(flat[1])) == read_by_tree(body)


def test_short_way_reads_what_most_feeds_write() -> None:
    html = (
        '<div class="a"><p style="text-align:center">　　甲<strong>乙</strong>&nbsp;</p><p><br/></p>'
        '<p><img src="http://e.example/1.png" alt="x" /></p><h2>丙</h2>丁<br>戊</div>'
    )
    assert flatten(html, plain_src) == ("甲乙\n\n丙\n\n丁\n戊", {"http://e.example/1.png": None})


@law
@given(body=bodies)
@example(body="<ul><li>a<li>b<ul><li>c</ul><li>d</ul>")
@example(body="<table><tr><td>a<td>b<tr><td>c</table>d")
@example(body="<a<b>c")
@example(body="<xmp><b>&lt;</xmp>")
@example(body="<svg><math></svg>甲")
@example(body="<math><svg></math>甲")
def test_taming_keeps_the_text(body: str) -> None:
    body = re.sub("</?(?:rt|q)>", "", body)  # whose brackets move with where an element ends
    tamed = rewrite(body, max_depth=200, max_attributes=64)
    lined = not is_structured(body)
    assert squeeze(read_by_tree(tamed, lined=lined)[0]) == squeeze(read_by_tree(body)[0])


def test_taming_caps_depth_and_attributes() -> None:
    html = "<div a=1 b='\"' c>" * 3 + "<p>x</p><p>y</p>"
    assert rewrite(html, max_depth=2, max_attributes=2) == (
        '<div a="1" b="&quot;">' * 2 + "<br><br>x<br><br>y<br><br></div></div>"
    )


def nested(children: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    """Trees as (HTML, what is seen of it): our own oracle, which reads no HTML."""
    several = st.lists(children, min_size=1, max_size=4).map(
        lambda parts: ("".join(part[0] for part in parts), "".join(part[1] for part in parts))
    )
    shown = st.sampled_from("p div span b a h2 blockquote font x-y center code sup".split())
    return st.one_of(
        st.builds(
            lambda tag, inner: (f"<{tag} class=c>{inner[0]}</{tag}>", inner[1]), shown, several
        ),
        several.map(lambda inner: (f"<ul><li>{inner[0]}</li></ul>", "•" + inner[1])),
        several.map(lambda inner: (f"<table><tr><td>{inner[0]}</td></tr></table>", inner[1])),
        several.map(lambda inner: (f"{inner[0]}<br><!-- c --><hr>", inner[1])),
        several.map(lambda inner: (f"<div style='display:none'>{inner[0]}</div>", "")),
        several.map(lambda inner: (f"<section hidden>{inner[0]}</section>", "")),
        several.map(lambda inner: (f"<q>{inner[0]}</q><script>x</script>", f"“{inner[1]}”")),
    )


leaves = st.text(alphabet="甲乙a1*_#<>&;\"' \n　[]`\\", max_size=6).map(
    lambda text: (escape(text), text)
)


@law
@given(tree=st.recursive(leaves, nested, max_leaves=12), form=st.sampled_from(FORMS))
def test_no_visible_character_is_lost(tree: tuple[str, str], form: Form) -> None:
    html, seen = tree
    body = convert(html, origin="html", form=form).body
    # An item in which nothing is seen has no bullet; nor has one nested deeper than eight levels.
    assert squeeze(to_text(body, form)).replace("•", "") == squeeze(seen).replace("•", "")


# Nothing comes alive


class Inventory(HTMLParser):
    """Tags and attributes as Python's own parser sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_comment(self, data: str) -> None:
        self.found.append(("!--", []))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("!", []))

    def handle_pi(self, data: str) -> None:
        self.found.append(("?", []))


RENDERED_TAGS = ALLOWED_TAGS | {"thead", "tbody"}  # which Markdown renderers add


def find_alive(html: str) -> list[str]:
    """What two parsers find in HTML beyond allowed tags, attributes and schemes."""
    inventory = Inventory()
    inventory.feed(html)
    inventory.close()
    found = inventory.found
    root = LexborHTMLParser(html, is_fragment=True).root
    if root is not None:
        found += [(node.tag or "?", list(node.attributes.items())) for node in root.traverse()]
    alive = [tag for tag, _ in found if tag not in RENDERED_TAGS]
    for tag, attributes in found:
        for key, value in attributes:
            if key == "style" and re.fullmatch("text-align:(left|right|center)", value or ""):
                continue  # of a Markdown renderer's cell
            if key not in ALLOWED_ATTRIBUTES.get(tag, set()):
                alive.append(f"{tag} {key}")
            elif key in ("href", "src"):
                scheme = re.sub(r"[\x00-\x20]", "", value or "").partition(":")[0].lower()
                if scheme not in ALLOWED_SCHEMES:
                    alive.append(f"{tag} {key}={value}")
    return alive


def test_judge_sees_what_is_alive() -> None:
    html = "<p onclick=x><a href=' jAva\tscript:x'><!-- --><img src=http://e.example/ alt=''></a></p><svg>"
    assert find_alive(html) == [
        "!--",
        "svg",
        "-comment",
        "svg",
        "p onclick",
        "a href= jAva\tscript:x",
        "p onclick",
        "a href= jAva\tscript:x",
    ]


VECTORS: list[tuple[str, str, str]] = [
    ("script", "a<script>alert(1)</script>b", "ab"),
    ("script-src", "a<script src=//evil.example/x.js></script>b", "ab"),
    ("script-case", "a<ScRiPt >alert(1)</sCrIpT >b", "ab"),
    ("script-nested", "a<scr<script>ipt>alert(1)</scr</script>ipt>b", "aipt>alert(1)ipt>b"),
    ("script-unclosed", "a<script>alert(1)", "a"),
    ("script-slash", "a<script/x>alert(1)</script/x>b", "ab"),
    ("script-in-attribute", 'a<b title="<script>alert(1)</script>">b</b>', "ab"),
    ("script-after-comment", "a<!--><script>alert(1)</script>-->b", "a-->b"),
    ("comment-bang", "a<!-- --!><img src=x onerror=alert(1)>b", "ab"),
    ("conditional-comment", "a<!--[if gte IE 4]><script>alert(1)</script><![endif]-->b", "ab"),
    ("cdata", "a<![CDATA[<script>alert(1)</script>]]>b", "aalert(1)]]>b"),
    ("processing-instruction", "a<?xml-stylesheet href='javascript:alert(1)'?>b", "ab"),
    ("doctype-entity", '<!DOCTYPE x [<!ENTITY e "<script>">]>a', '">]>a'),
    ("onerror", "a<img src=x onerror=alert(1)>b", "ab"),
    ("onerror-slash", "a<img/src=x/onerror=alert(1)>b", "ab"),
    ("onerror-backtick", "a<img src=`x` onerror=`alert(1)`>b", "ab"),
    ("onerror-newline", "a<img src=x\nonerror\n=\nalert(1)>b", "ab"),
    ("onerror-http", 'a<img src="http://i.example/x.png" onerror="alert(1)">b', "ab"),
    ("img-quote-break", 'a<img src="http://i.example/x.png&quot; onerror=&quot;alert(1)">b', "ab"),
    (
        "img-alt-break",
        'a<img src="http://i.example/x.png" alt=\'"><script>alert(1)</script>\'>b',
        "ab",
    ),
    ("img-dynsrc", "a<img dynsrc=javascript:alert(1) lowsrc=javascript:alert(1)>b", "ab"),
    ("img-srcset", "a<img srcset='javascript:alert(1) 1x'>b", "ab"),
    ("image-tag", "a<image src=x onerror=alert(1)>b", "ab"),
    ("onload-body", "<body onload=alert(1)>a</body>", "a"),
    ("onmouseover", 'a<a href="http://e.example/" onmouseover=alert(1)>b</a>', "ab"),
    ("onclick-p", "<p onclick='alert(1)' style='x'>a</p>", "a"),
    ("ontoggle", "<details open ontoggle=alert(1)>a</details>", "a"),
    ("onfocus-autofocus", "a<input autofocus onfocus=alert(1)>b", "ab"),
    ("onstart-marquee", "<marquee onstart=alert(1)>a</marquee>", "a"),
    (
        "onanimation",
        '<style>@keyframes x{}</style><p style="animation-name:x" onanimationstart="alert(1)">a</p>',
        "a",
    ),
    ("onpointer-unknown", "<xss onpointerrawupdate=alert(1) contenteditable>a</xss>", "a"),
    ("javascript", 'a<a href="javascript:alert(1)">b</a>', "ab"),
    ("javascript-case", 'a<a href="JaVaScRiPt:alert(1)">b</a>', "ab"),
    ("javascript-entity", 'a<a href="&#106;&#x61;vascript&colon;alert(1)">b</a>', "ab"),
    ("javascript-entity-no-semicolon", 'a<a href="&#0000106avascript:alert(1)">b</a>', "ab"),
    ("javascript-tab", 'a<a href="java&Tab;script:alert(1)">b</a>', "ab"),
    ("javascript-newline", 'a<a href="java\nscript:alert(1)">b</a>', "ab"),
    ("javascript-control", 'a<a href="\x01\x1fjavascript:alert(1)">b</a>', "ab"),
    ("javascript-nul", 'a<a href="java\x00script:alert(1)">b</a>', "ab"),
    ("javascript-blank", 'a<a href=" &#14; javascript:alert(1)">b</a>', "ab"),
    ("javascript-no-break", 'a<a href="\xa0javascript:alert(1)">b</a>', "ab"),
    ("javascript-comment", 'a<a href="javascript://example.com/%0aalert(1)">b</a>', "ab"),
    ("javascript-credentials", 'a<a href="http:javascript:alert(1)">b</a>', "ab"),
    ("data", 'a<a href="data:text/html,<script>alert(1)</script>">b</a>', "ab"),
    ("data-base64", 'a<a href="data:text/html;base64,PHNjcmlwdD4=">b</a>', "ab"),
    ("data-image", 'a<img src="data:image/svg+xml,<svg onload=alert(1)>">b', "ab"),
    ("vbscript", 'a<a href="vbscript:msgbox(1)">b</a>', "ab"),
    ("file", 'a<a href="file:///etc/passwd">b</a>', "ab"),
    ("view-source", 'a<a href="view-source:http://e.example/">b</a>', "ab"),
    ("ping", 'a<a href="http://e.example/" ping="javascript:alert(1)" target=_blank>b</a>', "ab"),
    ("xlink", 'a<svg><a xlink:href="javascript:alert(1)"><text>b</text></a></svg>c', "ac"),
    ("svg-onload", "a<svg onload=alert(1)>b</svg>c", "ac"),
    ("svg-script", "a<svg><script>alert(1)</script></svg>c", "ac"),
    ("svg-animate", "a<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>c", "ac"),
    ("svg-style-mutation", "a<svg><style><img src=x onerror=alert(1)></style></svg>c", "ac"),
    ("svg-breakout", 'a<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">c', 'a\n\n">c'),
    (
        "svg-foreign-object",
        "a<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>c",
        "ac",
    ),
    ("svg-use", "a<svg><use href='data:image/svg+xml,x#y'/></svg>c", "ac"),
    (
        "math-mutation",
        "a<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></table></mtext></math>c",
        "a\n\nc",
    ),
    (
        "math-annotation",
        'a<math><annotation-xml encoding="text/html"><script>alert(1)</script></annotation-xml></math>c',
        "ac",
    ),
    ("math-href", 'a<math href="javascript:alert(1)">b</math>c', "abc"),
    (
        "mutation-form",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "",
    ),
    (
        "mutation-noscript",
        '<noscript><p title="</noscript><img src=x onerror=alert(1)>"></noscript>a',
        "",
    ),
    ("mutation-title", 'a<title><a title="</title><img src=x onerror=alert(1)>">b', 'a">b'),
    (
        "mutation-textarea",
        'a<textarea><a title="</textarea><img src=x onerror=alert(1)>">b',
        'a">b',
    ),
    (
        "mutation-xmp",
        'a<xmp><a title="</xmp><img src=x onerror=alert(1)>">b',
        'a\n\n<a title="\n\n">b',
    ),
    (
        "mutation-listing",
        "a<listing>&lt;img src=x onerror=alert(1)&gt;</listing>b",
        "a\n\n<img src=x onerror=alert(1)>\n\nb",
    ),
    (
        "mutation-plaintext",
        "a<plaintext><img src=x onerror=alert(1)>",
        "a\n\n<img src=x onerror=alert(1)>",
    ),
    ("mutation-noembed", 'a<noembed><a title="</noembed><img src=x onerror=alert(1)>">b', 'a">b'),
    (
        "mutation-noframes",
        'a<noframes><a title="</noframes><img src=x onerror=alert(1)>">b',
        'a">b',
    ),
    ("mutation-iframe", 'a<iframe><a title="</iframe><img src=x onerror=alert(1)>">b', 'a">b'),
    (
        "mutation-select",
        'a<select><template><style><!--</style><a rel="--></style></template></select><img id=x src onerror=alert(1)>">b',
        "a",
    ),
    ("mutation-table", "<table><td><a href=x><table><script>alert(1)</script></table>a", "a"),
    ("template", "a<template><img src=x onerror=alert(1)></template>b", "ab"),
    (
        "template-shadow",
        "a<div><template shadowrootmode=open><script>alert(1)</script></template></div>b",
        "a\n\nb",
    ),
    ("style-expression", "<p style='width:expression(alert(1))'>a</p>", "a"),
    ("style-url", "<p style='background:url(javascript:alert(1))'>a</p>", "a"),
    ("style-import", "a<style>@import 'javascript:alert(1)';</style>b", "ab"),
    ("style-moz-binding", "<p style='-moz-binding:url(//e.example/x.xml#a)'>a</p>", "a"),
    ("link-stylesheet", "a<link rel=stylesheet href=javascript:alert(1)>b", "ab"),
    ("link-import", "a<link rel=import href=//e.example/x>b", "ab"),
    ("base", 'a<base href="javascript:alert(1)//"><a href="x">b</a>', "ab"),
    ("meta-refresh", 'a<meta http-equiv=refresh content="0;url=javascript:alert(1)">b', "ab"),
    ("iframe", "a<iframe src=javascript:alert(1)></iframe>b", "ab"),
    ("iframe-srcdoc", "a<iframe srcdoc='<script>alert(1)</script>'></iframe>b", "ab"),
    ("frameset", "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>a", "a"),
    ("object", "a<object data=javascript:alert(1)>x</object>b", "ab"),
    ("embed", "a<embed src=javascript:alert(1)>b", "ab"),
    ("applet", "a<applet code=x>y</applet>b", "ab"),
    ("portal", "a<portal src=javascript:alert(1)></portal>b", "ab"),
    ("form-action", "<form action=javascript:alert(1)><button>a</button></form>", "a"),
    ("button-formaction", "<form><button formaction=javascript:alert(1)>a</button></form>", "a"),
    ("input-image", "a<input type=image src=x onerror=alert(1)>b", "ab"),
    ("isindex", "a<isindex action=javascript:alert(1) type=image>b", "ab"),
    ("video", "a<video><source onerror=alert(1)></video>b", "ab"),
    ("video-poster", "a<video poster=javascript:alert(1)//></video>b", "ab"),
    ("audio", "a<audio src=x onerror=alert(1)></audio>b", "ab"),
    ("keygen", "a<keygen autofocus onfocus=alert(1)>b", "ab"),
    ("bgsound", "a<bgsound src=javascript:alert(1)>b", "ab"),
    ("layer", "a<layer src=javascript:alert(1)></layer>b", "ab"),
    (
        "table-background",
        "<table background=javascript:alert(1)><tr><td>a</td><td>b</td></tr></table>",
        "a\tb",
    ),
    (
        "clobbering",
        "<form id=document name=cookie><img name=body src=http://i.example/a.png>a</form>",
        "a",
    ),
    ("half-open-tag", "a<img src=x onerror=alert(1)//", "a"),
    ("half-open-quote", 'a<img src="x onerror=alert(1)//', "a"),
    ("double-angle", "a<<img src=x onerror=alert(1)>>b", "a<>b"),
    ("null-in-tag", "a<scr\x00ipt>alert(1)</script>b", "aalert(1)b"),
    ("entity-tags", "a&lt;script&gt;alert(1)&lt;/script&gt;b", "a<script>alert(1)</script>b"),
    ("entity-tags-twice", "a&amp;lt;script&amp;gt;b", "a&lt;script&gt;b"),
    ("full-width-tags", "a＜script＞alert(1)＜/script＞b", "a＜script＞alert(1)＜/script＞b"),
    (
        "utf7",
        "a+ADw-script+AD4-alert(1)+ADw-/script+AD4-b",
        "a+ADw-script+AD4-alert(1)+ADw-/script+AD4-b",
    ),
    ("markdown-link", "[a](javascript:alert(1))", "[a](javascript:alert(1))"),
    ("markdown-link-entity", "[a](javascript&colon;alert(1))", "[a](javascript:alert(1))"),
    ("markdown-link-angle", "[a](&lt;javascript:alert(1)&gt;)", "[a](<javascript:alert(1)>)"),
    ("markdown-autolink", "&lt;javascript:alert(1)&gt;", "<javascript:alert(1)>"),
    ("markdown-image", "![a](javascript:alert(1))", "![a](javascript:alert(1))"),
    (
        "markdown-image-title",
        '![a](http://i.example/x.png "b" onerror="alert(1)")',
        '![a](http://i.example/x.png "b" onerror="alert(1)")',
    ),
    ("markdown-reference", "[a]: javascript:alert(1)\n\n[a]", "[a]: javascript:alert(1)\n\n[a]"),
    ("markdown-html-block", "&lt;div onclick=alert(1)&gt;\na", "<div onclick=alert(1)>\n\na"),
    (
        "markdown-html-inline",
        "a &lt;img src=x onerror=alert(1)&gt;",
        "a <img src=x onerror=alert(1)>",
    ),
    (
        "markdown-html-comment",
        "&lt;!-- --&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
        "<!-- --><script>alert(1)</script>",
    ),
    (
        "markdown-backslash",
        "\\&lt;script&gt;alert(1)&lt;/script&gt;",
        "\\<script>alert(1)</script>",
    ),
    (
        "markdown-code-escape",
        "<code>`</code>&lt;script&gt;alert(1)&lt;/script&gt;",
        "`<script>alert(1)</script>",
    ),
    (
        "markdown-fence-escape",
        "<pre>```\n</pre>&lt;script&gt;alert(1)&lt;/script&gt;<pre>\n```</pre>",
        "```\n\n<script>alert(1)</script>\n\n```",
    ),
    (
        "markdown-alt-break",
        "<img src='http://i.example/x.png' alt='](javascript:alert(1)) ![x'>",
        "",
    ),
    ("markdown-url-break", "<a href='http://e.example/) [x](javascript:alert(1)'>a</a>", "a"),
    ("markdown-url-newline", "<a href='http://e.example/&#10;&#10;&lt;script&gt;'>a</a>", "a"),
    (
        "markdown-link-text-break",
        "<a href='http://e.example/'>](javascript:alert(1)) [</a>",
        "](javascript:alert(1)) [",
    ),
    ("markdown-setext", "&lt;a<br>===<br>&gt;", "<a\n===\n>"),
    ("kramdown-attributes", 'a\n{: onclick="alert(1)"}', 'a\n\n{: onclick="alert(1)"}'),
    (
        "kramdown-nomarkdown",
        "{::nomarkdown}&lt;script&gt;alert(1)&lt;/script&gt;{:/}",
        "{::nomarkdown}<script>alert(1)</script>{:/}",
    ),
    (
        "kramdown-options",
        '{::options parse_block_html="true" /}',
        '{::options parse_block_html="true" /}',
    ),
    ("template-code", "{{ site.data }}{% raw %}", "{{ site.data }}{% raw %}"),
    (
        "cell-pipe",
        "<table><tr><td>a|&lt;script&gt;</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>",
        "a|<script>\tb\nc\td",
    ),
    (
        "span-table",
        "<table><tr><td colspan=2>&lt;script&gt;alert(1)&lt;/script&gt;</td></tr><tr><td>c</td><td onclick=x>d</td></tr></table>",
        "<script>alert(1)</script>\nc\td",
    ),
    ("bidi-override", "a\u202e\u2066txt.exe\u2069b", "atxt.exeb"),
    (
        "scheme-relative-script",
        "a<script src='//e.example'></script><a href='//e.example/x'>b</a>",
        "ab",
    ),
    ("userinfo", "<a href='http://good.example@evil.example/'>a</a>", "a"),
    ("overlong-attribute-name", "<a " + "x" * 3000 + "=1 href=javascript:alert(1)>a</a>", "a"),
    ("self-closing-script", "a<script/>alert(1)</script>b", "ab"),
    ("unclosed-attribute", '<a href="http://e.example/" title=\'onmouseover=alert(1)//>a</a>', ""),
    ("ruby-script", "<ruby>a<rt><script>alert(1)</script>b</rt></ruby>", "a(b)"),
]


@pytest.mark.parametrize(
    ("vector", "seen"), [row[1:] for row in VECTORS], ids=[row[0] for row in VECTORS]
)
def test_no_vector_comes_alive(vector: str, seen: str) -> None:
    assert text_of(vector) == seen
    assert find_alive(html_of(vector)) == []
    markdown = markdown_of(vector)
    for renderer in (COMMONMARK, GFM):
        rendered = renderer.render(markdown)
        assert find_alive(rendered) == []
        assert squeeze(to_text(rendered, "html")) == squeeze(seen)
    for origin, form in product(("markdown", "text"), ("markdown", "html")):
        body = convert(vector, origin=origin, form=form).body  # type: ignore[arg-type]
        assert find_alive(COMMONMARK.render(body) if form == "markdown" else body) == []
    # A text body is rendered by nobody; written out as HTML it shows what it holds.
    assert find_alive(convert(seen, origin="text", form="html").body) == []


@pytest.mark.parametrize("part", range(4))
def test_no_attack_gets_out_of_a_post(part: int) -> None:
    """Every form as the post holds it, read as HTML and rendered as Markdown, as site builders do."""
    for vector in list_vectors()[part::4]:
        for form in FORMS:
            body = escape_body(convert(vector, origin="html", form=form).body, form)
            found = find_alive(body) if form == "html" else []
            found += find_alive(NAIVE.render(body))
            # A text body that talks of ```html is dressed as code.
            assert set(found) <= {"code class"}, (form, vector)


# Hostile sizes. Quadratic time would be minutes for each; processor time, not the wall clock.

MANY = 100_000
HOSTILE: list[tuple[str, Callable[[], str], int]] = [
    ("divisions in divisions", lambda: "<div>" * MANY + "甲", 1),
    ("paragraphs never closed", lambda: "<p>甲" * MANY, MANY),
    ("lists in lists", lambda: "<ul><li>甲" * MANY, MANY),
    ("tables in tables", lambda: "<table><tr><td>甲" * MANY, MANY),
    ("misnested marks", lambda: "".join(f"<b id={n}>" for n in range(MANY)) + "</p>甲", 1),
    ("attributes", lambda: "<p " + " ".join(f"a{n}=1" for n in range(MANY)) + ">甲", 1),
    ("images and stand-ins", lambda: "<img src=x><noscript>y</noscript>" * MANY + "甲", 1),
    ("angle brackets", lambda: "<" * MANY + "甲", 1),
    ("tags never ended", lambda: "<p>甲" + "<a b='" * MANY, 1),
    ("uneven table", lambda: "<table><tr>" + "<td>" * 3000 + "<tr><td>甲<td>" * 20_000, 20_000),
    ("blanks and breaks", lambda: "甲" + "<b> </b>" * MANY + "<br>" * MANY, 1),
    ("twenty megabytes of text", lambda: "甲乙丙丁戊己" * 1_100_000 + "<i>", 1_100_000),
]


@pytest.mark.parametrize(
    ("make", "count"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE]
)
def test_hostile_sizes_take_linear_time(make: Callable[[], str], count: int) -> None:
    html = make()
    started = time.process_time()
    converted = convert(html, origin="html", form="html")
    assert time.process_time() - started < 20  # seconds; measured 0.1 to 3
    assert converted.text.count("甲") == count
    assert converted.body.count("甲") == count


@pytest.mark.parametrize(
    ("style", "hidden"),
    [("a:b;" * MANY + "display:none", True), ("/*" * MANY, False), ("display:" * MANY, False)],
    ids=["declarations", "comments", "colons"],
)
def test_endless_styles_are_read_once(style: str, hidden: bool) -> None:
    assert bool(read_style(style)) == hidden


@pytest.mark.skipif(not SEEDS.is_dir(), reason="the seeds are not part of the repository")
@pytest.mark.parametrize("form", FORMS)
def test_seeds_read_well_in_every_form(form: Form) -> None:
    for path in sorted(SEEDS.glob("*.txt")):
        body = path.read_text("utf-8").split("---\n", 2)[2]
        converted = convert(body, origin="html", form=form)
        assert "　　" not in converted.body
        assert squeeze(converted.text) == squeeze(read_by_tree(body)[0])
        assert convert(converted.body, origin=form, form=form).body == converted.body


@given(st.text(alphabet="\n\n\n  \t\u3000\xa0\u200b\r\u2028甲乙a", max_size=12))
def test_text_that_is_tidy_at_a_glance_is_tidy(text: str) -> None:
    # A character that is dropped keeps the short way from being taken.
    assert tidy_lines(text) == tidy_lines("\x00" + text)
