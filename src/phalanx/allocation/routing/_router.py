"""The choice among ways, with the reason; and a router that learns from what came of its choices."""

from collections.abc import Mapping, Sequence

import msgspec

from phalanx.allocation._layouts import Layouts
from phalanx.allocation.routing._learning import Expectations
from phalanx.allocation.routing._ways import Aims, Kind, Way, expected_loss, ways_of
from phalanx.core import Circuit
from phalanx.devices import DeviceModel, PriceModel


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One way as it was judged: what it is expected to lose, and why it was taken or not."""

    way: Way
    loss: float
    reason: str


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a task goes. ``name`` and ``kind`` are empty where no way is left; ways by what they lose."""

    name: str
    kind: str
    reason: str
    aims: Aims
    ways: tuple[Verdict, ...]


def judge(aims: Aims, ways: Sequence[Way]) -> Routed:
    """The way that is expected to lose least. A tie goes to the classical one, then by name."""
    fit = sorted(
        (one for one in ways if not one.why_not),
        key=lambda one: (expected_loss(aims, one), one.kind is not Kind.CLASSICAL, one.name),
    )
    verdicts = [Verdict(way=one, loss=expected_loss(aims, one), reason=_why(aims, one, fit[0])) for one in fit] + [
        Verdict(way=one, loss=aims.stake, reason=one.why_not) for one in ways if one.why_not
    ]
    if not fit:
        refused = "; ".join(f"{one.name} {one.why_not}" for one in list(ways)[:3])
        reason = f"no way is left: {refused}" if ways else "there is no way"
        return Routed(name="", kind="", reason=reason, aims=aims, ways=tuple(verdicts))
    best = fit[0]
    return Routed(
        name=best.name, kind=best.kind.value, reason=_reason(aims, best, fit, ways), aims=aims, ways=tuple(verdicts)
    )


def _why(aims: Aims, one: Way, best: Way) -> str:
    told = f"fidelity {one.fidelity:.3g}, {one.seconds:.3g} s, {one.money:.4g} {aims.currency}{_aged(one)}"
    return f"loses least: {told}" if one is best else f"loses more than {best.name}: {told}"


def _aged(one: Way) -> str:
    return f" ({one.stale}; no fresher machine is left)" if one.stale else ""


def _reason(aims: Aims, best: Way, fit: Sequence[Way], ways: Sequence[Way]) -> str:
    told = (
        f"{best.name} ({best.kind.value}): fidelity {best.fidelity:.3g} in {best.seconds:.3g} s "
        f"for {best.money:.4g} {aims.currency}{_aged(best)}"
    )
    other = next((one for one in fit if one.kind is not best.kind), None)
    if other is not None:
        more = expected_loss(aims, other) - expected_loss(aims, best)
        return f"{told}; the best {other.kind.value} way, {other.name}, would lose {more:.3g} {aims.currency} more"
    ruled = next((one for one in ways if one.kind is not best.kind and one.why_not), None)
    if ruled is None:
        return f"{told}; there is no way of another kind"
    return f"{told}; no {ruled.kind.value} way is left: {ruled.name} {ruled.why_not}"


class Router:
    """Routes circuits over devices; ``learned`` is told of what came of them. Laying out takes milliseconds."""

    def __init__(self, learned: Expectations | None = None, layouts: Layouts | None = None) -> None:
        self.learned = learned or Expectations()
        self._layouts = layouts or Layouts()

    def route(
        self, circuit: Circuit, shots: int, aims: Aims, models: Sequence[DeviceModel], *,
        prices: Mapping[str, PriceModel] | None = None, waits_s: Mapping[str, float] | None = None,
        stale: Mapping[str, str] | None = None,
    ) -> Routed:  # fmt: skip
        """Where ``shots`` of a circuit go."""
        return judge(aims, ways_of(circuit, shots, aims, models, self.learned, self._layouts, prices, waits_s, stale))
