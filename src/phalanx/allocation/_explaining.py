"""A circuit placed by a policy, with everything that spoke for and against each device: for people."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from phalanx.allocation._board import Board
from phalanx.allocation._layouts import Layouts, standing_of
from phalanx.allocation._learned import built_in_policies
from phalanx.allocation._limits import SHORTLIST
from phalanx.allocation._policy import Case, Policy, Ranking
from phalanx.allocation._requirement import Requirement
from phalanx.core import Circuit, InvalidInput, NotFound, Origin
from phalanx.devices import (
    DeviceModel,
    Modality,
    Operation,
    SessionLimits,
    emulated_machine,
    noise_of,
    shipped_snapshots,
)
from phalanx.quantum.emulation import Disturbance, Machine

SUCCESS_PROBABILITY = "success_probability"
PUBLISHED = ("google", "ibm")


class DeviceReason(msgspec.Struct, frozen=True, kw_only=True):
    """One device. ``success`` is by the circuit's layout there; ``None`` where it was not laid out."""

    device: str
    fits: bool
    score: float
    reason: str
    success: float | None = None
    swaps: int | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a circuit goes and why; ``device`` is empty where nothing fits. Devices in order of preference.

    ``subject`` says what it was for, ``at_ns`` when it was decided; 0: it was only asked.
    """

    policy: str
    wanted: str
    device: str
    reason: str
    devices: tuple[DeviceReason, ...]
    subject: str = ""
    at_ns: int = 0


def explain(
    circuit: Circuit, wanted: Requirement, models: Sequence[DeviceModel], *, policy: str = SUCCESS_PROBABILITY,
    k: int = SHORTLIST, layouts: Layouts | None = None,
) -> Explanation:  # fmt: skip
    """Place ``circuit`` over ``models`` by a built-in policy. Raises ``InvalidInput`` when there is none such."""
    known = built_in_policies()
    if policy not in known:
        raise InvalidInput("policy", f"{policy!r} is none of {', '.join(known)}")
    board = Board([standing_of(model) for model in models])
    return explained(known[policy], Case(circuit, wanted, board, models, layouts or Layouts(), k))


def explained(
    policy: Policy, case: Case, *, subject: str = "", at_ns: int = 0, ranking: Ranking | None = None
) -> Explanation:
    """Rank ``case`` by ``policy``, unless that is done, and say everything."""
    ranking = ranking or policy.rank(case)
    fits = [
        DeviceReason(
            device=one.device, fits=True, score=one.score, reason=one.reason, success=one.success, swaps=one.swaps
        )
        for one in ranking.preferences
    ]
    refused = [DeviceReason(device=one.name, fits=False, score=one.score, reason=one.reason) for one in case.refused()]
    return Explanation(
        policy=policy.name, wanted=case.wanted.told(), device=fits[0].device if fits else "", reason=ranking.reason,
        devices=(*fits, *refused), subject=subject, at_ns=at_ns,
    )  # fmt: skip


def checked_policies(policies: Mapping[str, Policy], wanted: str) -> Policy:
    """The one of that name. Raises ``InvalidInput``, and says which there are."""
    if wanted not in policies:
        raise InvalidInput("policy", f"{wanted!r} is none of {', '.join(sorted(policies))}")
    return policies[wanted]


def published_machine(name: str, *, disturbance: Disturbance | None = None) -> Machine:
    """One of ``published_devices``, by its name with or without ``ibm.``, with all its qubits. Raises ``NotFound``."""
    for model in published_devices():
        if model.name in {name, f"ibm.{name}"}:
            noise = noise_of(model.calibration)
            return replace(emulated_machine(model), noise=noise, disturbance=disturbance or Disturbance())
    raise NotFound("device", name, hint="phalanx devices list --here --provider ibm")


def published_devices(providers: Sequence[str] = PUBLISHED) -> list[DeviceModel]:
    """Devices by the calibrations that were published of them, as shipped: emulated, by name."""
    return [
        DeviceModel(
            name=f"{provider}.{one.head.name}", provider=provider, kind=Modality.SUPERCONDUCTING,
            origin=Origin.EMULATED, n_qubits=one.head.n_qubits, limits=SessionLimits(max_shots=one.head.max_shots),
            calibration=one.calibration, operations=tuple(Operation(*each) for each in one.head.operations),
        )
        for provider in sorted(providers)
        for one in sorted(shipped_snapshots(provider), key=lambda each: each.head.name)
    ]  # fmt: skip
