"""The header of a post: scalars and lines, in a spelling that YAML 1.1 and 1.2 read alike.

Pure. Owns quoting and the tolerant reading of headers; knows nothing of articles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

Value = str | list[str]

# C0, DEL and C1 controls and what YAML or Unicode count as a line break. A run becomes one blank:
# a value is one line, so nothing in it can begin a key or end the header.
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Not characters at all: YAML calls them unprintable and parsers stop there.
_NONCHARACTERS = re.compile("[\ud800-\udfff\ufffe\uffff]")

_UNSAFE_START = frozenset("-?:,[]{}#&*!|>'\"%@`=<~.")
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))
# Wider than any resolver (YAML 1.1 sexagesimals and octals, Ruby's commas, dates): quoting too
# much is harmless, quoting too little changes the value.
_NUMBER_OR_DATE = re.compile(
    r"[-+]?\.?[0-9][0-9A-Fa-f_,.:eExXoO+-]*|[0-9]{4}-[0-9]{1,2}-[0-9].*"
    r"|\+\.inf|[-+]?e[-+]?[0-9]+",  # the last for JavaScript's yaml in its 1.1
    re.IGNORECASE,
)
_KEY_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(.*)")
_ITEM_LINE = re.compile(r" *- ?(.*)")
_WRAPPER = re.compile(r"""('?"{2,}'|'"{2,}|"{2,}'|)(?=.)""")
_ESCAPED = re.compile(r"\\([\"\\])")


def one_line(text: str) -> str:
    """Gives the text as one line: line breaks and control characters become one blank."""
    if text.isprintable() and "\u2028" not in text:
        return text
    return _NONCHARACTERS.sub("\ufffd", _BREAKS.sub(" ", text))


def quote_single(text: str) -> str:
    return "'" + one_line(text).replace("'", "''") + "'"


def quote_double(text: str) -> str:
    return '"' + one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=1024)  # labels, channels and sources come again with every article
def quote_if_needed(text: str) -> str:
    """Gives the text plain where YAML 1.1 and 1.2 both read it back, else single-quoted."""
    text = one_line(text)
    if (
        not text
        or text[0] in _UNSAFE_START
        or text != text.strip()
        or text[-1] == ":"
        or ": " in text
        or " #" in text
        or text.lower() in _WORDS
        or (text[0] in "+0123456789eE" and _NUMBER_OR_DATE.fullmatch(text))
        or "\ufeff" in text
    ):
        return quote_single(text)
    return text


def render_list(key: str, values: Iterable[str]) -> str:
    return f"{key}:\n" + "".join(f" - {value}\n" for value in values)


@dataclass(slots=True)
class Header:
    """A header as read: raw values in order, the body after it, and what was odd.

    ``raw`` values are trimmed but still quoted. ``body`` is all that follows the closing line,
    None when there was no header at all. ``line`` is the 1-based line where the body begins.
    """

    raw: dict[str, Value] = field(default_factory=dict)
    body: str = ""
    found: bool = False
    line: int = 1
    odd: list[tuple[int, str]] = field(default_factory=list)


def read_header(text: str) -> Header:
    """Reads a header by lines, never with a YAML loader (FORMAT 6.2 and 6.3); never raises."""
    header = Header(body=text)
    start = len(text) - len(text.lstrip("\n \t")) if text[:1] in ("\n", " ", "\t") else 0
    start = text.rfind("\n", 0, start) + 1  # blanks before the first mark belong to its line
    first = text.count("\n", 0, start) + 1
    if first > 2:
        header.odd.append((1, f"{first - 1} blank lines before the header"))
    end_of_mark = text.find("\n", start)
    if end_of_mark < 0 or text[start:end_of_mark].rstrip() != "---":
        header.odd.append((first, "no front matter: everything is body"))
        return header
    close = text.find("\n---\n", end_of_mark)
    closed_at = close + 5
    if close < 0 and text.endswith("\n---"):
        close, closed_at = len(text) - 4, len(text)
    if close < 0:
        header.odd.append((first, "the header is never closed: everything is body"))
        return header
    header.found = True
    header.body = text[closed_at:]
    header.line = text.count("\n", 0, closed_at) + 1
    key = ""
    raw = header.raw
    for number, line in enumerate(text[end_of_mark + 1 : close + 1].split("\n"), first + 1):
        match = _KEY_LINE.fullmatch(line)
        if match:
            key = match[1]
            if key in raw:
                header.odd.append((number, f"key {key} stands twice: the last one counts"))
            raw[key] = match[2].strip()
            continue
        if not line.strip():
            continue
        held = raw.get(key)
        item = _ITEM_LINE.fullmatch(line)
        if item and key and (held == "" or isinstance(held, list)):
            items = held if isinstance(held, list) else []
            items.append(item[1].strip())
            raw[key] = items
        elif not key:
            header.odd.append((number, f"line before any key: {line.strip()[:60]}"))
        else:
            header.odd.append((number, f"the value of {key} goes on over a line break"))
            if isinstance(held, list):
                held[-1] = f"{held[-1]} {line.strip()}"
            else:
                raw[key] = f"{held} {line.strip()}".strip()
    return header


def unquote(raw: str) -> str:
    """Reads a value in the spelling that we write ourselves."""
    if len(raw) >= 2 and raw[0] == raw[-1]:
        if raw[0] == "'":
            return raw[1:-1].replace("''", "'")
        if raw[0] == '"':
            return _ESCAPED.sub(r"\1", raw[1:-1])
    return raw


def unquote_loosely(raw: str) -> str:
    """Reads a value as found in the wild (FORMAT 6.4): wrappers such as ``\"\"\"'…'\"\"\"`` go."""
    wrapper = _WRAPPER.match(raw)
    if wrapper and wrapper[1]:
        mark = wrapper[1]
        if len(raw) >= 2 * len(mark) and raw.endswith(mark[::-1]):
            return raw[len(mark) : -len(mark)]
    return unquote(raw)
