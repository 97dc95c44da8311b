"""The archive of events: filling it, what it takes on disk, and ad hoc questions, cold and warm.

Events are those of the public recordings, again and again with other identifiers, times, hosts and command lines, so
that values do not repeat as they would if the same lines were taken twice. They are archived as the archivist does it,
from batches of a few lines, and sealed; without `Message`, which is the event once more in words, as shippers are told
to leave it out. Then segments are put together, as a node does it while little comes in. What it costs to keep the
message is measured apart. Cold means that the process has nothing of the archive in memory; the system may have its
files. Beside it stand what hunters have without it: packed lines that are unpacked and looked through, and SQLite's
index of words, both on part of the events.
"""

import contextlib
import gzip
import json
import resource
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from phalanx.adapters import OsEntropy, SystemClock, ThreadOffload
from phalanx.adapters.keys import file_wrapper
from phalanx.adapters.storage import FolderBlobs, OsFiles, SqliteStore
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.intel._detect_loads import read, recorded
from phalanx.bench.intel._search_load import GAP_NS, START_NS, perturbed, without_message
from phalanx.core import DEFAULT_TENANT, GIB, MIB, NS_PER_S, EventBatch, LimitExceeded, Uuid7Source
from phalanx.crypto.vault import Vault, WrapperContext
from phalanx.intel.archive import Archive, Keep, Query, Searches, SegmentFiles, parse
from phalanx.telemetry import Telemetry

_EVENTS, _QUICK_EVENTS = 10_000_000, 1_000_000
_BASE_EVENTS = 20_000
_BASELINE_EVENTS, _QUICK_BASELINE_EVENTS = 200_000, 50_000
_ROUNDS, _QUICK_ROUNDS = 5, 3
_CACHE_BYTES = 512 * MIB
# As a node keeps of a tenant that is given a month.
_KEEP = Keep(64 * GIB, 30 * 86_400 * NS_PER_S)
# What the archive of an event may take on disk, with room to spare, and a line of the baselines.
_DISK_BYTES_PER_EVENT, _BASELINE_DISK_BYTES = 80, 3_000
# Batches that are made before the clock of what archives them runs.
_MADE_AHEAD = 250
_TELL_EVERY_S = 5.0
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
    "scattered": "Hostname:ws-77.corp.example AND EventID:4624",
    "top": "EventID:3 | top 10 DestinationIp",
    "top_of_many": "EventID:1 | top 10 CommandLine",
    "timeline": "powershell* | timeline 1h",
}


async def search_bench(options: BenchOptions) -> BenchResult:
    """See the module."""
    n = _QUICK_EVENTS if options.quick else _EVENTS
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    part = _QUICK_BASELINE_EVENTS if options.quick else _BASELINE_EVENTS
    with TemporaryDirectory(prefix="phalanx-bench-") as folder:
        _require_disk(folder, n * _DISK_BYTES_PER_EVENT + part * _BASELINE_DISK_BYTES)
        options.tell("reading the recordings")
        lines = recorded()
        whole = read(lines[:: max(1, len(lines) // _BASE_EVENTS)])
        base = [without_message(batch) for batch in whole]
        async with _opened(Path(folder) / "archive") as open_archive:
            ingest, needles = await _filled(await open_archive(), base, n, options.tell)
            figures: dict[str, Any] = {"ingest": ingest}
            for name, question in _QUESTIONS.items():
                options.tell(f"asking: {question}")
                query = parse(question.format(**needles), now_ns=START_NS + n * GAP_NS)
                figures[name] = await _asked(open_archive, query, rounds)
        options.tell("with messages")
        figures["with_messages"] = await _with_messages(whole, part, rounds)
        figures["cold_ms_p50_slowest"] = max(one["cold_ms_p50"] for name, one in figures.items() if name in _QUESTIONS)
        figures["peak_memory_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024)
        options.tell("without an archive")
        baselines = _baselines(base, part, Path(folder), needles["needle"])
    rate = n / figures["needle_text"]["cold_ms_p50"] * 1_000
    words = n / figures["free_text"]["cold_ms_p50"] * 1_000
    return BenchResult(
        load={
            "events": n, "base_events": sum(map(len, base)), "rounds": rounds, "baseline_events": part,
            "disk_mib_at_most": _mib(n * _DISK_BYTES_PER_EVENT + part * _BASELINE_DISK_BYTES),
        },
        figures=figures, baselines=baselines,
        ratios={
            "needle_over_packed_lines": round(rate / baselines["packed_lines"]["events_per_s"], 1),
            "free_text_over_packed_lines": round(words / baselines["packed_lines"]["events_per_s"], 1),
            "ingest_over_sqlite": round(
                ingest["events_per_s_per_core"] / baselines["sqlite_fts5"]["ingest_events_per_s"], 1
            ),
        },
    )  # fmt: skip


def _require_disk(folder: str, wanted_bytes: int) -> None:
    """Raises ``LimitExceeded`` before anything is written where it would not fit."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < wanted_bytes:
        raise LimitExceeded(
            f"MiB of disk, of which {folder} has too little", maximum=_mib(free_bytes), seen=_mib(wanted_bytes)
        )


def _mib(size_bytes: int) -> int:
    return -(-size_bytes // MIB)


async def _with_messages(whole: list[EventBatch], n: int, rounds: int) -> dict[str, Any]:
    with TemporaryDirectory(prefix="phalanx-bench-") as folder:
        return await _of_messages(Path(folder), whole, n, rounds)


async def _of_messages(folder: Path, whole: list[EventBatch], n: int, rounds: int) -> dict[str, Any]:
    async with _opened(folder) as open_archive:
        ingest, _ = await _filled(await open_archive(), whole, n, lambda _: None)
        asked = await _asked(open_archive, parse(_QUESTIONS["free_text"], now_ns=START_NS), rounds)
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
    opened: tuple[Archive, Searches], base: list[EventBatch], n: int, tell: Callable[[str], None]
) -> tuple[dict[str, Any], dict[str, str]]:
    archive, _ = opened
    begun, cpu_s, told_s = time.perf_counter(), 0.0, 0.0
    needles: dict[str, str] = {}
    done = 0
    batches = perturbed(base, n)
    while ahead := list(islice(batches, _MADE_AHEAD)):
        if done > n // 3 and not needles:
            needles = _needles(ahead)
        before = time.process_time()
        for batch in ahead:
            done += len(batch)
            archive.add([batch], read_to=(done, 0))
            if archive.is_full:
                await archive.write()
        cpu_s += time.process_time() - before
        past_s = time.perf_counter() - begun
        if past_s > told_s + _TELL_EVERY_S:
            told_s = past_s
            tell(f"archived {done:,} of {n:,} events, about {past_s / done * (n - done):.0f} s to go")
    before = time.process_time()
    await archive.write()
    cpu_s += time.process_time() - before
    segments = archive.segments(DEFAULT_TENANT)
    wall_s = time.perf_counter() - begun
    written, before = len(segments), time.process_time()
    tell("putting segments together")
    # The first time it is seen that much was written.
    await archive.compact(_KEEP)
    while await archive.compact(_KEEP):
        pass
    together_s, segments = time.process_time() - before, archive.segments(DEFAULT_TENANT)
    held = sum(one.events for one in segments)
    if held != done:
        raise AssertionError(f"{held} of {done} events are in segments")
    size = sum(one.size_bytes for one in segments)
    return {
        "events": done, "events_per_s_per_core": round(done / cpu_s), "wall_s": round(wall_s, 1),
        "bytes_per_event": round(size / done, 1), "disk_mib": round(size / MIB), "segments_written": written,
        "segments": len(segments), "put_together_us_per_event": round(together_s / done * 1e6, 1),
    }, needles  # fmt: skip


def _needles(batches: list[EventBatch]) -> dict[str, str]:
    """Words that one event has, somewhere in the middle."""
    for batch in batches:
        guid = batch.columns.get("ProcessGuid", [None])[0]
        if isinstance(guid, str):
            return {"needle": guid.strip("{}").rpartition("-")[2], "guid": guid}
    return {}


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
    for batch in perturbed(base, n):
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
