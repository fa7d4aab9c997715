"""SIGTERM and SIGINT: what was accepted is on disk, nothing more is asked, the end comes soon."""

from __future__ import annotations

import contextlib
import json
import signal
import socketserver
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from crawler.posts import parse_post
from tests.faults import start_crawl

# The contract (issue 5): out within 30 s of the first signal and 5 s of the second. Reaching them
# is an error of communicate(); nothing here looks at a clock.
FIRST_S, SECOND_S = 30, 5


class Dripping(socketserver.ThreadingTCPServer):
    """A site whose pages come one byte at a time and never end, until ``is_quick``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Drip)
        self.feed = b""
        self.asked = threading.Semaphore(0)
        self.count = 0
        self.is_quick = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up here."""


class _Drip(socketserver.StreamRequestHandler):
    server: Dripping

    def handle(self) -> None:
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        if path == "/robots.txt":
            self._answer(b"404 Not Found", b"")
        elif path == "/x.xml":
            self._answer(b"200 OK", self.server.feed)
        elif self.server.is_quick.is_set():
            self._answer(b"200 OK", f"<html><body><p>{path}{WHOLE}</p></body></html>".encode())
        else:
            self.server.count += 1
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>")
            self.server.asked.release()
            while not self.server.is_quick.wait(0.2):
                self.wfile.write(b" ")

    def _answer(self, status: bytes, body: bytes) -> None:
        head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        self.wfile.write(head % (status, len(body)) + body)


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    with Dripping() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.is_quick.set()
        server.shutdown()


WHOLE = "<p>" + "这一段正文写在订阅源里，够长，不必再取网页。" * 30 + "</p>"


def make_feed(*links: str) -> bytes:
    """A feed of three whole articles and one teaser for every link."""
    items = [
        f"<item><title>第{n}篇</title><guid>whole-{n}</guid>"
        f'<content:encoded xmlns:content="http://purl.org/rss/1.0/modules/content/">'
        f"<![CDATA[{WHOLE}{n}]]></content:encoded></item>"
        for n in range(3)
    ]
    items += [
        f"<item><title>页{n}</title><link>{link}</link></item>" for n, link in enumerate(links)
    ]
    return f'<rss version="2.0"><channel><title>台</title>{"".join(items)}</channel></rss>'.encode()


def feed_arguments(url: str) -> list[str]:
    return ["feed", "-a", f"url={url}/x.xml", "-a", "name=mine"]


@pytest.mark.parametrize(
    ("number", "signals"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)], ids=["once", "twice"]
)
def test_dripping_downloads_do_not_hold_up_the_end(desk, dripping, number, signals):
    dripping.feed = make_feed(*(f"{dripping.url}/{n}" for n in range(9)))
    what = feed_arguments(dripping.url)
    # With no delay at all Scrapy 2.19 does not keep to CONCURRENT_REQUESTS_PER_DOMAIN.
    delay = ["-s", "DOWNLOAD_DELAY=0.01"]
    process = start_crawl(desk.archive, desk.folder / "sources", *what, *delay)
    for _ in range(4):  # all that may be under way
        assert dripping.asked.acquire(timeout=30)
    process.send_signal(number)
    if signals == 2:
        assert "is being written" in process.stderr.readline()
        process.send_signal(number)
    _, told = process.communicate(timeout=SECOND_S if signals == 2 else FIRST_S)
    assert process.returncode == 1
    assert "Traceback" not in told, told
    report = desk.report()
    assert report["errors"] == [f"stopped by {number.name}"]
    assert report["exit_status"] == 1
    assert report["sources"]["mine"]["new"] == 3
    bodies = [parse_post(data).article.title for data in desk.files("posts").values()]
    assert sorted(bodies) == ["第0篇", "第1篇", "第2篇"]
    assert dripping.count == 4, "requests after the signal"
    assert not list(desk.archive.rglob(".*"))
    # Nothing counts as seen: the next run meets the rest.
    dripping.is_quick.set()
    again = desk.crawl(*what)["sources"]["mine"]
    assert (again["new"], again["conditional"]) == (9, 0)


def test_large_feed_is_left_in_the_middle(desk, tmp_path):
    """A document of many articles: those that were accepted are on disk, the others come again."""
    items = "".join(
        f"<item><title>第{n}篇</title><guid>{n}</guid><description>正文{n}。</description></item>"
        for n in range(12_000)
    )
    desk.site.overlay["/x.xml"] = (
        f'<rss version="2.0"><channel><title>台</title>{items}</channel></rss>'.encode()
    )
    more = feed_arguments(desk.site.url)
    more += ["-a", "fulltext=always"]
    process = start_crawl(desk.archive, desk.folder / "sources", *more)
    posts = desk.archive / "posts"
    while process.poll() is None and not posts.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
    process.terminate()
    _, told = process.communicate(timeout=FIRST_S)
    assert process.returncode == 1, told
    report = desk.report()
    written = len(list(posts.rglob("*.md")))
    assert 0 < report["sources"]["mine"]["new"] == written < 12_000
    desk.scrapy("archive", "verify")
    ledger = sqlite3.connect(desk.archive / "ledger.sqlite3")
    assert ledger.execute("SELECT count(*) FROM validator").fetchone() == (0,)
    ledger.close()


def test_locked_ledger_does_not_hold_up_the_end(desk):
    """Waiting for somebody else's lock ends too: 90 s become 2 at the second signal."""
    desk.crawl("rsshub-stcn")
    other = sqlite3.connect(desk.archive / "ledger.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    process = start_crawl(desk.archive, desk.folder / "sources", "rsshub-cs", "-L", "INFO")
    for line in process.stderr:
        if "Enabled item pipelines" in line:
            break
    process.terminate()
    process.terminate()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=SECOND_S)
    other.close()
    assert process.returncode == 1
    assert "Traceback" not in told, told
    assert "ledger.sqlite3: locked by another program" in told
    assert json.loads((desk.archive / "reports" / "latest.json").read_text())["exit_status"] == 1
