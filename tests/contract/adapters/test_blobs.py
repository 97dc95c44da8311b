"""Blobs in a folder of the operating system's and of a simulated disk, against the suite; and a full disk."""

import asyncio
import contextlib

import pytest

from phalanx.adapters.storage import FolderBlobs, OsFiles
from phalanx.core import StorageFull
from phalanx.testing import SimWorld
from phalanx.testing.contracts import BLOB_CHECKS


@pytest.mark.parametrize("check", BLOB_CHECKS)
def test_contract_on_a_folder(check, tmp_path):
    with contextlib.closing(OsFiles(tmp_path)) as files:

        async def open_blobs():
            return FolderBlobs(files, "blobs")

        asyncio.run(check(open_blobs))
    assert not [file for file in (tmp_path / "blobs").iterdir() if file.stat().st_mode & 0o077]


@pytest.mark.parametrize("check", BLOB_CHECKS)
def test_contract_on_a_simulated_disk(check):
    async def main(world):
        async def open_blobs():
            return FolderBlobs(world.disk("disk"), "blobs")

        await check(open_blobs)

    SimWorld(3).run(main)


def test_a_full_disk_is_told_and_nothing_of_the_blob_is_left():
    async def pieces(n):
        for _ in range(n):
            yield bytes(1_000)

    async def main(world):
        disk = world.disk("disk")
        blobs = FolderBlobs(disk, "blobs")
        await blobs.write("before", pieces(1))
        disk.capacity_bytes = disk.used_bytes + 2_500
        with pytest.raises(StorageFull, match="blobs"):
            await blobs.write("large", pieces(3))
        assert await blobs.names() == ["before"]
        await blobs.write("small", pieces(2))

    SimWorld(3).run(main)
