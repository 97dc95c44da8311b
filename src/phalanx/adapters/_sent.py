"""What machines at vendors have in common: a job is sent under our key, asked about until it has ended, and dropped."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeVar

from phalanx.core import Circuit, Clock, Origin, PhalanxError, Unavailable
from phalanx.devices import (
    DeviceModel,
    Numbers,
    ShotResult,
    Stage,
    calibration,
    check_fits,
    check_runs,
    provenance_of,
)

ASK_EVERY_S = 2.0
# Of a machine that could not be asked yet.
NOT_SEEN = calibration(1, (), Numbers(), calibrated_at_ns=0, source="not seen yet")
_T = TypeVar("_T")


class SentMachine(ABC):
    """A ``StagedBackend`` and ``LiveBackend``. A vendor's part is to create, find, ask about and drop one job."""

    def __init__(self, device: DeviceModel, clock: Clock) -> None:
        self._device, self._clock = device, clock

    @property
    def device(self) -> DeviceModel:
        return self._device

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit(circuit, shots=shots, seed=seed, key="")
        return await self.collect(handle, circuit, shots=shots, seed=seed)

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        del seed  # A real machine draws for itself.
        check_fits(self._device, circuit, shots)
        check_runs(self._device, circuit)
        known = await self._find(key) if key else ""
        return known or await self._create(circuit, shots, key)

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        while (counts := await self._counts(handle, circuit, shots)) is None:
            await self._clock.sleep(ASK_EVERY_S)
        return ShotResult(counts, provenance_of(self._device, circuit, shots, seed))

    async def recall(self, handle: str, /) -> None:
        await self._drop(handle)

    async def look(self) -> DeviceModel:
        """The machine as the vendor describes it now."""
        self._device = await self._seen()
        return self._device

    @abstractmethod
    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        """Send it once; returns what the vendor calls it."""

    @abstractmethod
    async def _find(self, key: str) -> str:
        """The job that was sent under ``key``; empty when there is none, or nobody can say."""

    @abstractmethod
    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        """``None`` while it has not ended. Raises ``Unavailable`` when it ended without a result."""

    async def stage(self, handle: str, /) -> Stage:
        """Where the job stands, as the vendor says."""
        return await self._stage(handle)

    @abstractmethod
    async def _stage(self, handle: str) -> Stage: ...

    @abstractmethod
    async def _drop(self, handle: str) -> None: ...

    @abstractmethod
    async def _seen(self) -> DeviceModel: ...


def stage_by(status: str, *, waiting: frozenset[str], running: frozenset[str], done: frozenset[str]) -> Stage:
    """By the vendor's own words; what is none of them ended without a result."""
    for words, stage in ((waiting, Stage.WAITING), (running, Stage.RUNNING), (done, Stage.DONE)):
        if status in words:
            return stage
    return Stage.NOTHING


def in_our_words(device: str, work: Callable[[], _T]) -> _T:
    """What ``work`` returns; what an SDK raises in it, as ``Unavailable``."""
    try:
        return work()
    except PhalanxError:
        raise
    except Exception as error:
        raise Unavailable(device, f"{type(error).__name__}: {error}") from error


def whole_counts(weights: dict[str, float], shots: int) -> dict[str, int]:
    """Counts that add up to ``shots`` out of relative frequencies, by largest remainders."""
    total = sum(weights.values())
    exact = {key: shots * weight / total for key, weight in weights.items() if weight > 0}
    counts = {key: int(value) for key, value in exact.items()}
    rest = sorted(exact, key=lambda key: (counts[key] - exact[key], key))
    for key in rest[: shots - sum(counts.values())]:
        counts[key] += 1
    return {key: n for key, n in sorted(counts.items()) if n}


def real(device: DeviceModel, **changes: object) -> DeviceModel:
    """The same machine as hardware."""
    from dataclasses import replace

    return replace(device, origin=Origin.HARDWARE, **changes)  # type: ignore[arg-type]
