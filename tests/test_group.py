"""Near-duplicates in the archive: what is reported, skipped, and what becomes of it later."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path

import pytest

from crawler.archive import Archive, Candidate, Outcome, Verdict
from crawler.archive.ledger import NEAR_WINDOW_S, Ledger
from crawler.article import Article
from crawler.errors import LedgerError
from crawler.normalize import normalize
from crawler.posts import parse_post
from fixtures.near import BASES, make_look_alikes, make_reposts
from tests.test_archive import BEIJING, MET, findings, posts_of, render

TITLE, LINES = BASES["policy"]
OURS = (TITLE, LINES)
REPOST = (f"快讯：{TITLE}", [*LINES[:-1], "来源：江海财经网"])
REPOST_EDITED = (REPOST[0], [*LINES[:-2], "市场人士对此表示欢迎。"])
OTHER = BASES["merger"]
AT = datetime(2026, 6, 3, 9, 0, tzinfo=BEIJING)


def meet(text, name, number=1, *, days=0.0, hours=0, form="text") -> Candidate:
    title, lines = text
    article = Article(
        title=title,
        body="".join(f"<p>{line}</p>" for line in lines),
        source=name,
        canonical_url=f"https://{name}.example/{number}",
        published=AT + timedelta(days=days),
    )
    return Candidate(
        normalize(article, body=form), "Asia/Shanghai", MET + timedelta(hours=hours), entry=b"e"
    )


def run(root: Path, *candidates: Candidate, near="report") -> list[Outcome]:
    with Archive(root, render, near=near, wait_s=5.0) as archive:
        return archive.commit(candidates)


def told(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(outcome.verdict.value, outcome.twin) for outcome in outcomes]


def together(root, *candidates, near="report"):
    return run(root, *candidates, near=near)


def apart(root, *candidates, near="report"):
    return [run(root, candidate, near=near)[0] for candidate in candidates]


both_ways = pytest.mark.parametrize("commit", [together, apart])


@both_ways
def test_near_duplicate_is_written_and_told(tmp_path, commit):
    outcomes = commit(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), meet(OTHER, "c"))
    assert told(outcomes) == [("new", None), ("new", "https://a.example/1"), ("new", None)]
    assert 0.8 < outcomes[1].shared < 1
    assert outcomes[0].shared is outcomes[2].shared is None
    assert len(posts_of(tmp_path)) == 3
    assert told(run(tmp_path, meet(REPOST, "b", hours=1))) == [("unchanged", None)]


@both_ways
def test_near_duplicate_is_skipped_and_not_asked_for_again(tmp_path, commit):
    outcomes = commit(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="skip")
    assert told(outcomes) == [("new", None), ("skipped", "https://a.example/1")]
    assert outcomes[1].path == outcomes[0].path
    before = posts_of(tmp_path)
    assert len(before) == 1
    for hours in (1, 2):
        outcomes = run(
            tmp_path, meet(REPOST, "b", hours=hours), meet(OURS, "a", hours=hours), near="skip"
        )
        assert told(outcomes) == [("unchanged", None)] * 2
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def test_off_looks_for_nothing(tmp_path):
    assert (
        told(run(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="off")) == [("new", None)] * 2
    )
    with Ledger(tmp_path / "ledger.sqlite3").transaction():
        pass
    ledger = Ledger(tmp_path / "ledger.sqlite3", read_only=True)
    assert ledger._one("SELECT count(*) FROM clause") == 0
    ledger.close()


@pytest.mark.parametrize("near", ["report", "skip"])
def test_counts_do_not_depend_on_the_order(tmp_path, near):
    texts = {"a": OURS, "b": REPOST, "c": (f"{TITLE}（全文）", LINES[1:])}
    counts = set()
    for order in permutations(texts):
        root = tmp_path / "".join(order)
        met = [meet(OTHER, "d"), *(meet(texts[name], name) for name in order)]
        outcomes = run(root, *met, near=near)
        counts.add(sum(outcome.shared is not None for outcome in outcomes))
    assert counts == {2}


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(NEAR_WINDOW_S, True), (-NEAR_WINDOW_S, True), (NEAR_WINDOW_S + 1, False),
     (-NEAR_WINDOW_S - 1, False)],
)  # fmt: skip
def test_window_is_by_publication(tmp_path, seconds, found):
    # From several days, because the index has periods.
    for day in range(0, 12, 3):
        root = tmp_path / str(day)
        run(root, meet(OURS, "a", days=day))
        (outcome,) = run(root, meet(REPOST, "b", days=day + seconds / 86400, hours=3))
        assert (outcome.shared is not None) is found


# ------------------------------------------------------------ what becomes of a skipped one


def test_skipped_one_that_changes_and_stays_near_never_touches_the_post(tmp_path):
    run(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="skip")
    before = posts_of(tmp_path)
    edited = partial(meet, REPOST_EDITED, "b")
    assert told(run(tmp_path, edited(hours=1), near="skip")) == [("skipped", "https://a.example/1")]
    assert told(run(tmp_path, edited(hours=2), near="skip")) == [("unchanged", None)]
    assert posts_of(tmp_path) == before
    assert findings(tmp_path) == []


def test_skipped_one_that_becomes_another_article_is_written(tmp_path):
    run(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="skip")
    assert told(run(tmp_path, meet(OTHER, "b", hours=1), near="skip")) == [("new", None)]
    bodies = posts_of(tmp_path)
    assert len(bodies) == 2
    assert all(path.startswith("posts/") for path in bodies)
    # From here on it is an article with edits of its own.
    edited = (OTHER[0], [*OTHER[1], "公司股票明日复牌。"])
    assert told(run(tmp_path, meet(edited, "b", hours=2), near="skip")) == [("updated", None)]
    live = parse_post(next((tmp_path / "posts" / "b").rglob("*.md")).read_bytes()).article
    assert live.body.endswith("公司股票明日复牌。")
    assert findings(tmp_path) == []


def test_skipped_one_that_takes_the_posts_text_becomes_its_carrier(tmp_path):
    run(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="skip")
    assert told(run(tmp_path, meet(OURS, "b", hours=1), near="skip")) == [("unchanged", None)]
    # Now an edit that comes that way revises the post, as of any carrier.
    edited = (TITLE, [*LINES, "另据了解，措施的实施细则正在制定。"])
    assert told(run(tmp_path, meet(edited, "b", hours=2), near="skip")) == [("updated", None)]
    assert len(posts_of(tmp_path)) == 2


def test_skipped_one_is_written_when_it_changes_while_others_are_reported(tmp_path):
    run(tmp_path, meet(OURS, "a"), meet(REPOST, "b"), near="skip")
    outcomes = run(tmp_path, meet(REPOST, "b", hours=1), meet(REPOST_EDITED, "b", hours=2))
    assert told(outcomes) == [("unchanged", None), ("new", "https://a.example/1")]


# ------------------------------------------------------------ the index


def test_edit_is_found_by_its_new_text_only(tmp_path):
    run(tmp_path, meet(OURS, "a"))
    run(tmp_path, meet(OTHER, "a", hours=1))
    repost = (f"快讯：{OTHER[0]}", OTHER[1][:-1])
    outcomes = run(tmp_path, meet(REPOST, "b", hours=2), meet(repost, "c", hours=2))
    assert told(outcomes) == [("new", None), ("new", "https://a.example/1")]


def rows_of(root: Path) -> list[tuple[int, ...]]:
    ledger = Ledger(root / "ledger.sqlite3", read_only=True)
    rows = ledger._rows("SELECT c.period, clause, c.published_at, path FROM clause c"
                        " JOIN post p ON p.id = c.post ORDER BY 4, 2")  # fmt: skip
    ledger.close()
    return rows


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_rebuilt_index_is_the_same(tmp_path, form):
    run(tmp_path, *(meet(text, name.replace("_", "-"), form=form) for name, text in BASES.items()))
    run(tmp_path, meet(REPOST, "policy", hours=1, form=form))
    before = rows_of(tmp_path)
    assert len(before) > 100
    with Archive(tmp_path, render) as archive:
        archive.rebuild()
    assert rows_of(tmp_path) == before
    (tmp_path / "ledger.sqlite3").unlink()
    again = (TITLE, LINES[1:-1])
    (outcome,) = run(tmp_path, meet(again, "mirror", hours=2, form=form), near="skip")
    assert (outcome.verdict, outcome.twin) == (Verdict.SKIPPED, "https://policy.example/1")
    assert rows_of(tmp_path) == before


def test_articles_without_text_are_near_nothing(tmp_path):
    outcomes = run(tmp_path, *(meet(("图说", []), "a", number) for number in range(2)))
    assert told(outcomes) == [("new", None)] * 2


def test_post_whose_file_is_gone_is_no_twin(tmp_path):
    run(tmp_path, meet(OURS, "a"))
    next((tmp_path / "posts").rglob("*.md")).unlink()
    assert told(run(tmp_path, meet(REPOST, "b", hours=1), near="skip")) == [("new", None)]


def test_reposts_are_found_among_many_in_one_frame(tmp_path):
    """Hundreds of notices that share most clauses: what is common to all does not hide the twin."""
    title, lines = BASES["meeting"]

    def notice(n: int) -> tuple[str, list[str]]:
        name = f"{chr(0x4E00 + 7 * n)}{chr(0x5E00 + 3 * n)}股份"
        replaced = [
            line.replace("青屿股份", name).replace("601999", f"{600000 + n}") for line in lines
        ]
        return title.replace("青屿股份", name), replaced

    many = [meet(notice(n), "many", n) for n in range(300)]
    outcomes = run(tmp_path, *many, meet(("临时股东大会来了", notice(77)[1][:-2]), "mirror"))
    assert [outcome.twin for outcome in outcomes if outcome.shared] == ["https://many.example/77"]


def test_repost_is_found_where_the_name_was_not_sampled(tmp_path):
    """One line in a short frame tells whose notice it is, and the line behind it is another now."""
    frame = [
        "{}公告，公司正在筹划发行股份及支付现金购买资产并募集配套资金事项。",
        "因有关事项尚存不确定性，为保证公平信息披露、维护投资者利益，避免股价异常波动，"
        "根据交易所的相关规定，公司股票自明日开市起停牌。",
        "公司预计在不超过10个交易日的时间内披露本次交易方案。",
    ]
    names = [f"{chr(0x4E00 + 7 * n)}{chr(0x5E00 + 3 * n)}股份" for n in range(50)]

    def notice(n: int) -> tuple[str, list[str]]:
        return f"{names[n]}：筹划重大资产重组 股票停牌", [line.format(names[n]) for line in frame]

    run(tmp_path, *(meet(notice(n), "many", n) for n in range(50)))
    reposts = []
    for n in range(50):
        first, *rest = notice(n)[1]
        reposts.append(meet((f"突发！{names[n]}明日停牌", [first, "图片说明", *rest]), "mirror", n))
    twins = [outcome.twin for outcome in run(tmp_path, *reposts) if outcome.shared]
    assert twins == [f"https://many.example/{n}" for n in range(50)]


def test_edit_whose_row_was_lost_is_found_by_its_new_text_only(tmp_path):
    whole, lost = tmp_path / "whole", tmp_path / "lost"
    for root in (whole, lost):
        run(root, meet(OURS, "a"))
    run(whole, meet(OTHER, "a", hours=1))
    with Archive(lost, render) as archive, pytest.MonkeyPatch.context() as patch:

        def fail(self, posts):
            raise LedgerError("no room")

        patch.setattr(Ledger, "put_posts", fail)
        with pytest.raises(LedgerError):
            archive.commit([meet(OTHER, "a", hours=1)])
    run(lost)
    assert rows_of(lost) == rows_of(whole)


def test_the_whole_corpus_through_the_archive(tmp_path):
    """Every re-post meets all articles and look-alikes; a look-alike is never taken for one."""
    look_alikes = [meet(other, "l", n) for n, (_, _, other) in enumerate(make_look_alikes())]
    run(tmp_path, *(meet(text, name.replace("_", "-")) for name, text in BASES.items()))
    reposts = [
        (name.partition(",")[0].replace("_", "-"), other) for name, _, other in make_reposts()
    ]
    outcomes = run(tmp_path, *(meet(other, "r", n) for n, (_, other) in enumerate(reposts)))
    found = sum(outcome.twin is not None for outcome in outcomes)
    assert found * 100 >= 99 * sum(o.verdict is not Verdict.DUPLICATE for o in outcomes)
    bases = {f"https://{name.replace('_', '-')}.example/1" for name in BASES}
    for outcome in run(tmp_path, *look_alikes):
        if outcome.verdict is Verdict.NEW:
            assert outcome.twin not in bases


def test_report_of_a_run_has_both_addresses(desk):
    (desk.folder / "old").mkdir()
    for name, (title, lines) in {"ours": OURS, "theirs": REPOST, "other": OTHER}.items():
        article = meet((title, lines), name).article
        (desk.folder / "old" / f"{name}.md").write_bytes(render(article, "Asia/Shanghai"))
    twin, near = "https://ours.example/1", "https://theirs.example/1"
    report = desk.crawl(
        "posts", "-a", f"path={desk.folder / 'old'}", "-s", "NEWS_NEAR_DUPLICATES=skip"
    )
    counts = {name: (source["new"], source["near_duplicates"], source["near"])
              for name, source in report["sources"].items()}  # fmt: skip
    assert counts == {
        "ours": (1, 0, []),
        "theirs": (0, 1, [{"url": near, "twin": twin, "shared": 0.95}]),
        "other": (1, 0, []),
    }
    assert len(desk.files("posts")) == 2
