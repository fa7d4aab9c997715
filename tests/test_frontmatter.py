"""Header scalars: plain only where YAML 1.1 and 1.2 read the same text back."""

import pytest
import yaml

from crawler.frontmatter import one_line, quote_if_needed

PLAIN = [
    "证券时报网",
    "要闻",
    "21财经",
    "e公司",
    "a:b",
    "a#b",
    "tag:x,2026:1",
    "https://a.example/?b=c",
    "3小时",
]
QUOTED = [
    "", "1", "1_000", "1,000", "0x1F", "1e3", "e1", "+E-2", "12:30", "12:30:45", ".5", "+1", "2021-06-04",
    "2021-06-04 09:56:00", "yes", "No", "ON", "null", "~", "TRUE", "y", "=", "<<", "- a", "?", ": a",
    "a: b", "a #b", "a:", " a", "a ", "'a'", '"a"', "[a]", "{a}", "#a", "&a", "*a", "!a", "|", ">",
    "%a", "@a", "`a", ".inf", ".NaN", "+.INF",
]  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_safe_texts_stay_plain(text):
    assert quote_if_needed(text) == text


@pytest.mark.parametrize("text", QUOTED)
def test_unsafe_texts_are_quoted(text):
    assert quote_if_needed(text) == "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("text", PLAIN + QUOTED)
def test_yaml_reads_the_text_back(text):
    assert yaml.safe_load(f"key: {quote_if_needed(text)}") == {"key": text}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a\nb", "a b"),
        ("a\r\n\tb", "a b"),
        ("a\x00b", "a b"),
        ("a\u2028b", "a b"),
        ("a  b", "a  b"),
    ],
)
def test_one_line(text, line):
    assert one_line(text) == line
