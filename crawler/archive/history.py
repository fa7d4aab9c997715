"""What happened in an archive in a period, added up from its ledger and its runs' reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crawler.archive.ledger import Carrier, Ledger, PostRow
from crawler.archive.reports import FOLDER, list_reports, read_report
from crawler.archive.seal import is_as_left
from crawler.errors import ArchiveError, DamagedLedgerError, ReportError
from crawler.overview.figures import MOST_ROWS, Edited, Overview, Repeated, Runs, Standing
from crawler.overview.period import Period


def read_overview(
    root: Path, ledger: Ledger, period: Period, labels: Mapping[str, str]
) -> Overview:
    """Reads only; crawls may be at work. Raises ArchiveError, also when the ledger is not what the
    last crawl left: what it tells then may be anything."""
    _check_ledger(ledger)
    overview = Overview(period, Runs(period), dict(labels))
    with ledger.snapshot():
        _count_articles(ledger, overview)
        _list_repeated(ledger, overview)
        _list_edited(ledger, overview)
    for name in list_reports(root, period.since):
        try:
            run, status = read_report(root, name)
        except (ArchiveError, ReportError) as error:
            overview.damaged_count += 1
            if len(overview.damaged) < MOST_ROWS:
                overview.damaged.append(
                    (name, str(error).removeprefix(f"{root / FOLDER / name}: "))
                )
            continue
        overview.runs.add(run, status)
    return overview


def _check_ledger(ledger: Ledger) -> None:
    # Asked twice: a crawl may have taken the seal off just between two looks.
    as_left = is_as_left(ledger.path) or is_as_left(ledger.path)
    if as_left is False:
        raise DamagedLedgerError(
            f"{ledger.path}: damaged or changed: not as the last crawl left it; the next one, or "
            "scrapy archive rebuild, makes it again from the files"
        )
    if as_left is None:
        ledger.check()


def _count_articles(ledger: Ledger, overview: Overview) -> None:
    period = overview.period
    for source, (posts, _, _, newest_at) in ledger.count_by_source().items():
        articles = overview.articles_of(source)
        articles.total = posts
        articles.newest_at = newest_at
    followed_since = ledger.list_beginnings()
    for source, published_at, first_at, was_seen in ledger.list_times_since(period.since):
        day = period.find_day(first_at if published_at is None else published_at)
        if day is None:
            continue
        articles = overview.articles_of(source)
        articles.by_day[day] += 1
        if (
            published_at is not None
            and was_seen
            and published_at >= followed_since[source]
            and published_at != first_at  # of one without a date the first fetch stands for it
            and not period.is_midnight(published_at)
        ):
            articles.note_delay(day, first_at - published_at)


def _list_repeated(ledger: Ledger, overview: Overview) -> None:
    since = overview.period.since
    for (source, carrier), count in ledger.count_repeats_since(since).items():
        overview.repeats[source, carrier] = count
        overview.articles_of(source).repeated_elsewhere += count
        overview.articles_of(carrier).repeated += count
    numbers: list[int] = []
    for number in ledger.list_repeated_since(since):
        overview.repeated_count += 1
        if len(numbers) < MOST_ROWS:
            numbers.append(number)
    posts = {post.id: post for post in ledger.find_posts(numbers)}
    carriers = ledger.list_carriers(numbers)
    for number in numbers:
        post = posts[number]
        others = [c for c in carriers[number] if c.identity != post.identity]
        overview.repeated.append(
            Repeated(_stand(post, carriers[number]), [_stand_of(carrier) for carrier in others])
        )


def _list_edited(ledger: Ledger, overview: Overview) -> None:
    newest: dict[int, int] = {}
    for number, source, versions in ledger.list_edited_since(overview.period.since):
        overview.articles_of(source).edited += 1
        if len(newest) < MOST_ROWS:
            newest[number] = versions
    posts = {post.id: post for post in ledger.find_posts(newest)}
    carriers = ledger.list_carriers(newest)
    for number, versions in newest.items():
        post = posts[number]
        standing = _stand(post, carriers[number], at=post.written_at)
        overview.edited.append(Edited(standing, versions, post.path))


def _stand(post: PostRow, carriers: list[Carrier], *, at: int | None = None) -> Standing:
    own = next((one.url for one in carriers if one.identity == post.identity), None)
    return Standing(post.source, post.title, own or "", post.first_at if at is None else at)


def _stand_of(carrier: Carrier) -> Standing:
    return Standing(carrier.source, carrier.title, carrier.url or "", carrier.seen_at)
