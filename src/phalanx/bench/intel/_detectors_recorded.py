"""Recorded attacks (OTRF) before every detector: what each says, by a million events, and what it takes.

The recordings are of attacks, minutes long and of many houses, so what is said is not all false; but nobody would want
more alarms than this of a quiet day. Nothing is learned beforehand.
"""

import time
from typing import Any

from phalanx.bench.intel._detect_loads import read, recorded
from phalanx.intel import Detector
from phalanx.intel.detectors import BeaconDetector, RarityDetector, SequenceDetector, TravelDetector, VolumeDetector


def recorded_attacks(*, quick: bool) -> dict[str, Any]:
    """Hits, findings (hits of one kind on one subject) and microseconds an event, by detector."""
    batches = sorted(read(recorded(every=10 if quick else 1)), key=lambda batch: min(batch.times_ns))
    events = sum(len(batch) for batch in batches)
    found: dict[str, Any] = {"events": events}
    made: tuple[Detector, ...] = (
        BeaconDetector(), RarityDetector(), SequenceDetector(), TravelDetector(), VolumeDetector()
    )  # fmt: skip
    for detector in made:
        began_ns = time.process_time_ns()
        hits = [hit for batch in batches for hit in detector.evaluate(batch)]
        spent_us = (time.process_time_ns() - began_ns) / 1e3
        told = {(hit.rule.name, hit.subject or hit.told) for hit in hits}
        by_rule: dict[str, int] = {}
        for rule, _ in told:
            by_rule[rule] = by_rule.get(rule, 0) + 1
        found[detector.name] = {
            "findings": len(told), "findings_per_million_events": round(len(told) / events * 1e6, 1),
            "by_rule": by_rule, "cpu_us_per_event": round(spent_us / events, 2),
        }  # fmt: skip
    return found
