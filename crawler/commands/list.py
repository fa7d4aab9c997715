"""``scrapy list``: Scrapy's own, over declared sources."""

from __future__ import annotations

import argparse

from scrapy.commands import list as scrapy_list

from crawler.commands import usage_in_one_line


class Command(scrapy_list.Command):
    def short_desc(self) -> str:
        return "List every declared source, feed and posts"

    @usage_in_one_line
    def run(self, args: list[str], opts: argparse.Namespace) -> None:
        super().run(args, opts)
