"""SIGKILL in the middle of writing: what was acknowledged is there, in order and whole.

The writer is another process that says what was acknowledged as soon as it knows. It is killed
after a number of acknowledgements that follows from the seed, so at any moment of its writing.
"""

import asyncio
import random
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from phalanx.adapters import OsEntropy, ThreadOffload
from phalanx.adapters.storage import OsFiles, SegmentJournals, SqliteStore
from phalanx.core import Table, TenantId

pytestmark = pytest.mark.slow

ROWS = Table("rows", indexes=("writer",))
ACME = TenantId("acme")

_JOURNAL_WRITER = """
import asyncio, pathlib, sys
from phalanx.adapters import OsEntropy, ThreadOffload
from phalanx.adapters.storage import OsFiles, SegmentJournals

async def write(journal, writer):
    for i in range(1_000_000):
        mark = b"%d/%d" % (writer, i)
        offset = await journal.append([mark + b" first", mark + b" second" * 50])
        print(offset, mark.decode(), flush=True)

async def main():
    files = OsFiles(pathlib.Path(sys.argv[1]))
    journals = SegmentJournals(files, entropy=OsEntropy(), offload=ThreadOffload(1), segment_bytes=20_000)
    journal = await journals.open("j")
    await asyncio.gather(*(write(journal, journal.end + writer) for writer in range(4)))

asyncio.run(main())
"""
_STORE_WRITER = """
import asyncio, pathlib, sys
from phalanx.adapters.storage import SqliteStore
from phalanx.core import Expect, Put, Table, TenantId

ROWS, ACME = Table("rows", indexes=("writer",)), TenantId("acme")

async def write(store, writer):
    row = await store.get(ROWS, ACME, writer)
    n, version = (int(row.value), row.version) if row else (0, 0)
    while True:
        n += 1
        twins = [Put(ROWS, ACME, key, b"%d" % n, {"writer": [writer]}) for key in (writer, writer + "-twin")]
        version = await store.commit(twins, expect=[Expect(ROWS, ACME, writer, version)])
        print(version, f"{writer}/{n}", flush=True)

async def main():
    store = await SqliteStore.open(pathlib.Path(sys.argv[1]) / "store.sqlite")
    await asyncio.gather(*(write(store, f"w{writer}") for writer in range(4)))

asyncio.run(main())
"""


def killed_writer(code: str, folder: Path, acknowledgements: int) -> list[tuple[int, str]]:
    """Run the writer until it has said that many acknowledgements, kill it, and give all it said."""
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        said = [writer.stdout.readline() for _ in range(acknowledgements)]
        writer.kill()
        said += writer.stdout.readlines()
    assert all(said), "the writer stopped by itself"
    pairs = [line.split() for line in said if line.endswith("\n")]
    return [(int(number), mark) for number, mark in pairs]


@pytest.mark.parametrize("seed", range(3))
def test_acknowledged_appends_survive(tmp_path, seed):
    rng = random.Random(seed)

    async def read_all():
        with closing(OsFiles(tmp_path)) as files, closing(ThreadOffload(1)) as offload:
            journals = SegmentJournals(files, entropy=OsEntropy(), offload=offload, segment_bytes=20_000)
            journal = await journals.open("j")
            records = []
            while len(records) < journal.end:
                records += await journal.read(len(records))
            await journals.close()
            return records

    acknowledged = {}
    for _ in range(2):
        acknowledged |= dict(killed_writer(_JOURNAL_WRITER, tmp_path, rng.randrange(1, 150)))
        records = asyncio.run(read_all())
        assert len(records) % 2 == 0, "an append is there wholly or not at all"
        for offset, mark in acknowledged.items():
            assert records[offset] == f"{mark} first".encode()
            assert records[offset + 1] == mark.encode() + b" second" * 50


@pytest.mark.parametrize("seed", range(3))
def test_acknowledged_commits_survive(tmp_path, seed):
    rng = random.Random(seed)

    async def rows():
        store = await SqliteStore.open(tmp_path / "store.sqlite")
        try:
            return {row.key: row for row in await store.scan(ROWS, ACME)}
        finally:
            await store.close()

    highest = 0
    for _ in range(2):
        acknowledged = killed_writer(_STORE_WRITER, tmp_path, rng.randrange(1, 150))
        found = asyncio.run(rows())
        for version, mark in acknowledged:
            writer, n = mark.split("/")
            assert version > highest, "a version was given twice"
            assert int(found[writer].value) >= int(n), f"{writer} lost {n}"
            assert found[writer].version >= version
        for key, row in found.items():
            twin = found[key.removesuffix("-twin") if key.endswith("-twin") else f"{key}-twin"]
            assert (twin.value, twin.version) == (row.value, row.version), "half of a commit"
        highest = max(version for version, _ in acknowledged)
