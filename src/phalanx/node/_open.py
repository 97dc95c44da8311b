"""Fills the ports from settings: the only place where adapters are chosen."""

import contextlib
import functools
import os
from collections.abc import AsyncIterator
from pathlib import Path

from phalanx.adapters import (
    HttpAsker,
    HttpCalls,
    LoopWatch,
    OsEntropy,
    OsFileWatch,
    OsHostMetrics,
    StreamListeners,
    SystemClock,
    ThreadOffload,
    machine_name,
)
from phalanx.adapters.backups import STATE
from phalanx.adapters.keys import Ask, load_or_create, nobody_to_ask
from phalanx.adapters.processes import KernelProcess, ProcessOffload
from phalanx.adapters.storage import (
    FolderBlobs,
    FolderShelf,
    LatePostgresStore,
    OsFiles,
    PostgresJournals,
    PostgresStore,
    SegmentJournals,
    SqliteStore,
    hold_database,
    lock_folder,
)
from phalanx.adapters.tls import NetworkProbe
from phalanx.core import InvalidInput, Journals, NotFound, Rng, StorageCorrupt, Store, Uuid7Source, keep_kernels_in
from phalanx.crypto import SLH_DSA_SHA2_128S, HybridSigner, InvalidKey, SigningKey
from phalanx.crypto.entropy import EntropyPool
from phalanx.node._ports import Noise, Ports
from phalanx.node.backups._mark import RestoredFolder, read_mark, require_one_life
from phalanx.node.cluster._cluster_line import cluster_line
from phalanx.node.custody._entropy import open_sources
from phalanx.node.custody._vault import make_wrapper
from phalanx.node.settings._settings import UNNAMED, Settings

_KEY = Path("keys/node.key")
_KERNELS = Path("kernels")
_CALENDAR_SCHEMA = "phalanx_calendar"
_ANCHOR_KEY = Path("keys/anchor.key")
_FIRST_ANCHOR_ALGORITHM = SLH_DSA_SHA2_128S


@contextlib.asynccontextmanager
async def open_ports(
    settings: Settings, *, alone: bool = True, existing: bool = False, ask: Ask = nobody_to_ask
) -> AsyncIterator[Ports]:
    """Open what ``settings`` ask for, and close it at the end, last opened first.

    ``alone`` takes the data folder's lock, as a running node does; without it, only the store
    may be written (two processes may share it, journals have one writer). ``existing`` opens
    what a node left and makes nothing: ``NotFound`` when none has been there. ``ask`` is called
    for a passphrase or a PIN that no file holds.
    """
    folder = settings.node.data_dir
    if existing and not (folder / _KEY).is_file():
        raise NotFound("node's data in", str(folder), hint="name its folder with --data-dir")
    make_private(folder)
    # Only where nothing better is there: compiled code belongs into a folder that nobody else writes to.
    keep_kernels_in(folder / _KERNELS)
    clock, entropy = SystemClock(), EntropyPool(OsEntropy())
    async with contextlib.AsyncExitStack() as stack:
        if alone:
            stack.enter_context(lock_folder(folder))
        offload = stack.enter_context(contextlib.closing(ThreadOffload(settings.node.workers)))
        files = stack.enter_context(contextlib.closing(OsFiles(folder)))
        if settings.store.kind == "postgres":
            store, journals = await _postgres(settings, stack, alone=alone)
        else:
            store, journals = await _embedded(folder, files, stack, entropy, offload)
        processes = stack.enter_context(contextlib.closing(ProcessOffload(settings.agents.processes)))
        loop_watch = stack.enter_context(contextlib.closing(LoopWatch()))
        signer = _signer(folder / _KEY)
        calls = stack.enter_context(contextlib.closing(HttpCalls(settings.ledger.peer_ca)))
        rng = Rng(int.from_bytes(entropy.token(8)))
        sources, left_out = open_sources(settings.entropy.sources, rng.child("noise"))
        line, join_token = cluster_line(settings, clock=clock, rng=rng.child("cluster"), entropy=entropy)
        yield Ports(
            clock=clock,
            rng=rng,
            ids=Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token(16)) >> (128 - bits)),
            entropy=entropy,
            store=store,
            journals=journals,
            blobs=FolderBlobs(files, "artefacts"),
            archive=FolderBlobs(files, "archive"),
            shelf=FolderShelf(folder / "indicators"),
            offload=offload,
            signer=signer,
            anchor_key=functools.partial(_anchor_key, folder, settings.ledger.anchor_with),
            key_wrapper=functools.partial(
                make_wrapper, settings.at_rest.wrapper, settings.at_rest.options,
                folder=folder, entropy=entropy, offload=offload, ask=ask,
            ),
            calls=calls,
            processes=processes,
            process_slots=processes.most,
            loop_watch=loop_watch,
            listeners=StreamListeners(),
            files=OsFileWatch(offload),
            endpoints=NetworkProbe(offload),
            cluster=line,
            join_token=join_token,
            calendar=_shared_calendar(settings, stack) if alone and not existing else None,
            machine=machine_name(),
            host=OsHostMetrics(),
            asks=lambda ca: stack.enter_context(contextlib.closing(HttpAsker(ca))),
            noise=Noise(sources, entropy.stir, left_out),
            kernels=KernelProcess() if settings.balancing.compile_ahead else None,
            restored=_restored(folder, files) if alone and not existing else None,
        )  # fmt: skip


def make_private(folder: Path, field: str = "node.data_dir") -> None:
    """Make the data folder and those above it for this user alone; folders that are there stay as they are."""
    try:
        for above in reversed((folder, *folder.parents)):
            if not above.exists():
                above.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise InvalidInput(field, f"{folder} cannot be made: {error.strerror}") from error
    if not (folder.is_dir() and os.access(folder, os.R_OK | os.W_OK | os.X_OK)):
        raise InvalidInput(field, f"{folder} is not a folder that this user can write to")


def _restored(folder: Path, files: OsFiles) -> RestoredFolder | None:
    mark = read_mark(folder)
    if mark is None:
        return None
    require_one_life(mark, folder)
    return RestoredFolder(mark, files)


def _signer(file: Path) -> HybridSigner:
    key = load_or_create(file, lambda: HybridSigner.generate().to_bytes())
    try:
        return HybridSigner.from_bytes(key)
    except InvalidKey as error:
        raise StorageCorrupt(str(file), 0, error.message) from error


def _anchor_key(folder: Path, algorithm: str) -> SigningKey:
    """Each algorithm has a file of its own: the key of another one stays, and what it signed holds."""
    file = folder / _ANCHOR_KEY
    if algorithm != _FIRST_ANCHOR_ALGORITHM:
        file = file.with_stem(f"anchor-{algorithm.lower()}")
    data = load_or_create(file, lambda: SigningKey.generate(algorithm).to_bytes())
    try:
        key = SigningKey.from_bytes(data)
    except InvalidKey as error:
        raise StorageCorrupt(str(file), 0, error.message) from error
    if key.algorithm != algorithm:
        raise StorageCorrupt(str(file), 0, f"it is a key of {key.algorithm}, not of {algorithm}")
    return key


async def _embedded(
    folder: Path, files: OsFiles, stack: contextlib.AsyncExitStack, entropy: EntropyPool, offload: ThreadOffload
) -> tuple[Store, Journals]:
    store = await SqliteStore.open(folder / STATE)
    stack.push_async_callback(store.close)
    return store, SegmentJournals(files, "journals", entropy=entropy, offload=offload)


async def _postgres(settings: Settings, stack: contextlib.AsyncExitStack, *, alone: bool) -> tuple[Store, Journals]:
    dsn = settings.store.dsn
    if not dsn:
        raise InvalidInput("store.dsn", "kind `postgres` needs a connection string")
    if alone:
        await stack.enter_async_context(hold_database(dsn))
    store = await PostgresStore.open(dsn)
    stack.push_async_callback(store.close)
    journals = await PostgresJournals.connect(dsn)
    stack.push_async_callback(journals.close)
    return store, journals


def _shared_calendar(settings: Settings, stack: contextlib.AsyncExitStack) -> Store | None:
    """In a schema of its own, which nobody holds alone: whoever books there expects it as it was read.

    A node starts without it, and has it when the database is there.
    """
    dsn = settings.allocation.calendar_dsn
    if not dsn:
        return None
    if settings.node.name == UNNAMED:
        raise InvalidInput(
            "node.name", f"is still {UNNAMED!r}, and in a calendar that nodes share each has a name of its own",
            hint="name this node, or leave allocation.calendar_dsn empty",
        )  # fmt: skip
    store = LatePostgresStore(dsn, schema=_CALENDAR_SCHEMA)
    stack.push_async_callback(store.close)
    return store
