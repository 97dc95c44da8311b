"""The embedded store and journal: what a commit, an append and a read cost, alone and in numbers.

Alone means one after the other from one task, so the figure is what a caller waits. In numbers
means from many tasks at once, which share transactions and writes. The baselines do the same
work with nothing in between, in one thread: ``sqlite3`` with the same settings and the same
rows, and ``write`` plus ``fdatasync`` of the same bytes.
"""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phalanx.adapters import OsEntropy, ThreadOffload
from phalanx.adapters.storage import OsFiles, SegmentJournals, SqliteStore
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import elapsed_ms, quantile
from phalanx.core import DEFAULT_TENANT, NS_PER_MS, NS_PER_S, Expect, Journal, Put, Rng, Store, Table

_TASKS = 64
_VALUE_BYTES = 600
_RECORD_BYTES = 600
_PAGE_ROWS = 100
_ROWS = Table("bench", indexes=("case", "trace"))
_PRAGMAS = ("journal_mode = WAL", "synchronous = FULL")
_US_PER_MS = 1_000


@dataclass(frozen=True, slots=True)
class _Load:
    """How much of each. ``alone`` counts single calls, ``per_task`` those of each of the tasks."""

    alone: int
    per_task: int


async def storage_bench(options: BenchOptions) -> BenchResult:
    """Commits, appends and reads of the durable ports."""
    load = _Load(alone=300, per_task=20) if options.quick else _Load(alone=2_000, per_task=200)
    rng = options.rng.child("storage")
    puts = [_put(rng) for _ in range(load.alone)]
    records = [rng.bytes(_RECORD_BYTES) for _ in range(load.alone)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare_sqlite = await asyncio.to_thread(_bare_sqlite, folder, puts)
        bare_file = await asyncio.to_thread(_bare_file, folder, records)
        sqlite = await _store_figures(folder, puts, load, rng)
        journal = await _journal_figures(folder, records, load)
    return BenchResult(
        load={
            "commit": f"1 row of {_VALUE_BYTES} bytes with 2 index entries, expected not to exist",
            "append": f"1 record of {_RECORD_BYTES} bytes",
            "alone": load.alone,
            "tasks": _TASKS,
            "per_task": load.per_task,
            "page_rows": _PAGE_ROWS,
        },
        figures={"sqlite": sqlite, "journal": journal},
        baselines={"bare_sqlite": bare_sqlite, "bare_file": bare_file},
        ratios={
            "sqlite.commit_ms_p50": sqlite["commit_ms_p50"] / bare_sqlite["commit_ms_p50"],
            "sqlite.commits_per_s": sqlite["commits_per_s"] / bare_sqlite["commits_per_s"],
            "sqlite.get_us_p50": sqlite["get_us_p50"] / bare_sqlite["get_us_p50"],
            "journal.append_ms_p50": journal["append_ms_p50"] / bare_file["append_ms_p50"],
            "journal.records_per_s": journal["records_per_s"] / bare_file["records_per_s"],
        },
    )


async def _store_figures(folder: Path, puts: Sequence[Put], load: _Load, rng: Rng) -> dict[str, float]:
    store = await SqliteStore.open(folder / "store.sqlite")
    try:
        alone_ms = [await _timed_ms(_commit(store, put)) for put in puts]
        gets_ms = [await _timed_ms(store.get(_ROWS, DEFAULT_TENANT, put.key)) for put in puts]
        scans_ms = [await _timed_ms(_scan(store, put.key)) for put in puts]
        finds_ms = [await _timed_ms(_find(store, put)) for put in puts]
        many = [[_put(rng) for _ in range(load.per_task)] for _ in range(_TASKS)]
        commits_s = await _together_s(lambda task: _commit_all(store, many[task]))
        gets_s = await _together_s(lambda task: _get_all(store, many[task]))
    finally:
        await store.close()
    n = _TASKS * load.per_task
    return {
        "commit_ms_p50": quantile(alone_ms, 0.5),
        "commit_ms_p99": quantile(alone_ms, 0.99),
        "commits_per_s": n / commits_s,
        "get_us_p50": quantile(gets_ms, 0.5) * _US_PER_MS,
        "get_us_p99": quantile(gets_ms, 0.99) * _US_PER_MS,
        "gets_per_s": n / gets_s,
        "scan_us_p50": quantile(scans_ms, 0.5) * _US_PER_MS,
        "find_us_p50": quantile(finds_ms, 0.5) * _US_PER_MS,
    }


async def _journal_figures(folder: Path, records: Sequence[bytes], load: _Load) -> dict[str, float]:
    async with contextlib.AsyncExitStack() as stack:
        files = stack.enter_context(contextlib.closing(OsFiles(folder)))
        offload = stack.enter_context(contextlib.closing(ThreadOffload(1)))
        journals = SegmentJournals(files, "journals", entropy=OsEntropy(), offload=offload)
        stack.push_async_callback(journals.close)
        journal = await journals.open("bench")
        alone_ms = [await _timed_ms(journal.append([record])) for record in records]
        append_s = await _together_s(lambda _: _append_all(journal, records, load.per_task))
        started_ns = time.perf_counter_ns()
        await _read_all(journal)
        read_s = (time.perf_counter_ns() - started_ns) / NS_PER_S
        n_read = journal.end
    return {
        "append_ms_p50": quantile(alone_ms, 0.5),
        "append_ms_p99": quantile(alone_ms, 0.99),
        "records_per_s": _TASKS * load.per_task / append_s,
        "records_read_per_s": n_read / read_s,
    }


def _bare_sqlite(folder: Path, puts: Sequence[Put]) -> dict[str, float]:
    with contextlib.closing(sqlite3.connect(folder / "bare.sqlite", isolation_level=None)) as db:
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        db.execute("CREATE TABLE data (key TEXT PRIMARY KEY, value BLOB)")
        db.execute(
            "CREATE TABLE entries (name TEXT, value TEXT, key TEXT, PRIMARY KEY (name, value, key)) WITHOUT ROWID"
        )
        commits_ms, gets_ms = [], []
        for put in puts:
            started_ns = time.perf_counter_ns()
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO data VALUES (?, ?)", (put.key, put.value))
            for name, values in put.index.items():
                db.execute("INSERT INTO entries VALUES (?, ?, ?)", (name, values[0], put.key))
            db.execute("COMMIT")
            commits_ms.append(elapsed_ms(started_ns))
        for put in puts:
            started_ns = time.perf_counter_ns()
            db.execute("SELECT value FROM data WHERE key = ?", (put.key,)).fetchone()
            gets_ms.append(elapsed_ms(started_ns))
    return {
        "commit_ms_p50": quantile(commits_ms, 0.5),
        "commits_per_s": len(puts) / sum(commits_ms) * 1e3,
        "get_us_p50": quantile(gets_ms, 0.5) * _US_PER_MS,
    }


def _bare_file(folder: Path, records: Sequence[bytes]) -> dict[str, float]:
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    times_ms = []
    try:
        for record in records:
            started_ns = time.perf_counter_ns()
            os.write(fd, record)
            os.fdatasync(fd)
            times_ms.append(elapsed_ms(started_ns))
    finally:
        os.close(fd)
    return {"append_ms_p50": quantile(times_ms, 0.5), "records_per_s": len(records) / sum(times_ms) * 1e3}


async def _commit(store: Store, put: Put) -> None:
    await store.commit([put], expect=[Expect(put.table, put.tenant, put.key, 0)])


async def _commit_all(store: Store, puts: Sequence[Put]) -> None:
    for put in puts:
        await _commit(store, put)


async def _get_all(store: Store, puts: Sequence[Put]) -> None:
    for put in puts:
        await store.get(put.table, put.tenant, put.key)


async def _scan(store: Store, after: str) -> None:
    await store.scan(_ROWS, DEFAULT_TENANT, after=after, limit=_PAGE_ROWS)


async def _find(store: Store, put: Put) -> None:
    await store.find(_ROWS, DEFAULT_TENANT, "case", put.index["case"][0], limit=_PAGE_ROWS)


async def _append_all(journal: Journal, records: Sequence[bytes], n: int) -> None:
    for record in records[:n]:
        await journal.append([record])


async def _read_all(journal: Journal) -> None:
    offset = journal.start
    while offset < journal.end:
        offset += len(await journal.read(offset))


async def _timed_ms(call: Awaitable[Any]) -> float:
    started_ns = time.perf_counter_ns()
    await call
    return (time.perf_counter_ns() - started_ns) / NS_PER_MS


async def _together_s(work: Callable[[int], Coroutine[Any, Any, None]]) -> float:
    started_ns = time.perf_counter_ns()
    async with asyncio.TaskGroup() as group:
        for task in range(_TASKS):
            group.create_task(work(task))
    return (time.perf_counter_ns() - started_ns) / NS_PER_S


def _put(rng: Rng) -> Put:
    index = {"case": [f"host-{rng.integer(0, 20):02d}"], "trace": [f"{rng.bits(128):032x}"]}
    return Put(_ROWS, DEFAULT_TENANT, f"{rng.bits(128):032x}", rng.bytes(_VALUE_BYTES), index)
