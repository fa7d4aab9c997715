"""What is over a bound is refused by name and costs no other article."""

from __future__ import annotations

from crawler.posts import parse_post


def rss(*items: str) -> bytes:
    entries = "".join(f"<item>{item}</item>" for item in items)
    return f"<rss version='2.0'><channel><title>甲</title>{entries}</channel></rss>".encode()


def test_overlong_fields_and_pages_cost_their_own_article(desk):
    names = [f"a{number}='{number}'" for number in range(30_000)]
    desk.site.overlay = {
        "/attributes.html": f"<h1>乙</h1><p {' '.join(names)}>文</p>".encode(),
        "/long.html": f"<h1>己</h1><p>{'文' * 1_300_000}".encode(),
        "/deep.html": ("<div>" * 30_000 + "文").encode(),
        "/x.xml": rss(
            f"<guid>1</guid><title>{'长' * 600}</title><description>文</description>",
            f"<guid>2</guid><title>乙</title><description>{'文' * 600}</description>",
            "<guid>3</guid><title>丙</title><link>http://site.example/attributes.html</link>",
            "<guid>4</guid><title>丁</title><link>http://site.example/deep.html</link>",
            "<guid>6</guid><title>己</title><link>http://site.example/long.html</link>",
            "<guid>5</guid><title>戊</title><description>好文章。</description>",
        ),
    }
    url = f"{desk.site.url}/x.xml"
    bounds = ["-s", "NEWS_MAX_TEXT=500", "-s", "NEWS_MAX_PAGE=1300000"]
    report = desk.crawl("feed", "-a", f"url={url}", "-a", "name=x", *bounds)
    counts = report["sources"]["x"]
    reasons = {each["reason"] for each in counts["refused"] + counts["warnings"]}
    assert reasons >= {
        "title holds 600 characters, more than 500 (NEWS_MAX_TEXT)",
        "body holds 600 characters, more than 500 (NEWS_MAX_TEXT)",
        "written from the feed's own text: more than 2000 attributes in one element"
        " (NEWS_MAX_ATTRIBUTES)",
        "written from the feed's own text: a page of 1300013 characters, more than 1300000"
        " (NEWS_MAX_PAGE)",
        "written from the feed's own text: elements nested more than 1000 deep (NEWS_MAX_DEPTH)",
    }
    titles = {parse_post(data).article.title for data in desk.files("posts").values()}
    assert titles == {"丙", "丁", "戊", "己"}
    # Nothing else is to come of what was refused, so an unchanged feed is not read again.
    again = desk.crawl("feed", "-a", f"url={url}", "-a", "name=x", *bounds)
    assert again["sources"]["x"]["conditional"] == 1


def test_indexes_of_indexes_end(desk):
    for page in ("", *(f"-{number}" for number in range(60))):
        links = (f"http://site.example/index{page}-{number}.xml" for number in range(60))
        maps = "".join(f"<sitemap><loc>{link}</loc></sitemap>" for link in links)
        desk.site.overlay[f"/index{page}.xml"] = f"<sitemapindex>{maps}</sitemapindex>".encode()
    url = f"{desk.site.url}/index.xml"
    report = desk.crawl("feed", "-a", f"url={url}", "-a", "name=x", status=1)
    assert sum(host["requests"] for host in report["hosts"].values()) == 1 + 1 + 50
    reasons = [each["reason"] for each in report["sources"]["x"]["refused"]]
    assert reasons == ["more than 50 sitemaps of one feed"] * 50


def test_pages_beyond_the_bound_come_with_the_next_run(desk):
    names = [f"p{number}" for number in range(5)]
    items = (
        f"<guid>{name}</guid><title>甲{name}</title><link>http://site.example/{name}.html</link>"
        for name in names
    )
    desk.site.overlay = {f"/{name}.html": f"<p>{name}{'好文章。' * 40}".encode() for name in names}
    desk.site.overlay["/x.xml"] = rss(*items)
    new = []
    for _ in range(3):
        arguments = ["-a", f"url={desk.site.url}/x.xml", "-a", "name=x"]
        counts = desk.crawl("feed", *arguments, "-s", "NEWS_MAX_PAGES=3")["sources"]["x"]
        new.append((counts["new"], len(counts["warnings"]), counts["conditional"]))
    assert new == [(3, 1, 0), (2, 0, 0), (0, 0, 1)]
