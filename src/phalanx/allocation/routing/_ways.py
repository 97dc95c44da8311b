"""Ways of answering a task, what each is expected to lose, and what rules one out. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from phalanx.allocation._board import Board
from phalanx.allocation._deciding import Decider, Decision
from phalanx.allocation._layouts import Layouts, standing_of
from phalanx.allocation._requirement import requirement_of
from phalanx.allocation.forecasts import expected_wait
from phalanx.allocation.money import run_seconds
from phalanx.allocation.routing._learning import Expectations
from phalanx.allocation.routing._limits import ASSUMED_WORTH, BY_CIRCUIT, LAID_OUT, MAX_LATE, OVERHEAD_S
from phalanx.core import Circuit, InvalidInput, Origin, PhalanxError
from phalanx.devices import DeviceModel, Modality, Money, PriceModel, check_fits, check_runs
from phalanx.quantum import CircuitFeatures, features
from phalanx.quantum.simulators import plan

_HOUR_S = 3_600.0


class Kind(StrEnum):
    """What answers."""

    QUANTUM = "quantum"
    CLASSICAL = "classical"


class Aims(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of an answer. ``worth`` is that of a right answer and ``hour`` what an hour of waiting costs.

    Both are in ``currency``, as ``budget`` is. ``only`` empty: whichever is better. 0 asks for nothing. A worth that is
    told bounds what may be lost: what is expected to lose more than the answer is worth is not done at all.
    """

    fidelity: float = 0.0
    within_s: float = 0.0
    budget: float = 0.0
    worth: float = 0.0
    hour: float = 0.1
    only: str = ""
    currency: str = "USD"

    def __post_init__(self) -> None:
        if not 0.0 <= self.fidelity <= 1.0:
            raise InvalidInput("fidelity", f"{self.fidelity} is not between 0 and 1")
        if min(self.within_s, self.budget, self.worth, self.hour) < 0.0 or not math.isfinite(self.worth + self.hour):
            raise InvalidInput("aims", "times, amounts and worths are not negative, and finite")
        if self.only not in {"", *Kind}:
            raise InvalidInput("only", f"{self.only!r} is neither quantum nor classical")

    @property
    def deadline_s(self) -> float:
        return self.within_s or math.inf

    @property
    def stake(self) -> float:
        """What fidelity is weighed by against time and money, also where no worth is told."""
        return self.worth or ASSUMED_WORTH


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One way as it is expected to be. ``late`` is the chance that it misses the deadline; ``why_not`` rules it out.

    ``expected_s`` is the time before it was corrected by what was learned: what ``Expectations.took`` is told.
    ``stale`` says how old the calibration is where that is more than the limit of the machine.
    """

    name: str
    kind: Kind
    seconds: float
    money: float
    fidelity: float
    late: float = 0.0
    why_not: str = ""
    note: str = ""
    expected_s: float = 0.0
    stale: str = ""


def loss_of(aims: Aims, *, seconds: float, money: float, fidelity: float) -> float:
    """What an answer loses against a right one, free and at once. Too late or below the floor it is worthless."""
    useful = fidelity if seconds <= aims.deadline_s and fidelity >= aims.fidelity else 0.0
    # Nobody waits beyond the deadline.
    waited = min(seconds, aims.deadline_s)
    return aims.stake * (1.0 - useful) + money + aims.hour * waited / _HOUR_S


def expected_loss(aims: Aims, way: Way) -> float:
    """The same of what is expected, its chance to be late included."""
    on_time = way.fidelity * (1.0 - way.late)
    return aims.stake * (1.0 - on_time) + way.money + aims.hour * min(way.seconds, aims.deadline_s) / _HOUR_S


def not_worth_it(aims: Aims, way: Way) -> str:
    """Why giving the task up is expected to lose no more than this way does; empty where the way is better."""
    if not aims.worth or expected_loss(aims, way) < aims.worth:
        return ""
    gained = aims.worth * way.fidelity * (1.0 - way.late)
    spent = expected_loss(aims, way) - aims.worth + gained
    return (
        f"is not worth it: {spent:.3g} {aims.currency}, {way.seconds:.3g} s of waiting included, for an answer that is "
        f"expected to be worth {gained:.3g} of {aims.worth:g} {aims.currency} (fidelity {way.fidelity:.3g})"
    )


def ways_of(
    circuit: Circuit, shots: int, aims: Aims, models: Sequence[DeviceModel], learned: Expectations, layouts: Layouts,
    prices: Mapping[str, PriceModel] | None = None, waits_s: Mapping[str, float] | None = None,
    stale: Mapping[str, str] | None = None,
) -> list[Way]:  # fmt: skip
    """Every device as a way: simulators as classical ones, machines and their emulations as quantum ones.

    The quantum ones are shortlisted, and laid out on the best few. ``prices`` go before those of the models;
    ``waits_s`` are added to what providers say of their queues. Machines that are ``stale``, by name and in words, are
    ways only where no fresher machine is left.
    """
    task = _Task(circuit, features(circuit), shots, aims, learned, prices or {}, waits_s or {})
    found = [_simulated(task, one) for one in models if one.kind is Modality.SIMULATOR and _routed(one)]
    quantum = [one for one in models if one.kind is not Modality.SIMULATOR and not one.only_by_name]
    return found + _quantum(task, quantum, layouts, stale or {}) if quantum else found


def _quantum(
    task: "_Task", quantum: Sequence[DeviceModel], layouts: Layouts, stale: Mapping[str, str]
) -> list[Way]:  # fmt: skip
    """The fresh ones are laid out first: whether one of them is a way is known only when nothing rules it out."""
    board, by_name = Board([standing_of(one) for one in quantum]), {one.name: one for one in quantum}
    decider, wanted = Decider(board, "shortlist", k=LAID_OUT), requirement_of(task.counts, shots=task.shots)
    left_out = {one.name for one in decider.decide(wanted).considered() if one.fits and one.name in stale}
    for name in left_out:
        board.set_open(name, is_open=False)
    ways = _decided(task, by_name, layouts, decider.decide(wanted))
    found = [one for one in ways if one.name not in left_out]
    if any(not one.why_not and by_name[one.name].origin is Origin.HARDWARE for one in found):
        fresher = "and a fresher machine fits"
        return found + [_none(name, Kind.QUANTUM, f"{stale[name]}, {fresher}") for name in sorted(left_out)]
    for name in by_name:
        board.set_open(name, is_open=name in left_out)
    aged = _decided(task, by_name, layouts, decider.decide(wanted)) if left_out else []
    return found + [msgspec.structs.replace(one, stale=stale[one.name]) for one in aged if one.name in left_out]


def _decided(task: "_Task", by_name: Mapping[str, DeviceModel], layouts: Layouts, decision: Decision) -> list[Way]:
    """All of one decision: the best few as they are laid out, and why the others are no ways."""
    found = []
    for one in decision.considered():
        if one.fits and one.name in decision.shortlist:
            found.append(_laid_out(task, by_name[one.name], layouts))
        else:
            why = f"is not among the best {LAID_OUT} of the shortlist" if one.fits else one.reason
            found.append(_none(one.name, Kind.QUANTUM, why))
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    circuit: Circuit
    counts: CircuitFeatures
    shots: int
    aims: Aims
    learned: Expectations
    prices: Mapping[str, PriceModel]
    waits_s: Mapping[str, float]

    def money(self, model: DeviceModel, seconds: float) -> Money:
        price, counts = self.prices.get(model.name, model.price), self.counts
        return price.cost(self.shots, counts.n_one, counts.n_two, counts.n_measured, seconds)


def _routed(model: DeviceModel) -> bool:
    """Of the simulators that the fleet does not choose by itself, the one that is chosen by the circuit."""
    return not model.only_by_name or model.name == BY_CIRCUIT


def _simulated(task: _Task, model: DeviceModel) -> Way:
    if not model.status.takes_work:
        return _none(model.name, Kind.CLASSICAL, f"is {model.status.value}")
    try:
        check_fits(model, task.circuit, task.shots)
        check_runs(model, task.circuit)
        method = None if model.only_by_name or not model.name.endswith(".statevector") else "statevector"
        chosen = plan(task.circuit, shots=task.shots, method=method)
    except PhalanxError as error:
        return _none(model.name, Kind.CLASSICAL, f"cannot: {error}")
    expected_s = chosen.seconds + OVERHEAD_S + task.waits_s.get(model.name, 0.0)
    seconds, late = task.learned.seconds(model.name, expected_s, task.aims.deadline_s)
    way = Way(
        name=model.name, kind=Kind.CLASSICAL, seconds=seconds, money=0.0, fidelity=1.0, late=late, note=chosen.reason,
        expected_s=expected_s,
    )  # fmt: skip
    return _ruled(task.aims, way, task.money(model, seconds))


def _laid_out(task: _Task, model: DeviceModel, layouts: Layouts) -> Way:
    try:
        layout = layouts.layout(task.circuit, model)
    except PhalanxError as error:
        return _none(model.name, Kind.QUANTUM, f"cannot: {error}")
    run_s = run_seconds(model, task.counts, task.shots)
    wait_s = expected_wait(model, None).seconds
    wait_s += task.waits_s.get(model.name, 0.0)
    seconds, late = task.learned.seconds(model.name, wait_s + run_s, task.aims.deadline_s)
    success = math.exp(layout.log_success)
    way = Way(
        name=model.name, kind=Kind.QUANTUM, seconds=seconds, money=0.0, fidelity=task.learned.fidelity(success),
        late=late, expected_s=wait_s + run_s,
        note=f"estimated success {success:.3g}, {layout.mapped.n_swaps} swaps, {wait_s:.3g} s of waiting",
    )  # fmt: skip
    return _ruled(task.aims, way, task.money(model, run_s))


def _none(name: str, kind: Kind, why: str) -> Way:
    return Way(name=name, kind=kind, seconds=0.0, money=0.0, fidelity=0.0, why_not=why)


def _ruled(aims: Aims, way: Way, price: Money) -> Way:
    """The way with its price; ruled out by the first of policy, currency, budget, deadline, fidelity, worth."""
    why = ""
    if aims.only and way.kind != aims.only:
        why = f"only {aims.only} ones are wanted"
    elif price.micros and price.currency != aims.currency:
        why = f"charges in {price.currency}, not in {aims.currency}"
    elif aims.budget and price.amount > aims.budget:
        why = f"would cost {price.amount:,.4g} {price.currency}, more than {aims.budget:g}"
    elif way.late > MAX_LATE:
        why = f"would take {way.seconds:.3g} s, and {aims.within_s:g} s are left"
    elif way.fidelity < aims.fidelity:
        why = f"is expected to reach a fidelity of {way.fidelity:.3g}, below {aims.fidelity:g}"
    told = msgspec.structs.replace(way, money=price.amount)
    return msgspec.structs.replace(told, why_not=why or not_worth_it(aims, told))
