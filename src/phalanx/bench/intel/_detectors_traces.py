"""Traces whose truth is known, for detectors that learn what is usual: beacons of several jitters among browsing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phalanx.core import NS_PER_S, BatchId, EventBatch, LogSource, Rng, TenantId, Value, derive_id
from phalanx.intel.detectors import BeaconDetector
from phalanx.learning import wilson

_CONN = LogSource("zeek", "firewall", "conn")
_TENANT = TenantId("bench")
_BEGIN_NS = 1_760_000_000 * NS_PER_S
_BATCH_ROWS = 128
_JITTERS = (0.0, 0.1, 0.2, 0.5)
_HOSTS = 200
_HOURS = 4
_EVERY_S = 60.0
# A baseline of one line: many calls to one destination.
_MANY_CALLS = 100

_Contact = tuple[float, str, str]


def traces(rng: Rng, *, quick: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures per jitter, and those of counting calls alone."""
    hosts, hours = (50, 2) if quick else (_HOSTS, _HOURS)
    figures: dict[str, Any] = {}
    floors: dict[str, Any] = {}
    for jitter in _JITTERS:
        draw = np.random.default_rng(rng.child(f"jitter {jitter}").bits(64))
        contacts, beacons = _trace(draw, hosts, hours * 3_600.0, jitter)
        alarms = _alarms(contacts)
        counted: dict[str, int] = {}
        for _, host, to in contacts:
            counted[f"{host}>{to}"] = counted.get(f"{host}>{to}", 0) + 1
        pairs = len(counted)
        many = {pair for pair, calls in counted.items() if calls >= _MANY_CALLS}
        name = f"beacon_jitter_{round(jitter * 100)}pct"
        figures[name] = _scored({alarm.removesuffix(":443") for alarm in alarms}, beacons, pairs)
        floors[name] = {"counting_calls": _scored(many, beacons, pairs)}
    return figures, floors


def _trace(draw: np.random.Generator, hosts: int, seconds: float, jitter: float) -> tuple[list[_Contact], set[str]]:
    """Everybody browses; every tenth host beacons besides."""
    contacts: list[_Contact] = []
    beacons = set()
    for host in range(hosts):
        name = f"10.0.{host // 250}.{host % 250 + 1}"
        at = float(draw.exponential(60.0))
        while at < seconds:
            contacts.append((at, name, f"198.51.100.{int(draw.zipf(1.6)) % 250}"))
            at += float(draw.exponential(6.0) if draw.random() < 0.8 else draw.exponential(240.0))
        if host % 10 == 0:
            beacons.add(f"{name}>203.0.113.{host % 250}")
            at = float(draw.uniform(0, _EVERY_S))
            while at < seconds:
                contacts.append((at, name, f"203.0.113.{host % 250}"))
                at += _EVERY_S * (1.0 + jitter * float(draw.uniform(-1, 1)))
    return sorted(contacts), beacons


def _alarms(contacts: Sequence[_Contact]) -> set[str]:
    detector = BeaconDetector()
    alarms: set[str] = set()
    for start in range(0, len(contacts), _BATCH_ROWS):
        part = contacts[start : start + _BATCH_ROWS]
        columns: dict[str, list[Value]] = {
            "id.orig_h": [host for _, host, _ in part],
            "id.resp_h": [to for _, _, to in part],
            "id.resp_p": [443] * len(part),
        }
        batch = EventBatch(
            _TENANT, BatchId(derive_id(_BEGIN_NS, "bench", str(start))), _CONN, "zeek", _BEGIN_NS, range(len(part)),
            [_BEGIN_NS + int(at * NS_PER_S) for at, _, _ in part], [b""] * len(part), columns,
        )  # fmt: skip
        alarms.update(hit.subject for hit in detector.evaluate(batch))
    return alarms


def _scored(alarms: set[str], beacons: set[str], pairs: int) -> dict[str, Any]:
    found = wilson(len(alarms & beacons), len(beacons))
    false = wilson(len(alarms - beacons), pairs - len(beacons))
    return {
        "recall": round(found.value, 3),
        "recall_low": round(found.low, 3),
        "false_alarms": len(alarms - beacons),
        "of_pairs": pairs - len(beacons),
        "false_positive_rate_high": round(false.high, 5),
    }
