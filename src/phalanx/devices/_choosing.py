"""Who chooses a device for a circuit: the port between jobs and anything that knows better than the fleet's own
rule.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from phalanx.core import NS_PER_S, Circuit, Origin, TenantId
from phalanx.devices._emulated import beyond_emulation
from phalanx.devices._fleet import Fleet
from phalanx.devices._job_records import Job
from phalanx.devices._model import DeviceModel
from phalanx.devices._programs import Program


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A circuit that wants a device, or a program that wants a machine without gates.

    ``without`` names devices that are none for it, and why. ``deadline_s`` is from now, waiting included; ``budget`` in
    the currency of prices; ``regions`` empty: anywhere. ``subject`` says what it is for; without one the decision is
    not kept to be looked at.
    """

    circuit: Circuit | None = None
    program: Program | None = None
    shots: int
    tenant: TenantId
    origin: Origin | None = None
    fidelity: float = 0.0
    deadline_s: float = math.inf
    budget: float = math.inf
    regions: frozenset[str] = frozenset()
    emergency: bool = False
    without: Mapping[str, str] = field(default_factory=dict)
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Where a circuit goes and why. ``order`` is all that fit, best first; ``alike`` those as good as the best."""

    device: str
    reason: str
    order: tuple[str, ...]
    alike: frozenset[str]


class Chooser(Protocol):
    """Chooses, and is told what came of it. Raises ``Unavailable`` where nothing fits."""

    async def choose(self, wish: Wish, /) -> Chosen: ...

    def refusal(self, device: str, wish: Wish, /) -> str:
        """Why a device that somebody named does not grant what is wished besides; empty where it does."""
        ...

    def sent(self, device: str, /) -> None:
        """One more circuit waits or runs there."""
        ...

    def back(self, device: str, /) -> None:
        """One fewer."""
        ...

    def failed(self, device: str, /) -> None:
        """A circuit came to nothing there, through no fault of its own."""
        ...

    def held_s(self, device: str, /) -> float | None:
        """Seconds for which nothing is sent there, since it failed; 0 while one run tries it; nothing where all may."""
        ...

    def patience_s(self, device: str, /) -> float:
        """How long what is sent there should take at most, waiting included; infinite where nobody can say."""
        ...

    def opens_s(self, device: str, tenant: TenantId, /) -> float:
        """Seconds until a circuit of the tenant may begin there; 0: now.

        Until then others have booked it, or will have before it could end.
        """
        ...

    def leaves_s(self, device: str, tenant: TenantId, /) -> float:
        """Seconds until a circuit of the tenant must have left, for others have booked it; infinite: nobody has."""
        ...

    async def told(self, job: Job, /) -> None:
        """How a job ended."""
        ...


class Windows(Protocol):
    """Where windows of jobs are booked that have one."""

    async def moved(self, job: Job, device: str, /) -> tuple[str, int]:
        """A window for it there instead of the one it has: its name, and when it opens. Raises ``Unavailable``."""
        ...


class FleetChooser:
    """The fleet's own rule, for who has nothing better, and for programs: the least disturbed, then the smallest."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def choose(self, wish: Wish, /) -> Chosen:
        without = dict(wish.without)
        if wish.regions:
            away = f"is not in {', '.join(sorted(wish.regions))}"
            without |= {one.name: away for one in self._fleet.devices() if one.region not in wish.regions}
        if wish.program is not None:
            placement = self._fleet.place_program(wish.program, shots=wish.shots, origin=wish.origin, without=without)
        else:
            assert wish.circuit is not None, wish
            without = beyond_emulation(self._fleet.devices(), wish.circuit) | without
            n_qubits = wish.circuit.n_qubits
            placement = self._fleet.place(n_qubits, shots=wish.shots, origin=wish.origin, without=without)
        chosen = placement.backend.device
        fitting = [one.device for one in placement.considered if one.fits and one.device.origin is chosen.origin]
        order = sorted(fitting, key=lambda one: (one is not chosen, one.n_qubits, one.name))
        return Chosen(
            chosen.name, placement.reason, tuple(one.name for one in order),
            frozenset(one.name for one in fitting if one.provider == chosen.provider),
        )  # fmt: skip

    def refusal(self, device: str, wish: Wish, /) -> str:
        """It knows kinds of results and regions, and neither prices nor waits."""
        return unwished(self._fleet.backend(device).device, wish)

    def sent(self, device: str, /) -> None:
        """The rule does not look at load."""

    def back(self, device: str, /) -> None:
        """Likewise."""

    def failed(self, device: str, /) -> None:
        """Likewise."""

    def held_s(self, device: str, /) -> None:
        """Likewise."""

    def patience_s(self, device: str, /) -> float:  # noqa: ARG002 - the port's signature
        return math.inf

    def opens_s(self, device: str, tenant: TenantId, /) -> float:  # noqa: ARG002 - the port's signature
        """It knows no calendar."""
        return 0.0

    def leaves_s(self, device: str, tenant: TenantId, /) -> float:  # noqa: ARG002 - the port's signature
        """Likewise."""
        return math.inf

    async def told(self, job: Job, /) -> None:
        """Nothing is learned."""


def unwished(model: DeviceModel, wish: Wish) -> str:
    """Why a device is of another kind, or elsewhere, than is wished; empty where it is not."""
    if wish.origin is not None and model.origin is not wish.origin:
        return f"it gives {model.origin.value} results, and {wish.origin.value} ones are asked for"
    if wish.regions and model.region not in wish.regions:
        return f"it is in {model.region or 'no region that is known'}, not in {', '.join(sorted(wish.regions))}"
    return ""


def wish_of(job: Job, now_ns: int, origin: Origin | None, without: Mapping[str, str]) -> Wish:
    """What a job asks of its device now."""
    asked = job.wishes
    left_s = max(1e-9, (asked.deadline_at_ns - now_ns) / NS_PER_S) if asked.deadline_at_ns else math.inf
    return Wish(
        circuit=job.circuit, program=job.program, shots=job.shots, tenant=job.tenant, origin=origin,
        fidelity=asked.fidelity, deadline_s=left_s, budget=asked.budget or math.inf, regions=frozenset(asked.regions),
        emergency=asked.emergency, without=without, subject=f"job {job.id}",
    )  # fmt: skip
