"""The loopback site, and the fixtures it serves."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.site import PLACEHOLDER, Site

FIXTURES = Path(__file__).parent.parent / "fixtures"
FILES = FIXTURES / "site"
FEED = "/rsshub/stcn/yw.xml"
SOURCES = {
    "atom-finance",
    "list-gbk",
    "list-json",
    "rdf-daily",
    "rsshub-cs",
    "rsshub-stcn",
    "wire",
}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


Answer = tuple[int, dict[str, str], bytes]


def ask(site: Site, path: str, method: str = "GET", **headers: str) -> Answer:
    """Status, header fields by name in lower case, body; ``if_match`` is sent as If-Match."""
    parts = urlsplit(site.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=fields)
        response = connection.getresponse()
        got = {name.lower(): value for name, value in response.getheaders()}
        return response.status, got, response.read()
    finally:
        connection.close()


# ---------------------------------------------------------------- the server


def test_file_comes_with_validators_and_its_own_length(site: Site) -> None:
    status, fields, body = ask(site, FEED)
    assert status == 200
    assert body == (FILES / FEED[1:]).read_bytes().replace(PLACEHOLDER, site.url.encode())
    assert fields["content-length"] == str(len(body))
    assert fields["content-type"] == "application/xml; charset=utf-8"
    assert fields["etag"] == f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    assert fields["last-modified"] == "Thu, 04 Jun 2026 02:00:00 GMT"
    assert parsedate_to_datetime(fields["date"]).tzinfo is not None


def test_validators_are_the_same_at_every_start() -> None:
    robots = []
    for _ in range(2):
        with Site() as site:
            _, fields, _ = ask(site, "/robots.txt")
            robots.append((fields["etag"], fields["last-modified"]))
    assert robots[0] == robots[1]


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        pytest.param({"If_None_Match": "{etag}"}, 304, id="its own tag"),
        pytest.param({"If_None_Match": "W/{etag}"}, 304, id="its own tag, weak"),
        pytest.param({"If_None_Match": '"other", {etag}'}, 304, id="one of several tags"),
        pytest.param({"If_None_Match": "*"}, 304, id="any tag"),
        pytest.param({"If_None_Match": '"other"'}, 200, id="another tag"),
        pytest.param({"If_Modified_Since": "{date}"}, 304, id="its own date"),
        pytest.param({"If_Modified_Since": "Thu, 04 Jun 2026 01:59:59 GMT"}, 200, id="before"),
        pytest.param({"If_Modified_Since": "Thu, 04 Jun 2026 02:00:01 GMT"}, 200, id="other date"),
        pytest.param(
            {"If_None_Match": '"other"', "If_Modified_Since": "{date}"}, 200, id="tag over date"
        ),
    ],
)
def test_conditional_request(site: Site, condition: dict[str, str], status: int) -> None:
    _, known, _ = ask(site, FEED)
    values = {"etag": known["etag"], "date": known["last-modified"]}
    sent = {name: value.format(**values) for name, value in condition.items()}
    got, fields, body = ask(site, FEED, **sent)
    assert got == status
    assert (body == b"") == (status == 304)
    assert (fields["etag"], fields["last-modified"]) == (known["etag"], known["last-modified"])


def test_head_is_get_without_the_body(site: Site) -> None:
    _, got, body = ask(site, FEED)
    status, fields, nothing = ask(site, FEED, "HEAD")
    assert status == 200
    assert nothing == b""
    assert fields["content-length"] == str(len(body))
    assert {**fields, "date": ""} == {**got, "date": ""}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/nothing-here.html", id="no such file"),
        pytest.param("/", id="folder"),
        pytest.param("/headers.toml", id="its own table"),
        pytest.param("/404.html", id="its own page"),
        pytest.param("/../site.py", id="out of the folder"),
        pytest.param("/%2e%2e/site.py", id="out of the folder, encoded"),
        pytest.param("/api/comm/web/getNewsByColumns?column=351", id="query that names no file"),
    ],
)
def test_anything_else_is_missing(site: Site, path: str) -> None:
    status, fields, body = ask(site, path)
    assert status == 404
    assert fields["content-length"] == str(len(body))
    assert "页面不存在" in body.decode()
    assert "etag" not in fields


def test_only_known_files_are_ever_served(site: Site) -> None:
    known = {*served(), "/robots.txt"}
    starts = st.sampled_from(["", "/", "/gbk/", "/../", "//", "/rsshub/stcn/yw.xml"])

    @given(st.text(max_size=40), starts)
    def answers(text: str, start: str) -> None:
        path = start + text
        answer = site.answer("GET", path, {})
        found = path.partition("?")[0] in known
        assert answer.startswith(b"HTTP/1.1 200 OK" if found else b"HTTP/1.1 404 Not Found")

    answers()


def test_query_chooses_the_file_or_is_ignored(site: Site) -> None:
    api = "/api/comm/web/getNewsByColumns?client=web&column=350&page_index=1&page_size=20"
    assert ask(site, api)[2] == ask(site, "/api/columns-350-1.json")[2]
    assert ask(site, FEED + "?from=rss")[2] == ask(site, FEED)[2]


def test_other_methods_are_refused_and_the_connection_lives_on(site: Site) -> None:
    parts = urlsplit(site.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.request("POST", FEED, body=b"GET /robots.txt HTTP/1.1\r\n\r\n")
    response = connection.getresponse()
    assert (response.status, response.getheader("Allow")) == (405, "GET, HEAD")
    response.read()
    kept = connection.sock
    connection.request("GET", "/robots.txt")
    assert connection.getresponse().read() == b"User-agent: *\nDisallow: /private/\n"
    assert connection.sock is kept
    connection.close()
    assert [(request.method, request.status) for request in site.requests] == [
        ("POST", 405),
        ("GET", 200),
    ]


@pytest.mark.parametrize(
    "line", [pytest.param(b"\x00\xff\r\n", id="noise"), pytest.param(b"GET /\r\n", id="HTTP/0.9")]
)
def test_what_is_not_http_is_answered_and_hung_up(site: Site, line: bytes) -> None:
    with socket.create_connection((urlsplit(site.url).hostname, urlsplit(site.url).port)) as client:
        client.settimeout(5)
        client.sendall(line)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer == b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def test_requests_are_told_in_order_with_what_was_sent(site: Site) -> None:
    _, fields, _ = ask(site, FEED, User_Agent="reader/1")
    ask(site, FEED + "?x=1", If_None_Match=fields["etag"])
    ask(site, "/gone", "HEAD")
    assert [(method, path, status) for method, path, _, status in site.requests] == [
        ("GET", FEED, 200),
        ("GET", FEED + "?x=1", 304),
        ("HEAD", "/gone", 404),
    ]
    assert site.requests[0].headers["user-agent"] == "reader/1"
    assert site.requests[1].headers["if-none-match"] == fields["etag"]


def test_overlay_replaces_a_file_until_it_is_taken_back(site: Site) -> None:
    _, before, body = ask(site, FEED)
    site.overlay[FEED] = b"<rss>http://site.example/x</rss>"
    known = {"If_None_Match": before["etag"]}
    status, during, edited = ask(site, FEED, **known)
    assert (status, edited) == (200, f"<rss>{site.url}/x</rss>".encode())
    assert during["etag"] != before["etag"]
    assert parsedate_to_datetime(during["last-modified"]) > parsedate_to_datetime(
        before["last-modified"]
    )
    assert during["content-type"] == before["content-type"]
    assert ask(site, FEED, If_Modified_Since=before["last-modified"])[0] == 200
    assert ask(site, FEED, If_None_Match=during["etag"])[0] == 304
    del site.overlay[FEED]
    assert ask(site, FEED, If_Modified_Since=during["last-modified"])[2] == body


def test_two_overlays_differ_in_both_validators(site: Site) -> None:
    seen = []
    for text in (b"one", b"two"):
        site.overlay[FEED] = text
        _, fields, _ = ask(site, FEED)
        seen.append((fields["etag"], fields["last-modified"]))
    assert seen[0][0] != seen[1][0]
    assert seen[0][1] != seen[1][1]


def test_overlay_may_add_a_file(site: Site) -> None:
    site.overlay["/new.json"] = b"{}"
    status, fields, body = ask(site, "/new.json?page=2")
    assert (status, body) == (200, b"{}")
    assert fields["content-type"] == "application/json;charset=UTF-8"


def test_address_is_replaced_inside_gb18030(site: Site) -> None:
    raw = (FILES / "gbk/list.html").read_bytes()
    status, _, body = ask(site, "/gbk/list.html")
    assert status == 200
    assert PLACEHOLDER in raw
    assert body.decode("gb18030") == raw.decode("gb18030").replace(PLACEHOLDER.decode(), site.url)


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        pytest.param("/gbk/list.html", "text/html; charset=utf-8", id="a lying charset"),
        pytest.param("/gbk/202606/t20260603_1004.html", "text/html", id="no charset"),
        pytest.param(
            "/atom/2026/0603/8801.html", "text/html; charset=utf-8", id="an ordinary page"
        ),
        pytest.param("/atom/feed.xml", "application/atom+xml; charset=utf-8", id="Atom"),
        pytest.param("/rdf/daily.rdf", "application/rdf+xml", id="RDF"),
        pytest.param("/wire/feed.json", "application/feed+json", id="JSON Feed"),
        pytest.param("/robots.txt", "text/plain; charset=utf-8", id="robots.txt"),
    ],
)
def test_content_type_is_as_the_table_says(site: Site, path: str, content_type: str) -> None:
    assert ask(site, path)[1]["content-type"] == content_type


def test_date_can_be_held_still(site: Site) -> None:
    assert ask(site, "/gbk/list.html")[1]["date"] == "Fri, 05 Jun 2026 02:30:00 GMT"


def test_taken_port_is_an_error(site: Site) -> None:
    with pytest.raises(OSError, match="in use"):
        Site(port=urlsplit(site.url).port or 0)


def test_site_of_ones_own_needs_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(b"a http://site.example/b")
    with Site(tmp_path, record=False) as site:
        status, fields, body = ask(site, "/a.html")
        assert (status, body) == (200, f"a {site.url}/b".encode())
        assert fields["content-type"] == "text/html; charset=utf-8"
        assert ask(site, "/b")[0] == 404
        assert site.requests == []


def test_command_line_says_where_it_serves_and_ends_on_a_signal(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fixtures.site", "--port", "0", "--sources", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline().decode()
        said = re.fullmatch(r"serving fixtures/site at (http://127\.0\.0\.1:\d+), .*\n", line)
        assert said is not None
        port = urlsplit(said[1]).port
        with socket.create_connection(("127.0.0.1", port or 0)) as client:
            client.sendall(b"GET /robots.txt HTTP/1.1\r\nConnection: close\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        process.terminate()
        assert (process.wait(10), process.stdout.read(), process.stderr.read()) == (0, b"", b"")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert {path.stem for path in tmp_path.iterdir()} == SOURCES
    assert said[1] in (tmp_path / "wire.toml").read_text("utf-8")


# ---------------------------------------------------------------- the fixtures


def served() -> dict[str, Path]:
    """The files of the site by their path, without what belongs to the server itself."""
    own = {"/headers.toml", "/404.html", "/robots.txt"}
    files = {f"/{path.relative_to(FILES).as_posix()}": path for path in FILES.rglob("*.*")}
    return {name: path for name, path in files.items() if name not in own}


def feed_addresses() -> list[str]:
    """Path and query of every feed and list that the source files name."""
    tables = [
        tomllib.loads(path.read_text("utf-8")) for path in (FIXTURES / "sources").glob("*.toml")
    ]
    urls = [feed["url"] for table in tables for feed in table["feed"]]
    assert all(url.startswith(PLACEHOLDER.decode()) for url in urls)
    return [url.removeprefix(PLACEHOLDER.decode()) for url in urls]


def entries_of(name: str, data: bytes) -> list[tuple[str, str]]:
    """Link and text of every entry of a feed or list, read without any of our own code."""
    text = data.decode("gb18030" if name.startswith("/gbk/") else "utf-8")
    if data.startswith(b"{"):
        feed = json.loads(text)
        if "items" in feed:
            return [
                (item["url"], item.get("content_html") or item["content_text"])
                for item in feed["items"]
            ]
        return [(row["url"], "") for row in feed["data"]["list"]]
    if name.endswith(".html"):
        rows = re.findall(r'<li><a href="([^"]+)"', text)
        return [(urljoin(f"http://site.example{name}", row), "") for row in rows]
    entries = []
    root = ET.fromstring(data)
    content = "{http://purl.org/rss/1.0/modules/content/}encoded"
    for element in root.iter():
        if element.tag.rpartition("}")[2] not in {"item", "entry"}:
            continue
        found = {child.tag: child for child in element}
        link = next(found[tag] for tag in found if tag.rpartition("}")[2] == "link")
        url = link.text or urljoin("http://site.example/atom/", link.get("href"))
        own = found.get(content, found.get("description"))
        entries.append((url, (own.text or "") if own is not None else ""))
    return entries


def all_entries(site: Site) -> list[tuple[str, str]]:
    found = []
    for address in feed_addresses():
        status, _, body = ask(site, address)
        assert status == 200, address
        name = address.partition("?")[0]
        found += entries_of(name, body.replace(site.url.encode(), PLACEHOLDER))
    return found


def visible_length(html: str) -> int:
    """Characters of text in a fragment or page, roughly: without tags, scripts and blanks."""
    html = re.sub(r"(?s)<(script|style).*?</\1>", "", html)
    return len(re.sub(r"<[^>]*>|&nbsp;|\s", "", html))


def test_sources_are_the_seven() -> None:
    assert {path.stem for path in (FIXTURES / "sources").glob("*.toml")} == SOURCES


def test_written_sources_name_this_site(site: Site, tmp_path: Path) -> None:
    written = site.write_sources(tmp_path / "new" / "folder")
    assert [path.stem for path in written] == sorted(SOURCES)
    for path in written:
        original = (FIXTURES / "sources" / path.name).read_bytes()
        assert path.read_bytes() == original.replace(PLACEHOLDER, site.url.encode())
        assert PLACEHOLDER not in path.read_bytes()


def test_no_file_is_an_orphan_and_one_page_is_missing(site: Site) -> None:
    addresses = feed_addresses()
    for address in addresses:
        ask(site, address)
    links = {url for url, _ in all_entries(site) if url.startswith(PLACEHOLDER.decode())}
    named = {link.removeprefix(PLACEHOLDER.decode()) for link in links}
    named |= {address for address in addresses if "?" not in address}
    table = tomllib.loads((FILES / "headers.toml").read_text("utf-8"))
    named |= {f"/{table['queries'][address]}" for address in addresses if "?" in address}
    missing = {"/atom/2026/0602/8799.html"}
    assert set(served()) == named - missing
    assert missing <= named
    assert ask(site, next(iter(missing)))[0] == 404


def test_there_are_at_least_forty_five_articles_with_text(site: Site) -> None:
    articles = set()
    for url, text in all_entries(site):
        path = served().get(url.removeprefix(PLACEHOLDER.decode()))
        if path is not None and url.startswith(PLACEHOLDER.decode()) and visible_length(text) < 80:
            charset = "gb18030" if "gbk" in path.parts else "utf-8"
            text = path.read_bytes().decode(charset)
        if visible_length(text) >= 100:
            articles.add(url)
    assert len(articles) >= 45


def test_every_edit_is_of_a_served_file_and_changes_it() -> None:
    edits = FIXTURES / "site-edits"
    paths = [path for path in edits.rglob("*") if path.is_file()]
    assert len(paths) == 3
    for path in paths:
        original = FILES / path.relative_to(edits)
        assert path.read_bytes() != original.read_bytes()


def test_every_recorded_page_has_its_expected_values_and_lies_in_bounds() -> None:
    pages = sorted((FIXTURES / "pages").rglob("*.[hj]*"))  # .html and .json
    expected = sorted((FIXTURES / "pages").rglob("*.toml"))
    assert [path.with_suffix("") for path in pages] == [path.with_suffix("") for path in expected]
    assert {path.parent.name for path in pages} >= {"stcn", "cs", "eastmoney"}
    for page, path in zip(pages, expected, strict=True):
        values = tomllib.loads(path.read_text("utf-8"))
        assert set(values) >= {
            "url",
            "title",
            "published",
            "byline",
            "origin",
            "channel",
            "images",
            "text",
        }
        assert values["text"].strip()
        data = page.read_bytes()
        assert len(data) < 25_000
        text = data.decode("gb18030" if b"charset=gb2312" in data else "utf-8")
        assert values["title"] in text
