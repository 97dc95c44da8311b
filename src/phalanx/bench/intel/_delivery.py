"""Telling sinks: how fast, beside bare requests with the same bodies; and what a crash in between loses or doubles.

Each product is a behavioural server in this process, on loopback (``phalanx.testing.delivery``), so deliveries a second
are those of courier and server together; the baseline sends the very same requests to another server of that kind with
``urllib3`` (for syslog: writes the same lines to a socket), one after the other, and keeps nothing.
A crash is a courier cancelled at any point, with a request under way that goes on without it, and another one begun on
the same store.
"""

import asyncio
import contextlib
import socket
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from phalanx.adapters import SystemClock
from phalanx.adapters.storage import SqliteStore
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.core import (
    DEFAULT_TENANT,
    Entity,
    Event,
    EventId,
    Finding,
    Rng,
    Severity,
    Store,
    TraceId,
    derive_id,
)
from phalanx.intel import FINDINGS, BatchEntry, finding_put
from phalanx.intel.delivery import (
    FINDING,
    Courier,
    Feed,
    Notices,
    ParcelBounds,
    RetryPolicy,
    Sink,
    SinkPlan,
    TellingStore,
)
from phalanx.telemetry import Alerts, Telemetry
from phalanx.testing.delivery import SINK_LABS, HttpLab, SecOpsPeer, SyslogLab

_BATCH = 200
_SLOW = frozenset({"splunk-soar", "xsoar-6", "xsoar-8"})
_CRASHES = 6
_TROUBLE = ("after-effect", "busy", "silent", "error")
_PATIENCE_S = 240.0
_OF_THE_CONNECTION = frozenset({"host", "content-length", "content-encoding", "accept-encoding"})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where couriers of one run live: a store, and the findings in it."""

    store: Store
    notices: Notices
    telling: TellingStore
    telemetry: Telemetry
    rng: Rng

    def courier(self, name: str, sink: Sink) -> Courier:
        plan = SinkPlan(
            name, name, DEFAULT_TENANT, (FINDING,), updates=True, bounds=ParcelBounds(_BATCH, 900_000, 0.0),
            retry=RetryPolicy(0.01, 0.1, 1.0),
        )  # fmt: skip
        feed = Feed(self.store, self.notices, _no_events, tables={FINDING: FINDINGS})
        return Courier(
            plan, sink, feed, self.store, clock=SystemClock(), rng=self.rng.child(name), telemetry=self.telemetry,
            alerts=Alerts(self.telemetry),
        )  # fmt: skip

    async def record(self, n: int) -> list[Finding]:
        """``n`` more findings, a hundred in a commit."""
        made = [_finding(number, self.rng) for number in range(n)]
        for at in range(0, n, 100):
            await self.telling.commit([finding_put(one) for one in made[at : at + 100]])
        return made


async def delivery_bench(options: BenchOptions) -> BenchResult:
    """Each product alone, one after the other."""
    n_full, n_crash = (300, 100) if options.quick else (4_000, 600)
    figures: dict[str, Any] = {}
    baselines: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for name in SINK_LABS:
        options.tell(name)
        n = n_full // 10 if name in _SLOW else n_full
        with tempfile.TemporaryDirectory() as folder:
            told = await _speed(name, Path(folder), n, options.rng)
        with tempfile.TemporaryDirectory() as folder:
            told |= await _crashes(name, Path(folder), n_crash // 4 if name in _SLOW else n_crash, options.rng)
        baselines[name] = {"items_per_s": told.pop("bare_items_per_s")}
        figures[name] = told
        ratios[f"{name}.items_per_s"] = told["items_per_s"] / baselines[name]["items_per_s"]
    return BenchResult(
        load={
            "items": n_full, "items_of_slow_products": n_full // 10, "parcel_items": _BATCH, "crashes": _CRASHES,
            "trouble_between_crashes": list(_TROUBLE), "store": "SQLite, synchronous=FULL",
            "peer": "behavioural server in this process, on loopback",
            "baseline": "urllib3 (a socket for syslog), the very same requests, nothing kept",
        },
        figures=figures,
        baselines=baselines,
        ratios=ratios,
    )  # fmt: skip


async def _speed(name: str, folder: Path, n: int, rng: Rng) -> dict[str, Any]:
    async with _place(folder, rng) as place:
        with SINK_LABS[name](folder) as lab:
            sink = await lab.open()
            courier = place.courier(name, sink)
            await courier.open()
            await place.record(n)
            started_s, cpu_s = time.perf_counter(), time.process_time()
            task = asyncio.create_task(courier.run())
            await _until(lambda: courier.state.delivered >= n)
            took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            arrived = len(set(await lab.kept(n)))
            await sink.close()
        with SINK_LABS[name](folder) as other:
            bare_s = await asyncio.to_thread(_bare, other, lab, folder)
    return {
        "items_per_s": n / took_s, "cpu_us_per_item": cpu_s / n * 1e6, "bytes_per_item": courier.state.bytes_sent / n,
        "arrived": arrived, "bare_items_per_s": n / bare_s,
    }  # fmt: skip


async def _crashes(name: str, folder: Path, n: int, rng: Rng) -> dict[str, Any]:
    """Cancelled at moments of chance, with trouble in between; what the peer has in the end is counted."""
    chance = rng.child(f"crashes {name}")
    async with _place(folder, rng) as place:
        with SINK_LABS[name](folder) as lab:
            first = place.courier(name, await lab.open())
            await first.open()
            await first.sink.close()
            findings = await place.record(n)
            for _ in range(_CRASHES):
                lab.trouble(chance.choice(_TROUBLE))
                sink = await lab.open()
                task = asyncio.create_task(place.courier(name, sink).run())
                await asyncio.sleep(chance.exponential(0.05))
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await sink.close()
            sink = await lab.open()
            courier = place.courier(name, sink)
            task = asyncio.create_task(courier.run())
            await _until(lambda: courier.state.place.seq >= n)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await sink.close()
            kept = Counter(await lab.kept(n))
    wanted = {f"{finding.id}.{finding.hits}" for finding in findings}
    return {
        "crash_items": n, "crash_lost": len(wanted - set(kept)), "crash_doubled": sum(kept.values()) - len(kept),
        "crash_retries": courier.state.retries, "effect": courier.sink.manifest.effect,
    }  # fmt: skip


@contextlib.asynccontextmanager
async def _place(folder: Path, rng: Rng) -> Any:
    store = await SqliteStore.open(folder / "store.sqlite")
    clock = SystemClock()
    try:
        notices = await Notices.open(store, [DEFAULT_TENANT])
        telling = TellingStore(store, notices, clock, kinds={FINDINGS.name: FINDING})
        yield _Place(store, notices, telling, Telemetry(clock), rng)
    finally:
        await store.close()


def _bare(lab: HttpLab | SyslogLab, told: HttpLab | SyslogLab, folder: Path) -> float:
    """Seconds for the very requests of ``told`` at another server of its kind, with nothing around them."""
    if isinstance(lab, SyslogLab):
        assert isinstance(told, SyslogLab)
        lines = "".join(f"{line}\n" for line in told.peer.lines).encode()
        trusting = ssl.create_default_context(cafile=str(folder / "tls.crt"))
        plain = socket.create_connection(("127.0.0.1", lab.peer.port))
        with trusting.wrap_socket(plain, server_hostname="127.0.0.1") as line:
            started_s = time.perf_counter()
            line.sendall(lines)
            while len(lab.peer.lines) < len(told.peer.lines):
                time.sleep(0.001)
            return time.perf_counter() - started_s
    assert isinstance(told, HttpLab)
    if isinstance(lab.server.product, SecOpsPeer) and isinstance(told.server.product, SecOpsPeer):
        lab.server.product.key = told.server.product.key
    http = urllib3.PoolManager(retries=False)
    started_s = time.perf_counter()
    for asked in told.server.requests:
        query = "&".join(f"{name}={value}" for name, value in asked.query.items())
        headers = {name: value for name, value in asked.headers.items() if name not in _OF_THE_CONNECTION}
        url = f"{lab.server.url}{asked.path}" + (f"?{query}" if query else "")
        http.request(asked.method, url, body=asked.body, headers=headers)
    return time.perf_counter() - started_s


def _finding(number: int, rng: Rng) -> Finding:
    ident = derive_id(1_790_000_000_000_000_000 + number, "finding", str(number))
    event = EventId(derive_id(number + 1, "event", str(number)))
    return Finding(
        id=ident, tenant=DEFAULT_TENANT, trace=TraceId(event), at_ns=number + 1,
        case=f"ws-{number % 97}@2026-09-21", rule="proc_creation_win_powershell_encode",
        title="Suspicious Encoded PowerShell Command Line", severity=Severity(number % 5 + 1), confidence=0.8,
        techniques=("T1059.001",), tactics=("execution",),
        entities=(Entity("host", f"ws-{number % 97}"), Entity("user", "kim"), Entity("ip", "10.0.0.7")),
        evidence=(event,), hits=1, first_seen_ns=1_790_000_000_000_000_000 + number,
        last_seen_ns=1_790_000_000_000_000_000 + number, accepted_at_ns=1, found_at_ns=2,
        explanation="Detects suspicious encoded command lines. Seen: " + rng.bytes(60).hex(),
    )  # fmt: skip


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not done():  # noqa: ASYNC110 - a courier sets no event when it is done
            await asyncio.sleep(0.002)


async def _no_events(_: BatchEntry) -> Sequence[Event]:
    return []
