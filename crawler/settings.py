"""The whole machine on one page. Every setting here can be given with ``-s NAME=VALUE``."""

BOT_NAME = "news-archive-crawler"
SPIDER_MODULES = ["crawler.spiders"]
SPIDER_LOADER_CLASS = "crawler.spiders.loader.SourceLoader"
COMMANDS_MODULE = "crawler.commands"

# ---- what is written, and where -------------------------------------------------------------
NEWS_ARCHIVE = "archive"
NEWS_DIALECT = "hexo"
NEWS_BODY = "text"
NEWS_EXTRA_KEYS = True
NEWS_PLACEHOLDER_IMAGE = None
NEWS_SOURCES = None
NEWS_NEAR_DUPLICATES = "report"
NEWS_TIMEZONE = "Asia/Shanghai"
NEWS_RSSHUB = "https://rsshub.app"
NEWS_DRY_RUN = "off"

# ---- bounds: what is over is refused by name -------------------------------------------------
NEWS_MAX_ENTRIES = 200_000
NEWS_MAX_BYTES = 64 * 1024 * 1024  # decoded; becomes DOWNLOAD_MAXSIZE
NEWS_MAX_PAGE = 8_000_000  # characters of one HTML page, article or list
NEWS_MAX_DEPTH = 200
NEWS_MAX_ATTRIBUTES = 2_000  # of one element
NEWS_MAX_TEXT = 1_000_000  # characters of one field
NEWS_MAX_SECONDS = 120  # a response, from the first byte asked to the last; DOWNLOAD_TIMEOUT
NEWS_MAX_SOURCE_SECONDS = 600  # a source's part of a run; no bound with -a since
NEWS_MAX_PAGES = 20_000  # that a source asks for in a run; no bound with -a since

# ---- an article's way ------------------------------------------------------------------------
ITEM_PIPELINES = {
    "crawler.pipelines.NormalizePipeline": 300,
    "crawler.pipelines.ArchivePipeline": 900,
}
EXTENSIONS = {
    "crawler.extensions.RunReporter": 0,
    "crawler.extensions.CoreStats": 0,
    "scrapy.extensions.corestats.CoreStats": None,
    "scrapy.extensions.telnet.TelnetConsole": None,
    "scrapy.extensions.memusage.MemoryUsage": None,
}
LOG_FORMATTER = "crawler.extensions.QuietLogFormatter"
FEED_EXPORT_FIELDS = [  # of `-O articles.jsonl`
    "title", "section", "label", "channel", "published", "updated", "image", "images", "body",
    "form", "source", "guid", "canonical_url", "byline", "origin", "dated", "partial", "hash",
]  # fmt: skip

# ---- manners ---------------------------------------------------------------------------------
NEWS_CONTACT = None  # stands in the user agent
NEWS_MAX_RETRY_AFTER = 30  # seconds that a host may keep a run waiting
NEWS_MAX_CRAWL_DELAY = 30  # seconds
NEWS_BACKOFF = 5  # seconds, then twice as long: after 429 and 503 without Retry-After
USER_AGENT = "news-archive-crawler/0.1"
ROBOTSTXT_OBEY = True
CONCURRENT_REQUESTS = 32  # of all hosts: hosts that do not answer must not take all places
CONCURRENT_REQUESTS_PER_DOMAIN = 4
DOWNLOAD_DELAY = 0.25  # seconds between requests to one host
DOWNLOAD_DELAY_JITTER = 0  # by default Scrapy takes half of a delay for a delay
DOWNLOADER = "crawler.manners.HostDownloader"
SCHEDULER_PRIORITY_QUEUE = "crawler.manners.HostQueue"
RETRY_TIMES = 2  # after the first try
DNS_TIMEOUT = 15  # seconds
REDIRECT_MAX_TIMES = 5
COOKIES_ENABLED = False

# ---- safety ----------------------------------------------------------------------------------
DOWNLOADER_MIDDLEWARES = {
    "crawler.middlewares.AddressGuard": 90,  # before robots.txt, which would be asked for
    "crawler.manners.Robots": 100,
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "crawler.middlewares.ContentEncoding": 590,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "crawler.manners.Manners": 860,  # behind retries and redirects: sees every try
    "crawler.stopping.StopGate": 950,  # the last before the network
}
DOWNLOAD_HANDLERS = {
    "http": "crawler.downloads.Handler",
    "https": "crawler.downloads.Handler",
    "data": None, "file": None, "ftp": None, "s3": None,
}  # fmt: skip
DOWNLOAD_VERIFY_CERTIFICATES = True
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False
METAREFRESH_MAXDELAY = 5  # seconds; a page that reloads itself later than that is no redirect

# ---- speed: what was found to matter, in order ------------------------------------------------
# By default Scrapy starts a hundred tasks for the output of every response.
CONCURRENT_ITEMS = 4
SCRAPER_SLOT_MAX_ACTIVE_SIZE = 32 * 1024 * 1024
LOG_LEVEL = "INFO"
