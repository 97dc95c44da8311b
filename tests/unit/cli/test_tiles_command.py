"""`phalanx ledger tiles`: what ends it early leaves nothing running."""

import asyncio

import pytest
from click.testing import CliRunner

from phalanx import node
from phalanx.cli._main import root
from phalanx.core import InvalidInput


def test_a_folder_that_cannot_be_written_ends_the_reading_too(monkeypatch, tmp_path):
    closed_by = []

    async def read_tiles(settings, *, ask):
        reader = asyncio.current_task()
        try:
            yield "tile/0/000", b"hashes"
            yield "checkpoint", b"note"
        finally:
            closed_by.append(asyncio.current_task() is reader)

    monkeypatch.setattr(node, "read_tiles", read_tiles)
    (tmp_path / "tile").write_text("a file where a folder should be")
    done = CliRunner().invoke(root, ["ledger", "tiles", str(tmp_path)])
    with pytest.raises(InvalidInput, match="cannot be written"):
        raise done.exception
    assert closed_by == [True], "and not by a task of its own, whose errors nobody sees"
