"""The ledger of a whole node: durable appends, proofs, opening and a full audit, at a million entries.

Entries are recorded by many callers at once through ``Ledger.record`` of a running node, with
payloads sealed by its vault and a waypoint each, as the node itself does. Beside it stand the
same without a waypoint (entries that are part of no trace, which is what the ledger alone
costs) and without sealing at rest. The baselines write bytes of the same length in groups of the
same size with ``write`` and ``fdatasync``, and hash leaves of the same length with SHA-256,
with nothing in between.
"""

import asyncio
import contextlib
import gc
import hashlib
import os
import re
import tempfile
import time
from array import array
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import elapsed_ms, quantile
from phalanx.core import DEFAULT_TENANT, NO_TRACE, NS_PER_S, AuditEntry, Rng, TraceId, derive_id
from phalanx.ledger import Ledger, Unsealed
from phalanx.node import Node, Settings, audit_ledger, build_node, open_ports
from phalanx.telemetry import Histogram, Telemetry

_CALLERS = 1_000
_CHUNK = 20_000
_LOOKUPS = 1_000
_PROOFS = 1_000
# An assessment, a proposal and a decision are told of one event.
_ENTRIES_PER_TRACE = 3
_START_NS = 1_767_225_600 * NS_PER_S
_US_PER_MS = 1_000
_NS_PER_US = 1_000


@dataclass(frozen=True, slots=True)
class _Appended:
    """What appending some entries cost."""

    appends_per_s: float
    ack_ms: "array[float]"
    entries_per_group: float
    group_ms_p50: float
    group_ms_p99: float

    def figures(self) -> dict[str, float]:
        return {
            "appends_per_s": self.appends_per_s,
            "ack_ms_p50": quantile(self.ack_ms, 0.5),
            "ack_ms_p99": quantile(self.ack_ms, 0.99),
            "entries_per_group": self.entries_per_group,
            "group_ms_p50": self.group_ms_p50,
            "group_ms_p99": self.group_ms_p99,
        }


async def ledger_bench(options: BenchOptions) -> BenchResult:
    """Appends, proofs, opening and audit."""
    n_entries = 30_000 if options.quick else 1_000_000
    n_unsealed = min(n_entries, 100_000)
    rng = options.rng.child("ledger")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with _node(folder / "plain", seal=False) as node:
            unsealed = await _append(node, n_unsealed, rng.child("plain"))
        async with _node(folder / "untraced", seal=True) as node:
            untraced = await _append(node, n_unsealed, rng.child("untraced"), traced=False)
        async with _node(folder / "sealed", seal=True) as node:
            idle_mib = _rss_mib()
            sealed = await _append(node, n_entries, rng.child("sealed"))
            await node.ledger.checkpoint()
            lookups_us = await _lookups(node.ledger, n_entries, rng)
            filled_mib = _rss_mib()
        settings = _settings(folder / "sealed", seal=True)
        open_s, proof = await _open_and_prove(settings, rng.child("proofs"))
        audit_s = await _audit_s(settings)
        n_bytes = sum(file.stat().st_size for file in (folder / "sealed" / "journals" / "ledger").iterdir())
        record_bytes, leaf_bytes = n_bytes // n_entries, _leaf_bytes(rng)
        file = await asyncio.to_thread(_bare_file, folder, rng.bytes(record_bytes), round(sealed.entries_per_group))
        hashes_per_s = await asyncio.to_thread(_bare_hashes, rng.bytes(leaf_bytes))
    return BenchResult(
        load={
            "entry": f"a decision with its record, about {record_bytes} bytes in the journal",
            "callers": _CALLERS,
            "entries": n_entries,
            "entries_unsealed": n_unsealed,
            "entries_untraced": n_unsealed,
            "entries_per_trace": _ENTRIES_PER_TRACE,
        },
        figures={
            "sealed": sealed.figures(),
            "untraced": untraced.figures(),
            "unsealed": unsealed.figures(),
            "proof": proof,
            "lookup_us_p50": quantile(lookups_us, 0.5),
            "open_s": open_s,
            "audit_s": audit_s,
            "audit_us_per_entry": audit_s / n_entries * 1e6,
            "rss_mib_idle": idle_mib,
            "rss_mib": filled_mib,
        },
        baselines={"bare_file": file, "bare_sha256": {"hashes_per_s": hashes_per_s}},
        ratios={
            "sealed.appends_per_s": sealed.appends_per_s / file["records_per_s"],
            "audit.entries_per_s": n_entries / audit_s / hashes_per_s,
        },
    )


def _settings(folder: Path, *, seal: bool) -> Settings:
    return Settings.model_validate({"node": {"data_dir": folder}, "at_rest": {"seal": seal}})


@contextlib.asynccontextmanager
async def _node(folder: Path, *, seal: bool) -> AsyncIterator[Node]:
    settings = _settings(folder, seal=seal)
    async with open_ports(settings) as ports, build_node(settings, ports) as node:
        yield node


async def _append(node: Node, n_entries: int, rng: Rng, *, traced: bool = True) -> _Appended:
    # As an array, so that what is measured does not weigh on the memory that is measured.
    spent_ns, ack_ms, first = 0, array("d"), node.ledger.size
    for start in range(0, n_entries, _CHUNK):
        entries = [_entry(index, rng, traced=traced) for index in range(start, min(start + _CHUNK, n_entries))]
        # Entries made ahead are this benchmark's own: a node's collector has no such heap to walk.
        gc.freeze()
        begun_ns = time.perf_counter_ns()
        ack_ms.extend(await _record_all(node.ledger, iter(entries)))
        spent_ns += time.perf_counter_ns() - begun_ns
        gc.unfreeze()
    group = next(one for one in node.telemetry.metrics.instruments() if one.name == "phalanx_ledger_group_seconds")
    assert isinstance(group, Histogram)
    return _Appended(
        appends_per_s=n_entries / (spent_ns / NS_PER_S),
        ack_ms=ack_ms,
        entries_per_group=(node.ledger.size - first) / group.count,
        group_ms_p50=group.quantile(0.5) * 1e3,
        group_ms_p99=group.quantile(0.99) * 1e3,
    )


async def _record_all(ledger: Ledger, entries: Iterator[AuditEntry]) -> list[float]:
    """Many callers, each with its next entry as soon as its last is acknowledged. Times in ms."""
    ack_ms: list[float] = []

    async def call() -> None:
        for entry in entries:
            begun_ns = time.perf_counter_ns()
            await ledger.record(entry)
            ack_ms.append(elapsed_ms(begun_ns))

    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(call())
    return ack_ms


async def _lookups(ledger: Ledger, n_entries: int, rng: Rng) -> list[float]:
    """Looking entries up by id, here and there, in µs."""
    lookups_us = []
    for _ in range(_LOOKUPS):
        sought = _entry_id(rng.integer(0, n_entries))
        begun_ns = time.perf_counter_ns()
        await ledger.entry(sought)
        lookups_us.append(elapsed_ms(begun_ns) * _US_PER_MS)
    return lookups_us


async def _open_and_prove(settings: Settings, rng: Rng) -> tuple[float, dict[str, float]]:
    async with open_ports(settings, existing=True) as ports:
        journal = await ports.journals.open("ledger")
        begun_ns = time.perf_counter_ns()
        ledger = await Ledger.open(
            journal, ports.store, ports.signer, clock=ports.clock, telemetry=Telemetry(ports.clock),
            entropy=ports.entropy, offload=ports.offload, sealers=Unsealed(),
        )  # fmt: skip
        open_s = (time.perf_counter_ns() - begun_ns) / NS_PER_S
        proof = await _proofs(ledger, rng)
        await journal.close()
    return open_s, proof


async def _proofs(ledger: Ledger, rng: Rng) -> dict[str, float]:
    """Inclusion proofs of entries here and there in a ledger that was just opened.

    Cold: no two entries share a leaf tile, so each proof has to read one from the store. Warm: other
    entries of the same tiles, in another order.
    """
    tiles = list(range(ledger.size >> 8))
    rng.shuffle(tiles)
    del tiles[_PROOFS:]
    figures: dict[str, float] = {}
    for name in ("cold", "warm"):
        times_us, cpu_us = [], []
        for tile in tiles:
            index = (tile << 8) + rng.integer(0, 256)
            begun_ns, begun_cpu_ns = time.perf_counter_ns(), time.thread_time_ns()
            await ledger.prove(index)
            cpu_us.append((time.thread_time_ns() - begun_cpu_ns) / _NS_PER_US)
            times_us.append(elapsed_ms(begun_ns) * _US_PER_MS)
        figures |= {f"{name}_us_p50": quantile(times_us, 0.5), f"{name}_us_p99": quantile(times_us, 0.99)}
        # What the event loop's thread computed: it does not depend on who else uses the machine.
        figures[f"{name}_cpu_us_p99"] = quantile(cpu_us, 0.99)
        rng.shuffle(tiles)
    return figures


async def _audit_s(settings: Settings) -> float:
    begun_ns = time.perf_counter_ns()
    report = await audit_ledger(settings)
    audit_s = (time.perf_counter_ns() - begun_ns) / NS_PER_S
    assert report.payloads == report.size, report
    return audit_s


def _bare_file(folder: Path, record: bytes, records_per_group: int) -> dict[str, float]:
    fd = os.open(folder / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    group = record * max(records_per_group, 1)
    times_ms = []
    try:
        for _ in range(100):
            begun_ns = time.perf_counter_ns()
            os.write(fd, group)
            os.fdatasync(fd)
            times_ms.append(elapsed_ms(begun_ns))
    finally:
        os.close(fd)
    return {
        "group_ms_p50": quantile(times_ms, 0.5),
        "records_per_s": len(times_ms) * records_per_group / sum(times_ms) * 1e3,
    }


def _bare_hashes(leaf: bytes) -> float:
    n_hashes = 200_000
    begun_ns = time.perf_counter_ns()
    for _ in range(n_hashes):
        hashlib.sha256(leaf).digest()
    return n_hashes / ((time.perf_counter_ns() - begun_ns) / NS_PER_S)


def _leaf_bytes(rng: Rng) -> int:
    from phalanx.ledger import encode_leaf

    return len(encode_leaf(_entry(0, rng), bytes(32)))


def _rss_mib() -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _entry_id(index: int) -> str:
    return derive_id(_START_NS + index, "audit", str(index))


def _entry(index: int, rng: Rng, *, traced: bool = True) -> AuditEntry:
    event = index // _ENTRIES_PER_TRACE
    trace = TraceId(derive_id(_START_NS + event, "event", str(event))) if traced else NO_TRACE
    return AuditEntry(
        id=_entry_id(index),
        tenant=DEFAULT_TENANT,
        trace=trace,
        at_ns=_START_NS + index,
        actor="containment policy",
        action="approved isolate-host",
        subject=f"host:srv-{event % 100}",
        case=f"host-{event % 100}",
        body=_body(index, rng),
    )


def _body(index: int, rng: Rng) -> dict[str, Any]:
    """As long as that of a decision, and unlike any other."""
    return {
        "sha256": f"{rng.bits(256):064x}",
        "record": {
            "id": _entry_id(index), "kind": "decision", "v": 1, "tenant": DEFAULT_TENANT, "at_ns": _START_NS + index,
            "about": _entry_id(index - 1), "outcome": "approved", "authority": "containment policy",
            "reasons": ["probability 0.93 is over 0.8", "one host of at most three this hour"],
            "context_hash": f"{rng.bits(256):064x}",
        },
    }  # fmt: skip
