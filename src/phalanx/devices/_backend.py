"""What it takes to be a device, and what devices are built from."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from phalanx.core import Circuit, Clock, Offload, Unavailable
from phalanx.devices._model import DeviceModel
from phalanx.quantum import ShotResult

Mark = Callable[[], Awaitable[None]]
"""Makes durable that something is about to be sent."""


def _no_secret(name: str, variable: str) -> str:
    raise Unavailable(f"the secret {name}", f"nobody can be asked for it here, nor for {variable}")


class Backend(Protocol):
    """One device, ready to run. ``run`` is a ``quantum.ShotRunner``.

    Contract (``phalanx.testing.contracts``): counts add up to ``shots``; keys spell the classical bits
    ``c0 c1 …``; the provenance is complete; what does not fit raises ``LimitExceeded`` before anything is
    spent, a malformed circuit ``InvalidCircuit``, a device that is not there ``Unavailable``. A simulator
    answers one seed with one result.
    """

    @property
    def device(self) -> DeviceModel: ...

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult: ...


@runtime_checkable
class QueuedBackend(Backend, Protocol):
    """A backend whose jobs wait at a vendor and outlive this process.

    ``submit`` returns what the vendor calls the job; a second call with the same ``key`` finds the first one's.
    ``collect`` waits until it has ended, in this life of the node or a later one. ``recall`` asks the vendor to
    drop it.
    """

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str: ...

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult: ...

    async def recall(self, handle: str, /) -> None: ...


@runtime_checkable
class MarkedBackend(QueuedBackend, Protocol):
    """A queued backend whose vendor may not say later whether it has a job: that one is about to be sent is noted.

    Within ``marking`` the ``mark`` is awaited right before what starts the job under ``key`` leaves, and where it
    raises nothing does. ``before``: it was noted so before, perhaps in an earlier life of the node. Then ``submit``
    finds the job, or is sure that there is none, or raises ``MaybeSent``; so may ``marking`` itself.
    """

    def marking(self, key: str, mark: Mark, /, *, before: bool) -> AbstractContextManager[None]: ...


class Silence(NamedTuple):
    """A vendor does not say how what it has of ours is: what went wrong last, and until when it is asked on."""

    why: str
    until_ns: int


@runtime_checkable
class AskedBackend(Backend, Protocol):
    """A backend that goes on asking for its jobs while the vendor is away, and tells of it."""

    @property
    def silence(self) -> Silence | None: ...


class Stage(StrEnum):
    """Where a job stands at its vendor. ``nothing``: it ended without having run, and is not charged for."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    NOTHING = "nothing"


@runtime_checkable
class StagedBackend(QueuedBackend, Protocol):
    """A queued backend whose vendor says where a job stands: what still waits there is moved for nothing."""

    async def stage(self, handle: str, /) -> Stage: ...


@runtime_checkable
class LiveBackend(Backend, Protocol):
    """A backend whose machine changes: ``look`` asks the vendor how it is now, and ``device`` says so from then on."""

    async def look(self) -> DeviceModel: ...


class Provider(Protocol):
    """Where backends come from; the entry points ``phalanx.devices`` make these.

    ``backends`` costs milliseconds and loads no vendor's SDK: that is for ``run``.
    """

    @property
    def name(self) -> str: ...

    def backends(self) -> Sequence[Backend]: ...


class Provided:
    """A ``Provider`` of backends that are made already."""

    def __init__(self, name: str, backends: Iterable[Backend]) -> None:
        self.name = name
        self._backends = tuple(backends)

    def backends(self) -> Sequence[Backend]:
        return self._backends


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What a provider is made from.

    ``hardware`` names the providers whose real machines the owner of the node wants, under the credentials that
    their SDKs find; the others emulate. Nothing is ever billed because credentials happen to lie around. ``options``
    are settings of providers, ``PROVIDER.NAME``; ``secret(name, variable)`` gives a credential from the private file
    that option ``NAME_file`` names, else from the environment variable. Files that options name lie in ``folder``.
    Simulating is done by ``offload``, which may wait until kernels are compiled; vendors are spoken to by ``io``, which
    waits for nothing.
    """

    offload: Offload
    clock: Clock
    hardware: frozenset[str] = frozenset()
    options: Mapping[str, str] = field(default_factory=dict)
    secret: Callable[[str, str], str] = field(default=_no_secret, repr=False)
    folder: Path = Path()
    aside: Offload | None = None

    @property
    def io(self) -> Offload:
        """What speaks to vendors: ``aside``, where there is one."""
        return self.aside or self.offload
