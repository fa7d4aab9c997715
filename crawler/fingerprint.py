"""Content hash: the same digits for the same article, whatever mirror, proxy or form it came in.

Pure. Source: FORMAT, section 8. The digest of known articles is pinned in the tests: a change
here changes every identity that archives hold, so it comes with a new version tag.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from unicodedata import is_normalized
from unicodedata import normalize as unicode_normalize

from crawler.article import Article
from crawler.bylines import is_credit_line
from crawler.images import decode_image_url, pick_image
from crawler.markup import convert

VERSION = "news-1"

_QUOTES = "\"'«»‘’‚‛“”„‟‹›「」『』〝〞〟"
# Format characters that no reader sees: soft hyphen, joiners, direction marks, variation selectors.
_INVISIBLE = (
    "".join(
        map(
            chr,
            (0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF),
        )
    )
    + "\ufe0e\ufe0f"
)
# What takes the place of characters that are looked for first. Quotation marks and what no reader
# sees are dropped. The full-width punctuation of every Chinese text gets what NFKC makes of it:
# normalising a text costs 0.2 µs a character as soon as it holds one of these; without them it is
# known to be normal at a glance.
_REPLACED = {
    chr(code): unicode_normalize("NFKC", chr(code))
    for code in (0x2026, 0x3000, *range(0xFF01, 0xFF5F))
}
_REPLACED |= dict.fromkeys(_QUOTES + "\uff02\uff07" + _INVISIBLE, "")
_REPLACEABLE = re.compile(f"[{re.escape(''.join(_REPLACED))}]")
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
# Brackets, underscores and what the title map of the seed form turns into underscores.
_TITLE_DROPPED = dict.fromkeys(map(ord, "_:/\\?*<>|()[]{}〈〉《》【】〔〕〖〗〘〙〚〛⟨⟩⦅⦆"))
# What the text form puts before an item of an unordered list; no character of the article.
BULLET = "• "


def fold(text: str) -> str:
    """Gives what counts of a text: NFKC, case-folded, no white space, controls, quotation marks.

    All other punctuation and all digits stay: 3:0 is not 30, 1.5% is not 15%.
    """
    text = _fold_once(text)
    while not is_normalized("NFKC", text):
        # Rare: what NFKC changes may come in capitals or with a blank, and so has to be folded too.
        again = _fold_once(unicode_normalize("NFKC", text))
        if again == text:
            break  # U+01F0 and its like: case folding takes apart what NFKC puts together
        text = again
    return text


def _fold_once(text: str) -> str:
    # One str.replace for each character met: a translate costs 30 ns for every character there is.
    for character in set(_REPLACEABLE.findall(text)):
        text = text.replace(character, _REPLACED[character])
    text = "".join(text.casefold().split())
    return text if text.isprintable() else text.translate(_CONTROLS)


def fold_title(title: str) -> str:
    return fold(title).translate(_TITLE_DROPPED)


def fold_body(text: str) -> str:
    """Folds the visible text of a body (the ``text`` form) without its credit lines and bullets, of
    nested items too: a text body that becomes HTML loses what indents them."""
    lines = [
        line.lstrip(" ").removeprefix(BULLET)
        for line in text.split("\n")
        if line and not is_credit_line(line)
    ]
    return fold("".join(lines))


def hash_text(title: str, text: str, *, images: Iterable[str], address: str) -> str:
    """Gives the content hash of an article whose visible text is known already.

    ``images`` (decoded) and ``address`` (canonical URL or guid) count only where the text is
    empty, so that hollow items never equal each other.
    """
    body = fold_body(text)
    if not body:
        body = "\n".join(images) or address
    digest = sha256(f"{VERSION}\n{fold_title(title)}\n{body}".encode("utf-8", "replace"))
    return f"sha256:{digest.hexdigest()}"


def content_hash(article: Article) -> str:
    """Gives ``sha256:`` and 64 hexadecimal digits over folded title and folded visible text."""
    converted = convert(
        article.body,
        origin=article.form,
        form="text",
        pick_image=partial(pick_image, base_url=article.canonical_url),
    )
    images = dict.fromkeys(converted.images)
    images |= dict.fromkeys(map(decode_image_url, article.images))
    return hash_text(
        article.title,
        converted.text,
        images=images,
        address=article.canonical_url or article.guid or "",
    )
