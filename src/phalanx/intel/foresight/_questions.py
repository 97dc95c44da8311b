"""The five questions, each answered by quantum and by classical means that saw the same earlier findings. Pure.

Findings are parted in time: two thirds of their span are seen, the rest judges. Quantum means are the routines of
``phalanx.quantum``, simulated. What is told (``Foretold``) is of the moment after the last finding, or of the split.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, Finding, InvalidInput, Origin, Provenance, Rng, Severity
from phalanx.intel.foresight._histories import (
    histories,
    host_counts,
    one_name_each,
    ranked_onwards,
    recent_rates,
    shape,
    split_of,
    windowed,
)
from phalanx.intel.foresight._limits import BINS, CLASSES, MAX_FINDINGS, MAX_HOSTS, MIN_FINDINGS, WINDOWS
from phalanx.intel.foresight._model import QUESTIONS, Foreseen, ForesightMeans, Foretold, best_of, too_few
from phalanx.learning import ranked_area
from phalanx.quantum import AttackModel, ShotResult, Stage, estimate_probability
from phalanx.quantum.routines import classify, find_novelties, forecast
from phalanx.quantum.simulators import run

Floats = npt.NDArray[np.float64]
T = TypeVar("T")
_EPSILON = 0.05
_STEPS = 120


def foresee(question: str, findings: Sequence[Finding], *, seed: int) -> Foreseen:
    """Raises ``InvalidInput`` for a question that there is not, and for too few findings."""
    if question not in QUESTIONS:
        raise InvalidInput("question", f"{question!r} is none of {', '.join(QUESTIONS)}")
    rows = one_name_each(sorted(findings, key=lambda one: (one.first_seen_ns, one.id))[-MAX_FINDINGS:])
    if len(rows) < MIN_FINDINGS or rows[0].first_seen_ns == rows[-1].first_seen_ns:
        raise too_few(len(rows), MIN_FINDINGS)
    return _ASKED[question](rows, seed)


def _evolution(rows: Sequence[Finding], seed: int) -> Foreseen:
    """How many findings of the most frequent tactics come next: a quantum reservoir beside autoregression."""
    begin, end = rows[0].first_seen_ns, rows[-1].first_seen_ns
    classes = [name for name, _ in Counter(tactic for one in rows for tactic in one.tactics).most_common(CLASSES)]
    errors: dict[str, list[float]] = {}
    told = []
    for name in classes or ["all"]:
        times = [one.first_seen_ns for one in rows if name in one.tactics or not classes]
        series = np.histogram(np.array(times, dtype=np.float64), bins=BINS, range=(begin, end))[0].astype(np.float64)
        answer = forecast(series.tolist(), seed=seed)
        for method, off in answer.found["mean_off"].items():
            errors.setdefault(method, []).append(off / (float(series.std()) or 1.0))
        best = min((one for one in answer.classical), key=lambda one: one.value).method
        told.append(
            Foretold(
                subject=name,
                quantum=answer.found["next_by"]["reservoir"],
                classical=answer.found["next_by"].get(best, float(series[-1])),
            )
        )
    means = tuple(
        ForesightMeans(method=method, quantum=method == "reservoir", score=float(np.mean(each)))
        for method, each in errors.items()
    )
    return _made("evolution", "error over the spread of the series", rows, means, told,
                 judged=BINS - 2 * BINS // 3, less_is_better=True, floor=None)  # fmt: skip


def _paths(rows: Sequence[Finding], _: int) -> Foreseen:
    """Where it goes from the newest host of a serious finding: a quantum walk over entities, a classical one, distance.

    Judged window by window, each from what was known when it began, by the hosts that had a serious finding in it.
    Where nothing is serious every finding counts.
    """
    split, width, windows = windowed(rows)
    counts = {one.id for one in rows if one.severity >= Severity.HIGH} or {one.id for one in rows}
    areas: dict[str, list[float]] = {}
    judged = 0
    for at in range(windows, WINDOWS):
        until_ns = rows[0].first_seen_ns + int(at * width)
        seen = [one for one in rows if one.first_seen_ns <= until_ns]
        known = ranked_onwards(seen, counts)
        if known is None:
            continue
        candidates, scores = known
        after = [one for one in rows if until_ns < one.first_seen_ns <= until_ns + width and one.id in counts]
        came = {str(entity) for one in after for entity in one.entities}
        so = np.array([name in came for name in candidates])
        if so.any() and not so.all():
            judged += len(candidates)
            for method, each in scores.items():
                areas.setdefault(method, []).append(float(ranked_area(each, so)))
    found = ranked_onwards(rows, counts)
    if found is None:
        raise InvalidInput("findings", "no other host hangs together with the one of the newest finding that counts")
    candidates, scores = found
    means = tuple(
        ForesightMeans(
            method=name, quantum=name == "quantum walk", score=float(np.mean(areas[name])) if areas else None
        )
        for name in scores
    )
    told = _told(candidates, scores, means)
    return _made("paths", "ROC area over hosts that come next", rows, means, told, judged=judged, split_ns=split)


def _risk(rows: Sequence[Finding], seed: int) -> Foreseen:
    """That a host is entered and then used in the next window: amplitude estimation beside Monte Carlo and the sum.

    Judged window by window, each from what was known when it began. Who knows nothing says of every host how often it
    came to pass until then.
    """
    split, width, windows = windowed(rows)
    counts = host_counts(rows, width)
    before = Counter({name: int(each[:, :windows].sum()) for name, each in counts.items()})
    hosts = [name for name, _ in before.most_common(MAX_HOSTS)]
    table = np.array([counts[name] for name in hosts])
    so: npt.NDArray[np.bool_] = np.asarray((table > 0).all(axis=1))
    chances: dict[str, list[list[float]]] = {"amplitude estimation": [], "Monte Carlo": [], "exact sum": []}
    for at in range(windows, WINDOWS + 1):
        each = _entered_and_used(hosts, recent_rates(table[:, :, :at]), seed + at)
        for method, told_of in each.items():
            chances[method].append(told_of)
    usual = np.array([so[:, :at].mean() for at in range(windows, WINDOWS)])
    truth = so[:, windows:].T.astype(np.float64)
    means = tuple(
        ForesightMeans(method=name, quantum=name == "amplitude estimation",
              score=float(((np.array(each[:-1]) - truth) ** 2).mean()) if truth.size else None)
        for name, each in chances.items()
    )  # fmt: skip
    told = _told(hosts, {name: np.array(each[-1]) for name, each in chances.items()}, means, less_is_better=True)
    return _made("risk", "Brier score over hosts and later windows", rows, means, told, judged=int(truth.size),
                 less_is_better=True, split_ns=split,
                 floor=float(((usual[:, None] - truth) ** 2).mean()) if truth.size else None)  # fmt: skip


def _entered_and_used(hosts: Sequence[str], rates: Floats, seed: int) -> dict[str, list[float]]:
    """By method, for each host: that there is at least one finding of either kind, at these ``rates`` of a window."""
    found: dict[str, list[float]] = {"amplitude estimation": [], "Monte Carlo": [], "exact sum": []}
    for name, risks in zip(hosts, 1 - np.exp(-rates), strict=True):
        model = AttackModel.through([[Stage("entry", (float(risks[0]),))], [Stage("use", (float(risks[1]),))]])
        estimate = _finished(
            estimate_probability(model, run=_ideal, seed=Rng(seed).child(name).bits(63), epsilon=_EPSILON)
        )
        found["amplitude estimation"].append(estimate.estimate)
        found["Monte Carlo"].append(model.sample(estimate.calls, Rng(seed).child(name)) / estimate.calls)
        found["exact sum"].append(model.exact())
    return found


def _vulnerability(rows: Sequence[Finding], seed: int) -> Foreseen:
    """Which hosts have a serious finding in the next window: a variational classifier beside boosted stumps."""
    split, width, windows = windowed(rows)
    table = histories(rows, width)
    x = np.array([features for _, at, features, _ in table if at < windows])
    y = [serious for _, at, _, serious in table if at < windows]
    asked = np.array([features for _, at, features, _ in table if at >= windows])
    truth = [serious for _, at, _, serious in table if at >= windows]
    if not len(x) or not len(asked) or all(y) or not any(y):
        raise InvalidInput("findings", "serious findings are everywhere or nowhere before the split")
    answer = classify(x, y, asked, truth=truth, seed=seed, qubits=4, steps=_STEPS)
    judges = any(truth) and not all(truth)
    means = tuple(
        ForesightMeans(method=name, quantum=name == "variational classifier", score=area if judges else None)
        for name, area in answer.found["areas"].items()
    )
    last = max(at for _, at, _, _ in table)
    newest = [
        (host, place) for place, (host, at, _, _) in enumerate(one for one in table if one[1] >= windows) if at == last
    ]
    places = [place for _, place in newest]
    chances = {name: np.array(each)[places] for name, each in answer.found["probability_by"].items()}
    told = _told([host for host, _ in newest], chances, means)
    return _made("vulnerability", "ROC area over hosts and later windows", rows, means, told, judged=len(truth),
                 split_ns=split)  # fmt: skip


def _novelty(rows: Sequence[Finding], seed: int) -> Foreseen:
    """Which findings are of a kind never seen: a quantum Boltzmann machine beside a classical one, a forest."""
    split = split_of(rows)
    seen = [one for one in rows if one.first_seen_ns <= split]
    later = [one for one in rows if one.first_seen_ns > split]
    known = {technique for one in seen for technique in (*one.techniques, one.rule)}
    labels = [not known & {*one.techniques, one.rule} for one in later]
    if not later:
        raise too_few(len(rows), MIN_FINDINGS)
    answer = find_novelties(
        np.array([shape(one) for one in seen]), np.array([shape(one) for one in later]), seed=seed, labels=labels
    )
    judges = any(labels) and not all(labels)
    means = tuple(
        ForesightMeans(method=name, quantum=name.startswith("quantum"), score=area if judges else None)
        for name, area in answer.found["areas"].items()
    )
    scores = {name: np.array(each) for name, each in answer.found["scores_by"].items()}
    told = _told([one.id for one in later], scores, means)
    return _made("novelty", "ROC area over findings of kinds not seen before", rows, means, told, judged=len(later))


_ASKED: Mapping[str, Callable[[Sequence[Finding], int], Foreseen]] = {
    "evolution": _evolution, "paths": _paths, "risk": _risk, "vulnerability": _vulnerability, "novelty": _novelty,
}  # fmt: skip


def _told(
    subjects: Sequence[str], values: Mapping[str, Floats], means: Sequence[ForesightMeans], *,
    less_is_better: bool = False,
) -> list[Foretold]:  # fmt: skip
    """What quantum and the best classical means say of each, in the order of those that did best."""
    quantum = next(one.method for one in means if one.quantum)
    rivals = [one for one in means if not one.quantum]
    rival = best_of(rivals, less_is_better=less_is_better) or rivals[0]
    best = best_of(means, less_is_better=less_is_better)
    order = sorted(range(len(subjects)), key=lambda at: (-values[best.method if best else quantum][at], subjects[at]))
    return [
        Foretold(subject=subjects[at], quantum=float(values[quantum][at]), classical=float(values[rival.method][at]))
        for at in order
    ]


def _made(
    question: str, measure: str, rows: Sequence[Finding], means: tuple[ForesightMeans, ...],
    told: Sequence[Foretold], *, judged: int, less_is_better: bool = False, split_ns: int = 0,
    floor: float | None = 0.5,
) -> Foreseen:  # fmt: skip
    return Foreseen(
        question=question, measure=measure, less_is_better=less_is_better, means=means, told=tuple(told[:20]),
        findings=len(rows), judged=judged, split_ns=split_ns or split_of(rows), floor=floor if judged else None,
        by="" if question == "evolution" or (best := best_of(means, less_is_better=less_is_better)) is None
        else best.method,
    )  # fmt: skip


def _area(scores: Floats, so: npt.NDArray[np.bool_]) -> float | None:
    return float(ranked_area(scores, so)) if so.any() and not so.all() else None


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives that waits for nothing: also where a loop is running already."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    raise RuntimeError("an ideal machine answers at once")


async def _ideal(circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
    made = Provenance(origin=Origin.SIMULATED, device="ideal", circuits=(circuit.digest,), shots=shots, seed=seed)
    return ShotResult(run(circuit, shots=shots, rng=Rng(seed)).counts, made)
