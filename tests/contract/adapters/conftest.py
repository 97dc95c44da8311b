"""Every implementation of the durable ports, opened and run the way it wants to be."""

import asyncio
import itertools
import os
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.storage import OsFiles, PostgresJournals, PostgresStore, SegmentJournals, SqliteStore
from phalanx.core import Uuid7Source
from phalanx.crypto.vault import SealedStore, Vault
from phalanx.telemetry import Telemetry
from phalanx.testing import MemoryWrapper, SimWorld
from phalanx.testing.contracts import NOTES

_schemas = (f"test_{n}" for n in itertools.count())


@dataclass
class Rig:
    """An implementation under test. Opening it again finds what was kept; ``run`` runs a check on it."""

    open: Callable[[], Awaitable]
    run: Callable[[Awaitable], object] = asyncio.run
    leave: Callable[[], Awaitable[None]] | None = None

    def check(self, check, *arguments):
        async def main():
            try:
                await check(self.open, *arguments)
            finally:
                if self.leave is not None:
                    await self.leave()

        self.run(main())


def sqlite_store(folder: Path) -> Rig:
    return Rig(lambda: SqliteStore.open(folder / "store.sqlite"))


def sim_store(seed: int = 7) -> Rig:
    world = SimWorld(seed)

    async def open_store():
        return world.store("disk")

    return Rig(open_store, lambda main: world.run(lambda _: main))


def sealed(inner: Rig, *, seals: bool = True) -> Rig:
    """The same store with its tables sealed: what is sealed behaves as what is not."""
    wrapper, clock, entropy = MemoryWrapper(OsEntropy()), SystemClock(), OsEntropy()
    ids = Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token(16)) >> (128 - bits))

    async def open_store():
        store = await inner.open()
        vault = await Vault.open(
            store, wrapper, clock=clock, ids=ids, entropy=entropy, telemetry=Telemetry(clock),
        )  # fmt: skip
        return await SealedStore.open(store, vault, tables=[NOTES], seals=seals)

    return Rig(open_store, inner.run, inner.leave)


def postgres_store(dsn: str) -> Rig:
    schema = next(_schemas)
    return Rig(lambda: PostgresStore.open(dsn, schema=schema))


def segment_journals(folder: Path, *, segment_bytes: int = 2_048) -> Rig:
    """Small segments, so that every check crosses from one to the next."""
    before = AsyncExitStack()

    async def open_journals():
        await before.aclose()
        files, offload = OsFiles(folder / "files"), ThreadOffload(2)
        before.callback(files.close)
        before.callback(offload.close)
        journals = SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload, segment_bytes=segment_bytes)
        before.push_async_callback(journals.close)
        return journals

    return Rig(open_journals, leave=before.aclose)


def sim_journals(seed: int = 7) -> Rig:
    world = SimWorld(seed)

    async def open_journals():
        return world.journals("disk")

    return Rig(open_journals, lambda main: world.run(lambda _: main))


def postgres_journals(dsn: str) -> Rig:
    before, schema = AsyncExitStack(), next(_schemas)

    async def open_journals():
        await before.aclose()
        journals = await PostgresJournals.connect(dsn, schema=schema)
        before.push_async_callback(journals.close)
        return journals

    return Rig(open_journals, leave=before.aclose)


_POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", "sim", "sealed sqlite", "sealed sim", "sealed, off", _POSTGRES])
def store_rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    match request.param:
        case "sqlite":
            return sqlite_store(tmp_path)
        case "sim":
            return sim_store()
        case "sealed sqlite":
            return sealed(sqlite_store(tmp_path))
        case "sealed sim":
            return sealed(sim_store())
        case "sealed, off":
            return sealed(sim_store(), seals=False)
        case _:
            return postgres_store(request.getfixturevalue("postgres_server").dsn)


@pytest.fixture(params=["sqlite", _POSTGRES])
def shared_store_rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    if request.param == "sqlite":
        return sqlite_store(tmp_path)
    return postgres_store(request.getfixturevalue("postgres_server").dsn)


@pytest.fixture(params=["segments", "sim", _POSTGRES])
def journals_rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    match request.param:
        case "segments":
            return segment_journals(tmp_path)
        case "sim":
            return sim_journals()
        case _:
            return postgres_journals(request.getfixturevalue("postgres_server").dsn)


@pytest.fixture(params=range(8))
def sim_store_rigs(request: pytest.FixtureRequest) -> Callable[[], Rig]:
    """Simulated stores under one schedule of everything that runs at the same time."""
    return lambda: sim_store(request.param)


@pytest.fixture(params=range(8))
def sim_journals_rigs(request: pytest.FixtureRequest) -> Callable[[], Rig]:
    return lambda: sim_journals(request.param)


@dataclass
class SmallDisk:
    """A file system of a few MiB, part of which is taken by ballast that can be thrown out."""

    folder: Path

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def make_room(self) -> None:
        self.ballast.unlink()


@pytest.fixture
def small_disk() -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; the full disk is tested without one elsewhere")
    folder = Path(tempfile.mkdtemp(prefix="phalanx-small-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m,mode=0755", "tmpfs", folder], check=True)
    try:
        disk = SmallDisk(folder)
        disk.ballast.write_bytes(bytes(8 << 20))
        yield disk
    finally:
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


@pytest.fixture
def tablespace(postgres_server, small_disk: SmallDisk) -> Iterator[str]:
    """A connection string whose tables are made on the small disk."""
    folder = small_disk.folder / "tablespace"
    folder.mkdir()
    postgres_server.own(folder)
    postgres_server.sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
    postgres_server.sql("CREATE DATABASE small TABLESPACE small")
    try:
        yield postgres_server.dsn.replace("/postgres?", "/small?")
    finally:
        postgres_server.sql("DROP DATABASE small WITH (FORCE)")
        postgres_server.sql("DROP TABLESPACE small")


@pytest.fixture(params=["sqlite", _POSTGRES])
def small_store_rig(request: pytest.FixtureRequest, small_disk: SmallDisk) -> Rig:
    if request.param == "sqlite":
        return sqlite_store(small_disk.folder)
    return postgres_store(request.getfixturevalue("tablespace"))


@pytest.fixture(params=["segments", _POSTGRES])
def small_journals_rig(request: pytest.FixtureRequest, small_disk: SmallDisk) -> Rig:
    if request.param == "segments":
        return segment_journals(small_disk.folder, segment_bytes=256 * 1024)
    return postgres_journals(request.getfixturevalue("tablespace"))
