"""Image addresses: the original behind proxies and lazy loading, or nothing where there is none.

Which proxies there are, what is a placeholder and which attributes lazy loading uses stands in
``image-proxies.toml``, which a user extends with rows of the same kind; its head explains the
keys. The table is closed: an address is decoded because its host and path are a proxy's, never
because it holds ``url=`` or ``http`` somewhere. Source: FORMAT, section 7.

This room never fetches an image and never touches a link to a page.
"""

from __future__ import annotations

import re
import tomllib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import unescape
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote, urljoin

from crawler.errors import SourceError

MAX_NESTED = 5
"""Proxies inside one another that are undone (FORMAT, section 7)."""

MAX_URL = 16384
"""Characters; longer addresses are left alone. Servers refuse half of that."""

TABLE_NAME = "image-proxies.toml"


@dataclass(frozen=True, slots=True)
class ImageProxy:
    """One row of the table: how the addresses of one proxy look and where the original is.

    The fields are the keys of the data file, which explains them; the expressions are compiled,
    a single text is a tuple of one, and "" stands for a key that is not given.
    """

    name: str
    hosts: tuple[str, ...]
    host: re.Pattern[str]
    inner: str
    path: re.Pattern[str]
    contains: tuple[str, ...] = ()
    parameter: tuple[str, ...] = ()
    encoding: str = "none"
    scheme: str = ""
    https_prefix: str = ""
    https_parameter: str = ""
    query: str = "drop"
    cut: re.Pattern[str] | None = None
    same_host: str = ""


@dataclass(frozen=True, slots=True)
class ImageTable:
    """What is known of image addresses, indexed so that a plain one is known at a glance.

    ``by_domain`` holds the rows (with their rank in the table) by the last two labels of their
    host; ``anywhere`` those for any host, by a text that an address must contain. The last of
    ``lazy_attributes`` is src.
    """

    by_domain: Mapping[str, tuple[tuple[int, ImageProxy], ...]]
    anywhere: Mapping[str, tuple[tuple[int, ImageProxy], ...]]
    opaque: re.Pattern[str]
    placeholder_hosts: re.Pattern[str]
    placeholder_names: frozenset[str]
    lazy_attributes: tuple[str, ...]
    srcset_attributes: tuple[str, ...]


# ------------------------------------------------------------------------------- decoding

_OUTER = re.compile(
    r"(?:(https?):)?//([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.IGNORECASE | re.DOTALL
)
_HOST = r"(?:[^\s/?#@\\]*@)?([\w.~-]+|\[[0-9a-f:.]+\])(?::\d*)?(?=[/?#]|$)"
# The slash that servers and path cleaners eat is put back (https:/host).
_ABSOLUTE = re.compile(rf"(https?):/+({_HOST}([^?#]*).*)", re.IGNORECASE | re.DOTALL)
_SCHEME_RELATIVE = re.compile(rf"//{_HOST}", re.IGNORECASE)
_DOTTED_HOST = re.compile(
    r"(?:[\w-]+(?:\.[\w-]+)*\.(?:[^\W\d_]{2,}|xn--[\w-]+)|\d+(?:\.\d+){3})(?::\d+)?(?=[/?#]|$)"
)
_ENCODED = re.compile(r"https?%3A(?:%2F|/){2}", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
# Only entities that are closed: &copy=1 is a parameter, though html.unescape would see a ©.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]\w{1,31});")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def decode_image_url(url: str, table: ImageTable | None = None) -> str:
    """Returns the address of the original image; ``url`` itself where no proxy is known.

    ``table`` is the shipped one by default. Never raises. More than ``MAX_NESTED`` proxies inside
    one another lose only so many.

    >>> decode_image_url("https://cors.example.workers.dev/?http://a.example/b.jpg?c=1&d=2")
    'http://a.example/b.jpg?c=1&d=2'
    """
    if table is None:
        table = _default_table()
    seen = [url]
    for _ in range(MAX_NESTED):
        inner = _decode_once(url, table)
        if inner is None or inner in seen:
            break
        seen.append(inner)
        url = inner
    return url


def _decode_once(url: str, table: ImageTable) -> str | None:
    """Returns the address inside; None where no row has one."""
    host = _host_of(url)
    if not host:
        return None
    rows = table.by_domain.get(_domain(host), ())
    for text, more in table.anywhere.items():
        if text in url:
            rows += more
    if not rows or len(url) > MAX_URL or table.opaque.fullmatch(host):
        return None
    outer = _OUTER.fullmatch(_ENTITY.sub(lambda entity: unescape(entity[0]), url.strip()))
    if outer is None:
        return None
    for _, row in sorted(rows, key=lambda ranked: ranked[0]):
        inner = _find_inner(row, outer) if row.host.fullmatch(host) else None
        if inner:
            return inner
    return None


def _host_of(url: str) -> str:
    """Returns the host in lower case, "" where there is none; by hand, for every image passes."""
    start = url.find("//") + 2
    if url[:start].lstrip().lower() not in {"https://", "http://", "//"}:
        return ""
    end = url.find("/", start)
    host = url[start:end] if end > 0 else url[start:]
    if "?" in host or "#" in host or "@" in host or ":" in host:
        host = host.partition("?")[0].partition("#")[0]
        host = host.rpartition("@")[2].partition(":")[0]
    return host.lower()


def _domain(host: str) -> str:
    """Returns the last two labels."""
    return host[host.rfind(".", 0, host.rfind(".")) + 1 :]


def _find_inner(row: ImageProxy, outer: re.Match[str]) -> str | None:
    """Returns the address that ``row`` finds in the parts of ``_OUTER``; None: none, or no good."""
    scheme, netloc, path, query, fragment = outer.groups("")
    match = row.path.fullmatch(path)
    if match is None:
        return None
    behind = f"?{query}{fragment}" if outer[4] is not None else fragment
    if row.inner == "query":
        value = behind[1:]
    elif row.inner == "parameter":
        named = "parameters" in row.path.groupindex
        value = _parameter(match["parameters"] + behind if named else query, row.parameter)
    else:
        value = match["inner"] + (match["rest"] if "rest" in row.path.groupindex else "")
    value = _decoded(value, row.encoding).strip()
    inner_scheme = row.scheme
    if row.https_prefix and value.startswith(row.https_prefix):
        value, inner_scheme = value.removeprefix(row.https_prefix), "https"
    elif row.https_parameter and row.https_parameter in query.split("&"):
        inner_scheme = "https"
    if _ENCODED.match(value):
        value = _unquote(value)  # then what stands behind it is not its own
    elif row.inner == "path" and row.query == "keep":
        value += behind
    if row.cut:
        value = row.cut.sub("", value)
    value = value.replace(" ", "%20")
    if not value or _CONTROLS.search(value):
        return None
    return _accepted(value, inner_scheme, row.same_host, f"{scheme or 'https'}://{netloc}")


def _accepted(value: str, scheme: str, same_host: str, outer_host: str) -> str | None:
    """Returns ``value`` as an absolute address, if it is one or the row lets it become one."""
    match = _ABSOLUTE.fullmatch(value)
    if match:
        return f"{match[1].lower()}://{match[2]}"
    if _SCHEME_RELATIVE.match(value):
        return f"https:{value}"
    if value.startswith("//"):
        return None
    if same_host and value.startswith("/"):
        return f"{outer_host}{value}"
    if same_host == "any" and not _SCHEME.match(value):
        return f"{outer_host}/{value}"
    if scheme and _DOTTED_HOST.match(value):
        return f"{scheme}://{value}"
    return None


def _parameter(query: str, names: Iterable[str]) -> str:
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if equals and name in names:
            return value
    return ""


def _decoded(value: str, encoding: str) -> str:
    """Returns the text behind ``value``; "" where it is not in that encoding."""
    if encoding == "percent":
        return _unquote(value)
    try:
        if encoding == "hex":
            return bytes.fromhex(value).decode()
        if encoding == "base64":
            packed = unquote(value).replace("/", "").rstrip("=")
            return b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True).decode()
    except ValueError:
        return ""
    return value


def _unquote(value: str) -> str:
    """Undoes percent-encoding once; bytes that are no UTF-8 (GBK names) stay encoded."""
    text = unquote(value, errors="surrogateescape")
    return _NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)


# ------------------------------------------------------------------------------- choosing

# What a browser would not send as it is, and braces, which site builders run (FORMAT, 2.5).
_UNSAFE = re.compile(r'[\s"<>`{}]')
_TINY = re.compile(r"\s*[01](?:px)?\s*")
_TINY_STYLE = re.compile(r"(?=.*\bwidth:\s*[01]px)(?=.*\bheight:\s*[01]px)", re.DOTALL)
# A candidate is a run without blanks (it may hold commas, though not at its end) and a size.
_CANDIDATE = re.compile(r"[\s,]*(\S*[^\s,])(?:\s+([^,]*))?(?:,|$)")


def usable_image_url(
    url: str, *, base_url: str | None, table: ImageTable | None = None
) -> str | None:
    """Returns the absolute http(s) address of a real image, decoded; None where there is none.

    ``url`` is what an attribute or a feed gives. It is cleaned as a browser does (blanks around
    it, line breaks in it), resolved against ``base_url`` (None: only absolute ones pass), decoded,
    and only then judged: foreign schemes, spacers, counting pixels and placeholders are None.
    Twice is the same as once. Never raises.
    """
    if table is None:
        table = _default_table()
    if not url.isprintable():
        url = _CONTROLS.sub("", url)
    url = url.strip()
    if "\\" in url:
        address, question, query = url.partition("?")
        url = address.replace("\\", "/") + question + query
    if not url.startswith(("http://", "https://")):
        resolved = _resolve(url, base_url)
        if resolved is None:
            return None
        url = resolved
    # Repaired before decoding, too: what the decoder passes over today it must not find tomorrow.
    repaired = _repair(url)
    if repaired is None:
        return None
    decoded = decode_image_url(repaired[0], table)
    if decoded != repaired[0]:
        repaired = _repair(decoded)
        if repaired is None:
            return None
    url, host, path = repaired
    if path[path.rfind("/") + 1 :].lower() in table.placeholder_names:
        return None
    return None if table.placeholder_hosts.fullmatch(host) else url


def pick_image(
    attributes: Mapping[str, str | None], *, base_url: str | None, table: ImageTable | None = None
) -> str | None:
    """Returns the address of the picture an image element shows once it is loaded, or None.

    ``attributes`` are those of one ``img`` (or ``source``), names in lower case. The first usable
    one of the lazy loading attributes and ``src`` wins, else the largest of the srcset ones. An
    element of one pixel is a counter and shows nothing.
    """
    if table is None:
        table = _default_table()
    if _is_tiny(attributes):
        return None
    for name in table.lazy_attributes:
        url = attributes.get(name)
        # Some of these also hold switches (data-lazy="true"), which are no address.
        if url and (name == "src" or "/" in url or "." in url):
            usable = usable_image_url(url, base_url=base_url, table=table)
            if usable:
                return usable
    for name in table.srcset_attributes:
        for url in _by_size(attributes.get(name) or ""):
            usable = usable_image_url(url, base_url=base_url, table=table)
            if usable:
                return usable
    return None


def _resolve(url: str, base_url: str | None) -> str | None:
    scheme = _SCHEME.match(url)
    if not url or url[0] == "#" or (scheme and scheme[0].lower() not in {"http:", "https:"}):
        return None
    if scheme:
        return url
    if url.startswith("//"):
        insecure = base_url is not None and base_url[:5].lower() == "http:"
        return f"{'http' if insecure else 'https'}:{url}"
    if base_url is None:
        return None
    try:
        return urljoin(base_url, url)
    except ValueError:  # a bracket that opens no IPv6 address
        return None


def _repair(url: str) -> tuple[str, str, str] | None:
    """Returns the address as a browser would send it, its host and its path; None if not http."""
    match = _ABSOLUTE.fullmatch(url)
    if match is None:
        return None
    scheme, rest, host, path = match.groups()
    if _UNSAFE.search(rest):
        rest = _UNSAFE.sub(lambda sign: quote(sign[0], safe=""), rest)
    return f"{scheme.lower()}://{rest}", host.lower(), path


def _is_tiny(attributes: Mapping[str, str | None]) -> bool:
    width, height = attributes.get("width"), attributes.get("height")
    if width and height and _TINY.fullmatch(width) and _TINY.fullmatch(height):
        return True
    style = attributes.get("style")
    return bool(style and _TINY_STYLE.match(style.lower()))


def _by_size(srcset: str) -> list[str]:
    """Returns the addresses of a srcset, largest first (HTML, 4.8.4.3.10)."""
    sized = []
    for match in _CANDIDATE.finditer(srcset):
        size = (match[2] or "1x").strip()[:-1]
        sized.append((float(size) if size.replace(".", "", 1).isdecimal() else 1.0, match[1]))
    return [url for _, url in sorted(sized, key=lambda pair: -pair[0])]


# -------------------------------------------------------------------------------- loading

_CHOICES = {
    "inner": ("query", "parameter", "path"),
    "encoding": ("none", "percent", "base64", "hex"),
    "scheme": ("http", "https"),
    "query": ("keep", "drop"),
    "same_host": ("rooted", "any"),
}
_ROW_LISTS = ("host", "contains", "parameter")
_ROW_TEXTS = ("name", "path", "cut", "https_prefix", "https_parameter")
_TOP_LISTS = ("opaque", "lazy_attributes", "srcset_attributes")
_HOST_PATTERN = re.compile(r"[\w.*-]+")


@dataclass(frozen=True, slots=True)
class _Document:
    """A data file that has been checked: its rows, and its lists by their keys."""

    proxies: tuple[ImageProxy, ...]
    lists: Mapping[str, tuple[str, ...]]


def load_image_table(text: str | None = None, *, path_for_errors: str = TABLE_NAME) -> ImageTable:
    """Returns the shipped table with the user's rows (TOML) before its own.

    Raises SourceError where the text is no TOML, or a row has an unknown key, lacks one or has a
    value that is none; it names ``path_for_errors``, row and key.
    """
    if text is None:
        return _default_table()
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"not TOML: {error}", path=path_for_errors) from error
    return _build_table([_check_document(document, path_for_errors), _shipped_document()])


@cache
def _default_table() -> ImageTable:
    return _build_table([_shipped_document()])


@cache
def _shipped_document() -> _Document:
    text = files("crawler").joinpath(TABLE_NAME).read_text("utf-8")
    return _check_document(tomllib.loads(text), TABLE_NAME)


def _build_table(documents: Sequence[_Document]) -> ImageTable:
    by_domain: dict[str, tuple[tuple[int, ImageProxy], ...]] = {}
    anywhere: dict[str, tuple[tuple[int, ImageProxy], ...]] = {}
    proxies = [proxy for document in documents for proxy in document.proxies]
    for rank, proxy in enumerate(proxies):
        for domain in {_domain(host) for host in proxy.hosts if not _is_any_host(host)}:
            by_domain[domain] = (*by_domain.get(domain, ()), (rank, proxy))
        for text in proxy.contains:
            anywhere[text] = (*anywhere.get(text, ()), (rank, proxy))

    def merged(key: str) -> tuple[str, ...]:
        values = (value for document in documents for value in document.lists.get(key, ()))
        return tuple(dict.fromkeys(values))

    return ImageTable(
        by_domain=by_domain,
        anywhere=anywhere,
        opaque=_compile_hosts(merged("opaque")),
        placeholder_hosts=_compile_hosts(merged("placeholder.hosts")),
        placeholder_names=frozenset(name.lower() for name in merged("placeholder.names")),
        lazy_attributes=(*merged("lazy_attributes"), "src"),
        srcset_attributes=merged("srcset_attributes"),
    )


def _is_any_host(pattern: str) -> bool:
    """Tells whether a host pattern leaves the last two labels open."""
    return "*" in _domain(pattern)


def _compile_hosts(patterns: Iterable[str]) -> re.Pattern[str]:
    parts = (re.escape(pattern.lower()).replace(r"\*", ".*") for pattern in patterns)
    return re.compile("|".join(parts) or r"(?!)")


def _check_document(document: Mapping[str, Any], path: str) -> _Document:
    known = {*_TOP_LISTS, "placeholder", "proxy"}
    for key in document:
        if key not in known:
            raise SourceError(f"unknown key, expected one of {_listed(known)}", path=path, key=key)
    lists = {key: _texts(document.get(key, []), path, key) for key in _TOP_LISTS}
    placeholder = document.get("placeholder", {})
    if not isinstance(placeholder, dict) or not placeholder.keys() <= {"hosts", "names"}:
        raise SourceError("expected a table with hosts and names", path=path, key="placeholder")
    for part in ("hosts", "names"):
        key = f"placeholder.{part}"
        lists[key] = _texts(placeholder.get(part, []), path, key)
    for key in ("opaque", "placeholder.hosts"):
        for pattern in lists[key]:
            if not _HOST_PATTERN.fullmatch(pattern):
                raise SourceError(f"found {pattern!r}, expected a host", path=path, key=key)
    rows = document.get("proxy", [])
    if not isinstance(rows, list):
        raise SourceError("expected rows, each headed [[proxy]]", path=path, key="proxy")
    return _Document(
        tuple(_check_row(row, path, number) for number, row in enumerate(rows, 1)), lists
    )


def _check_row(row: Any, path: str, number: int) -> ImageProxy:
    """Returns a row of the file; ``number`` counts from 1, for messages."""
    if not isinstance(row, dict):
        raise SourceError("expected rows, each headed [[proxy]]", path=path, key="proxy")
    where = f"proxy {number}" + (f" ({row['name']})" if isinstance(row.get("name"), str) else "")

    def refuse(key: str, reason: str) -> SourceError:
        return SourceError(reason, path=path, key=f"{where}: {key}")

    known = {*_CHOICES, *_ROW_LISTS, *_ROW_TEXTS}
    for key, value in row.items():
        if key not in known:
            raise refuse(key, f"unknown key, expected one of {_listed(known)}")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise refuse(key, f"found {value!r}, expected one of {_listed(_CHOICES[key])}")
        if key in _ROW_TEXTS and not (isinstance(value, str) and value):
            raise refuse(key, f"found {value!r}, expected a text")
    for key in ("name", "host", "inner"):
        if key not in row:
            raise refuse(key, "missing")
    lists = {key: _texts(row.get(key, []), path, f"{where}: {key}") for key in _ROW_LISTS}
    for pattern in lists["host"]:
        if not _HOST_PATTERN.fullmatch(pattern):
            raise refuse("host", f"found {pattern!r}, expected a host such as *.example.org")
    any_host = any(map(_is_any_host, lists["host"]))
    if any_host != bool(lists["contains"]):
        expected = (
            "a text that stands in every such address" if any_host else "none but for any host"
        )
        raise refuse("contains", f"found {row.get('contains')!r}, expected {expected}")
    if (row["inner"] == "parameter") != bool(lists["parameter"]):
        raise refuse("parameter", 'expected with inner = "parameter", and only there')
    expressions = {}
    for key in ("path", "cut"):
        try:
            expressions[key] = re.compile(row.get(key, "/?"), re.DOTALL)
        except re.error as error:
            raise refuse(key, f"no regular expression: {error}") from error
    if (row["inner"] == "path") != ("inner" in expressions["path"].groupindex):
        raise refuse("path", 'expected a group (?P<inner>…) with inner = "path", and only there')
    return ImageProxy(
        name=row["name"],
        hosts=lists["host"],
        host=_compile_hosts(lists["host"]),
        inner=row["inner"],
        path=expressions["path"],
        contains=lists["contains"],
        parameter=lists["parameter"],
        encoding=row.get("encoding", "none"),
        scheme=row.get("scheme", ""),
        https_prefix=row.get("https_prefix", ""),
        https_parameter=row.get("https_parameter", ""),
        query=row.get("query", "drop"),
        cut=re.compile(rf"(?:{row['cut']})\Z", re.DOTALL) if "cut" in row else None,
        same_host=row.get("same_host", ""),
    )


def _texts(value: Any, path: str, key: str) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise SourceError(
            f"found {value!r}, expected a text or a list of texts", path=path, key=key
        )
    return tuple(texts)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))
