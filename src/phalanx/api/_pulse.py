"""The counters that a pulse of the live stream carries: the node as a whole, since its start."""

import math
from typing import TYPE_CHECKING

import msgspec

from phalanx.telemetry import Histogram

if TYPE_CHECKING:
    from phalanx.node import Node

_MS_PER_S = 1_000


class Pulse(msgspec.Struct, frozen=True, kw_only=True):
    """Counters since the node's start; ``ledger_entries`` since the ledger's.

    The latencies, from acceptance to the committed finding, are null until there is a finding.
    """

    at_ns: int
    ready: bool
    read_only: bool
    events: int
    findings: int
    detect_p50_ms: float | None
    detect_p99_ms: float | None
    missions_waiting: int
    agents_busy: int
    decisions: int
    ledger_entries: int


def take_pulse(node: "Node") -> Pulse:
    """The counters now. A counter of a service that has not counted yet is zero."""
    instruments = {one.name: one for one in node.telemetry.metrics.instruments()}

    def level(name: str) -> int:
        found = instruments.get(name)
        return 0 if found is None or isinstance(found, Histogram) else int(found.value)

    latency = instruments.get("phalanx_detection_latency_seconds")

    def latency_ms(quantile: float) -> float | None:
        seconds = latency.quantile(quantile) if isinstance(latency, Histogram) else math.nan
        return None if math.isnan(seconds) else seconds * _MS_PER_S

    return Pulse(
        at_ns=node.clock.wall_ns(),
        ready=node.ready,
        read_only=node.read_only,
        events=level("phalanx_accepted_events_total"),
        findings=level("phalanx_findings_total"),
        detect_p50_ms=latency_ms(0.5),
        detect_p99_ms=latency_ms(0.99),
        missions_waiting=level("phalanx_missions_waiting"),
        agents_busy=level("phalanx_agents_busy"),
        decisions=level("phalanx_decisions_total"),
        ledger_entries=node.ledger.size,
    )
