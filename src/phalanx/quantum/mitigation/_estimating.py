"""The mean of an observable on a machine, with mitigation and without."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.core import Circuit, InvalidInput, Origin, Provenance, Rng
from phalanx.quantum._arrays import steps_of
from phalanx.quantum._canonical import Steps, write
from phalanx.quantum._observables import Observable
from phalanx.quantum._shots import ShotResult
from phalanx.quantum.emulation import Machine
from phalanx.quantum.mitigation._cancelling import Cancelling
from phalanx.quantum.mitigation._extrapolating import extrapolated
from phalanx.quantum.mitigation._folding import folded
from phalanx.quantum.mitigation._limits import BOOTSTRAP_DRAWS
from phalanx.quantum.mitigation._means import asked_circuits, exact_value
from phalanx.quantum.mitigation._methods import Cost, Mitigation, cost_of
from phalanx.quantum.mitigation._readout import confusions, nearest_counts, observed, parities, reading_circuits
from phalanx.quantum.mitigation._twirling import twirled

Floats = npt.NDArray[np.float64]
_BITS = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Mitigated:
    """A mean with mitigation, and what it was without; errors are standard errors of drawing shots.

    ``exact`` is the mean on an ideal machine, where that can be simulated, and ``benefit`` how much nearer mitigation
    came to it: below zero, it harmed.
    """

    value: float
    error: float
    plain: float
    plain_error: float
    exact: float | None
    cost: Cost
    terms: tuple[tuple[str, float, float], ...]
    provenance: Provenance

    @property
    def benefit(self) -> float | None:
        if self.exact is None:
            return None
        return abs(self.plain - self.exact) - abs(self.value - self.exact)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One circuit on the machine, and the terms it answers, each by the bits whose parity it is."""

    fitted: Steps
    bits: tuple[tuple[int, ...], ...]
    places: tuple[int, ...]


def plan(
    circuit: Circuit, observable: Observable, machine: Machine, wanted: Mitigation, *, shots: int, force: bool = False
) -> Cost:
    """What ``estimate`` would take; nothing is run. Raises as it does."""
    return _cost(_asked(circuit, observable, machine), machine, wanted, shots, force=force)[0]


def estimate(
    circuit: Circuit, observable: Observable, machine: Machine, wanted: Mitigation, *, shots: int, seed: int,
    force: bool = False,
) -> Mitigated:  # fmt: skip
    """The mean of ``observable`` after the gates of ``circuit``, whose own measurements are left out.

    ``shots`` are those of each circuit that is not mitigated, and of each strength of noise. Each circuit is laid on
    the machine once, so that all its variants are on the same qubits.
    """
    asked = _asked(circuit, observable, machine)
    cost, cancelling = _cost(asked, machine, wanted, shots, force=force)
    rng = Rng(seed).child("mitigation")
    helped = replace(machine, decoupling=wanted.decoupling or machine.decoupling)
    means = np.zeros((2, len(observable.terms), 2))
    digests: list[str] = []
    for at, one in enumerate(asked):
        part = rng.child(str(at))
        digests.append(write(one.fitted).digest)
        counts = _run(machine, one.fitted, shots, part.child("plain"))
        means[0, list(one.places)] = [parities(counts, bits, None) for bits in one.bits]
        confusion = None
        if wanted.readout:
            zeros, ones = reading_circuits(one.fitted)
            confusion = confusions(
                _run(helped, zeros, shots, part.child("zeros")), _run(helped, ones, shots, part.child("ones"))
            )
        if cancelling:
            found = _cancelled(cancelling[at], one, helped, wanted, shots, confusion, part)
        elif wanted.zne:
            found = _extrapolated(one, helped, wanted, shots, confusion, part)
        else:
            found = _means(one, one.fitted, helped, wanted, shots, confusion, part.child("means"))
        means[1, list(one.places)] = found
    weights = np.array([weight for weight, _ in observable.terms])
    plain, better = observable.constant + means[:, :, 0] @ weights
    plain_error, better_error = np.sqrt((means[:, :, 1] ** 2) @ weights**2)
    made = Provenance(
        origin=Origin.EMULATED, device=machine.name, circuits=tuple(digests), shots=cost.shots, seed=seed,
        mitigation=str(wanted), calibrated_at_ns=machine.calibrated_at_ns,
    )  # fmt: skip
    terms = tuple(
        (str(Observable(((1.0, pauli),))), float(means[0, at, 0]), float(means[1, at, 0]))
        for at, (_, pauli) in enumerate(observable.terms)
        if pauli
    )
    return Mitigated(
        value=float(better), error=float(better_error), plain=float(plain), plain_error=float(plain_error),
        exact=exact_value(circuit, observable), cost=cost, terms=terms, provenance=made,
    )  # fmt: skip


def mitigated_counts(machine: Machine, circuit: Circuit, wanted: Mitigation, *, shots: int, seed: int) -> ShotResult:
    """Outcomes with what can be done to outcomes: readout on those seen, decoupling, frames.

    Raises ``InvalidInput`` for what only means can have (zne, pec).
    """
    if wanted.zne or wanted.cancelling:
        raise InvalidInput("methods", "zne and pec give a mean, not outcomes: phalanx quantum mitigate")
    helped = replace(machine, decoupling=wanted.decoupling or machine.decoupling)
    rng = Rng(seed).child("mitigated")
    fitted = steps_of(machine.fitted(circuit))
    counts = _framed(fitted, helped, wanted.twirls, shots, rng.child("frames"))
    if wanted.readout:
        zeros, ones = reading_circuits(fitted)
        confusion = confusions(
            _run(helped, zeros, shots, rng.child("zeros")), _run(helped, ones, shots, rng.child("ones"))
        )
        counts = nearest_counts(observed(counts, confusion), shots)
    done = replace(wanted, decoupling="")
    return helped.told(circuit, counts, shots=shots, seed=seed, mitigation=str(done))


class Mitigating:
    """A ``ShotRunner`` on a machine whose outcomes are mitigated: what a step runs its circuits on."""

    def __init__(self, machine: Machine, wanted: Mitigation) -> None:
        self._machine, self._wanted = machine, wanted

    async def __call__(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        return mitigated_counts(self._machine, circuit, self._wanted, shots=shots, seed=seed)


def _asked(circuit: Circuit, observable: Observable, machine: Machine) -> list[_Asked]:
    return [
        _Asked(steps_of(machine.fitted(one.circuit)), one.bits, one.places)
        for one in asked_circuits(circuit, observable)
    ]


def _cost(
    asked: list[_Asked], machine: Machine, wanted: Mitigation, shots: int, *, force: bool
) -> tuple[Cost, list[Cancelling]]:
    cancelling = [Cancelling(one.fitted, machine.noise, machine.basis) for one in asked] if wanted.cancelling else []
    overhead = max((one.overhead for one in cancelling), default=1.0)
    return cost_of(wanted, groups=len(asked), shots=shots, overhead=overhead, force=force), cancelling


def _run(machine: Machine, steps: Steps, shots: int, rng: Rng) -> dict[str, int]:
    return machine.outcomes(write(steps), shots=shots, seed=rng.bits(_BITS))


def _framed(steps: Steps, machine: Machine, twirls: int, shots: int, rng: Rng) -> dict[str, int]:
    """Outcomes over Pauli frames, the shots shared among them."""
    if not twirls:
        return _run(machine, steps, shots, rng)
    counts: dict[str, int] = {}
    for at in range(min(twirls, shots)):
        part = shots // twirls + (at < shots % twirls)
        frame = twirled(steps, machine.basis, rng.child(f"frame/{at}"))
        for key, count in _run(machine, frame, part, rng.child(f"run/{at}")).items():
            counts[key] = counts.get(key, 0) + count
    return counts


def _means(
    one: _Asked, steps: Steps, machine: Machine, wanted: Mitigation, shots: int, confusion: Floats | None, rng: Rng
) -> list[tuple[float, float]]:
    counts = _framed(steps, machine, wanted.twirls, shots, rng)
    if confusion is not None and wanted.readout == "observed":
        quasi = observed(counts, confusion)
        means = [sum(p * (-1) ** sum(int(key[bit]) for bit in bits) for key, p in quasi.items()) for bits in one.bits]
        # Undoing stretches what drawing shots left to chance as much as it does bit by bit.
        return [(mean, parities(counts, bits, confusion)[1]) for mean, bits in zip(means, one.bits, strict=True)]
    return [parities(counts, bits, confusion) for bits in one.bits]


def _extrapolated(
    one: _Asked, machine: Machine, wanted: Mitigation, shots: int, confusion: Floats | None, rng: Rng
) -> list[tuple[float, float]]:
    found: list[Any] = []
    for scale in wanted.scales:
        part = rng.child(f"scale/{scale}")
        steps = folded(one.fitted, scale, how=wanted.folding, rng=part.child("fold"))
        found.append(_means(one, steps, machine, wanted, shots, confusion, part))
    values = np.array(found)
    best = extrapolated(wanted.scales, values[:, :, 0], wanted.zne)
    noise = rng.child("bootstrap").numpy().normal(size=(BOOTSTRAP_DRAWS, *values.shape[:2]))
    again = [extrapolated(wanted.scales, values[:, :, 0] + draw * values[:, :, 1], wanted.zne) for draw in noise]
    return list(zip(best.tolist(), np.std(again, axis=0).tolist(), strict=True))


def _cancelled(
    cancelling: Cancelling, one: _Asked, machine: Machine, wanted: Mitigation, shots: int, confusion: Floats | None,
    rng: Rng,
) -> list[tuple[float, float]]:  # fmt: skip
    each = max(1, shots // wanted.cancelling)
    values = np.empty((wanted.cancelling, len(one.bits)))
    for at in range(wanted.cancelling):
        part = rng.child(f"drawn/{at}")
        steps, weight = cancelling.drawn(part)
        counts = _run(machine, steps, each, part)
        values[at] = [weight * parities(counts, bits, confusion)[0] for bits in one.bits]
    errors = values.std(axis=0) / np.sqrt(wanted.cancelling)
    return list(zip(values.mean(axis=0).tolist(), errors.tolist(), strict=True))
