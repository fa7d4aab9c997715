"""Image addresses: every proxy of the table is undone, nothing that only looks like one is."""

from __future__ import annotations

import tomllib
from base64 import urlsafe_b64encode
from importlib.resources import files
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.errors import SourceError
from crawler.images import (
    MAX_NESTED,
    decode_image_url,
    load_image_table,
    pick_image,
    usable_image_url,
)

PLAIN = "http://b.example/c/d.jpg"
ASKED = "https://b.example/c/d.jpg?x=1&y=2"
SECURE = "https://b.example/c/d.jpg"
BASE = "https://site.example/news/2021/a.html"


def encode(url: str) -> str:
    return quote(url, safe="")


def pack(url: str, padding: str = "=") -> str:
    return urlsafe_b64encode(url.encode()).decode().replace("=", padding)


def split(text: str) -> str:
    return "/".join(text[start : start + 16] for start in range(0, len(text), 16))


# Row of the table: {case: (outer, inner)}. Every row of the data file has at least one.
DECODED: dict[str, dict[str, tuple[str, str]]] = {
    "Cloudflare worker": {
        "seed": (
            "https://cors.zfour.workers.dev/?http://epaper.stcn.com/a.jpg",
            "http://epaper.stcn.com/a.jpg",
        ),
        "ampersands are the inner's": (f"https://a.b.workers.dev/?{ASKED}", ASKED),
        "no slash": (f"https://a.workers.dev?{PLAIN}", PLAIN),
        "encoded from the first letter": (f"https://a.workers.dev/?{encode(ASKED)}", ASKED),
        "escapes of the inner stay": (
            "https://a.workers.dev/?http://b.example/%E5%9B%BE%20a.jpg",
            "http://b.example/%E5%9B%BE%20a.jpg",
        ),
        "no scheme but slashes": ("https://a.workers.dev/?//b.example/c/d.jpg", SECURE),
        "one slash eaten": ("https://a.workers.dev/?https:/b.example/c/d.jpg", SECURE),
        "port and capitals": (f"HTTPS://A.Workers.Dev:443/?{PLAIN}", PLAIN),
        "blanks around": (f" https://a.workers.dev/?{PLAIN}\n", PLAIN),
        "fragment": (f"https://a.workers.dev/?{PLAIN}#icon", f"{PLAIN}#icon"),
    },
    "CORS relay, address in the path": {
        "query included": (f"https://cors-anywhere.herokuapp.com/{ASKED}", ASKED),
        "encoded": (f"https://proxy.cors.sh/{encode(ASKED)}", ASKED),
        "slash eaten": ("https://cors.bridged.cc/https:/b.example/c/d.jpg", SECURE),
    },
    "YaCDN": {"serve": (f"https://yacdn.org/serve/{ASKED}", ASKED)},
    "Freeboard relay": {"fetch": (f"https://thingproxy.freeboard.io/fetch/{ASKED}", ASKED)},
    "CORS relay, address in a parameter": {
        "corsproxy": (f"https://corsproxy.io/?url={encode(ASKED)}", ASKED)
    },
    "CORS relay, address is the query": {
        "raw": (f"https://corsproxy.io/?{ASKED}", ASKED),
        "encoded": (f"https://corsproxy.io/?{encode(ASKED)}", ASKED),
    },
    "AllOrigins": {"raw": (f"https://api.allorigins.win/raw?url={encode(ASKED)}", ASKED)},
    "CodeTabs": {"proxy": (f"https://api.codetabs.com/v1/proxy/?quest={ASKED[:-4]}", ASKED[:-4])},
    "weserv": {
        "no scheme is http": ("https://images.weserv.nl/?url=b.example/c/d.jpg&w=300", PLAIN),
        "number as host": ("https://wsrv.nl/?url=192.0.2.1:80/a.jpg", "http://192.0.2.1:80/a.jpg"),
        "ssl": ("https://images.weserv.nl/?url=ssl:b.example/c/d.jpg", SECURE),
        "scheme": (f"https://wsrv.nl/?url={SECURE}&w=300", SECURE),
        "encoded, outer parameters dropped": (
            f"https://wsrv.nl/?w=300&url={encode(ASKED)}&output=webp",
            ASKED,
        ),
        "rsshub template without a slash": (
            f"https://images.weserv.nl?url={encode(ASKED)}&output=jpg",
            ASKED,
        ),
        "unescaped once": (f"https://wsrv.nl/?w=300&amp;url={encode(PLAIN)}&amp;n=-1", PLAIN),
        "twice encoded": (f"https://wsrv.nl/?url={encode(encode(ASKED))}", ASKED),
        "decoded once": (
            "https://wsrv.nl/?url=https%3A%2F%2Fb.example%2F%25E5%259B%25BE.jpg",
            "https://b.example/%E5%9B%BE.jpg",
        ),
        "gbk name": (
            "https://wsrv.nl/?url=https%3A%2F%2Fb.example%2F%D6%D0.jpg",
            "https://b.example/%D6%D0.jpg",
        ),
        "blank": (
            "https://wsrv.nl/?url=https%3A%2F%2Fb.example%2Fa%20b.jpg",
            "https://b.example/a%20b.jpg",
        ),
        "scheme-relative outer": (f"//wsrv.nl/?url={encode(PLAIN)}", PLAIN),
    },
    "WordPress Photon": {
        "http": ("https://i0.wp.com/b.example/c/d.jpg?w=300", PLAIN),
        "https, query dropped": ("https://i3.wp.com/b.example/c/d.jpg?w=300&ssl=1", SECURE),
    },
    "Next.js": {
        "absolute": (f"https://n.example/_next/image?url={encode(ASKED)}&w=640&q=75", ASKED),
        "same host": (
            "https://n.example:8443/_next/image?url=%2Fimg%2Fa.jpg%3Fv%3D1&w=640",
            "https://n.example:8443/img/a.jpg?v=1",
        ),
        "other host": ("https://n.example/_next/image?url=%2F%2Fb.example%2Fc%2Fd.jpg", SECURE),
        "below a path": (f"https://n.example/blog/_next/image/?url={encode(PLAIN)}", PLAIN),
        "scheme-relative outer": (
            "//n.example/_next/image?url=%2Fa.jpg",
            "https://n.example/a.jpg",
        ),
    },
    "Cloudflare images": {
        "raw": (f"https://n.example/cdn-cgi/image/width=80,quality=75/{ASKED}", ASKED),
        "encoded": (f"https://n.example/cdn-cgi/image/w=80/{encode(ASKED)}?token=1", ASKED),
        "same host": (
            "https://n.example/cdn-cgi/image/w=80/up/a.jpg?v=1",
            "https://n.example/up/a.jpg?v=1",
        ),
        "rooted": ("http://n.example/cdn-cgi/image/w=80//up/a.jpg", "http://n.example/up/a.jpg"),
    },
    "AMP cache": {
        "https": ("https://b-example.cdn.ampproject.org/i/s/b.example/c/d.jpg", SECURE),
        "http": ("https://b-example.cdn.ampproject.org/i/b.example/c/d.jpg", PLAIN),
        "width, query kept": (
            "https://b-example.cdn.ampproject.org/ii/w1200/s/b.example/c/d.jpg?x=1&y=2",
            ASKED,
        ),
    },
    "DuckDuckGo": {
        "external": (
            f"https://external-content.duckduckgo.com/iu/?u={encode(ASKED)}&f=1&nofb=1",
            ASKED,
        ),
        "proxy": (f"https://proxy.duckduckgo.com/iu/?f=1&u={encode(PLAIN)}", PLAIN),
    },
    "Google gadgets": {
        "images1": (
            "https://images1-focus-opensocial.googleusercontent.com/gadgets/proxy"
            f"?container=focus&refresh=2592000&url={encode(ASKED)}",
            ASKED,
        ),
    },
    "GitHub camo": {
        "40 digits": (
            f"https://camo.githubusercontent.com/{'0a' * 20}/{ASKED.encode().hex()}",
            ASKED,
        ),
        "64 digits": (
            f"https://camo.githubusercontent.com/{'0a' * 32}/{PLAIN.encode().hex()}",
            PLAIN,
        ),
    },
    "imgproxy, plain": {
        "format": (f"https://p.example/insecure/rs:fit:300:200/plain/{PLAIN}@webp", PLAIN),
        "signed, no format": (f"https://p.example/{'aB-_' * 10}abc/w:300/plain/{PLAIN}", PLAIN),
        "query before the format": (f"https://p.example/_/plain/{ASKED}@png", ASKED),
        "query after the format": (f"https://p.example/_/plain/{PLAIN}@png?v=1", PLAIN),
        "encoded": (f"https://p.example/unsafe/w:300/plain/{encode(ASKED)}@png", ASKED),
    },
    "imgproxy, base64": {
        "padded": (
            f"https://p.example/insecure/rs:fit:300:200/{pack(PLAIN + '?')}.jpg",
            PLAIN + "?",
        ),
        "not padded": (f"https://p.example/unsafe/w:300/g:no/{pack(ASKED, '')}.webp", ASKED),
        "signed": (f"https://p.example/{'aB-_' * 10}abc/{pack(PLAIN, '')}", PLAIN),
        "any signature before options": (f"https://p.example/sig/w:300/{pack(PLAIN, '')}", PLAIN),
        "slashes inside": (f"https://p.example/insecure/w:300/{split(pack(ASKED, ''))}.png", ASKED),
        "old options": (f"https://p.example/x/fill/300/400/sm/0/{pack(PLAIN, '')}.png", PLAIN),
    },
    "thumbor": {
        "unsafe": (f"https://t.example/unsafe/300x200/smart/{ASKED}", ASKED),
        "signed": (f"https://t.example/{'aB-' * 9}=/fit-in/300x/{PLAIN}", PLAIN),
        "encoded": (f"https://t.example/unsafe/-300x-200/{encode(ASKED)}", ASKED),
        "unknown option": (f"https://t.example/unsafe/300x200/wobble/{PLAIN}", PLAIN),
        "no scheme": ("https://t.example/unsafe/300x200/top/b.example/c/d.jpg", PLAIN),
        "watermark is not the image": (
            "https://t.example/unsafe/300x200/filters:quality(80):watermark(http://w.example/"
            f"logo.png,0,0,50)/{PLAIN}",
            PLAIN,
        ),
        "watermark, no scheme": (
            "https://t.example/unsafe/filters:watermark(http://w.example/l.png,0,0)/"
            "b.example/c/d.jpg",
            PLAIN,
        ),
    },
    "Statically": {
        "options": ("https://cdn.statically.io/img/b.example/f=auto,w=800/c/d.jpg", SECURE),
        "none": ("https://cdn.statically.io/img/b.example/c/d.jpg", SECURE),
    },
    "Cloudinary fetch, Substack": {
        "raw": (f"https://res.cloudinary.com/demo/image/fetch/{ASKED}", ASKED),
        "signed, options": (
            f"https://res.cloudinary.com/demo/image/fetch/s--a_B1--/w_300,c_fill/f_auto/{PLAIN}",
            PLAIN,
        ),
        "substack": (
            "https://substackcdn.com/image/fetch/$s_!a!,w_1456,c_limit,f_auto,q_auto:good/"
            f"{encode(ASKED)}",
            ASKED,
        ),
    },
    "Yahoo": {
        "raw": (f"https://s.yimg.com/ny/api/res/1.2/aB.c1--/YXBwaWQ9aGln--/{ASKED}", ASKED),
    },
    "Baidu thumbnails": {
        "timg": (
            f"https://timgsa.baidu.com/timg?image&quality=80&size=b9999_10000&src={encode(ASKED)}",
            ASKED,
        ),
    },
    "Baidu image search": {
        "parameters in the path": (
            f"https://gimg2.baidu.com/image_search/src={encode(ASKED)}"
            f"&refer={encode('http://r.example')}&app=2002",
            ASKED,
        ),
    },
    "Baidu download": {
        "url": (f"https://image.baidu.com/search/down?tn=download&url={encode(PLAIN)}", PLAIN),
    },
    "Naver": {"src": (f"https://search.pstatic.net/common/?src={encode(ASKED)}&type=b", ASKED)},
    "Daum": {
        "fname": (
            f"https://img1.daumcdn.net/thumb/R1280x0/?scode=mtistory2&fname={encode(ASKED)}",
            ASKED,
        ),
    },
    "PIXNET": {"url": (f"https://imageproxy.pimg.tw/resize?url={encode(PLAIN)}", PLAIN)},
    "Steemit": {"raw": (f"https://steemitimages.com/640x0/{ASKED}", ASKED)},
    "xuehuaimg": {"raw": (f"https://pic1.xuehuaimg.com/proxy/{ASKED}", ASKED)},
    "Miniflux": {
        "padded": (f"https://m.example/proxy/{'aB-_' * 10}abc=/{pack(PLAIN + '?')}", PLAIN + "?"),
        "equals signs encoded": (
            f"https://m.example/rss/proxy/{'aB-_' * 10}abc%3D/{pack(PLAIN + '?', '%3D')}",
            PLAIN + "?",
        ),
    },
}
CASES = {f"{row}: {name}": case for row, cases in DECODED.items() for name, case in cases.items()}


@pytest.mark.parametrize(("outer", "inner"), CASES.values(), ids=CASES)
def test_proxy_is_undone(outer: str, inner: str) -> None:
    assert decode_image_url(outer) == inner


def test_every_row_of_the_data_file_has_a_case() -> None:
    text = files("crawler").joinpath("image-proxies.toml").read_text("utf-8")
    assert [row["name"] for row in tomllib.loads(text)["proxy"]] == list(DECODED)


LEFT = {
    "empty": "",
    "plain": PLAIN,
    "plain with entities": "https://b.example/c.jpg?a=1&amp;b=2",
    "url parameter elsewhere": f"https://b.example/c.jpg?url={encode(PLAIN)}",
    "src parameter elsewhere": f"https://b.example/c.jpg?src={PLAIN}",
    "u parameter elsewhere": f"https://b.example/iu/?u={PLAIN}",
    "address in the path": f"https://b.example/{PLAIN}",
    "address as the query": f"https://b.example/?{PLAIN}",
    "look-alike host before": f"https://notwsrv.nl/?url={PLAIN}",
    "look-alike host behind": f"https://wsrv.nl.example/?url={PLAIN}",
    "host as user": f"https://wsrv.nl@b.example/?url={PLAIN}",
    "worker with a path": f"https://a.workers.dev/path?{PLAIN}",
    "worker with a parameter": f"https://a.workers.dev/?url={PLAIN}",
    "workers.dev itself": f"https://workers.dev/?{PLAIN}",
    "relay without scheme": "https://cors-anywhere.herokuapp.com/b.example/c.jpg",
    "weserv with a path": f"https://wsrv.nl/quota?url={PLAIN}",
    "weserv with another parameter": f"https://wsrv.nl/?xurl={PLAIN}",
    "weserv without a host": "https://wsrv.nl/?url=localfile",
    "weserv rooted": "https://wsrv.nl/?url=/a.jpg",
    "javascript": "https://wsrv.nl/?url=javascript:alert(1)",
    "data": "https://wsrv.nl/?url=data:image/png;base64,AAAA",
    "file": "https://a.workers.dev/?file:///etc/passwd",
    "ftp": "https://a.workers.dev/?ftp://b.example/c.jpg",
    "http without a host": "https://a.workers.dev/?http:///",
    "http and a port alone": "https://a.workers.dev/?http://:80/a.jpg",
    "line break inside": "https://wsrv.nl/?url=http%3A%2F%2Fb.example%2F%0Aa.jpg",
    "i4 of wp.com": "https://i4.wp.com/b.example/c.jpg",
    "s of wp.com": "https://s0.wp.com/b.example/c.jpg",
    "photon without a dotted host": "https://i0.wp.com/latex/c.jpg",
    "next, relative": "https://n.example/_next/image?url=a.jpg&w=640",
    "next, other path": f"https://n.example/_next/imagery?url={PLAIN}",
    "next, as a parameter": f"https://n.example/a?p=/_next/image&url={PLAIN}",
    "next, no host": f"/_next/image?url={PLAIN}",
    "cloudflare images, scheme": "https://n.example/cdn-cgi/image/w=80/javascript:alert(1)",
    "cloudflare, not images": f"https://n.example/cdn-cgi/l/{PLAIN}",
    "amp page": "https://b-example.cdn.ampproject.org/c/s/b.example/c.html",
    "camo, 41 digits": f"https://camo.githubusercontent.com/{'a' * 41}/{PLAIN.encode().hex()}",
    "camo, odd digits": f"https://camo.githubusercontent.com/{'a' * 40}/{PLAIN.encode().hex()}0",
    "camo, not UTF-8": f"https://camo.githubusercontent.com/{'a' * 40}/687474703a2f2fff",
    "plain without a signature": f"https://p.example/plain/{PLAIN}",
    "imgproxy storage": "https://p.example/insecure/w:300/plain/local:///a.jpg",
    "imgproxy encrypted": f"https://p.example/insecure/w:300/enc/{pack(PLAIN, '')}",
    "base64 in some path": f"https://p.example/go/{pack(PLAIN, '')}",
    "base64 of something else": f"https://p.example/insecure/w:300/{pack('httpd, no address')}",
    "base64 broken": "https://p.example/insecure/w:300/aHR0c",
    "thumbor storage key": "https://t.example/unsafe/300x200/2021/06/a.jpg",
    "thumbor storage key, flat": "https://t.example/unsafe/300x200/a.jpg",
    "thumbor storage key under a watermark": (
        "https://t.example/unsafe/filters:watermark(http://w.example/l.png,0,0)/2021/a.jpg"
    ),
    "unsafe, not thumbor": f"https://t.example/x/unsafe/{PLAIN}",
    "short HMAC": f"https://t.example/a=/{PLAIN}",
    "cloudinary upload": f"https://res.cloudinary.com/demo/image/upload/{PLAIN}",
    "cloudinary, no address": "https://res.cloudinary.com/demo/image/fetch/w_300/a.jpg",
    "yahoo, other path": f"https://s.yimg.com/os/{PLAIN}",
    "baidu search": f"https://www.baidu.com/s?wd=a&src={PLAIN}",
    "baidu bcebos": f"https://bj.bcebos.com/timg?src={PLAIN}",
    "proxy with a short HMAC": f"https://m.example/proxy/{'a' * 43}/{pack(PLAIN)}",
    "google proxy": "https://lh3.googleusercontent.com/proxy/aB1_-c",
    "google thumbnail": f"https://encrypted-tbn0.gstatic.com/_next/image?url={PLAIN}",
    "toutiao, signed": f"https://p3-sign.toutiaoimg.com/cdn-cgi/image/w=1/{PLAIN}",
    "wechat": "https://mmbiz.qpic.cn/mmbiz_png/a/640?wx_fmt=png&url=http://b.example/",
    "sina": f"https://n.sinaimg.cn/image/fetch/{PLAIN}",
    "web archive": f"https://web.archive.org/web/2021im_/https://n.example/_next/image?url={PLAIN}",
    "not http": f"ftp://wsrv.nl/?url={PLAIN}",
    "data URI": "data:image/png;base64,//wsrv.nl/?url=http://b.example/",
    "very long": f"https://a.workers.dev/?{PLAIN}?{'a' * 20000}",
}


@pytest.mark.parametrize("url", LEFT.values(), ids=LEFT)
def test_what_is_no_known_proxy_is_left_alone(url: str) -> None:
    assert decode_image_url(url) == url


WRAPPERS = [
    lambda url: f"https://a.workers.dev/?{url}",
    lambda url: f"https://wsrv.nl/?w=1&url={encode(url)}",
    lambda url: f"https://n.example/_next/image?url={encode(url)}&w=640",
    lambda url: f"https://p.example/insecure/w:300/{pack(url, '')}.png",
    lambda url: f"https://res.cloudinary.com/demo/image/fetch/w_300/{encode(url)}",
    lambda url: f"https://camo.githubusercontent.com/{'a' * 40}/{url.encode().hex()}",
]
wrappings = st.lists(st.sampled_from(WRAPPERS), min_size=1, max_size=MAX_NESTED)


@given(wrappings=wrappings)
def test_proxies_inside_proxies_are_undone(wrappings: list) -> None:
    url = ASKED
    for wrap in wrappings:
        url = wrap(url)
    assert decode_image_url(url) == ASKED


def test_only_so_many_proxies_are_undone() -> None:
    url = PLAIN
    for _ in range(MAX_NESTED + 2):
        url = f"https://a.workers.dev/?{url}"
    assert decode_image_url(url) == f"https://a.workers.dev/?https://a.workers.dev/?{PLAIN}"


def test_address_already_seen_ends_the_decoding() -> None:
    table = load_image_table(
        """
        [[proxy]]
        name = "to itself"
        host = "loop.example"
        path = "/(?P<inner>.+)"
        inner = "path"
        same_host = "any"
        """
    )
    assert decode_image_url("https://loop.example/a.jpg", table) == "https://loop.example/a.jpg"


# Starts of every kind of proxy and pieces of addresses, in any order.
pieces = st.sampled_from(
    [
        *(outer.partition(inner)[0] for outer, inner in CASES.values()),
        *"/ ? & = # % : @ . // &amp; %2F %3A http: https:// b.example".split(),
        *(PLAIN, ASKED, encode(ASKED), pack(PLAIN), "enc", "\ud800", "\x00", "图", "=/", "s/"),
    ]
)
addresses = st.text() | st.lists(pieces, max_size=MAX_NESTED).map("".join)


@given(url=addresses)
def test_decoding_twice_changes_nothing(url: str) -> None:
    once = decode_image_url(url)
    assert decode_image_url(once) == once


@given(url=addresses)
def test_usable_address_is_http_and_stays_as_it_is(url: str) -> None:
    usable = usable_image_url(url, base_url=BASE)
    if usable is not None:
        assert usable.startswith(("http://", "https://"))
        assert not set(usable) & set(' "<>`{}\n\t\x00')
        assert usable_image_url(usable, base_url=None) == usable


USABLE = {
    "absolute": (PLAIN, PLAIN),
    "relative": ("../img/a.jpg", "https://site.example/news/img/a.jpg"),
    "rooted": ("/img/a.jpg?x=1", "https://site.example/img/a.jpg?x=1"),
    "scheme-relative": ("//b.example/c/d.jpg", SECURE),
    "capitals": ("HTTP://b.example/A.JPG", "http://b.example/A.JPG"),
    "blanks around": ("\n  http://b.example/c/d.jpg \t", PLAIN),
    "line break inside": ("http://b.example/c\n/d.jpg", PLAIN),
    "blank inside": ("http://b.example/a b.jpg", "http://b.example/a%20b.jpg"),
    "quote and angle": ('http://b.example/"<a>.jpg', "http://b.example/%22%3Ca%3E.jpg"),
    "braces": ("http://b.example/{{a}}.jpg", "http://b.example/%7B%7Ba%7D%7D.jpg"),
    "chinese": ("http://b.example/图.jpg", "http://b.example/图.jpg"),
    "ideographic space": ("http://b.example/a\u3000b.jpg", "http://b.example/a%E3%80%80b.jpg"),
    "backslashes": ("\\img\\a.jpg", "https://site.example/img/a.jpg"),
    "one slash": ("https:/b.example/c/d.jpg", SECURE),
    "many slashes before a proxy": (f"///wsrv.nl/?url={encode(PLAIN)}", PLAIN),
    "IPv6": ("http://[::1]:8080/a.jpg", "http://[::1]:8080/a.jpg"),
    "proxy": (f"https://a.workers.dev/?{PLAIN}", PLAIN),
    "relative proxy": (f"/_next/image?url={encode(PLAIN)}&w=640", PLAIN),
    "relative proxy of the same host": (
        "/_next/image?url=%2Fa.jpg&w=640",
        "https://site.example/a.jpg",
    ),
    "photo called loading": ("http://b.example/loading.jpg", "http://b.example/loading.jpg"),
    "undefined in the middle": (
        "http://b.example/undefined/a.jpg",
        "http://b.example/undefined/a.jpg",
    ),
    "empty": ("", None),
    "blank": (" \u3000", None),
    "fragment": ("#", None),
    "data": ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", None),
    "javascript": ("javascript:void(0)", None),
    "javascript in capitals": (" JavaScript:alert(1)", None),
    "javascript with a line break": ("java\nscript:alert(1)", None),
    "file": ("file:///etc/passwd", None),
    "blob": ("blob:https://b.example/1", None),
    "no host": ("http://", None),
    "port without host": ("//:0", None),
    "broken brackets": ("//[b.example/a.jpg", None),
    "undefined": ("http://b.example/undefined", None),
    "undefined with a query": ("http://b.example/x/undefined?w=1", None),
    "null": ("http://b.example/null", None),
    "null, relative": ("null", None),
    "picsum": ("https://picsum.photos/400/300?random=7591", None),
    "picsum behind a proxy": ("https://a.workers.dev/?https://picsum.photos/400/300", None),
    "spacer": ("/img/spacer.gif", None),
    "spacer with a query": ("http://b.example/Blank.GIF?v=2", None),
    "spacer behind a proxy": ("https://a.workers.dev/?http://b.example/1x1.png", None),
    "counter": ("https://hm.baidu.com/a.gif?si=1", None),
    "counter of any name": ("https://ad.doubleclick.net/ddm/a.jpg", None),
}


@pytest.mark.parametrize(("url", "expected"), USABLE.values(), ids=USABLE)
def test_usable_address_is_absolute_decoded_and_a_picture(url: str, expected: str | None) -> None:
    assert usable_image_url(url, base_url=BASE) == expected


def test_without_a_base_only_absolute_addresses_are_usable() -> None:
    assert usable_image_url("/a.jpg", base_url=None) is None
    assert usable_image_url("//b.example/c/d.jpg", base_url=None) == SECURE
    assert usable_image_url("//b.example/c/d.jpg", base_url="http://site.example/") == PLAIN


BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACw="
PICKED: dict[str, tuple[dict[str, str | None], str | None]] = {
    "src": ({"src": PLAIN, "alt": "a"}, PLAIN),
    "data-original first": ({"src": ASKED, "data-src": ASKED, "data-original": PLAIN}, PLAIN),
    "then data-original-src": ({"data-src": ASKED, "data-original-src": PLAIN}, PLAIN),
    "then data-src": ({"src": ASKED, "data-src": PLAIN}, PLAIN),
    "an unusable one is passed over": ({"data-original": BLANK, "data-src": PLAIN}, PLAIN),
    "a spacer is passed over": ({"data-src": "/spacer.gif", "src": PLAIN}, PLAIN),
    "a switch is no address": ({"data-lazy": "true", "src": PLAIN}, PLAIN),
    "no value": ({"data-src": None, "src": PLAIN}, PLAIN),
    "other lazy attribute": (
        {"src": BLANK, "data-actualsrc": "/a.jpg"},
        "https://site.example/a.jpg",
    ),
    "largest width": (
        {"srcset": "a.jpg 300w, http://b.example/c/d.jpg 1200w, e.jpg 600w"},
        PLAIN,
    ),
    "largest density": ({"srcset": f"a.jpg, {PLAIN} 2x", "src": BLANK}, PLAIN),
    "comma in an address": (
        {"srcset": "https://b.example/w_3,h_4/a.jpg 1x, https://b.example/w_6,h_8/a.jpg 1.5x"},
        "https://b.example/w_6,h_8/a.jpg",
    ),
    "largest usable": ({"srcset": f"/blank.gif 900w, {PLAIN} 300w"}, PLAIN),
    "data-srcset": ({"data-srcset": f"{PLAIN} 2x", "srcset": f"{ASKED} 3x"}, PLAIN),
    "proxy in a srcset": ({"srcset": f"https://a.workers.dev/?{PLAIN} 2x"}, PLAIN),
    "src before srcset": ({"src": PLAIN, "srcset": f"{ASKED} 2x"}, PLAIN),
    "one pixel": ({"src": PLAIN, "width": "1", "height": "1px"}, None),
    "no pixel": ({"src": PLAIN, "width": "0", "height": "0"}, None),
    "one pixel by style": ({"src": PLAIN, "style": "height:1px; Width: 1px"}, None),
    "ten pixels": ({"src": PLAIN, "width": "10", "height": "10"}, PLAIN),
    "a line high": ({"src": PLAIN, "width": "100", "height": "1"}, PLAIN),
    "nothing": ({}, None),
    "empty": ({"src": "", "srcset": " , "}, None),
}


@pytest.mark.parametrize(("attributes", "expected"), PICKED.values(), ids=PICKED)
def test_element_shows_its_best_address(
    attributes: dict[str, str | None], expected: str | None
) -> None:
    assert pick_image(attributes, base_url=BASE) == expected


@given(srcset=st.text(alphabet="a.jpg/, \n123wx(h:", max_size=40))
def test_any_srcset_is_read(srcset: str) -> None:
    picked = pick_image({"srcset": srcset}, base_url=BASE)
    assert picked is None or picked.startswith("http")


USER_TABLE = """
opaque = ["quiet.example"]
lazy_attributes = ["data-my-src"]

[placeholder]
hosts = ["*.dummy.example"]
names = ["no-photo.png"]

[[proxy]]
name = "mine"
host = ["img.mine.example", "*.cdn.mine.example"]
path = "/r/[0-9]+/(?P<inner>.+)"
inner = "path"
scheme = "https"

[[proxy]]
name = "anywhere"
host = "*"
contains = "/resize.php"
path = ".*/resize\\\\.php"
inner = "parameter"
parameter = ["file", "f"]
encoding = "percent"
same_host = "rooted"
"""


def test_users_rows_and_lists_are_added() -> None:
    table = load_image_table(USER_TABLE)
    decoded = {
        "https://img.mine.example/r/300/b.example/c/d.jpg": SECURE,
        "https://a.b.cdn.mine.example/r/1/http://b.example/c/d.jpg": PLAIN,
        "https://x.example/t/resize.php?w=1&f=%2Fa.jpg": "https://x.example/a.jpg",
        f"https://a.workers.dev/?{PLAIN}": PLAIN,
    }
    assert {url: decode_image_url(url, table) for url in decoded} == decoded
    quiet = f"https://quiet.example/_next/image?url={PLAIN}"
    assert decode_image_url(quiet, table) == quiet
    assert usable_image_url("https://a.dummy.example/1.jpg", base_url=None, table=table) is None
    assert usable_image_url("https://a.example/No-Photo.png", base_url=None, table=table) is None
    assert pick_image({"data-my-src": PLAIN, "src": ASKED}, base_url=None, table=table) == PLAIN
    # The shipped table knows nothing of it.
    assert decode_image_url(next(iter(decoded))) == next(iter(decoded))


def test_users_row_comes_before_the_shipped_one() -> None:
    table = load_image_table(
        '[[proxy]]\nname = "weserv"\nhost = "wsrv.nl"\ninner = "parameter"\nparameter = "mine"'
    )
    assert decode_image_url(f"https://wsrv.nl/?url={ASKED}&mine={PLAIN}", table) == PLAIN
    assert decode_image_url(f"https://wsrv.nl/?url={PLAIN}", table) == PLAIN


ROW = '[[proxy]]\nname = "x"\nhost = "h.example"\n'
BAD = {
    "no TOML": ("[[proxy", "mine.toml: not TOML: "),
    "unknown list": ("hosts = []", "mine.toml: hosts: unknown key, expected one of "),
    "list of numbers": ("opaque = [1]", "mine.toml: opaque: found [1], expected a text or a list"),
    "host with a slash": ('opaque = ["a/b"]', "mine.toml: opaque: found 'a/b', expected a host"),
    "placeholder": (
        "[placeholder]\nname = []",
        "mine.toml: placeholder: expected a table with hosts and names",
    ),
    "no rows": ("proxy = 1", "mine.toml: proxy: expected rows, each headed [[proxy]]"),
    "row no table": ("proxy = [1]", "mine.toml: proxy: expected rows, each headed [[proxy]]"),
    "missing name": ('[[proxy]]\nhost = "h.example"', "mine.toml: proxy 1: name: missing"),
    "second row": (
        f'{ROW}inner = "query"\n[[proxy]]\nname = "y"\ninner = "query"',
        "mine.toml: proxy 2 (y): host: missing",
    ),
    "unknown key": (f'{ROW}inner = "query"\nurl = "a"', "mine.toml: proxy 1 (x): url: unknown key"),
    "unknown place": (
        f'{ROW}inner = "body"',
        "mine.toml: proxy 1 (x): inner: found 'body', expected one of parameter, path, query",
    ),
    "unknown encoding": (
        f'{ROW}inner = "query"\nencoding = "rot13"',
        "mine.toml: proxy 1 (x): encoding: found 'rot13', expected one of base64, hex",
    ),
    "list as a choice": (
        f'{ROW}inner = ["query"]',
        "mine.toml: proxy 1 (x): inner: found ['query']",
    ),
    "empty path": (f'{ROW}inner = "query"\npath = ""', "mine.toml: proxy 1 (x): path: found ''"),
    "bad host": (
        '[[proxy]]\nname = "x"\nhost = "h.example/a"\ninner = "query"',
        "mine.toml: proxy 1 (x): host: found 'h.example/a', expected a host such as *.example.org",
    ),
    "any host without a text": (
        '[[proxy]]\nname = "x"\nhost = "*.com"\ninner = "query"',
        "mine.toml: proxy 1 (x): contains: found None, expected a text that stands in every",
    ),
    "text beside a host": (
        f'{ROW}inner = "query"\ncontains = "a"',
        "mine.toml: proxy 1 (x): contains: found 'a', expected none but for any host",
    ),
    "parameter missing": (
        f'{ROW}inner = "parameter"',
        'mine.toml: proxy 1 (x): parameter: expected with inner = "parameter", and only there',
    ),
    "parameter too much": (
        f'{ROW}inner = "query"\nparameter = "u"',
        'mine.toml: proxy 1 (x): parameter: expected with inner = "parameter", and only there',
    ),
    "bad expression": (
        f'{ROW}inner = "query"\npath = "("',
        "mine.toml: proxy 1 (x): path: no regular expression: ",
    ),
    "bad cut": (
        f'{ROW}inner = "query"\ncut = "["',
        "mine.toml: proxy 1 (x): cut: no regular expression: ",
    ),
    "no group": (
        f'{ROW}inner = "path"\npath = "/a"',
        'mine.toml: proxy 1 (x): path: expected a group (?P<inner>…) with inner = "path"',
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_row_is_refused_by_file_row_and_key(text: str, message: str) -> None:
    with pytest.raises(SourceError) as caught:
        load_image_table(text, path_for_errors="mine.toml")
    assert str(caught.value).startswith(message)
    assert caught.value.path == "mine.toml"
