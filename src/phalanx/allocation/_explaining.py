"""A circuit placed over devices in both tiers, with everything that spoke for and against each: for people."""

import math
from collections.abc import Sequence

import msgspec

from phalanx.allocation._board import Board
from phalanx.allocation._deciding import Decider
from phalanx.allocation._layouts import Layouts, machine_of, standing_of
from phalanx.allocation._limits import MAX_SHORTLIST, SHORTLIST
from phalanx.allocation._requirement import Requirement
from phalanx.core import Circuit, InvalidInput, NotFound, Origin
from phalanx.devices import DeviceModel, Modality, Operation, SessionLimits, shipped_snapshots
from phalanx.quantum.emulation import Disturbance, Machine

SUCCESS_PROBABILITY = "success_probability"
POLICIES = (SUCCESS_PROBABILITY, "shortlist", "composite")


class DeviceReason(msgspec.Struct, frozen=True, kw_only=True):
    """One device. ``success`` is by the circuit's layout there; ``None`` where it was not laid out."""

    device: str
    fits: bool
    score: float
    reason: str
    success: float | None = None
    swaps: int | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a circuit goes and why; ``device`` is empty where nothing fits. Devices in order of preference."""

    policy: str
    wanted: str
    device: str
    reason: str
    devices: tuple[DeviceReason, ...]


def explain(
    circuit: Circuit, wanted: Requirement, models: Sequence[DeviceModel], *, policy: str = SUCCESS_PROBABILITY,
    k: int = SHORTLIST, layouts: Layouts | None = None,
) -> Explanation:  # fmt: skip
    """Place ``circuit`` over ``models``. The tier of layouts is run for the best ``k`` of the compiled shortlist."""
    if policy not in POLICIES:
        raise InvalidInput("policy", f"{policy!r} is none of {', '.join(POLICIES)}")
    by_layout = policy == SUCCESS_PROBABILITY
    board = Board([standing_of(model) for model in models])
    decision = Decider(board, "shortlist" if by_layout else policy, k=min(k, MAX_SHORTLIST)).decide(wanted)
    rows = [
        DeviceReason(device=one.name, fits=one.fits, score=one.score, reason=one.reason)
        for one in decision.considered()
    ]
    told = wanted.told()
    if not decision.best:
        return Explanation(policy=policy, wanted=told, device="", reason="no device fits", devices=tuple(rows))
    if not by_layout:
        return Explanation(
            policy=policy, wanted=told, device=decision.chosen, reason=decision.reason(), devices=tuple(rows)
        )
    made = layouts or Layouts()
    laid = [made.layout(circuit, models[place]) for place in decision.best]
    laid.sort(key=lambda one: -one.log_success)
    best = laid[0]
    first = [
        DeviceReason(
            device=one.device, fits=True, score=one.log_success, success=math.exp(one.log_success),
            swaps=one.mapped.n_swaps,
            reason="best by its layout" if one is best else f"laid out too; {best.device} is likelier to succeed",
        )
        for one in laid
    ]  # fmt: skip
    others = [
        msgspec.structs.replace(row, reason=f"fits, but is not among the best {len(laid)} of the shortlist")
        if row.fits
        else row
        for row in rows
        if row.device not in {one.device for one in laid}
    ]
    reason = (
        f"{best.device} is likeliest to succeed ({math.exp(best.log_success):.1%} by its layout, "
        f"{best.mapped.n_swaps} swaps), of {len(laid)} laid out and {decision.n_fit} that fit"
    )
    return Explanation(policy=policy, wanted=told, device=best.device, reason=reason, devices=(*first, *others))


def published_machine(name: str, *, disturbance: Disturbance | None = None) -> Machine:
    """One of ``published_devices``, by its name with or without ``ibm.``. Raises ``NotFound``."""
    for model in published_devices():
        if model.name in {name, f"ibm.{name}"}:
            return machine_of(model, disturbance=disturbance)
    raise NotFound("device", name, hint="phalanx devices list --here --provider ibm")


def published_devices() -> list[DeviceModel]:
    """IBM devices by the calibrations that were published of them, as shipped: emulated, by name."""
    return [
        DeviceModel(
            name=f"ibm.{one.head.name}", provider="ibm", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED,
            n_qubits=one.head.n_qubits, limits=SessionLimits(max_shots=one.head.max_shots),
            calibration=one.calibration, operations=tuple(Operation(*each) for each in one.head.operations),
        )
        for one in shipped_snapshots("ibm")
    ]  # fmt: skip
