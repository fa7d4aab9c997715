"""Which addresses are asked, by form and on the way; whole responses; certificates."""

from __future__ import annotations

import gzip
import socket
import socketserver
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from ipaddress import ip_address
from time import monotonic
from types import SimpleNamespace
from typing import ClassVar
from xml.sax.saxutils import escape

import brotli
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from scrapy.utils.test import get_crawler
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from crawler.addresses import is_public, read_origin, refuse_address
from crawler.decoding import decode_body, zstd
from crawler.downloads import ROOM_BYTES, GuardedPool, Room
from crawler.errors import CutError, TooLargeError
from crawler.middlewares import AddressGuard, AddressRefused
from crawler.posts import parse_post
from crawler.sources import FeedRule, Source

# What a hostile feed could write for this machine and its neighbours; {port} is the victim's.
LOOPBACK = """
127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 0 0.0.0.0 0.0 2130706433 017700000001 0x7f000001
0x7F000001 0x7f.1 0x7f.0.0.1 0x7f.0x0.0x0.0x1 0177.1 0177.0.0.01 0177.0000.0000.0001 127.0x1
127.0.0x0001 0x7f.0.1 00000177.1 127.0.0.1. 127.1. 2130706433. 0x0 00 0x 0x7f.0x1 127.00000000001
１２７.０.０.１ ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1 127｡0｡0｡1 %31%32%37.0.0.1 127%2e0%2e0%2e1
１２７。１ ２１３０７０６４３３ 0ｘ7f.1 127.0.0.1%2e 𝟏𝟐𝟕.𝟎.𝟎.𝟏 𝟙𝟚𝟟.𝟙
[::1] [::] [0:0:0:0:0:0:0:1] [0000::0001] [::0001] [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:0001]
[0:0:0:0:0:ffff:127.0.0.1] [::127.0.0.1] [::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1]
[64:ff9b:1::7f00:1] [2002:7f00:1::] [2002:7f00:0001::1] [2001:0:7f00:1::] [::ffff:0:127.0.0.1]
[::ffff:0.0.0.0] [::1%25lo] [fe80::1%25lo] [fe80::1]
localhost LOCALHOST LocalHost localhost. localhost.. foo.localhost a.b.localhost. ⓛocalhost
ｌｏｃａｌｈｏｓｔ localhost.localdomain ip6-localhost ip6-loopback loca%6chost
user@127.0.0.1 user:pass@127.0.0.1 good.example@127.0.0.1 good.example:80@127.0.0.1 @127.0.0.1
8.8.8.8@127.1 user@localhost a%40b@127.0.0.1 good.example%20@127.0.0.1 :@[::1]
127.0.0.1%00.good.example 127.0.0.1%20.good.example 127.0.0.1%23.good.example 127.0.0.256
127.0.0.1.1 127.0.0.08 0x100000000 4294967296 999.1 127..1 1.2.3.4.5 [::1]x [::g] [:::1]
""".split()
NEIGHBOURS = """
10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.1.254 169.254.169.254
169.254.0.1 100.64.0.1 100.100.100.200 100.127.255.254 192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1
198.19.255.254 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.250 240.0.0.1
255.255.255.255 0.1.2.3 0xa9fea9fe 2852039166 0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe 10.1 192.168.257
[fc00::1] [fd00:ec2::254] [fe80::a9fe:a9fe] [fec0::1] [ff02::1] [ff0e::1] [2001:db8::1] [3fff::1]
[2001::1] [2001:10::1] [2001:20::1] [100::1] [5f00::1] [::a00:1] [::ffff:10.0.0.1] [::ffff:a9fe:a9fe]
[::ffff:192.168.0.1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [2002:a00:1::1] [2002:c0a8:1::1] [4000::1]
010.8.8.8 8.8.2056 0x08080808 134744072 8.8.8.8.
""".split()
OTHER_SCHEMES = [
    "file:///etc/hostname",
    "ftp://127.0.0.1:{port}/x",
    "gopher://127.0.0.1:{port}/x",
    "data:text/html,<p>x</p>",
    "dict://127.0.0.1:{port}/x",
    "ws://127.0.0.1:{port}/x",
    "ldap://127.0.0.1:{port}/x",
    "s3://bucket/x",
    "jar:http://127.0.0.1:{port}/x!/",
    "javascript:alert(1)",
    "http+unix://%2Frun%2Fx.sock/x",
    "//",
    "http://",
    "http:///x",
    "http://[",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
]
FORMS = [f"http://{host}:{{port}}/secret" for host in LOOPBACK] + [
    "https://127.0.0.1:{port}/secret",
    "HTTP://127.0.0.1:{port}/secret",
    "http://127.0.0.1:{port}#@good.example/",
    "http://127.0.0.1:{port}?@good.example/",
    "http://127.0.0.1:{port}\\@good.example/",
    "http:\\\\127.0.0.1:{port}\\secret",
    "http:/127.0.0.1:{port}/secret",
    "http:127.0.0.1:{port}/secret",
    "http://12\t7.0.0.1:{port}/secret",
    "ht\ntp://127.0.0.1:{port}/secret",
    " http://127.0.0.1:{port}/secret",
    "http://127.0.0.1:0{port}/secret",
]
PUBLIC = """
8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 192.167.1.1 100.63.0.1 100.128.0.1 169.253.1.1 223.255.255.1
[2606:4700::1111] [2400:3200::1] [2a00:1450:4001::8a] [::ffff:8.8.8.8] [64:ff9b::8.8.8.8]
example.org www.stcn.com a_b.example xn--fiqs8s.example 例子.example 中证网.中国 example.org.
127.example 127.0.0.1.example localhost.example notlocalhost 0x7f.example 1e100.net 163.com
""".split()


def test_there_are_enough_forms():
    assert len({*FORMS, *NEIGHBOURS, *OTHER_SCHEMES}) >= 120


@pytest.mark.parametrize(
    "url", [*FORMS, *OTHER_SCHEMES, *(f"http://{host}:{{port}}/" for host in NEIGHBOURS)]
)
def test_address_that_is_not_public_is_refused_by_its_form(url):
    # Scrapy cleans addresses before they are judged; either form must be refused, or be none.
    assert refuse_address(url.strip().format(port=8001), set())


@pytest.mark.parametrize("host", PUBLIC)
def test_public_address_may_be_asked(host):
    for port in ("", ":80", ":8443"):
        assert refuse_address(f"https://{host}{port}/a?b#c", set()) is None


@pytest.mark.parametrize(
    ("declared", "url", "may"),
    [
        ("http://127.0.0.1:81/feed", "http://127.0.0.1:81/other", True),
        ("http://127.0.0.1:81/feed", "https://127.0.0.1:81/other", True),
        ("http://127.0.0.1:81/feed", "http://127.1:81/other", True),
        ("http://127.0.0.1:81/feed", "http://127.0.0.1:82/", False),
        ("http://127.0.0.1:81/feed", "http://127.0.0.1/", False),
        ("http://127.0.0.1:81/feed", "http://127.0.0.2:81/", False),
        ("http://127.0.0.1:81/feed", "http://localhost:81/", False),
        ("http://127.0.0.1:81/feed", "http://x@127.0.0.1:81/", False),
        ("http://127.0.0.1:81/feed", "ftp://127.0.0.1:81/", False),
        ("http://localhost/feed", "http://LOCALHOST.:80/", True),
        ("http://[::1]:81/feed", "http://[0::1]:81/", True),
        ("http://10.0.0.8/feed", "https://10.0.0.8/", False),
        ("http://nas.local/feed", "http://nas.local:80/x", True),
    ],
)
def test_what_is_declared_is_trusted_and_nothing_beside_it(declared, url, may):
    assert (refuse_address(url, {read_origin(declared)}) is None) is may


@pytest.mark.parametrize("address", ["fe80::1%eth0", "::1", "0.0.0.0", "192.168.0.1"])
def test_address_connected_to_is_judged_as_it_is(address):
    assert not is_public(address)


# ---------------------------------------------------------------- real servers


class Server(socketserver.ThreadingTCPServer):
    """Answers each path with the bytes that ``answers`` holds, or that a function there writes,
    and hangs up. ``asked`` lists the paths, ``heads`` when they were asked for and with what;
    ``connections`` counts those too that asked nothing."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, context=None):
        super().__init__(("127.0.0.1", 0), Connection)
        self.answers: dict[str, bytes | Callable[[socket.socket], None]] = {}
        self.asked: list[str] = []
        self.heads: list[tuple[float, bytes]] = []
        self.connections = 0
        self.context = context
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.port}"

    def handle_error(self, request, client_address):
        pass


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.connections += 1
        if self.server.context is None:
            self.answer(self.request)
            return
        with (
            suppress(OSError),
            self.server.context.wrap_socket(self.request, server_side=True) as connection,
        ):
            self.answer(connection)

    def answer(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        path = head.split(b" ", 2)[1].decode()
        self.server.asked.append(path)
        self.server.heads.append((monotonic(), head))
        answer = self.server.answers.get(path, reply("", "404 Not Found"))
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture
def victim() -> Iterator[Server]:
    with Server() as server:
        yield server
        server.shutdown()


def reply(
    body: str | bytes = "", status: str = "200 OK", *fields: str, kind: str = "text/html"
) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}; charset=utf-8", *fields]
    if not any(field.startswith(("Content-Length", "Transfer-")) for field in fields):
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8") + data


def rss(links: dict[str, str]) -> bytes:
    """A feed with an entry for each title, its link, and a teaser."""
    items = "".join(
        f"<item><title>{escape(title)}</title><link>{escape(link)}</link>"
        f"<guid isPermaLink='false'>{escape(title)}</guid>"
        f"<description>{escape(title)}的摘要，很短。</description></item>"
        for title, link in links.items()
    )
    feed = f"<rss version='2.0'><channel><title>源</title>{items}</channel></rss>"
    return reply(feed, kind="application/rss+xml")


PAGE = (
    "<html><body><h1>{0}</h1><article><p>"
    + "这是正文里的一句话，写得足够长。" * 30
    + "</p></article></body></html>"
)


def crawl(desk, server, *arguments, status=0, path="/feed.xml"):
    return desk.crawl(
        "feed", "-a", f"url={server.url}{path}", "-a", "name=here", *arguments, status=status
    )


class Names:
    """Stands in for the name servers of the open network, by the setting that names a resolver."""

    ADDRESSES: ClassVar = {"name.test": "127.0.0.1"}

    def __init__(self, reactor):
        self.reactor = reactor

    @classmethod
    def from_crawler(cls, crawler, reactor):
        return cls(reactor)

    def install_on_reactor(self):
        self.reactor.installNameResolver(self)

    def resolveHostName(self, receiver, name, portNumber=0, *arguments, **options):
        receiver.resolutionBegan(None)
        address = self.ADDRESSES.get(name, name)
        receiver.addressResolved(IPv4Address("TCP", address, portNumber))
        receiver.resolutionComplete()


def test_no_way_in_leads_to_a_private_address(desk, server, victim):
    links = {}
    for number, form in enumerate([*FORMS, *OTHER_SCHEMES, "http://name.test:{port}/"]):
        url = form.format(port=victim.port)
        links[f"link {number}"] = url
        links[f"redirect {number}"] = f"{server.url}/redirect/{number}"
        links[f"refresh {number}"] = f"{server.url}/refresh/{number}"
        field = f"Location: {url}".replace("\n", "").replace("\t", "")
        server.answers[f"/redirect/{number}"] = reply("", "302 Found", field)
        server.answers[f"/refresh/{number}"] = reply(
            f"<html><meta http-equiv='refresh' content='0;url={escape(url)}'></html>"
        )
    server.answers["/robots.txt"] = reply("", "302 Found", f"Location: {victim.url}/robots.txt")
    links["good"] = f"{server.url}/good"
    server.answers["/good"] = reply(PAGE.format("good"))
    server.answers["/feed.xml"] = rss(links)
    report = crawl(desk, server, "-s", "TWISTED_DNS_RESOLVER=tests.test_guard.Names")
    counts = report["sources"]["here"]
    assert victim.connections == 0
    assert counts["entries"] == counts["new"] == len(links)
    assert counts["refused_count"] == 0
    # The rest had no http address at all, and so no page to be had.
    assert counts["partial"] > len(links) - len(OTHER_SCHEMES) - 5
    assert counts["warning_count"] == counts["partial"] + sum(
        "no http address" in warning["reason"] for warning in counts["warnings"]
    )
    partial = [post for post in desk.files("posts").values() if b"\npartial: 'refused addr" in post]
    assert len(partial) > 300


def declare(desk, name, *urls, more=""):
    feeds = "".join(f'[[feed]]\nurl = "{url}"\n' for url in urls)
    (desk.folder / "sources" / f"{name}.toml").write_text(f'label = "{name}"\n{more}\n{feeds}')


def test_no_feed_leads_to_a_private_address(desk, server, victim):
    secret = f"{victim.url}/secret"
    hosts = [
        f"{victim.url}/a",
        f"http://localhost:{victim.port}/b",
        f"http://[::ffff:7f00:1]:{victim.port}/c",
    ]
    maps = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in hosts)
    index = (
        f"<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{maps}</sitemapindex>"
    )
    link = "<link rel=alternate type='application/rss+xml' href='{}'>"
    server.answers = {
        "/redirect": reply("", "301 Moved", f"Location: {secret}"),
        "/no-address": reply("", "301 Moved", "Location: http://["),
        "/refresh": reply(f"<html><meta http-equiv=refresh content='0;url={secret}'></html>"),
        "/advertised": reply(f"<html>{link.format(secret)}</html>"),
        "/bad": reply(f"<html>{link.format('http://[::1')}</html>"),
        "/sitemap": reply(index, kind="text/xml"),
        "/sitemaps": reply(index.replace(hosts[0], f"{server.url}/sitemap"), kind="text/xml"),
        "/good": rss({"good": f"{server.url}/page"}),
        "/page": reply(PAGE.format("good")),
    }
    declare(desk, "many", *(f"{server.url}{path}" for path in server.answers if path != "/page"))
    log = desk.scrapy("crawl", "many").stderr
    assert "'news/address_refused': 12," in log
    report = desk.report()["sources"]["many"]
    assert victim.connections == 0
    assert report["new"] == report["feeds"] == 1
    assert report["refused_count"] == 5 + 3 + 2 + 3
    for trouble in report["refused"]:
        assert (
            trouble["reason"].startswith("refused address: ") or "advertises" in trouble["reason"]
        )


@pytest.mark.parametrize("further", ["{}/secret", "http://[::1"], ids=["private", "no address"])
def test_no_paging_link_leads_to_a_private_address(desk, server, victim, further):
    further = further.format(victim.url)
    rows = "<html><ul><li><a href='/page'>题目一</a></li></ul><a class=next href='{}'>下一页</a></html>"
    server.answers = {
        "/list": reply(rows.format(further)),
        "/list?page=2": reply(rows.format(further)),
        "/page": reply(
            PAGE.format("题目一").replace("</body>", f"<a class=next href='{further}'>2</a></body>")
        ),
    }
    (desk.folder / "sources" / "paged.toml").write_text(
        f'''label = "分页"
[[feed]]
url = "{server.url}/list"
format = "html"
rows = "li"
title = "a"
link = "a::attr(href)"
next = "a.next::attr(href)"
[[page]]
body = "article"
title = "h1"
next = "a.next::attr(href)"
'''
    )
    report = desk.crawl("paged")["sources"]["paged"]
    assert victim.connections == 0
    assert report["new"] == 1


def test_probe_asks_what_it_was_given_and_nothing_private_beside_it(desk, server, victim):
    server.answers["/feed.xml"] = rss({"a": f"{victim.url}/secret"})
    told = desk.scrapy("probe", f"{server.url}/feed.xml")
    assert "/feed.xml" in server.asked
    assert "refused address" in told.stdout + told.stderr
    assert victim.connections == 0


def test_template_is_declared_too():
    guard = AddressGuard(get_crawler())
    rule = FeedRule(url="http://10.0.0.1/", next_url="http://10.0.0.2:81/{page}?{cursor}")
    for url in Source(name="a", label="a", feeds=(rule,)).addresses:
        guard.declare(url)
    assert guard.declared == {("10.0.0.1", 80), ("10.0.0.2", 81)}


def test_through_a_proxy_private_targets_are_refused_by_form(desk, victim):
    """The proxy, on loopback itself, is the operator's; it looks names up, not we."""
    links = {f"link {n}": form.format(port=victim.port) for n, form in enumerate(FORMS)}
    feed = rss(links | {"good": "http://far.example/good"})
    desk.site.overlay = {
        "http://far.example/feed.xml": feed.partition(b"\r\n\r\n")[2],
        "http://far.example/good": PAGE.format("good").encode(),
    }
    arguments = ("-a", "url=http://far.example/feed.xml", "-a", "name=here")
    desk.scrapy("crawl", "feed", *arguments, through_site=True)
    assert victim.connections == 0
    assert all(asked.path.startswith("http://far.example/") for asked in desk.site.requests)
    assert desk.report()["sources"]["here"]["new"] == len(links) + 1


# ---------------------------------------------------------------- names


class Reactor(MemoryReactorClock):
    """A reactor whose name servers change their minds, and which notes whom it would connect."""

    def __init__(self, answers):
        super().__init__()
        self.answers = answers
        self.nameResolver = self

    def resolveHostName(self, receiver, name, portNumber=0, *arguments, **options):
        receiver.resolutionBegan(None)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, portNumber))
        receiver.resolutionComplete()


@pytest.mark.parametrize(
    ("declared", "answers", "connected"),
    [
        pytest.param([], [["8.8.8.8"]], [["8.8.8.8"]], id="public"),
        pytest.param([], [["127.0.0.1"]], [[]], id="private"),
        pytest.param([], [["8.8.8.8"], ["127.0.0.1"]], [["8.8.8.8"], []], id="changing"),
        pytest.param([], [["127.0.0.1", "8.8.8.8"]], [["8.8.8.8"]], id="private first"),
        pytest.param([], [["8.8.8.8", "10.0.0.1"]], [["8.8.8.8"]], id="public first"),
        pytest.param([], [["::1", "fe80::1%eth0", "::ffff:10.0.0.1"]], [[]], id="IPv6"),
        pytest.param(
            [], [["64:ff9b::a00:1", "64:ff9b::808:808"]], [["64:ff9b::808:808"]], id="NAT64"
        ),
        pytest.param(["http://name.test/"], [["10.0.0.1"]], [["10.0.0.1"]], id="declared"),
        pytest.param(["http://name.test:81/"], [["10.0.0.1"]], [[]], id="declared, another port"),
        pytest.param(["http://10.0.0.1/"], [["10.0.0.1"]], [[]], id="declared by its address only"),
    ],
)
def test_every_connection_is_judged_by_the_address_it_goes_to(declared, answers, connected):
    crawler = get_crawler()
    guard = AddressGuard(crawler)
    for url in declared:
        guard.declare(url)
    reactor = Reactor(answers)
    pool = GuardedPool(reactor)
    pool.find_guard = lambda: guard
    pool.timeout_s = 60
    for expected in connected:
        reactor.tcpClients.clear()
        failures = []
        pool.getConnection((b"http", b"name.test", 80, None), None).addErrback(failures.append)
        for _ in range(6):
            reactor.advance(0.3)
        assert [client[0] for client in reactor.tcpClients] == expected
        assert [failure.type for failure in failures] == [AddressRefused] * (not expected)


# ---------------------------------------------------------------- whole or not at all

TEXT = PAGE.format("cut").encode()
GZIP = gzip.compress(TEXT)
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"


def encoded(name, data):
    return reply(data, "200 OK", f"Content-Encoding: {name}")


def chunks(*sizes_and_data):
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(data), data) for data in sizes_and_data)


def pour(head, piece):
    """Sends a piece again and again, as long as somebody listens."""

    def answer(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head)
        with suppress(OSError):
            while True:
                connection.sendall(piece)

    return answer


BROKEN = {
    "header fields without end": (pour(b"", b"X-A: b\r\n" * 999), "no response: header fields of more than 262144 bytes"),
    "long Content-Length": (reply(TEXT, "200 OK", "Content-Length: 99999"), "cut: the response ended before all of its 99999 bytes"),
    "short Content-Length": (reply(TEXT, "200 OK", "Content-Length: 500"), "cut: more than its 500 bytes came"),
    "no Content-Length but zero": (reply(TEXT, "200 OK", "Content-Length: 0"), "cut: more than its 0 bytes came"),
    "two Content-Lengths": (reply(TEXT, "200 OK", "Content-Length: 5", "Content-Length: 6"), "no response: "),
    "Content-Length below nothing": (reply(TEXT, "200 OK", "Content-Length: -5"), "no response: "),
    "half gzip": (encoded("gzip", GZIP[: len(GZIP) // 2]), "cut: gzip data without its end"),
    "gzip without its checksum": (encoded("gzip", GZIP[:-8]), "cut: gzip data without its end"),
    "gzip with another checksum": (encoded("gzip", GZIP[:-8] + b"\0" * 8), "cut: broken gzip data"),
    "half deflate": (encoded("deflate", zlib.compress(TEXT)[:-20]), "cut: deflate data without its end"),
    "half brotli": (encoded("br", brotli.compress(TEXT)[:-9]), "cut: br data without its end"),
    "half zstd": (encoded("zstd", zstd.compress(TEXT)[:-9]), "cut: zstd data without its end"),
    "half gzip in gzip": (encoded("gzip, gzip", gzip.compress(GZIP[:-20])), "cut: gzip data without its end"),
    "no gzip at all": (encoded("gzip", TEXT), "cut: broken gzip data"),
    "no last chunk": (chunks(TEXT), "cut: the response ended too early"),
    "half a chunk": (CHUNKED + b"fff\r\n" + TEXT[:800], "cut: the response ended too early"),
    "chunk of no size": (CHUNKED + b"zz\r\n" + TEXT, "cut: the response ended too early"),
    "longer than its chunk": (CHUNKED + b"5\r\n" + TEXT + b"\r\n0\r\n\r\n", "cut: the response ended too early"),
    "chunk of terrible size": (CHUNKED + b"-5\r\n" + TEXT, "cut: the response ended too early"),
    "nothing": (b"", "no response: "),
    "half a header": (b"HTTP/1.1 200 OK\r\nContent-Ty", "no response: "),
    "no HTTP": (TEXT, "no response: "),
    "no HTML but SSH": (b"SSH-2.0-OpenSSH_9.9\r\n", "no response: "),
    "a part that nobody asked for": (reply(TEXT[:800], "206 Partial Content", "Content-Range: bytes 0-799/9999"), "cut: HTTP 206"),
    "closed without a length": (b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + TEXT[:800], "cut: no end of the document"),
}  # fmt: skip
WHOLE = {
    "gzip": encoded("gzip", GZIP),
    "x-gzip": encoded("x-gzip", GZIP),
    "gzip of two members": encoded("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
    "gzip, padded": encoded("gzip", GZIP + b"\0\0\0"),
    "deflate": encoded("deflate", zlib.compress(TEXT)),
    "raw deflate": encoded("deflate", zlib.compress(TEXT)[2:-4]),
    "br": encoded("br", brotli.compress(TEXT)),
    "zstd": encoded("zstd", zstd.compress(TEXT)),
    "gzip in br": encoded("gzip, br", brotli.compress(GZIP)),
    "identity": encoded("identity", TEXT),
    "unknown encoding": encoded("utf-8", TEXT),
    "chunks": chunks(TEXT[:500], TEXT[500:], b""),
    "no length, closed": b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + TEXT,
    "line break behind the end": reply(TEXT) + b"\r\n",
}


def test_page_comes_whole_or_not_at_all(desk, server):
    pages = {f"/broken/{n}": answer for n, (answer, _) in enumerate(BROKEN.values())}
    pages |= {f"/whole/{n}": answer for n, answer in enumerate(WHOLE.values())}
    pages["/loop"] = reply("", "302 Found", "Location: /loop")
    pages["/drip"] = drip
    server.answers = pages | {"/feed.xml": rss({path: server.url + path for path in pages})}
    report = crawl(desk, server, "-s", "RETRY_TIMES=2", "-s", "NEWS_MAX_SECONDS=1")["sources"][
        "here"
    ]
    told = {
        trouble["url"].removeprefix(server.url): trouble["reason"] for trouble in report["refused"]
    }
    for n, (name, (_, reason)) in enumerate(BROKEN.items()):
        assert told.get(f"/broken/{n}", "").startswith(reason), name
        assert told[f"/broken/{n}"].endswith("; to be tried again next run"), name
        assert server.asked.count(f"/broken/{n}") == 3, name
    assert told["/drip"].startswith("timed out (NEWS_MAX_SECONDS)")
    posts = [parse_post(data).article for data in desk.files("posts").values()]
    assert sorted(post.title for post in posts) == sorted(
        ["/loop", *(path for path in pages if "whole" in path)]
    )
    assert len({post.body for post in posts if post.title != "/loop"}) == 1
    partial = [post.partial for post in posts if post.partial]
    assert partial == ["refused: more redirects than REDIRECT_MAX_TIMES"]
    assert server.asked.count("/loop") == 6


def drip(connection):
    """Sends a byte now and then, as long as somebody listens."""
    connection.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n"
    )
    connection.settimeout(0.1)
    while True:
        connection.sendall(b"x")
        with suppress(TimeoutError):
            if not connection.recv(1):
                return


def test_feed_comes_whole_or_not_at_all_and_is_met_again(desk, server):
    feed = rss({"one": f"{server.url}/page"}).partition(b"\r\n\r\n")[2]
    fields = ('ETag: "1"', "Last-Modified: Thu, 04 Jun 2026 02:00:00 GMT")
    server.answers = {
        "/long": reply(feed, "200 OK", "Content-Length: 9999", *fields, kind="text/xml"),
        "/gzip": reply(
            gzip.compress(feed)[:-9], "200 OK", "Content-Encoding: gzip", *fields, kind="text/xml"
        ),
        "/page": reply(PAGE.format("one")),
    }
    declare(desk, "two", f"{server.url}/long", f"{server.url}/gzip")
    report = desk.crawl("two", status=1)["sources"]["two"]
    assert [trouble["reason"].split(":")[0] for trouble in report["refused"]] == ["cut", "cut"]
    assert not desk.files("posts")
    server.answers |= dict.fromkeys(
        ("/long", "/gzip"), reply(feed, "200 OK", *fields, kind="text/xml")
    )
    report = desk.crawl("two")["sources"]["two"]
    assert (report["feeds"], report["conditional"], report["new"]) == (2, 0, 1)


def test_error_pages_are_no_articles(desk, server):
    pages = {
        "/failed": "<title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>"
        + "<p>请稍后再试。" * 30,
        "/gone": "<title>404 Not Found</title><h1>页面不存在</h1>" + "<p>您访问的页面不存在。" * 30,
    }
    server.answers = {path: reply(page) for path, page in pages.items()}
    server.answers["/feed.xml"] = rss({path: server.url + path for path in pages})
    counts = crawl(desk, server)["sources"]["here"]
    assert (counts["new"], counts["partial"], counts["refused_count"]) == (1, 1, 1)
    server.answers["/failed"] = reply(PAGE.format("/failed"))
    counts = crawl(desk, server)["sources"]["here"]
    assert (counts["conditional"], counts["new"], counts["unchanged"]) == (0, 1, 1)


def test_response_that_is_too_large_is_named_and_asked_for_once(desk, server):
    server.answers = {
        "/poured": pour(b"Content-Type: text/html\r\n\r\n", b"x" * 9999),
        "/told": reply("", "200 OK", "Content-Length: 200000"),
        "/packed": encoded("gzip", gzip.compress(b"x" * 200_000)),
    }
    pages = list(server.answers)
    server.answers["/feed.xml"] = rss({path: server.url + path for path in pages})
    report = crawl(desk, server, "-s", "RETRY_TIMES=2", "-s", "NEWS_MAX_BYTES=100000")
    counts = report["sources"]["here"]
    assert (counts["new"], counts["partial"], counts["refused_count"]) == (3, 3, 0)
    told = [warning["reason"] for warning in counts["warnings"]]
    for reason in [reason for reason in told if not reason.startswith("none of 3 pages")]:
        assert reason.startswith(
            "written from the feed's own text: larger than NEWS_MAX_BYTES, 100000"
        )
    assert len(server.asked) == 2 + 3


def test_large_bodies_wait_for_each_other_and_all_arrive():
    class Body:
        def __init__(self):
            self.transport = self
            self.goes = True

        def pauseProducing(self):
            self.goes = False

        def resumeProducing(self):
            self.goes = True

    slot = SimpleNamespace(active_size=0)
    engine = SimpleNamespace(scraper=SimpleNamespace(slot=slot))
    clock = Clock()
    room = Room(SimpleNamespace(engine=engine), clock)
    large, larger, small = bodies = Body(), Body(), Body()
    third = ROOM_BYTES // 3
    for body, size in ((large, third), (larger, third + 1), (small, third)):
        room.grow(body, size)
    assert [body.goes for body in bodies] == [True, False, True]
    room.grow(large, third + 2)  # what was under way
    assert [body.goes for body in bodies] == [False, False, True]
    room.grow(small, ROOM_BYTES)  # one always goes on
    clock.pump([0.5, 0.5])
    assert [body.goes for body in bodies] == [False, False, True]
    room.leave(small)
    slot.active_size = ROOM_BYTES  # it is being read
    clock.pump([0.5, 0.5])
    assert [body.goes for body in bodies] == [False, False, True]
    slot.active_size = 0
    clock.pump([0.5])
    assert larger.goes
    room.leave(larger)
    clock.pump([0.5])
    assert large.goes
    room.leave(large)
    clock.pump([0.5])
    assert not clock.getDelayedCalls()


def test_large_bodies_that_wait_arrive_whole(desk, server):
    page = reply("x" * (ROOM_BYTES // 3))
    pages = {f"/{number}": page for number in range(4)}
    server.answers = pages | {"/feed.xml": rss({path: server.url + path for path in pages})}
    report = crawl(desk, server, "-s", "NEWS_MAX_SECONDS=20")
    reasons = {warning["reason"] for warning in report["sources"]["here"]["warnings"]}
    size = ROOM_BYTES // 3
    assert reasons - {"none of 4 pages could be had, all are written without their text"} == {
        f"written from the feed's own text: a page of {size} characters,"
        " more than 8000000 (NEWS_MAX_PAGE)"
    }


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_decoding_stops_at_the_bound(name):
    data = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }[name](bytes(1 << 20))
    assert decode_body(data, [name], max_bytes=1 << 20) == bytes(1 << 20)
    with pytest.raises(TooLargeError):
        decode_body(data, [name], max_bytes=(1 << 20) - 1)


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_no_part_of_an_encoded_body_passes_for_the_whole(name):
    data = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": brotli.compress,
        "zstd": zstd.compress,
    }[name](TEXT * 3)
    for end in range(1, len(data)):
        with pytest.raises(CutError):
            decode_body(data[:end], [name], max_bytes=1 << 20)


def test_encoded_too_often_is_refused():
    with pytest.raises(TooLargeError):
        decode_body(TEXT, ["gzip"] * 4, max_bytes=1 << 20)


# ---------------------------------------------------------------- certificates


def make_context(folder, name, *, is_named=True):
    """A server's TLS context whose certificate, signed by itself, is for ``name``: as its common
    name, and, where that counts, if ``is_named``."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    alternative = x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
    builder = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1))
        .not_valid_after(datetime(2080, 1, 1))
    )
    if is_named:
        names = x509.SubjectAlternativeName([alternative])
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    pem = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def test_certificates_are_verified_but_where_a_source_says_otherwise(desk, tmp_path):
    with (
        Server(make_context(tmp_path, "127.0.0.1")) as own,
        Server(make_context(tmp_path, "other.example")) as other,
    ):
        for server in (own, other):
            links = {"mine": f"{server.url}/page", "not mine": f"{other.url}/page"}
            server.answers = {"/feed.xml": rss(links), "/page": reply(PAGE.format("t"))}
        declare(desk, "strict", f"{own.url}/feed.xml", f"{other.url}/feed.xml")
        report = desk.crawl("strict", "-s", "RETRY_TIMES=2", status=1)["sources"]["strict"]
        assert [t["reason"].split(":")[0] for t in report["refused"]] == ["certificate refused"] * 2
        assert not own.asked
        assert not other.asked
        declare(desk, "lenient", f"{own.url}/feed.xml", more="verify_certificate = false")
        report = desk.crawl("lenient")["sources"]["lenient"]
        assert (report["new"], report["partial"]) == (2, 1)
        assert not other.asked
        assert report["warnings"][0]["reason"].startswith("certificates are not verified")
        declare(desk, "other", f"{other.url}/feed.xml", more="verify_certificate = false")
        assert desk.crawl("other")["sources"]["other"]["feeds"] == 1


def test_trusted_certificate_must_name_the_host(desk, tmp_path, monkeypatch):
    contexts = {
        "named": make_context(tmp_path, "127.0.0.1"),
        "other": make_context(tmp_path, "other.example"),
        "nameless": make_context(tmp_path, "nameless", is_named=False),
    }
    trusted = b"".join(path.read_bytes() for path in tmp_path.glob("*.pem"))
    (tmp_path / "trusted.pem").write_bytes(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    with ExitStack() as servers:
        for name, context in contexts.items():
            server = servers.enter_context(Server(context))
            server.answers = {"/feed.xml": rss({name: ""})}
            declare(desk, name, f"{server.url}/feed.xml")
        desk.scrapy("harvest", *contexts, status=1)
    sources = desk.report()["sources"]
    assert {name: sources[name]["new"] for name in contexts} == {
        "named": 1, "other": 0, "nameless": 0,
    }  # fmt: skip
    reasons = {name: [each["reason"] for each in sources[name]["refused"]] for name in contexts}
    assert reasons["other"][0].startswith("certificate refused: it is another host's")
    assert reasons["nameless"][0].startswith("certificate refused: it names no host")
