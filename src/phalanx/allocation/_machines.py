"""Which machine a program without gates goes to, and why.

Policies compare circuits by the fidelity predicted from their gates. For a program nobody can predict how good its
outcomes will be, so a minimum fidelity is refused at submission. All other wishes hold: only machines that accept the
program in the wished regions, within budget and by the deadline are considered, and among those only the ones with the
least disturbed kind of result. Machines in doubt come last, then those with a long wait; of the rest the smallest is
taken, which keeps larger machines free for programs that need them. An emergency goes to the machine that finishes
soonest.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from phalanx.allocation._board import Board
from phalanx.allocation._errors import NothingFits
from phalanx.allocation._explaining import DeviceReason, Explanation
from phalanx.allocation._failover import Breakers
from phalanx.allocation._layouts import run_seconds, times_of
from phalanx.allocation._limits import PROGRAM_PATIENCE_S
from phalanx.allocation._requirement import Gateless
from phalanx.allocation.limits import DeviceLimits
from phalanx.core import Clock, Origin
from phalanx.devices import Chosen, DeviceModel, Fleet, Program, ProgramKind, Status, Wish, in_short, unwished

GATELESS = "gateless"
_DISTURBED = (Origin.SIMULATED, Origin.EMULATED, Origin.HARDWARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a machine offers a program now. ``doubt`` says why it may not go well there; empty if nothing is known."""

    model: DeviceModel
    wait_s: float
    run_s: float
    doubt: str = ""

    @property
    def done_s(self) -> float:
        return self.wait_s + self.run_s

    @property
    def too_long_s(self) -> float:
        """How long new work waits there beyond what is negligible."""
        return max(0.0, self.wait_s - PROGRAM_PATIENCE_S)


class Machines:
    """The machines of a fleet, with what is known about them now. ``models`` are kept up to date by whoever owns them;
    ``run_s``: how long completed runs took there."""

    def __init__(
        self, fleet: Fleet, models: Sequence[DeviceModel], clock: Clock, board: Board, breakers: Breakers,
        limits: DeviceLimits | None, run_s: Callable[[str], float],
    ) -> None:  # fmt: skip
        self._fleet, self._models, self._clock, self._board = fleet, models, clock, board
        self._breakers, self._limits, self._run_s = breakers, limits, run_s

    def find(self, program: Program, wish: Wish, paused: Mapping[str, str]) -> Explanation:
        """Where it goes now, by the current content of the board."""
        away = {**paused, **wish.without}
        found = self._fleet.program_refusals(program, shots=wish.shots, origin=wish.origin)
        refused = {name: why or away.get(name, "") for name, why in found.items()}
        offers = [self._offer(model, wish) for model in self._models]
        return placed(program, wish, offers, refused, at_ns=self._clock.wall_ns() if wish.subject else 0)

    def chosen(self, found: Explanation) -> Chosen:
        """Raises ``NothingFits``."""
        if not found.device:
            raise NothingFits(found.wanted, in_short({one.device: one.reason for one in found.devices}))
        order = tuple(one.device for one in found.devices if one.fits)
        of = {name: self._fleet.backend(name).device.provider for name in order}
        return Chosen(found.device, found.reason, order, frozenset(one for one in order if of[one] == of[found.device]))

    def refusal(self, program: Program, wish: Wish, model: DeviceModel) -> str:
        """Why a machine that somebody named does not meet the wishes; empty if it does."""
        told = ungranted(program, wish, self._offer(model, wish))
        return f"it {told}" if told else ""

    def _offer(self, model: DeviceModel, wish: Wish) -> Offer:
        own_s = machine_seconds(model, wish.shots)
        return Offer(
            model=model, wait_s=self._board.wait_s(model.name), doubt=self._doubt(model, wish),
            run_s=self._run_s(model.name) if own_s is None else own_s,
        )  # fmt: skip

    def _doubt(self, model: DeviceModel, wish: Wish) -> str:
        """Urgent work is not what a machine is tried out with after failures."""
        if self._limits is not None and (stale := self._limits.stale(model)):
            return stale
        if model.is_unlisted and wish.budget < math.inf:
            return "nobody says what it costs"
        if wish.emergency or wish.deadline_s < math.inf:
            if model.status is Status.DEGRADED:
                return f"is {model.status.value}"
            if self._breakers.pause_s(model.name, model.provider, self._clock.monotonic_ns()) is not None:
                return "has failed, and is tried again"
        return ""


def machine_seconds(model: DeviceModel, shots: int) -> float | None:
    """How long this many shots take on a real machine whose times are known, or usual for its kind; otherwise None.

    Simulation and emulation take as long as they take on this node, not as long as the machine would.
    """
    if model.origin is not Origin.HARDWARE or math.isnan(times_of(model)[2]):
        return None
    return run_seconds(model, Gateless(model.n_qubits), shots)


def ungranted(program: Program, wish: Wish, offer: Offer) -> str:
    """Why the machine does not meet region, budget or deadline; empty if it does."""
    if elsewhere := unwished(offer.model, wish):
        return elsewhere.removeprefix("it ")
    # The same estimate as the hold on budgets: time on the machine, without waiting.
    took_s = run_seconds(offer.model, Gateless(program.n_qubits), wish.shots)
    cost = offer.model.price.cost(wish.shots, 0, 0, 0, took_s)
    if cost.amount > wish.budget:
        return f"would cost {cost.amount:,.4g} {cost.currency}, more than {wish.budget:g}"
    if offer.done_s > wish.deadline_s:
        return f"would be done in {_seconds(offer.done_s)}, and {_seconds(wish.deadline_s)} are left"
    return ""


def placed(
    program: Program, wish: Wish, offers: Sequence[Offer], refused: Mapping[str, str], *, at_ns: int = 0
) -> Explanation:
    """``refused`` maps each machine to why it does not accept the program, or to nothing. No device: nothing fits."""
    why_not = {one.model.name: refused[one.model.name] or ungranted(program, wish, one) for one in offers}
    fitting = [one for one in offers if not why_not[one.model.name]]
    kind = min((one.model.origin for one in fitting), key=_DISTURBED.index, default=None)
    alike = sorted((one for one in fitting if one.model.origin is kind), key=lambda one: _order(program, wish, one))
    wanted, rows, reason = _wanted(program, wish), list[DeviceReason](), ""
    for one in alike:
        told = _behind(program, wish, one, alike[0]) if rows else _first(program, wish, alike)
        rows.append(DeviceReason(device=one.model.name, fits=True, score=0.0, reason=told))
    if kind is not None:
        reason = f"{rows[0].device} {rows[0].reason}: {_among(len(alike), len(fitting))} {wanted}"
        why_not |= {
            one.model.name: f"gives {one.model.origin.value} results, and {kind.value} ones are less disturbed"
            for one in fitting
            if one.model.origin is not kind
        }
    rows += [
        DeviceReason(device=name, fits=False, score=0.0, reason=why) for name, why in sorted(why_not.items()) if why
    ]
    return Explanation(
        policy=GATELESS, wanted=wanted, device=rows[0].device if alike else "",
        reason=reason or "no machine takes it and grants what is wished", devices=tuple(rows), subject=wish.subject,
        at_ns=at_ns,
    )  # fmt: skip


def _order(program: Program, wish: Wish, one: Offer) -> tuple[bool, float, float, float, str]:
    size, name = float(_size(program, one.model)), one.model.name
    if wish.emergency:
        return bool(one.doubt), one.done_s, size, 0.0, name
    return bool(one.doubt), one.too_long_s, size, one.wait_s, name


def _first(program: Program, wish: Wish, alike: Sequence[Offer]) -> str:
    """What speaks for the first; if it is in doubt, why it is."""
    first, size = alike[0], _size(program, alike[0].model)
    has = f"has {size:,} {program.kind.width_in}"
    if first.doubt:
        return f"{has}, and {first.doubt}"
    if len(alike) == 1:
        return has
    if wish.emergency:
        return f"{has}, and is done soonest"
    passed = any(_size(program, one.model) < size for one in alike)
    return f"{has}, and is the smallest" + (" that is in order and free" if passed else "")


def _behind(program: Program, wish: Wish, one: Offer, first: Offer) -> str:
    name = first.model.name
    if one.doubt:
        return f"fits, but {one.doubt}"
    if wish.emergency and one.done_s > first.done_s:
        return f"fits, but {name} is done sooner"
    if not wish.emergency and one.too_long_s > first.too_long_s:
        return f"fits, but new work waits {one.wait_s:,.0f} s there"
    if _size(program, first.model) < _size(program, one.model):
        return f"fits, but {name} is smaller"
    return f"fits as {name} does, which was taken"


def _among(n_alike: int, n_fitting: int) -> str:
    if n_fitting == 1:
        return "no other machine fits"
    if n_alike == 1:
        return f"of {n_fitting} machines the least disturbed that fits"
    return f"of {n_alike} machines as little disturbed that fit"


def _size(program: Program, model: DeviceModel) -> int:
    return model.photonic.modes if program.kind is ProgramKind.PHOTONIC and model.photonic else model.n_qubits


def _wanted(program: Program, wish: Wish) -> str:
    """The request in words, for errors and explanations."""
    kind = f"{wish.origin.value} " if wish.origin is not None else ""
    parts = [f"{program.n_qubits:,} {kind}{program.kind.width_in} and {wish.shots:,} shots at once"]
    if wish.deadline_s < math.inf:
        parts.append(f"within {_seconds(wish.deadline_s)}")
    if wish.budget < math.inf:
        parts.append(f"for at most {wish.budget:g}")
    if wish.regions:
        parts.append(f"in {', '.join(sorted(wish.regions))}")
    return ", ".join(parts)


def _seconds(value: float) -> str:
    """Digits only where they matter."""
    return f"{value:,.0f} s" if value >= 100.0 else f"{value:.3g} s"
