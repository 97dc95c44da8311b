"""What agents foresee, on drawn histories of findings: each question by quantum and by classical means, time-split.

A history has a network, honest findings with a rhythm of days, and intrusions that enter at a host and go along the
network; late in it a technique turns up that nobody has seen. Scores are on the last third, which no method saw. They
say how methods compare on histories of this kind, not on anybody's network. The parameters of foresight were chosen on
other histories of the kind than those that are scored.

``heeded`` is what acting on it is worth: agents foresee with a part of a history, the policy of precautions decides,
and what neither saw tells whether a host that was looked into had a serious finding next, or whether a finding that was
looked into is of an intrusion. ``by_chance`` is the same of whatever was named, approved or not, and of all hosts.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.core import DEFAULT_TENANT, NO_TRACE, Entity, Finding, Outcome, Rng, Severity, derive_id
from phalanx.incidents import HEEDED, PrecautionPolicy, target_of
from phalanx.intel.foresight import QUESTIONS, Foreseen, foresee
from phalanx.learning import bootstrap

_HOSTS, _DAYS, _SEEDS = 24, 30, 6
_DAY_NS = 86_400_000_000_000
_NOISE_A_DAY, _INTRUSIONS = 6, 5
_NEW = "T1611"
# Where a history is cut when it is acted upon; what comes next is a tenth of it.
_SEEN_SHARES = (0.5, 0.7, 0.9)
# The parameters of foresight were chosen on these histories. None of them is scored: of each seed others are drawn.
CHOSEN_ON = range(1_000, 1_006)
_HELD_OUT_FROM = 500


async def foresight_bench(options: BenchOptions) -> BenchResult:
    """Every question on every history."""
    numbers = held_out(options.seed, 2 if options.quick else _SEEDS)
    seeds = len(numbers)
    found: dict[str, list[Foreseen]] = {}
    for number, drawn in enumerate(numbers):
        history = drawn_history(drawn)
        for question in QUESTIONS:
            options.tell(f"history {number + 1} of {seeds}: {question}")
            found.setdefault(question, []).append(foresee(question, history, seed=options.seed + number))
    options.tell("acting on what was foreseen")
    heeded, chance = _heeded([drawn_history(number) for number in numbers], options.seed)
    figures: dict[str, Any] = {"heeded": heeded}
    baselines: dict[str, Any] = {"by_chance": chance}
    for question, each in found.items():
        measure = {"measure": each[0].measure, "less_is_better": each[0].less_is_better}
        for at, means in enumerate(each[0].means):
            scores = [one.means[at].score for one in each]
            into = figures if means.quantum else baselines
            into.setdefault(question, dict(measure))[means.method] = _interval(scores, options.rng.child(question))
    return BenchResult(
        load={
            "histories": seeds, "hosts": _HOSTS, "days": _DAYS, "intrusions_each": _INTRUSIONS,
            "findings_each": len(drawn_history(numbers[0])), "split": "two thirds seen, one third judges",
            "quantum_means_are": "simulated", "scored_on_histories": _span(numbers),
            "parameters_were_chosen_on_histories": _span(CHOSEN_ON),
        },
        figures=figures, baselines=baselines,
    )  # fmt: skip


def held_out(seed: int, n: int) -> range:
    """The histories that are scored: none that a parameter was chosen on, whatever the seed."""
    first = seed * 1_000 + _HELD_OUT_FROM
    return range(first, first + n)


def _span(numbers: range) -> str:
    return f"{numbers[0]} to {numbers[-1]}"


def _heeded(histories: Sequence[list[Finding]], seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """By question: what was approved and refused, and how much of it came to pass."""
    policy = PrecautionPolicy()
    figures: dict[str, Any] = {}
    chance: dict[str, Any] = {}
    for question in HEEDED:
        approved, named, everybody = [], [], []
        for history in histories:
            for share in _SEEN_SHARES:
                cut = int(share * len(history))
                known, later = history[:cut], history[cut : cut + len(history) // 10]
                seen = foresee(question, known, seed=seed)
                truth = _truth(question, known, later)
                everybody += list(truth.values())
                for place, told in enumerate(seen.told[: policy.max_targets]):
                    so = truth.get(target_of(question, told).value, False)
                    named.append(so)
                    ruling = policy.rule(question, seen, told, place=place, known=True)
                    approved += [so] if ruling.outcome is Outcome.APPROVED else []
        figures[question] = {
            "approved": len(approved), "refused": len(named) - len(approved),
            "right_share": round(float(np.mean(approved)), 4) if approved else None,
        }  # fmt: skip
        chance[question] = {
            "named_right_share": round(float(np.mean(named)), 4), "all_share": round(float(np.mean(everybody)), 4),
        }  # fmt: skip
    return figures, chance


def _truth(question: str, known: list[Finding], later: list[Finding]) -> dict[str, bool]:
    if question == "novelty":
        return {one.id: one.severity >= Severity.HIGH for one in known[2 * len(known) // 3 :]}
    serious = {one.value for each in later if each.severity >= Severity.HIGH for one in each.entities}
    return {f"h{host}": f"h{host}" in serious for host in range(_HOSTS)}


def _interval(scores: list[float | None], rng: Rng) -> dict[str, Any]:
    known = np.array([score for score in scores if score is not None])
    if not known.size:
        return {"judged": 0}
    value, low, high = bootstrap(lambda places: float(known[places].mean()), len(known), rng=rng)
    return {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4), "judged": int(known.size)}


def drawn_history(seed: int) -> list[Finding]:
    """Findings of a month; the same seed, the same findings."""
    rng = Rng(seed).child("history")
    near = {host: {(host + 1) % _HOSTS, rng.integer(0, _HOSTS)} - {host} for host in range(_HOSTS)}
    found: list[Finding] = []

    def add(host: int, at_ns: int, tactic: str, technique: str, severity: Severity, other: int | None = None) -> None:
        entities = [Entity("host", f"h{host}"), Entity("user", f"u{host % 7}")]
        if other is not None:
            entities.append(Entity("host", f"h{other}"))
        found.append(
            Finding(
                id=derive_id(at_ns, "finding", str(len(found))), tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns,
                case=f"h{host}", rule=f"rule-{technique}", title=technique, severity=severity,
                confidence=min(1.0, 0.3 + 0.15 * severity + rng.uniform(0, 0.1)), techniques=(technique,),
                tactics=(tactic,), entities=tuple(entities), evidence=(), hits=1 + rng.integer(0, 4 * severity),
                first_seen_ns=at_ns, last_seen_ns=at_ns + rng.integer(0, 3_600) * 1_000_000_000, accepted_at_ns=at_ns,
                found_at_ns=at_ns, explanation="drawn",
            )
        )  # fmt: skip

    for day in range(_DAYS):
        for _ in range(_NOISE_A_DAY - (3 if day % 7 > 4 else 0)):
            hour = 8 + rng.gauss(5, 2)
            host = rng.integer(0, _HOSTS)
            add(host, int((day + hour / 24) * _DAY_NS), "discovery", f"T10{10 + host % 5}", Severity.LOW)
    for number in range(_INTRUSIONS):
        begun = 2 + number * (_DAYS - 6) / _INTRUSIONS + rng.uniform(0, 2)
        inside = [rng.integer(0, _HOSTS)]
        for turn in range(6):
            host = rng.choice(inside)
            at_ns = int((begun + 0.4 * turn + rng.uniform(0, 0.2)) * _DAY_NS)
            add(host, at_ns, "execution", "T1059", Severity.HIGH)
            onwards = sorted(near[host] - set(inside))
            if onwards:
                inside.append(rng.choice(onwards))
                add(host, at_ns + _DAY_NS // 10, "lateral-movement", "T1021", Severity.HIGH, inside[-1])
            if number == _INTRUSIONS - 1:
                add(host, at_ns + _DAY_NS // 8, "privilege-escalation", _NEW, Severity.CRITICAL)
    return sorted(found, key=lambda one: one.first_seen_ns)
