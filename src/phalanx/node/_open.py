"""Fills the ports from settings: the only place where adapters are chosen."""

import contextlib
from collections.abc import AsyncIterator

from phalanx.adapters import (
    OsEntropy,
    OsFiles,
    PostgresJournals,
    PostgresStore,
    SegmentJournals,
    SqliteStore,
    SystemClock,
    ThreadOffload,
    load_or_create,
    lock_folder,
)
from phalanx.core import InvalidInput, Journals, Rng, Store, Uuid7Source
from phalanx.crypto import HybridSigner
from phalanx.node._ports import Ports
from phalanx.node._settings import Settings


@contextlib.asynccontextmanager
async def open_ports(settings: Settings, *, alone: bool = True) -> AsyncIterator[Ports]:
    """Open what ``settings`` ask for, and close it at the end, last opened first.

    ``alone`` takes the data folder's lock, as a running node does; without it, only the store
    may be written (two processes may share it, journals have one writer).
    """
    folder = settings.node.data_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock, entropy = SystemClock(), OsEntropy()
    store: Store
    journals: Journals
    async with contextlib.AsyncExitStack() as stack:
        if alone:
            stack.enter_context(lock_folder(folder))
        offload = stack.enter_context(contextlib.closing(ThreadOffload(settings.node.workers)))
        if settings.store.kind == "postgres":
            store, journals = await _postgres(settings, stack)
        else:
            store = await SqliteStore.open(folder / "state.sqlite")
            stack.push_async_callback(store.close)
            journals = SegmentJournals(OsFiles(folder), "journals", entropy=entropy, offload=offload)
        key = load_or_create(folder / "keys" / "node.key", lambda: HybridSigner.generate().to_bytes())
        yield Ports(
            clock=clock,
            rng=Rng(int.from_bytes(entropy.token(8))),
            ids=Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token(16)) >> (128 - bits)),
            entropy=entropy,
            store=store,
            journals=journals,
            offload=offload,
            signer=HybridSigner.from_bytes(key),
        )


async def _postgres(settings: Settings, stack: contextlib.AsyncExitStack) -> tuple[Store, Journals]:
    dsn = settings.store.dsn
    if not dsn:
        raise InvalidInput("store.dsn", "kind `postgres` needs a connection string")
    store = await PostgresStore.open(dsn)
    stack.push_async_callback(store.close)
    journals = await PostgresJournals.connect(dsn)
    stack.push_async_callback(journals.close)
    return store, journals
