"""Whether a summary is the article: what full-text mirrors send, and what teasers look like."""

import pytest

from crawler.article import Entry
from crawler.feeds.whole import is_whole


@pytest.mark.parametrize(
    ("summary", "whole"),
    [
        ("<p>一段。</p><p>二段。</p>", True),
        ('<img src="http://a.example/b.jpg"><br>图说。', True),
        ("长" * 700, True),
        ("短讯一句。", False),
        ("<p>导语写到这里……</p>", False),
        ("<p>Teaser text […]</p>", False),
        ('<p>导语。</p><p><a href="/1">阅读全文</a></p>', False),
        ("<p>导语 [&#8230;]</p>", False),
        ("", False),
        (None, False),
    ],
)
def test_summary_of_rss(summary, whole):
    assert is_whole(Entry(summary=summary), "rss") is whole


@pytest.mark.parametrize("format", ["atom", "json", "html", "sitemap"])
def test_formats_with_a_place_for_the_full_text_mean_what_they_say(format):
    assert not is_whole(Entry(summary="<p>一段。</p><p>二段。</p>"), format)
