"""Findings put together into incidents: whole nodes on streams of known truth, over many seeds.

Each stream has intrusions with a drawn cast and honest oddities besides; a node detects, hunts and groups as it always
does, on virtual time. The checker knows the truth and nothing of the grouping. Beside it: everything on one host in
one day is one case, opened by the same rule; and the same grouping without what hunts found.
"""

import asyncio
import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Finding
from phalanx.demo import Grouped, Intrusion, Tally, address_book, feed, put_together, tally
from phalanx.incidents import Said, Tie, grouped, ties
from phalanx.learning import Interval, wilson
from phalanx.node import Settings, build_node
from phalanx.testing import SimWorld

_STORIES = ("whole", "domain", "theft", "web", "two", "none")
_SEEDS, _QUICK_SEEDS = 10, 2
_ODDITIES = 8
_OPEN_FROM = 0.5
_SPEED = 1.0


async def cases_bench(options: BenchOptions) -> BenchResult:
    seeds = _QUICK_SEEDS if options.quick else _SEEDS
    found: dict[str, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
    events = 0
    for story in _STORIES:
        options.tell(f"{story}: {seeds} streams")
        for number in range(seeds):
            seed = options.seed * 1_000 + number
            stream = Intrusion(seed, story=story, oddities=_ODDITIES)
            events += stream.n_events
            for way, counted in (await asyncio.to_thread(_run, seed, stream)).items():
                found[way][story].add(counted)
    figures = {story: _told(counted) for story, counted in found["incidents"].items()}
    baselines = {way: {"all": _told(_sum(by_story))} for way, by_story in found.items() if way != "incidents"}
    every = _told(_sum(found["incidents"]))
    by_host = baselines["host_and_day"]["all"]
    ratios = {
        f"{name}_vs_host_and_day": round(every[name]["value"] / max(1e-9, by_host[name]["value"]), 2)
        for name in ("finding_recall", "finding_precision", "pair_recall")
    } | {
        f"{name}_vs_host_and_day": round(every[name] / max(1e-9, by_host[name]), 2)
        for name in ("finding_f1", "pair_f1")
    }
    load = {
        "streams": len(_STORIES) * seeds, "stories": list(_STORIES), "oddities_in_each": _ODDITIES, "events": events,
        "casts": "drawn; honest oddities happen on the same hosts", "seconds_of_each": 600,
    }  # fmt: skip
    return BenchResult(load, {"all": every, **figures}, baselines, ratios)


def _run(seed: int, stream: Intrusion) -> Mapping[str, Tally]:
    return SimWorld(seed).run(lambda world: _counted(world, stream))


async def _counted(world: SimWorld, stream: Intrusion) -> dict[str, Tally]:
    names = address_book()
    async with build_node(Settings(), world.ports("bench"), host_names=names) as node:
        _, batches = await feed(stream, node, speed=_SPEED)
        await node.settled()
        truth, streamed, groups = await put_together(node, stream, batches)
        every = await node.findings.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
        return {
            "incidents": tally(truth, streamed, list(groups.values())),
            "host_and_day": tally(truth, streamed, _by_host(every)),
            "without_hunts": tally(truth, streamed, _opened(every, names)),
        }


def _by_host(findings: list[Finding]) -> list[Grouped]:
    """The baseline: a host's day is a case."""
    by: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by[finding.case].append(finding)
    return [
        Grouped(tuple(one.id for one in group))
        for group in by.values()
        if any(made.probability >= _OPEN_FROM for made in grouped(group, _chain(group), Said()))
    ]


def _chain(group: list[Finding]) -> list[Tie]:
    return [Tie(one.id, other.id, 1.0, ()) for one, other in pairwise(group)]


def _opened(findings: list[Finding], names: Mapping[str, str]) -> list[Grouped]:
    made = grouped(findings, ties(findings, (), names), Said())
    return [Grouped(tuple(one.id for one in group.findings)) for group in made if group.probability >= _OPEN_FROM]


def _sum(tallies: Mapping[str, Tally]) -> Tally:
    whole = Tally()
    for one in tallies.values():
        whole.add(one)
    return whole


def _told(one: Tally) -> dict[str, Any]:
    """Rates with their intervals; 0 of 0 says nothing and is left out."""
    rates = {
        "one_case": (one.whole, one.intrusions),
        "found": (one.found, one.intrusions),
        "finding_precision": (one.in_case, one.case_findings),
        "finding_recall": (one.in_case, one.true_findings),
        "detected_event_recall": (one.events_found, one.true_events),
        "event_precision": (one.events_in_case, one.case_events),
        "event_recall": (one.events_in_case, one.true_events),
        "pair_precision": (one.pairs["both"], one.pairs["said"]),
        "pair_recall": (one.pairs["both"], one.pairs["so"]),
    }
    told: dict[str, Any] = {name: _rate(wilson(hits, of)) for name, (hits, of) in rates.items() if of}
    if one.true_findings:
        told["finding_f1"] = _f1(one.in_case / max(1, one.case_findings), one.in_case / one.true_findings)
    if one.pairs["so"]:
        told["pair_f1"] = _f1(one.pairs["both"] / max(1, one.pairs["said"]), one.pairs["both"] / one.pairs["so"])
    if one.true_findings:
        precision, recall = one.shares_precision / one.true_findings, one.shares_recall / one.true_findings
        told["b_cubed"] = {"precision": round(precision, 4), "recall": round(recall, 4), "f1": _f1(precision, recall)}
    counts = {"intrusions": one.intrusions, "pieces": one.pieces, "mixed": one.mixed, "false_cases": one.false_cases}
    return told | counts | {"findings": one.findings, "honest_findings": one.findings - one.true_findings}


def _f1(precision: float, recall: float) -> float:
    """Their harmonic mean."""
    return round(2 * precision * recall / max(1e-9, precision + recall), 4)


def _rate(interval: Interval) -> dict[str, float]:
    return {name: round(value, 4) for name, value in interval._asdict().items() if math.isfinite(value)}
