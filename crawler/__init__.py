"""News feeds in, clean and deduplicated front-matter text files out: the public API.

Everything here is pure but ``load_sources``, which reads TOML files. Importing it does not
import Scrapy.

>>> from crawler import Article, normalize, render_post
>>> article = normalize(Article(title="大盘收涨", body="<p>沪指　涨 1.5%。</p>"))
>>> article.body
'沪指　涨 1.5%。'
"""

from crawler.article import Article, Entry, Feed
from crawler.errors import NewsError
from crawler.feeds import parse_feed
from crawler.fingerprint import content_hash
from crawler.images import decode_image_url, load_image_table
from crawler.normalize import normalize
from crawler.pages import extract_article
from crawler.posts import ParsedPost, parse_post, render_post
from crawler.sources import Source, load_sources

__all__ = [
    "Article",
    "Entry",
    "Feed",
    "NewsError",
    "ParsedPost",
    "Source",
    "content_hash",
    "decode_image_url",
    "extract_article",
    "load_image_table",
    "load_sources",
    "normalize",
    "parse_feed",
    "parse_post",
    "render_post",
]
