"""The scheduled run: many sources in one process, as one spider."""

from __future__ import annotations

from collections.abc import Iterable

from crawler.sources import Source
from crawler.spiders.source import SourceSpider

NAME = "harvest"


def make_harvest(sources: Iterable[Source]) -> type[SourceSpider]:
    """Gives the spider that visits these sources, in this order."""
    return type("HarvestSpider", (SourceSpider,), {"name": NAME, "sources": tuple(sources)})
