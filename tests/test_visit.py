"""A source's lists to their end, articles of several pages, drift, and many sources in one run."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from crawler.archive import Archive, read_states
from crawler.posts import parse_post, render_post
from crawler.schedule import SourceState
from tests.conftest import Desk

DATE = "Date: Fri, 05 Jun 2026 02:30:00 GMT"


def declare(desk: Desk, text: str, name: str = "mine") -> None:
    text = text.replace("SITE", desk.site.url)
    (desk.folder / "sources" / f"{name}.toml").write_text(text, "utf-8")


def serve(desk: Desk, pages: dict[str, str]) -> None:
    desk.site.overlay |= {path: text.encode() for path, text in pages.items()}


def list_page(numbers: range, tail: str = "", date: str = "06-03 18:26") -> str:
    rows = "".join(f'<li><a href="/a/{n}.html">第{n}条新闻</a><i>{date}</i></li>' for n in numbers)
    return f"<html><ul>{rows}</ul>{tail}</html>"


def article(n: int, text: str = "", head: str = "") -> str:
    text = text or f"这是第{n}条新闻的正文，写得足够长，说的是第{n}件事。" * 3
    return (
        f"<html><head>{head}</head><h1>第{n}条新闻</h1><em>2026年06月03日 18:26</em>"
        f'<div id="text"><p>{text}</p></div></html>'
    )


def serve_articles(desk: Desk, numbers: range) -> None:
    serve(desk, {f"/a/{n}.html": article(n) for n in numbers})


NUMBERED = """
label = "页码"
timezone = "Asia/Shanghai"
[[feed]]
url = "SITE/list.html"
rows = "li"
date = "i"
next_url = "SITE/list_{page}.html"
[[page]]
title = "h1"
published = "em"
body = "#text"
"""


def paths(desk: Desk, start: int = 0) -> list[str]:
    return [request.path for request in desk.site.requests[start:]]


def titles(desk: Desk) -> set[str]:
    return {parse_post(data).article.title for data in desk.files("posts").values()}


# ---------------------------------------------------------------- lists of several pages


def test_numbered_list_is_read_to_its_end_and_then_only_as_far_as_it_is_new(desk):
    declare(desk, NUMBERED)
    serve_articles(desk, range(1, 9))
    serve(
        desk,
        {
            "/list.html": list_page(range(6, 8)),
            "/list_2.html": list_page(range(4, 6)),
            "/list_3.html": list_page(range(1, 4)),
        },
    )
    # The page behind the last one is missing: so a list ends whose pages are counted on.
    report = desk.crawl("mine")["sources"]["mine"]
    assert report["new"] == 7
    assert report["refused"] == []
    assert "/list_4.html" in paths(desk)
    start = len(desk.site.requests)
    serve(desk, {"/list.html": list_page(range(7, 9))})
    report = desk.crawl("mine")["sources"]["mine"]
    assert report["new"] == 1
    assert "/list_3.html" not in paths(desk, start)
    start = len(desk.site.requests)
    serve(desk, {"/list.html": list_page(range(6, 9))})
    report = desk.crawl("mine")["sources"]["mine"]
    assert report["new"] == 0
    assert "/list_2.html" not in paths(desk, start)
    assert len(titles(desk)) == 8


def test_a_counted_list_without_a_second_page_is_named(desk):
    declare(desk, NUMBERED)
    serve_articles(desk, range(1, 3))
    serve(desk, {"/list.html": list_page(range(1, 3))})
    report = desk.crawl("mine")["sources"]["mine"]
    assert "no page 2 of the list: HTTP 404" in [
        warning["reason"] for warning in report["warnings"]
    ]
    assert desk.crawl("mine")["sources"]["mine"]["conditional"] == 1


def test_list_stops_at_the_day_asked_for(desk):
    declare(desk, NUMBERED)
    serve_articles(desk, range(1, 9))
    serve(
        desk,
        {
            "/list.html": list_page(range(6, 8), date="2026-06-03 18:26"),
            "/list_2.html": list_page(range(4, 6), date="2026-06-02 18:26"),
            "/list_3.html": list_page(range(1, 4), date="2026-06-01 18:26"),
        },
    )
    report = desk.crawl("mine", "-a", "since=2026-06-03")["sources"]["mine"]
    assert report["new"] == 2
    assert "/list_3.html" not in paths(desk)


def test_a_page_that_repeats_itself_ends_the_list(desk):
    declare(desk, NUMBERED)
    serve_articles(desk, range(1, 3))
    serve(desk, {f"/list{end}.html": list_page(range(1, 3)) for end in ("", "_2", "_3", "_4")})
    assert desk.crawl("mine")["sources"]["mine"]["new"] == 2
    assert "/list_3.html" not in paths(desk)


CURSOR = """
label = "游标"
[[feed]]
url = "SITE/api/news?size=2"
format = "json"
rows = "data.list"
skip = "isAd"
id = "code"
title = "title"
link = "join('', ['SITE/a/', code, '.html'])"
date = "at"
content = "text"
next_url = "SITE/api/news?size=2&before={cursor}"
cursor = "data.next"
"""


def json_page(numbers: range, cursor: str, **extra: object) -> str:
    rows = [
        {"code": str(n), "title": f"快讯{n}", "at": 1780482360 + n, "text": f"第{n}条快讯。"}
        | extra
        for n in numbers
    ]
    return json.dumps({"data": {"list": rows, "next": cursor}}, ensure_ascii=False)


def test_cursor_leads_through_a_json_interface(desk):
    declare(desk, CURSOR)
    serve(
        desk,
        {
            "/api/news?size=2": json_page(range(5, 7), "a&b=5"),
            "/api/news?size=2&before=a%26b%3D5": json_page(range(3, 5), "3", isAd=0),
            "/api/news?size=2&before=3": json_page(range(1, 3), ""),
        },
    )
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["refused"], report["warnings"]) == (6, [], [])
    assert titles(desk) == {f"快讯{n}" for n in range(1, 7)}
    start = len(desk.site.requests)
    before = read_states(desk.archive, ["mine"])["mine"].spans
    assert desk.crawl("mine")["sources"]["mine"]["conditional"] == 1
    # What has not changed goes back as far as before, and is due as soon.
    assert read_states(desk.archive, ["mine"])["mine"].spans == before
    assert [*before.values()] == [[1780482365]]
    assert len(paths(desk, start)) == 2  # robots.txt and the first page
    serve(desk, {"/api/news?size=2": json_page(range(8, 9), "")})  # short, as at midnight
    assert desk.crawl("mine")["sources"]["mine"]["drift"] == 0
    page = json_page(range(9, 11), "8").replace('"next"', '"cursor"')
    serve(desk, {"/api/news?size=2": page})
    report = desk.crawl("mine")["sources"]["mine"]
    reason = "cursor 'data.next' matched nothing, where it led to a second page"
    assert [warning["reason"] for warning in report["warnings"]] == [reason]


def test_rows_that_are_no_articles_are_skipped_and_counted(desk):
    declare(desk, CURSOR)
    serve(desk, {"/api/news?size=2": json_page(range(1, 3), "", isAd="1")})
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["skipped"], report["new"], report["feeds_failed"]) == (2, 0, 0)


def test_an_article_that_failed_is_met_again_behind_known_ones(desk):
    declare(desk, NUMBERED)
    serve_articles(desk, range(2, 6))
    serve(
        desk,
        {
            "/list.html": list_page(range(4, 6)),
            "/list_2.html": list_page(range(1, 4)),
            "/list_3.html": "<html></html>",
            "/a/1.html": "<html><h1>第1条新闻</h1></html>",
        },
    )
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["refused_count"]) == (4, 1)
    serve(desk, {"/list.html": list_page(range(4, 6)) + " ", "/a/1.html": article(1)})
    assert desk.crawl("mine")["sources"]["mine"]["new"] == 1
    assert "第1条新闻" in titles(desk)


DATED = """
label = "电子报"
timezone = "Asia/Shanghai"
[[feed]]
url = "SITE/paper/{date:%Y%m/%d}/node.html"
rows = "//li"
title = "./a"
link = "./a/@href"
tags = "./ancestor::dl/dt"
next = "//p/a"
[[page]]
title = "h1"
body = "#text"
"""


def test_issues_are_read_by_day_and_a_missing_one_is_no_failure(desk):
    declare(desk, DATED)
    serve_articles(desk, range(1, 4))
    issue = "<dl><dt>第A00{}版 要闻</dt><dd><ul><li><a href='/a/{}.html'>第{}条新闻</a></ul></dl>"
    serve(
        desk,
        {
            "/paper/202606/04/node.html": "<p><a href='node_2.html'>第A002版</a>"
            + issue.format(1, 1, 1),
            "/paper/202606/04/node_2.html": issue.format(2, 2, 2),
        },
    )
    report = desk.crawl("mine", "-a", "since=2026-06-03", "-a", "until=2026-06-05")
    counts = report["sources"]["mine"]
    assert (report["exit_status"], counts["new"], counts["feeds"]) == (0, 2, 1)
    assert sum("no issue of" in warning["reason"] for warning in counts["warnings"]) == 2
    posts = [parse_post(data).article for data in desk.files("posts").values()]
    assert {post.keywords[0] for post in posts} == {"第A001版 要闻", "第A002版 要闻"}
    assert {f"{post.published:%Y-%m-%dT%H:%M}" for post in posts} == {"2026-06-03T16:00"}


# ---------------------------------------------------------------- articles of several pages

SEVERAL = """
label = "分页"
timezone = "Asia/Shanghai"
noise = ["郑重声明：.*"]
[[feed]]
url = "SITE/list.html"
rows = "li"
[[page]]
title = "h1"
published = "em"
body = "#text"
"""
COUNTED = SEVERAL + "page_count = 'countPage = (\\d+)'\n"
LINKED = SEVERAL + 'next = ".pages a"\n'
SCRIPT = "<script>var countPage = 3;</script>"


@pytest.mark.parametrize(
    ("source", "head", "links"),
    [
        (COUNTED, SCRIPT, ["", "", ""]),
        (LINKED, "", ["<a href='1_1.html'>2</a><a href='1_2.html'>3</a>"] * 3),
        (LINKED, "", ["<a href='1_1.html'>下一页</a>", "<a href='1_2.html'>下一页</a>", ""]),
        (
            LINKED,
            "",
            [
                "<a href='1_1.html'>下一页</a>",
                "<a href='1_2.html'>下一页</a>",
                "<a href='http://other.example/2'>下一页</a>",
            ],
        ),
    ],
    ids=["counted", "linked", "chained", "and to another host"],
)
def test_article_of_three_pages_is_one_post(desk, source, head, links):
    declare(desk, source)
    serve(desk, {"/list.html": list_page(range(1, 2))})
    texts = ["第一页的话。", "第二页的话。</p><p>郑重声明：无关。", "第三页的话。"]
    for name, text, link in zip(("1", "1_1", "1_2"), texts, links, strict=True):
        page = article(1, text, head).replace("</html>", f"<div class=pages>{link}</div></html>")
        serve(desk, {f"/a/{name}.html": page})
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["pages"], report["refused"]) == (1, 3, [])
    assert report["partial"] == 0
    assert ("on another host" in warnings_of(report)) == ("other.example" in links[-1])
    (data,) = desk.files("posts").values()
    assert parse_post(data).article.body == "第一页的话。\n\n第二页的话。\n\n第三页的话。"


def test_a_missing_page_makes_the_article_partial_and_a_failing_one_waits(desk):
    declare(desk, COUNTED)
    serve(desk, {"/list.html": list_page(range(1, 2)), "/a/1.html": article(1, "一。", SCRIPT)})
    serve(desk, {"/a/1_1.html": "<html>没有正文</html>", "/a/1_2.html": article(1, "三。")})
    report = desk.crawl("mine", status=1)["sources"]["mine"]
    assert (report["new"], report["refused_count"]) == (0, 1)
    del desk.site.overlay["/a/1_1.html"]
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["partial"]) == (1, 1)
    (data,) = desk.files("posts").values()
    post = parse_post(data).article
    assert (post.partial, post.body) == ("page 2: HTTP 404", "一。\n\n三。")


# ---------------------------------------------------------------- what page and list tell


def test_a_cut_title_is_completed_though_no_rule_names_the_title(desk):
    declare(desk, NUMBERED.replace('title = "h1"\n', ""))
    page = (
        list_page(range(1, 3)).replace("第1条新闻", "第1条新...").replace("第2条新闻", "另一条……")
    )
    serve(desk, {"/list.html": page, "/list_2.html": "<html></html>"})
    serve_articles(desk, range(1, 3))
    desk.crawl("mine")
    assert titles(desk) == {"第1条新闻", "另一条……"}


def test_a_day_at_the_top_of_a_page_does_not_beat_the_lists_time(desk):
    declare(desk, NUMBERED.partition("[[page]]")[0])
    serve(desk, {"/list.html": list_page([1], date="3小时前"), "/list_2.html": "<html></html>"})
    banner = "<html><div>2026年06月01日 星期一</div>"
    page = article(1).replace("<html>", banner).replace("2026年06月03日 18:26", "港城日报")
    serve(desk, {"/a/1.html": page})
    desk.crawl("mine")
    (post,) = desk.files("posts").values()
    assert parse_post(post).article.published > datetime(2026, 6, 2, tzinfo=UTC)


# ---------------------------------------------------------------- drift


def warnings_of(report: dict) -> str:
    return "\n".join(warning["reason"] for warning in report["warnings"])


def test_a_list_whose_rows_are_gone_fails_by_name(desk):
    declare(desk, NUMBERED)
    desk.site.overlay["/list.html"] = "<html><ol><dd>新版式</dd></ol></html>".encode("gb18030")
    told = desk.scrapy("crawl", "mine", "-L", "ERROR", status=1).stderr
    report = desk.report()["sources"]["mine"]
    # What else is odd does not stand before it.
    assert warnings_of(report) == "rows 'li' matched nothing\ncharset guessed: gb18030"
    assert "rows 'li' matched nothing" in told


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("href='/a/", "href='javascript:go("), "that is an address, as 'javascript:go(1.html'"),
        (("href=", "data-href="), "link 'a' matched nothing in 4 rows"),
        (("href='/a/", "href='/ad/"), "matched nothing that skip \"a[href^='/ad/']\" leaves, of 4"),
    ],
    ids=["scripts", "no links", "all skipped"],
)
def test_a_list_that_leads_nowhere_fails_by_name_and_writes_nothing(desk, change, reason):
    declare(
        desk,
        NUMBERED.replace('rows = "li"', """rows = "li"\nskip = "a[href^='/ad/']"\nlink = "a" """),
    )
    serve(desk, {"/list.html": list_page(range(1, 5)).replace('"', "'").replace(*change)})
    told = desk.scrapy("crawl", "mine", "-L", "WARNING", status=1).stderr
    report = desk.report()["sources"]["mine"]
    assert (report["new"], report["drift"]) == (0, 1)
    assert reason in report["warnings"][0]["reason"]
    assert reason in told


def test_an_empty_page_is_asked_again_where_no_rule_could_miss_it(desk):
    declare(desk, NUMBERED.partition("[[page]]")[0])
    serve(desk, {"/list.html": list_page([1, 2]), "/list_2.html": "<html></html>"})
    serve(desk, {"/a/1.html": article(1), "/a/2.html": "\n"})
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["partial"], report["refused_count"]) == (1, 0, 1)
    serve_articles(desk, range(1, 3))
    assert desk.crawl("mine")["sources"]["mine"]["new"] == 1


def test_a_list_whose_pages_are_all_gone_is_named(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 4)), "/list_2.html": "<html></html>"})
    report = desk.crawl("mine")["sources"]["mine"]
    assert (report["new"], report["partial"], report["drift"]) == (3, 3, 1)
    assert report["warnings"][0]["reason"].startswith("none of 3 pages could be had")


def test_pages_that_no_rule_fits_fail_the_source(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 4)), "/list_2.html": "<html></html>"})
    serve(desk, {f"/a/{n}.html": article(n).replace('"text"', '"body"') for n in range(1, 4)})
    report = desk.crawl("mine", status=1)["sources"]["mine"]
    assert report["refused"][0]["reason"] == "no page rule fits: nothing to see in body '#text'"


def test_new_pages_that_no_rule_fits_are_told_though_others_are_known(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 8)), "/list_2.html": "<html></html>"})
    serve_articles(desk, range(1, 8))
    desk.crawl("mine")
    serve(desk, {f"/a/{n}.html": "<html>新版式</html>" for n in range(8, 14)})
    serve(desk, {"/list.html": list_page(range(4, 11))})
    told = desk.scrapy("crawl", "mine", "-L", "WARNING").stderr
    report = desk.report()["sources"]["mine"]
    assert (report["unchanged"], report["unfit"], report["drift"]) == (4, 3, 1)
    assert "mine: body '#text' fits none of 3 pages, and 0 could be read" in told
    serve(desk, {"/list.html": list_page(range(6, 14))})
    assert desk.crawl("mine", status=1)["sources"]["mine"]["unchanged"] == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n, page: page.replace(f"第{n}条新闻</h1>", "登录</h1>"), "have the title '登录'"),
        (lambda n, page: page.replace("18:26", "10:26"), "lie -8 hours off those of the list"),
        (lambda n, page: article(n, "见视频。"), "hold less than 40 characters"),
        (lambda n, page: article(n, "登录之后可以阅读全文。" * 9), "have one and the same text"),
        (lambda n, page: page.replace("2026年", "2099年"), "dates lie in the future"),
        (lambda n, page: page.replace("<em>", "<b>"), "published 'em' gives nothing"),
    ],
    ids=["one title", "eight hours", "hollow", "wall", "future", "no date"],
)
def test_odd_pages_are_named_in_the_same_run(desk, change, reason):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 5)), "/list_2.html": "<html></html>"})
    serve(desk, {f"/a/{n}.html": change(n, article(n)) for n in range(1, 5)})
    told = desk.scrapy("crawl", "mine", "-L", "WARNING").stderr
    report = desk.report()["sources"]["mine"]
    assert reason in warnings_of(report)
    assert "page rule '#text'" in warnings_of(report)
    assert reason in told


FLASHES = """
label = "快讯"
[[feed]]
channel = "快讯"
url = "SITE/api?n=1"
format = "json"
rows = "list"
id = "id"
title = "title"
content = "text"
date = "at"
"""


def test_odd_texts_of_the_feed_itself_are_named_and_known_dates_that_moved(desk):
    declare(desk, FLASHES)
    rows = [
        {"id": n, "title": f"第{n}条", "at": f"2026-06-03 18:2{n}", "text": "登录后可以阅读全文。"}
        for n in range(4)
    ]
    serve(desk, {"/api?n=1": json.dumps({"list": rows})})
    told = desk.scrapy("crawl", "mine", "-L", "WARNING").stderr
    assert "mine: feed 1 (快讯): 4 titles have one and the same text" in told
    rows = [row | {"at": row["at"].replace(" 18", " 10")} for row in rows]
    serve(desk, {"/api?n=1": json.dumps({"list": rows})})
    report = desk.crawl("mine")["sources"]["mine"]
    reason = "dates of 4 of 4 known articles are -8 hours off what they were"
    assert report["unchanged"] == 4
    assert warnings_of(report).endswith(reason)
    rows = [{"id": n + 9, "title": f"第{n}条", "at": "2026-06-03 18:26"} for n in range(4)]
    serve(desk, {"/api?n=1": json.dumps({"list": rows})})
    report = desk.crawl("mine")["sources"]["mine"]
    assert warnings_of(report) == "content 'text' matched nothing in 4 rows"


def test_a_paper_without_rows_on_weekdays_fails_and_one_with_an_issue_does_not(desk):
    declare(
        desk,
        NUMBERED.replace("list.html", "{date:%Y%m%d}.html").replace("next_url", "# next_url"),
    )
    serve(desk, {f"/2026060{day}.html": "<html>新版式</html>" for day in range(1, 8)})
    days = ["-a", "since=2026-06-04", "-a"]
    desk.crawl("mine", *days, "until=2026-06-07", status=1)  # Thursday to Sunday
    report = desk.report()["sources"]["mine"]
    assert report["warnings"][0]["reason"] == "rows 'li' matched nothing on any of 2 weekdays"
    report = desk.crawl("mine", "-a", "since=2026-05-28", "-a", "until=2026-05-31")
    assert report["sources"]["mine"]["warnings"][0]["reason"] == "no page for any of 2 weekdays"
    desk.crawl("mine", "-a", "since=2026-06-05", "-a", "until=2026-06-07")
    serve(desk, {"/20260604.html": list_page(range(1, 3), date="06-04 18:26")})
    serve_articles(desk, range(1, 3))
    report = desk.crawl("mine", *days, "until=2026-06-07")["sources"]["mine"]
    assert (report["new"], report["drift"]) == (2, 0)


def test_a_state_that_another_version_wrote_is_left_behind(desk):
    declare(desk, CURSOR)
    serve(desk, {"/api/news?size=2": json_page(range(1, 3), "")})
    archive = Archive(desk.archive, render_post)
    archive.put_states({"mine": SourceState(layouts={"feed 1": [9]}, spans={"0": ["x"], "1": [1]})})
    archive.close()
    assert desk.crawl("mine")["sources"]["mine"]["new"] == 2
    state = read_states(desk.archive, ["mine"])["mine"]
    assert [*state.layouts] == ["feed 1"]
    assert [*state.spans.values()] == [[1], [1780482361]]


def test_what_was_odd_stays_until_something_changes(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 5)), "/list_2.html": "<html></html>"})
    serve(desk, {f"/a/{n}.html": article(n, "见视频。") for n in range(1, 5)})
    desk.crawl("mine")
    assert desk.crawl("mine")["sources"]["mine"]["conditional"] == 1
    line = desk.scrapy("sources", "mine").stdout.splitlines()[1]
    assert "4/4" in line
    assert "hold less than 40 characters" in line


def test_a_field_of_rows_that_is_gone_is_told_and_quiet_runs_say_nothing(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 5)), "/list_2.html": "<html></html>"})
    serve(desk, {f"/a/{n}.html": article(n) for n in range(1, 9)})
    assert desk.scrapy("crawl", "mine", "-L", "WARNING").stderr == ""
    serve(desk, {"/list.html": list_page(range(5, 9)).replace("<i>", "<u>")})
    told = desk.scrapy("crawl", "mine", "-L", "WARNING").stderr
    assert "WARNING: mine: date 'i' matched nothing in 4 rows" in told


def test_suddenly_short_bodies_are_named(desk):
    declare(desk, NUMBERED)
    serve(desk, {"/list.html": list_page(range(1, 13)), "/list_2.html": "<html></html>"})
    serve(desk, {f"/a/{n}.html": article(n, f"第{n}条的长文。" * 60) for n in range(1, 13)})
    assert "suddenly short" not in warnings_of(desk.crawl("mine")["sources"]["mine"])
    serve(desk, {"/list.html": list_page(range(13, 17))})
    serve(desk, {f"/a/{n}.html": article(n, f"第{n}条的摘要。" * 8) for n in range(13, 17)})
    assert "suddenly short" in warnings_of(desk.crawl("mine")["sources"]["mine"])


# ---------------------------------------------------------------- harvest


@contextmanager
def silent_server() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for connection in held:
            connection.close()


def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_harvest_of_sixty_sources_is_not_held_up_by_dead_and_slow_ones(desk, tmp_path):
    for path in (tmp_path / "sources").glob("*.toml"):
        path.unlink()
    feed = "label = '源{0}'\n[[feed]]\nurl = '{1}/feed{0}.json'\n"
    with silent_server() as slow:
        for n in range(60):
            url = closed_port() if n % 20 == 7 else slow if n % 30 == 4 else desk.site.url
            declare(desk, feed.format(n, url), f"s{n:02}")
            items = [
                {"id": f"{n}-{i}", "title": f"题{n}-{i}", "content_text": "文"} for i in (1, 2)
            ]
            version = "https://jsonfeed.org/version/1.1"
            document = {"version": version, "title": f"源{n}", "items": items}
            serve(desk, {f"/feed{n}.json": json.dumps(document)})
        names = [f"s{n:02}" for n in range(60)]
        desk.scrapy("harvest", "-s", "NEWS_MAX_SECONDS=3", *names, status=1)
    report = desk.report()
    assert len(report["sources"]) == 60
    failed = {name for name, counts in report["sources"].items() if counts["feeds_failed"]}
    assert failed == {"s07", "s27", "s47", "s04", "s34"}
    assert sum(counts["new"] for counts in report["sources"].values()) == 110
    table = desk.scrapy("sources", *names).stdout
    assert table.count("failed the last time") == 5
    assert "源59" in table


def test_harvest_without_names_takes_what_is_due(desk: Desk) -> None:
    desk.scrapy("harvest", "wire")
    asked = len(desk.site.requests)
    # The shipped sources have never run: they are due, and the site knows none of their lists here.
    desk.scrapy("harvest", "-s", "NEWS_RSSHUB=http://rsshub.invalid", through_site=True, status=1)
    report = desk.report()["sources"]
    assert "stcn" in report
    assert "list-json" in report
    assert "infocode" not in report  # ended
    assert "wire" not in report
    assert not any("/wire/" in request.path for request in desk.site.requests[asked:])
