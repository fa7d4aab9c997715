"""``make bench``: every benchmark, one after the other."""

from __future__ import annotations

import importlib
import pkgutil

import benchmarks

for module in sorted(info.name for info in pkgutil.iter_modules(benchmarks.__path__)):
    if module.startswith("bench_"):
        importlib.import_module(f"benchmarks.{module}").main()
