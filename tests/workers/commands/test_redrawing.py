"""Listings that are printed again: they end when nobody reads them any more."""

import os
import sys

import pytest

from coord.testing.local import LocalCluster, in_loop
from workers.commands.redrawing import shown


@in_loop
async def test_a_watched_listing_whose_reader_has_gone_ends_though_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)

        async def show() -> None:
            out.write("once\n")
            out.flush()
            assert os.read(reading, 100) == b"once\n"
            os.close(reading)

        with pytest.raises(BrokenPipeError):
            await shown(LocalCluster().client(), b"jobs/", show, watch=True)
