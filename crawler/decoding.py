"""Content encodings (gzip, deflate, br, zstd) taken off, whole or not at all. Pure.

Scrapy's own decoding gives what a cut body still holds, and a damaged one as if it were sound.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Iterable
from typing import Any, Protocol

import brotli

from crawler.errors import CutError, TooLargeError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODINGS = ("gzip", "deflate", "br", "zstd")
# Nobody packs twice on purpose; a hostile server could ask for any number of rounds.
MOST_ENCODINGS = 3
_PIECE = 1 << 16
_ROOT = re.compile(rb"<(html|rss|feed|rdf:RDF|urlset|sitemapindex)\b", re.IGNORECASE)


class _Decompressor(Protocol):
    """What zlib's and zstd's have in common, and brotli's is given below."""

    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def decode_body(body: bytes, encodings: Iterable[str], *, max_bytes: int) -> bytes | None:
    """Gives the body without its content encodings, which are named in the order of the header
    field (the last was applied last); None where one of them is unknown to us.

    Raises CutError for a body that is broken or ends too soon, TooLargeError above ``max_bytes``.
    An empty body has nothing to take off.
    """
    names = [name for name in encodings if name not in ("", "identity")]
    if not body:
        return body
    if any(name.removeprefix("x-") not in ENCODINGS for name in names):
        return None
    if len(names) > MOST_ENCODINGS:
        raise TooLargeError(f"refused: encoded {len(names)} times")
    for name in reversed(names):
        body = _decode(body, name.removeprefix("x-"), max_bytes)
    return body


def lacks_end(body: bytes) -> bool:
    """Tells whether a document breaks off: its root element is opened and never closed. Only of
    use where nothing else tells the length, as browsers need no ``</html>``.

    >>> lacks_end(b"<html><p>Half a"), lacks_end(b"<p>Whole"), lacks_end(b"<html></HTML>")
    (True, False, False)
    """
    root = _ROOT.search(body, 0, 4096)
    return root is not None and b"</" + root[1].lower() not in body.lower()


def _decode(body: bytes, name: str, max_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while body:  # gzip and zstd may consist of several members
        decompressor = _make_decompressor(name, body)
        try:
            piece = decompressor.decompress(body, max_bytes - size + 1)
        except (zlib.error, brotli.error, zstd.ZstdError) as error:
            if pieces:
                break  # padding behind the end
            raise CutError(f"cut: broken {name} data") from error
        size += len(piece)
        if size > max_bytes:
            del piece, pieces  # an error holds what its frames hold, for as long as it is looked at
            raise TooLargeError(f"larger than NEWS_MAX_BYTES, {max_bytes}, when decoded")
        pieces.append(piece)
        if not decompressor.eof:
            raise CutError(f"cut: {name} data without its end, after {size} bytes")
        body = decompressor.unused_data if name in ("gzip", "zstd") else b""
    return b"".join(pieces)


def _make_decompressor(name: str, body: bytes) -> Any:
    if name == "gzip":
        return zlib.decompressobj(31)
    if name == "zstd":
        return zstd.ZstdDecompressor()
    if name == "br":
        return _Brotli()
    # Some servers send deflate without the wrapping of zlib that RFC 9110 asks for.
    is_wrapped = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    return zlib.decompressobj(15 if is_wrapped else -15)


class _Brotli:
    eof = False

    def decompress(self, data: bytes, max_length: int) -> bytes:
        decompressor = brotli.Decompressor()
        output = decompressor.process(data, output_buffer_limit=_PIECE)
        pieces = [output]
        size = len(output)
        while output and size <= max_length and not decompressor.is_finished():
            output = decompressor.process(b"", output_buffer_limit=_PIECE)
            pieces.append(output)
            size += len(output)
        self.eof = decompressor.is_finished()
        return b"".join(pieces)
