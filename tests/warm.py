"""The real command in a process of its own, without the second that its imports take.

A server has everything imported and forks for each command. What runs in the fork is what runs in
`python -m scrapy`: its own process, environment, folder and output, from its arguments on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import NamedTemporaryFile

ROOT = Path(__file__).parents[1]


def run_scrapy(
    arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Runs ``scrapy`` to its end, with its output taken down as UTF-8."""
    with NamedTemporaryFile() as out, NamedTemporaryFile() as err:
        server = start_server()
        assert server.stdin
        assert server.stdout
        order = {"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}
        server.stdin.write(json.dumps(order | {"outputs": [out.name, err.name]}) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(
            ["scrapy", *arguments], status, out.read().decode(), err.read().decode()
        )


@cache
def start_server() -> subprocess.Popen[str]:
    """One for each worker; it ends with the worker, when its standard input does."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def serve() -> None:
    import_all()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(order)
            from scrapy.cmdline import execute

            execute(["scrapy", *order["arguments"]])  # ends with SystemExit
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(order: dict) -> None:
    """Makes this process what a shell would have started."""
    for target, path in ((0, os.devnull), *enumerate(order["outputs"], 1)):
        fd = os.open(path, os.O_RDWR | (os.O_APPEND if target else 0))
        os.dup2(fd, target)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])


def import_all() -> None:
    """Imports what a crawl will use, but for the reactor, which is installed when it is imported."""
    from scrapy.utils.misc import load_object, walk_modules_iter
    from scrapy.utils.project import get_project_settings

    for _ in walk_modules_iter("crawler"):
        pass
    for module in (
        "scrapy.core.engine",
        "scrapy.core.scheduler",
        "twisted.internet.asyncioreactor",
    ):
        import_module(module)
    settings = get_project_settings()
    for name in ("DOWNLOADER_MIDDLEWARES", "SPIDER_MIDDLEWARES", "EXTENSIONS", "FEED_EXPORTERS"):
        for path, place in settings.getwithbase(name).items():
            if place is not None:
                load_object(place if name == "FEED_EXPORTERS" else path)
    assert "twisted.internet.reactor" not in sys.modules


if __name__ == "__main__":
    serve()
