"""The seal on a closed ledger: how its file looked when the last crawl had closed it.

SQLite notices a page that makes no sense, but not a byte that was flipped inside a hash. A ledger
that does not look as we left it is not believed: the files are the truth, and it is made again
from them. While a crawl is at work, and after one that ended badly, the seal says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from crawler.archive.files import archive_error

# Up to this many bytes the seal holds a digest (30 ms). Beyond, the cost of opening and closing
# would grow with the archive, and the file's size and time are all that is looked at.
MOST_DIGESTED = 32 * 1024 * 1024


def seal_path(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}-seal")


def is_as_left(ledger: Path) -> bool | None:
    """Tells whether the ledger is what was sealed; None where there is no seal."""
    try:
        seal = json.loads(seal_path(ledger).read_bytes())
        size, mtime_ns, digest = seal["size"], seal["mtime_ns"], seal["sha256"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise archive_error(error, str(seal_path(ledger))) from error
    except (ValueError, TypeError, KeyError):
        return None  # no seal of ours
    found = ledger.stat()
    if found.st_size != size:
        return False
    if digest is None:
        return bool(found.st_mtime_ns == mtime_ns)
    return bool(_digest(ledger) == digest)  # a disk that flips a byte changes no time


def put_seal(ledger: Path) -> None:
    """Seals a ledger that nobody has open, unless the seal on it is good."""
    found = ledger.stat()
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        seal = json.loads(seal_path(ledger).read_bytes())
        if (seal["size"], seal["mtime_ns"]) == (found.st_size, found.st_mtime_ns):
            return
    seal = {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "sha256": _digest(ledger) if found.st_size <= MOST_DIGESTED else None,
    }
    temp = seal_path(ledger).with_name(f".{ledger.name}-seal.tmp")
    try:
        temp.unlink(missing_ok=True)  # it may be a link that leads anywhere
        temp.write_text(json.dumps(seal) + "\n")
        os.replace(temp, seal_path(ledger))
    except OSError:
        with contextlib.suppress(OSError):
            temp.unlink()
        raise


def break_seal(ledger: Path) -> None:
    seal_path(ledger).unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
