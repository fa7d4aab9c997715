"""The fuzz targets work, and hold for a few inputs that are the same every time."""

from __future__ import annotations

import pytest

from tests import fuzz


@pytest.mark.parametrize("name", fuzz.TARGETS)
def test_target_holds(name):
    assert fuzz.run(name, examples=20) is None


def test_what_breaks_a_target_is_found_and_made_small(monkeypatch):
    def break_at_brackets(data: bytes) -> None:
        assert b"<!--" not in data

    monkeypatch.setitem(fuzz.TARGETS, "x", (break_at_brackets, [b"a<!--b--><p>c"]))
    found = fuzz.run("x", examples=20)
    assert found is not None
    assert found[0] == b"a<!--b--><p>c"
    assert "AssertionError" in found[1]
