"""Detection: all public Sigma rules over recorded attacks, how fast, how much memory, and whether it is right.

Speed is that of one core, in processor time: from the bytes of JSON lines to findings, as the sentinel does it; of
batches already read; and of one event at a time. Two processes show what two cores do with batches. Every pass has
perturbed values of its own, so no cache is fed. Right is what an independent evaluator says too (pySigma's SQLite
backend), on the recorded events and on events made from each rule's condition. Baselines, in the same run: each rule
asked by itself, plain searches in place of Hyperscan, and decoding the JSON alone.
"""

import ipaddress
import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.bench.intel._detect_generated import batch_of, matching, near_misses
from phalanx.bench.intel._detect_loads import ACCEPTED_NS, BATCH, Corpus, corpus, perturbed, read, recorded
from phalanx.bench.intel._detect_sqlite import Peer, by_source
from phalanx.core import DEFAULT_TENANT, NO_TRACE, EventBatch, Rng
from phalanx.intel import Chunk, Rule, RuleSet, Sightings, detect, finding_of
from phalanx.intel.reading import slices
from phalanx.intel.sigma import AllOf, AnyOf, InNetworks, Not, PlainMatcher, Predicate, View, hyperscan

_ROWS = 4_096
_SINGLE_EVENTS = 4_000
_LISTED = 40


async def detect_bench(options: BenchOptions) -> BenchResult:
    """Speed, memory and agreement of the compiled rules."""
    every = 12 if options.quick else 2
    options.tell("rules")
    before_mib, started = _rss_mib(), time.process_time()
    rules = corpus()
    parsed_s = time.process_time() - started
    started = time.process_time()
    plan = RuleSet(rules.rules)
    plan_s, plan_mib = time.process_time() - started, _rss_mib() - before_mib
    rng = options.rng.child("detect")
    options.tell("perturbing events")
    passes = [perturbed(recorded(every=every), rng.child(str(number))) for number in range(3)]
    options.tell("speed")
    figures: dict[str, Any] = {
        "rules": {
            "compiled": len(rules.rules),
            "total": len(rules.rules) + len(rules.refused),
            "refused": rules.refused,
            "without_witness": sum(len(stand.always) for stand in plan.stands.values()),
            "parse_s": parsed_s,
            "plan_s": plan_s,
            "memory_mib": plan_mib,
            "matcher": "hyperscan" if hyperscan() is not None else "plain",
        },
        "json_to_findings": _end_to_end(plan, passes[0]),
        "parsed_batches_one_core": _parsed(plan.evaluate, read(passes[1], rows=_ROWS)),
        "parsed_batches_two_cores": _two_cores(every, options.seed),
        "one_event": _single(plan, read(passes[2][:: max(1, len(passes[2]) // _SINGLE_EVENTS)], rows=1)),
        "memory_mib": _rss_mib(),
    }
    baselines = _baselines(rules, plan, passes[2][:: 2 if options.quick else 8])
    options.tell("agreement with SQLite")
    figures["agreement"] = _agreement(rules, plan, every=12 if options.quick else 1)
    spent = figures["json_to_findings"]["events_per_s_per_core"]
    return BenchResult(
        load={
            "recorded_events": len(passes[0]),
            "bytes_per_event": sum(map(len, passes[0])) / len(passes[0]),
            "every": every,
            "rows_per_parsed_batch_at_most": _ROWS,
        },
        figures=figures,
        baselines=baselines,
        ratios={
            "to_rule_by_rule": figures["parsed_batches_one_core"]["events_per_s"]
            / baselines["rule_by_rule_events_per_s"],
            "of_bare_json_decoding": spent / baselines["json_decode_alone_events_per_s"],
        },
    )


def _end_to_end(plan: RuleSet, lines: Sequence[bytes]) -> dict[str, float]:
    """As the sentinel does it: slices of lines are read, the rules asked, hits gathered, and findings made."""
    chunk = Chunk(
        id=BATCH, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=ACCEPTED_NS, reader="auto", events=len(lines), data=b"",
        total_bytes=0,
    )  # fmt: skip
    for first_row, part in list(slices(lines))[:4]:
        detect([plan], chunk, first_row, part)
    started, sightings, hits = time.process_time(), Sightings({}), 0
    for first_row, part in slices(lines):
        found = detect([plan], chunk, first_row, part)
        hits += len(found.hits)
        sightings.add(found.hits, chunk_events=len(lines))
    findings = [finding_of(seen, found_at_ns=ACCEPTED_NS) for seen in sightings]
    spent_s = time.process_time() - started
    return {
        "events_per_s_per_core": len(lines) / spent_s,
        "mb_per_s_per_core": sum(map(len, lines)) / spent_s / 1e6,
        "hits": hits,
        "findings": len(findings),
    }


def _parsed(evaluate: Callable[[EventBatch], Sequence[object]], batches: Sequence[EventBatch]) -> dict[str, float]:
    started, hits = time.process_time(), 0
    for batch in batches:
        hits += len(evaluate(batch))
    events = sum(map(len, batches))
    return {"events_per_s": events / (time.process_time() - started), "events": events, "hits": hits}


def _two_cores(every: int, seed: int) -> dict[str, float]:
    """Two processes with half of the batches each, from the moment both are ready to the end of the later one."""
    context = multiprocessing.get_context("spawn")
    ready, results = context.Barrier(2), context.Queue()
    workers = [context.Process(target=_worker, args=(number, every, seed, ready, results)) for number in range(2)]
    for worker in workers:
        worker.start()
    spans = [results.get(timeout=300) for _ in workers]
    for worker in workers:
        worker.join()
    events = sum(span[0] for span in spans)
    wall_s = max(span[2] for span in spans) - min(span[1] for span in spans)
    return {
        "events_per_s": events / wall_s,
        "events": events,
        "cpu_s": sum(span[3] for span in spans),
        "wall_s": wall_s,
    }


def _worker(number: int, every: int, seed: int, ready: Any, results: Any) -> None:
    plan = RuleSet(corpus().rules)
    lines = perturbed(recorded(every=every)[number::2], Rng(seed).child(f"worker {number}"))
    batches = read(lines, rows=_ROWS)
    ready.wait()
    started, cpu_s = time.perf_counter(), time.process_time()
    for batch in batches:
        plan.evaluate(batch)
    results.put((len(lines), started, time.perf_counter(), time.process_time() - cpu_s))


def _single(plan: RuleSet, batches: Sequence[EventBatch]) -> dict[str, float]:
    for batch in batches[:200]:
        plan.evaluate(batch)
    spent = []
    for batch in batches[200:]:
        started = time.perf_counter_ns()
        plan.evaluate(batch)
        spent.append((time.perf_counter_ns() - started) / 1_000)
    return {"us_p50": quantile(spent, 0.5), "us_p99": quantile(spent, 0.99), "events": len(spent)}


def _baselines(rules: Corpus, plan: RuleSet, lines: Sequence[bytes]) -> dict[str, Any]:
    batches = read(lines, rows=_ROWS)

    def one_by_one(batch: EventBatch) -> list[int]:
        view = View(batch)
        return [place for rule in plan.for_source(batch.log_source) for place in rule.match_view(view)]

    plain = RuleSet(rules.rules, make=PlainMatcher)
    started = time.process_time()
    for line in lines:
        json.loads(line)
    decode_s = time.process_time() - started
    return {
        "rule_by_rule_events_per_s": _parsed(one_by_one, batches)["events_per_s"],
        "without_hyperscan_events_per_s": _parsed(plain.evaluate, batches)["events_per_s"],
        "json_decode_alone_events_per_s": len(lines) / decode_s,
    }


def _agreement(rules: Corpus, plan: RuleSet, *, every: int) -> dict[str, Any]:
    """What the independent evaluator says of the same events."""
    try:
        peer = Peer(rules.texts)
    except ImportError:
        return {"measured": False, "reason": "pysigma-backend-sqlite is not installed; it is in the extra dev"}
    return {
        "measured": True,
        "rules_in_sqlite": len(peer.queries),
        "refused_by_sqlite": dict(list(peer.refused.items())[:_LISTED]),
        "recorded": _agree_on_recorded(plan, peer, read(recorded(every=every))),
        "generated": _agree_on_generated(rules.rules, plan, peer),
    }


def _agree_on_recorded(plan: RuleSet, peer: Peer, batches: Sequence[EventBatch]) -> dict[str, Any]:
    compared, hits, differences = 0, 0, []
    for log_source, group in by_source(batches).items():
        mine: dict[str, list[int]] = {}
        before = 0
        for batch in group:
            for hit in plan.evaluate(batch):
                mine.setdefault(hit.rule.name, []).append(before + hit.place)
            before += len(batch)
        rules = [rule for rule in plan.for_source(log_source) if rule.name in peer.queries]
        table = peer.table(group, rules)
        for rule in rules:
            ours, theirs = sorted(mine.get(rule.name, [])), table.hits(rule)
            compared, hits = compared + before, hits + len(ours)
            if ours != theirs:
                differences.append(f"{rule.title} on {log_source}: {len(ours)} and {len(theirs)} in SQLite")
        differences += [f"{name}: {reason}" for name, reason in table.failed.items()]
        table.close()
    return {"pairs_of_rule_and_event": compared, "hits": hits, "unexplained_differences": differences[:_LISTED]}


def _agree_on_generated(rules: Sequence[Rule], plan: RuleSet, peer: Peer) -> dict[str, Any]:
    told: Counter[str] = Counter()
    explained: Counter[str] = Counter()
    unexplained, unmatched = [], []
    for rule in rules:
        events = [matching(rule), *near_misses(matching(rule), rule.fields, at=len(rule.title))]
        batch = batch_of(events, rule.log_source)
        ours = sorted(hit.place for hit in plan.evaluate(batch) if hit.rule is rule)
        told["events"] += len(events)
        told["hits"] += len(ours)
        if 0 not in ours:
            unmatched.append(rule.title)
        if rule.name not in peer.queries:
            continue
        table = peer.table([batch], [rule])
        for place in sorted(set(ours) ^ set(table.hits(rule))):
            reason = _explanation(rule, events[place])
            if reason:
                explained[reason] += 1
            else:
                unexplained.append(f"{rule.title}: {events[place]}"[:300])
        unexplained += [f"{name}: {reason}" for name, reason in table.failed.items()]
        table.close()
    return {
        **told,
        "rules_whose_event_matched": len(rules) - len(unmatched),
        "condition_contradicts_its_event": unmatched[:_LISTED],
        "explained_differences": dict(explained),
        "unexplained_differences": unexplained[:_LISTED],
    }


def _explanation(rule: Rule, event: dict[str, Any]) -> str:
    """Why SQLite may say otherwise of this event; empty when it should not."""
    for field in _network_fields(rule.predicate):
        try:
            ipaddress.ip_address(str(event.get(field, "")))
        except ValueError:
            return "SQLite compares networks as text, and the value is no address"
    return ""


def _network_fields(predicate: Predicate) -> list[str]:
    if isinstance(predicate, InNetworks):
        return [predicate.field]
    if isinstance(predicate, AllOf | AnyOf):
        parts = predicate.parts
    else:
        parts = (predicate.part,) if isinstance(predicate, Not) else ()
    return [field for part in parts for field in _network_fields(part)]


def _rss_mib() -> float:
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * 4_096 / (1 << 20) if statm.exists() else 0.0
