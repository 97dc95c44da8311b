"""The archive of events: filling it, what it takes on disk, and ad hoc questions, cold and warm.

Events are those of the public recordings, again and again with other identifiers, times, hosts and command lines, so
that values do not repeat as they would if the same lines were taken twice. They are archived as the archivist does it,
from batches of a few lines, and sealed; without `Message`, which is the event once more in words, as shippers are told
to leave it out. What it costs to keep it is measured apart. Cold means that the process has nothing of the archive in
memory; the system may have its files. Beside it stand what hunters have without it: packed lines that are unpacked and
looked through, and SQLite's index of words, both on part of the events.
"""

import contextlib
import gzip
import json
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from phalanx.adapters import FolderBlobs, OsEntropy, OsFiles, SqliteStore, SystemClock, ThreadOffload, file_wrapper
from phalanx.bench._detect_loads import read, recorded
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.core import DEFAULT_TENANT, MIB, NS_PER_S, BatchId, EventBatch, Uuid7Source, Value
from phalanx.crypto.vault import Vault, WrapperContext
from phalanx.intel.archive import Archive, Query, Searches, SegmentFiles, parse
from phalanx.telemetry import Telemetry

_EVENTS, _QUICK_EVENTS = 10_000_000, 1_000_000
_BASE_EVENTS = 20_000
_BASELINE_EVENTS, _QUICK_BASELINE_EVENTS = 200_000, 50_000
_ROUNDS, _QUICK_ROUNDS = 5, 3
_CACHE_BYTES = 512 * MIB
_START_NS = 1_772_445_600 * NS_PER_S
_GAP_NS = 50_000_000
_UNIQUE = frozenset(
    (
        "ProcessGuid", "ParentProcessGuid", "SourceProcessGUID", "TargetProcessGUID", "RecordNumber", "UtcTime",
        "ThreadID", "EventReceivedTime", "@timestamp", "EventTime", "SubjectLogonId", "TargetLogonId", "Message",
    )
)  # fmt: skip
# A question of each kind. Those of one event are completed with what an event has.
_QUESTIONS = {
    "needle_text": "{needle}",
    "needle_field": "ProcessGuid:{guid}",
    "field_filter": "EventID:4624 AND LogonType:3",
    "prefix": "process:power*",
    "regex": "CommandLine:/powershell.*-enc/",
    "free_text": "mimikatz OR rundll32",
    "entity_in_time": "host:ws-7 AND last:24h",
    "count_by": "* | count by host",
    "top": "EventID:3 | top 10 DestinationIp",
    "timeline": "powershell* | timeline 1h",
}


async def search_bench(options: BenchOptions) -> BenchResult:
    """See the module."""
    n = _QUICK_EVENTS if options.quick else _EVENTS
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    with TemporaryDirectory(prefix="phalanx-bench-") as folder:
        options.tell("reading the recordings")
        lines = recorded()
        whole = read(lines[:: max(1, len(lines) // _BASE_EVENTS)])
        base = [_without_message(batch) for batch in whole]
        async with _opened(Path(folder)) as open_archive:
            options.tell(f"archiving {n} events")
            ingest, needles = await _filled(await open_archive(), base, n)
            figures: dict[str, Any] = {"ingest": ingest}
            for name, question in _QUESTIONS.items():
                options.tell(f"asking: {question}")
                query = parse(question.format(**needles), now_ns=_START_NS + n * _GAP_NS)
                figures[name] = await _asked(open_archive, query, rounds)
        part = _QUICK_BASELINE_EVENTS if options.quick else _BASELINE_EVENTS
        options.tell("with messages")
        figures["with_messages"] = await _with_messages(whole, part, rounds)
        figures["peak_memory_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024)
        options.tell("without an archive")
        baselines = _baselines(base, part, Path(folder), needles["needle"])
    rate = n / figures["needle_text"]["cold_ms_p50"] * 1_000
    words = n / figures["free_text"]["cold_ms_p50"] * 1_000
    return BenchResult(
        load={"events": n, "base_events": sum(map(len, base)), "rounds": rounds, "baseline_events": part},
        figures=figures, baselines=baselines,
        ratios={
            "needle_over_packed_lines": round(rate / baselines["packed_lines"]["events_per_s"], 1),
            "free_text_over_packed_lines": round(words / baselines["packed_lines"]["events_per_s"], 1),
            "ingest_over_sqlite": round(ingest["events_per_s"] / baselines["sqlite_fts5"]["ingest_events_per_s"], 1),
        },
    )  # fmt: skip


def _without_message(batch: EventBatch) -> EventBatch:
    return replace(batch, columns={name: column for name, column in batch.columns.items() if name != "Message"})


async def _with_messages(whole: list[EventBatch], n: int, rounds: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="phalanx-bench-") as folder:
        return await _of_messages(Path(folder), whole, n, rounds)


async def _of_messages(folder: Path, whole: list[EventBatch], n: int, rounds: int) -> dict[str, Any]:
    async with _opened(folder) as open_archive:
        ingest, _ = await _filled(await open_archive(), whole, n)
        asked = await _asked(open_archive, parse(_QUESTIONS["free_text"], now_ns=_START_NS), rounds)
    return {"ingest": ingest, "free_text": asked}


@contextlib.asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Any]:
    """What opens the archive in ``folder`` anew, with nothing in memory."""
    clock, entropy, offload = SystemClock(), OsEntropy(), ThreadOffload(2)
    store = await SqliteStore.open(folder / "store.sqlite")
    ids = Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token((bits + 7) // 8)) >> (-bits % 8))
    wrapper = file_wrapper(WrapperContext({}, folder, entropy, offload, lambda _: b""))
    vault = await Vault.open(store, wrapper, clock=clock, ids=ids, entropy=entropy, telemetry=Telemetry(clock))
    files = OsFiles(folder)

    async def opened() -> tuple[Archive, Searches]:
        kept = SegmentFiles(
            FolderBlobs(files, "archive"), vault, entropy, offload, seals=True, cache_bytes=_CACHE_BYTES
        )
        archive = Archive(kept, store, clock)
        await archive.open()
        return archive, Searches(archive, clock, offload)

    try:
        yield opened
    finally:
        await store.close()
        await wrapper.close()
        files.close()
        offload.close()


async def _filled(
    opened: tuple[Archive, Searches], base: list[EventBatch], n: int
) -> tuple[dict[str, Any], dict[str, str]]:
    archive, _ = opened
    begun, made_s, cpu_begun = time.perf_counter(), 0.0, time.process_time()
    needles: dict[str, str] = {}
    done = 0
    batches = _perturbed(base, n)
    while True:
        before = time.process_time()
        batch = next(batches, None)
        made_s += time.process_time() - before
        if batch is None:
            break
        archive.add(batch)
        done += len(batch)
        if done > n // 3 and not needles:
            needles = _needles(batch)
        if archive.is_full:
            await archive.write(done)
    await archive.write(done)
    spent_s = time.process_time() - cpu_begun - made_s
    segments = archive.segments(DEFAULT_TENANT)
    held = sum(one.events for one in segments)
    if held != done:
        raise AssertionError(f"{held} of {done} events are in segments")
    size = sum(one.size_bytes for one in segments)
    return {
        "events": done, "events_per_s": round(done / spent_s), "wall_s": round(time.perf_counter() - begun, 1),
        "bytes_per_event": round(size / done, 1), "segments": len(segments),
    }, needles  # fmt: skip


def _needles(batch: EventBatch) -> dict[str, str]:
    guid = batch.columns.get("ProcessGuid")
    if guid is None or not isinstance(guid[0], str):
        return {}
    return {"needle": guid[0].strip("{}").rpartition("-")[2], "guid": guid[0]}


def _perturbed(base: list[EventBatch], n: int) -> Iterator[EventBatch]:
    """The batches again and again, with other values each time."""
    made, turn = 0, 0
    while made < n:
        for batch in base:
            rows = len(batch)
            yield EventBatch(
                batch.tenant, BatchId(f"{made >> 12:08x}-0000-7000-8000-000000000000"), batch.log_source, batch.reader,
                _START_NS, [(made & 0xFFF) + row for row in range(rows)],
                [_START_NS + (made + row) * _GAP_NS for row in range(rows)], batch.raw,
                {name: _otherwise(name, column, made, turn) for name, column in batch.columns.items()},
            )  # fmt: skip
            made += rows
            if made >= n:
                return
        turn += 1


def _otherwise(name: str, column: Any, made: int, turn: int) -> list[Value]:
    if name in _UNIQUE:
        return [
            f"{value[:-13]}{(made + row) * 2654435761 & 0xFFFFFFFFFFFF:012x}{value[-1:]}" if isinstance(value, str)
            else None if value is None else made + row
            for row, value in enumerate(column)
        ]  # fmt: skip
    if name == "Hostname":
        return [None if value is None else f"ws-{(turn + row) % 500}.corp.example" for row, value in enumerate(column)]
    if name == "CommandLine" and turn % 8:
        return [value if value is None or row % 4 else f"{value} /job:{made + row}" for row, value in enumerate(column)]
    return column  # type: ignore[no-any-return]


async def _asked(open_archive: Any, query: Query, rounds: int) -> dict[str, Any]:
    """Times of a question, first of an archive just opened, then again."""
    cold: list[float] = []
    warm: list[float] = []
    total = -1
    for _ in range(rounds):
        _, searches = await open_archive()
        for times in (cold, warm, warm):
            begun = time.perf_counter()
            answer = await searches.search(DEFAULT_TENANT, query, limit=50, timeout_s=100)
            times.append((time.perf_counter() - begun) * 1_000)
            if not answer.complete:
                raise AssertionError(f"{query}: time was up")
            if total not in (-1, answer.total):
                raise AssertionError(f"{query}: {answer.total} events, and {total} before")
            total = answer.total
    return {"found": total, **_percentiles("cold", cold), **_percentiles("warm", warm)}


def _percentiles(name: str, times_ms: list[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {
        f"{name}_ms_p50": round(ordered[len(ordered) // 2], 1),
        f"{name}_ms_p95": round(ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))], 1),
    }


def _baselines(base: list[EventBatch], n: int, folder: Path, needle: str) -> dict[str, Any]:
    lines = []
    for batch in _perturbed(base, n):
        lines += [json.dumps(event.fields()) for event in batch]
    packed = folder / "lines.gz"
    begun = time.process_time()
    packed.write_bytes(gzip.compress("\n".join(lines).encode(), 1))
    pack_s = time.process_time() - begun
    begun = time.process_time()
    text = gzip.decompress(packed.read_bytes()).lower()
    found = text.count(needle.encode())
    scan_s = time.process_time() - begun
    with contextlib.closing(sqlite3.connect(folder / "fts.sqlite")) as database:
        database.execute("CREATE VIRTUAL TABLE events USING fts5(line)")
        begun = time.process_time()
        database.executemany("INSERT INTO events VALUES (?)", ((line,) for line in lines))
        database.commit()
        index_s = time.process_time() - begun
        begun = time.perf_counter()
        database.execute("SELECT count(*) FROM events WHERE events MATCH 'rundll32'").fetchone()
        asked_s = time.perf_counter() - begun
    return {
        "packed_lines": {
            "events_per_s": round(len(lines) / scan_s), "pack_events_per_s": round(len(lines) / pack_s),
            "bytes_per_event": round(packed.stat().st_size / len(lines), 1), "found": found,
        },
        "sqlite_fts5": {
            "ingest_events_per_s": round(len(lines) / index_s), "word_ms": round(asked_s * 1_000, 1),
            "bytes_per_event": round((folder / "fts.sqlite").stat().st_size / len(lines), 1),
        },
    }  # fmt: skip
