"""Estimating an attack model's answer on a quantum device, with what it is compared to beside it.

What quantum gives here is fewer calls of the model for a given accuracy (about 1/ε instead of 1/ε²),
counted in ``AmplitudeEstimate``. It is not time: at these sizes the exact sum takes microseconds,
and it is reported with every estimate.
"""

from dataclasses import dataclass

from phalanx.core import Baseline, InvalidInput, Provenance, Rng
from phalanx.quantum._amplify import Amplifier
from phalanx.quantum._attack import AttackModel
from phalanx.quantum._errors import Contradictory
from phalanx.quantum._limits import MAX_ALPHA, MAX_EPSILON, MAX_SHOTS, MIN_ALPHA, MIN_EPSILON
from phalanx.quantum._search import AmplitudeSearch, Exhausted, Look, confidence_interval, samples_for
from phalanx.quantum._shots import ShotResult, ShotRunner

_SEED_BITS = 63
_ROUNDING = 1e-9
_MAX_BASELINE_SAMPLES = 1 << 20


@dataclass(frozen=True, slots=True)
class AmplitudeEstimate:
    """A probability with an interval that holds with ``confidence``, and how it was come by.

    ``calls`` counts uses of the model, ``monte_carlo_calls`` the samples that Monte Carlo would need for
    an interval as narrow under the same bound. ``agrees`` says whether the exact answer, which is known at
    these sizes, lies in the interval. ``provenance`` has one entry per device that answered.
    """

    estimate: float
    interval: tuple[float, float]
    confidence: float
    calls: int
    monte_carlo_calls: int
    agrees: bool
    looks: tuple[Look, ...]
    provenance: tuple[Provenance, ...]


async def estimate_probability(
    model: AttackModel,
    *,
    run: ShotRunner,
    seed: int,
    epsilon: float = 0.01,
    alpha: float = 0.05,
    max_shots: int = MAX_SHOTS,
) -> AmplitudeEstimate:
    """The probability that the attacker got through, to within ``epsilon`` but for a chance of ``alpha``.

    ``max_shots`` is what the device takes at once. The interval holds on a device that computes what it is
    told. Noise shifts the answer, and only gross noise shows in the answers themselves (``Contradictory``);
    less of it shows in ``agrees``.
    """
    _check("epsilon", epsilon, MIN_EPSILON, MAX_EPSILON)
    _check("alpha", alpha, MIN_ALPHA, MAX_ALPHA)
    amplifier = Amplifier(model)
    search = AmplitudeSearch(epsilon=epsilon, alpha=alpha, max_shots=max_shots)
    answers: list[ShotResult] = []
    looks: list[Look] = []
    while not search.done:
        seed_of_look = Rng(seed).child(f"look/{len(looks)}").bits(_SEED_BITS)
        answers.append(await run(amplifier.circuit(search.power // 2), shots=search.shots, seed=seed_of_look))
        looks.append(Look(search.power, search.shots, amplifier.goals(answers[-1].counts)))
        try:
            search.tell(looks[-1])
        except Exhausted:
            raise Contradictory(answers[-1].provenance.device) from None
    return _summary(model, search.interval, alpha, seed, looks, answers)


def _summary(
    model: AttackModel,
    interval: tuple[float, float],
    alpha: float,
    seed: int,
    looks: list[Look],
    answers: list[ShotResult],
) -> AmplitudeEstimate:
    low, high = interval
    estimate = (low + high) / 2
    calls = sum(look.calls for look in looks)
    exact = _exact(model)
    baselines = (exact, _monte_carlo(model, min(calls, _MAX_BASELINE_SAMPLES), alpha, seed))
    return AmplitudeEstimate(
        estimate=estimate,
        interval=interval,
        confidence=1.0 - alpha,
        calls=calls,
        monte_carlo_calls=samples_for((high - low) / 2, probability=estimate, alpha=alpha),
        agrees=low - _ROUNDING <= exact.value <= high + _ROUNDING,
        looks=tuple(looks),
        provenance=_by_device(answers, seed, baselines),
    )


def _exact(model: AttackModel) -> Baseline:
    n_outcomes = 1 << len(model.stages)
    return Baseline(method="exact", value=model.exact(), error=0.0, cost=n_outcomes, cost_unit="outcomes summed")


def _monte_carlo(model: AttackModel, n_samples: int, alpha: float, seed: int) -> Baseline:
    """The classical method with as many calls of the model as the quantum one made."""
    hits = model.sample(n_samples, Rng(seed).child("monte-carlo"))
    low, high = confidence_interval(hits / n_samples, n_samples, alpha)
    return Baseline(
        method="monte-carlo",
        value=hits / n_samples,
        error=(high - low) / 2,
        cost=n_samples,
        cost_unit="calls of the model",
    )


def _by_device(answers: list[ShotResult], seed: int, baselines: tuple[Baseline, ...]) -> tuple[Provenance, ...]:
    """One provenance per device, in order of first use: a device may have been replaced on the way."""
    groups: dict[tuple[object, ...], list[Provenance]] = {}
    for answer in answers:
        p = answer.provenance
        groups.setdefault((p.origin, p.device, p.mitigation, p.calibrated_at_ns), []).append(p)
    return tuple(
        Provenance(
            origin=group[0].origin,
            device=group[0].device,
            circuits=tuple(dict.fromkeys(digest for p in group for digest in p.circuits)),
            shots=sum(p.shots for p in group),
            seed=seed,
            mitigation=group[0].mitigation,
            calibrated_at_ns=group[0].calibrated_at_ns,
            baselines=baselines,
        )
        for group in groups.values()
    )


def _check(field: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InvalidInput(field, f"lies in [{low}, {high}], got {value}")
