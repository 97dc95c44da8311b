"""What is balanced: kinds of operations, operations, resources, and what a good answer is weighed by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from phalanx.core import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationKind:
    """A type of operation. ``work`` is what one takes, in seconds at speed 1, per kind of resource.

    A kind of resource that is not in ``work`` cannot do it. ``coherence_us`` is how long a qubit must keep its state
    while the operation runs; nought for what needs none.
    """

    name: str
    work: Mapping[str, float]
    coherence_us: float = 0.0

    def __post_init__(self) -> None:
        for resource_kind, seconds in self.work.items():
            _check(f"work of {self.name} on {resource_kind}", seconds, least=0.0)
        _check(f"coherence_us of {self.name}", self.coherence_us, least=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing to do. ``size`` scales the work of its kind.

    ``data_mib`` lies at ``site`` and must come to the resource. A higher ``priority`` goes first on a resource, then
    the earlier ``deadline_s`` (seconds from now). ``eligible`` names the resources that may take it; none means all.
    """

    id: str
    kind: str
    size: float = 1.0
    site: str = ""
    data_mib: float = 0.0
    deadline_s: float = math.inf
    priority: int = 0
    tenant: str = "default"
    eligible: frozenset[str] | None = None

    def __post_init__(self) -> None:
        _check(f"size of {self.id}", self.size, least=0.0)
        _check(f"data_mib of {self.id}", self.data_mib, least=0.0)
        if math.isnan(self.deadline_s):
            raise InvalidInput(f"deadline_s of {self.id}", "is not a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that does operations, one after another.

    ``speed`` is relative to what a kind's work is stated for, per kind of operation, ``default_speed`` for the rest.
    ``availability`` is the share of time it is there: 0.5 doubles every time, 0 means that it is given nothing.
    ``queue_s`` is work it already has. ``coherence_us`` is how long its qubits keep a state, ``drift`` by how much of
    itself that has worsened since it was calibrated. ``link_s_per_mib`` is what bringing data takes from each site;
    its own ``site`` takes nothing, a site that is not named takes ``default_link_s_per_mib``.
    """

    name: str
    kind: str
    speed: Mapping[str, float] = field(default_factory=dict)
    default_speed: float = 1.0
    availability: float = 1.0
    queue_s: float = 0.0
    coherence_us: float = math.inf
    drift: float = 0.0
    site: str = ""
    link_s_per_mib: Mapping[str, float] = field(default_factory=dict)
    default_link_s_per_mib: float = 0.0

    def __post_init__(self) -> None:
        _check(f"availability of {self.name}", self.availability, least=0.0, most=1.0)
        _check(f"queue_s of {self.name}", self.queue_s, least=0.0)
        _check(f"drift of {self.name}", self.drift, least=0.0, most=1.0)
        _check(f"default_speed of {self.name}", self.default_speed, least=0.0)
        _check(f"default_link_s_per_mib of {self.name}", self.default_link_s_per_mib, least=0.0)
        for kind, speed in self.speed.items():
            _check(f"speed of {self.name} for {kind}", speed, least=0.0)
        for site, seconds in self.link_s_per_mib.items():
            _check(f"link of {self.name} from {site}", seconds, least=0.0)
        if not self.coherence_us > 0:
            raise InvalidInput(f"coherence_us of {self.name}", f"{self.coherence_us} is not above nought")

    def speed_for(self, kind: str) -> float:
        return self.speed.get(kind, self.default_speed) * self.availability

    def link_from(self, site: str) -> float:
        if site in {"", self.site}:
            return 0.0
        return self.link_s_per_mib.get(site, self.default_link_s_per_mib)

    def coherence_loss(self, needed_us: float) -> float:
        """The share of an operation's result that is lost because the state decays: 1 - exp(-need/lifetime)."""
        if needed_us == 0.0 or math.isinf(self.coherence_us):
            return 0.0
        lifetime_us = self.coherence_us * (1.0 - self.drift)
        return 1.0 if lifetime_us == 0.0 else -math.expm1(-needed_us / lifetime_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each objective counts. They are shares: none below nought, adding up to one."""

    completion: float = 0.4
    utilisation: float = 0.3
    coherence: float = 0.2
    communication: float = 0.1

    def __post_init__(self) -> None:
        shares = [getattr(self, one.name) for one in fields(self)]
        for one, share in zip(fields(self), shares, strict=True):
            _check(f"weight {one.name}", share, least=0.0, most=1.0)
        if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
            raise InvalidInput("weights", f"they add up to {sum(shares):.6g}, not to 1")


def _check(what: str, value: float, *, least: float, most: float = math.inf) -> None:
    if not math.isfinite(value):
        raise InvalidInput(what, f"{value} is not a finite number")
    if not least <= value <= most:
        raise InvalidInput(what, f"{value} is not between {least} and {most}")


MAKESPAN_ONLY = Weights(completion=1.0, utilisation=0.0, coherence=0.0, communication=0.0)
