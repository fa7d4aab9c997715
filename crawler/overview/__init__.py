"""What happened in an archive, as one HTML page. Pure: figures in, a document out.

``figures`` adds up what the ledger and the reports tell, ``page`` shows it; the words of both
languages are a table in ``words``, style and script the files beside it.
"""

from crawler.overview.figures import MOST_ROWS, Edited, Overview, Repeated, Runs, Standing
from crawler.overview.page import render_page
from crawler.overview.period import MOST_DAYS, Period
from crawler.overview.words import LANGUAGES

__all__ = [
    "LANGUAGES",
    "MOST_DAYS",
    "MOST_ROWS",
    "Edited",
    "Overview",
    "Period",
    "Repeated",
    "Runs",
    "Standing",
    "render_page",
]
