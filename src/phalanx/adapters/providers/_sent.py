"""What machines at vendors have in common: a job is sent under our key, asked about until it has ended, and dropped."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from phalanx.adapters._limits import MAX_UNSURE_JOBS, VENDOR_AWAY_MOST_S, VENDOR_TIMEOUT_S
from phalanx.adapters.providers._http import Refused, Unanswered
from phalanx.core import NS_PER_S, Circuit, Clock, InvalidInput, Origin, Overloaded, PhalanxError, Unavailable
from phalanx.devices import (
    DeviceModel,
    IsingProblem,
    Mark,
    MaybeSent,
    Numbers,
    Program,
    Samples,
    ShotResult,
    Silence,
    Spins,
    Stage,
    VendorAway,
    calibration,
    check_fits,
    check_runs,
    check_takes,
    provenance_of,
    samples_of,
    spins_result,
)
from phalanx.quantum import InvalidCircuit
from phalanx.quantum.analog import AnalogProgram
from phalanx.quantum.photonic import PhotonicProgram

ASK_EVERY_S = 2.0
# What has waited for long is asked about less often: a result is late by a fifth of its wait at most.
_ASK_SLOWER, _ASK_AT_MOST_S = 1.2, 15.0
# How often a vendor is asked for a job whose answer was lost.
_LOOKS = 3
# Of a machine that could not be asked yet.
NOT_SEEN = calibration(1, (), Numbers(), calibrated_at_ns=0, source="not seen yet")
_T = TypeVar("_T")


class Sent(ABC):
    """What becomes of a job, whatever was sent. A vendor's part is to find, ask about and drop one.

    A submission that got no answer, or was left while it was on its way, is looked for by its key before anything else
    is done; where a vendor cannot be asked for that (``finds``), the key is not sent again. What an earlier process
    left on its way is known by its mark (a ``MarkedBackend``). Where a name is ``unique`` there, what is sent again
    under a key meets the first, and nothing has to be known before.
    """

    finds, unique = True, False

    def __init__(self, device: DeviceModel, clock: Clock) -> None:
        self._device, self._clock = device, clock
        self._unsure: dict[str, None] = {}
        self._marks: dict[str, Mark] = {}
        self._silence: Silence | None = None

    @property
    def device(self) -> DeviceModel:
        return self._device

    @property
    def silence(self) -> Silence | None:
        """While jobs are waited for, and nobody there says how they are."""
        return self._silence

    async def recall(self, handle: str, /) -> None:
        await self._drop(handle)

    async def stage(self, handle: str, /) -> Stage:
        """Where the job stands, as the vendor says."""
        return await self._stage(handle)

    async def look(self) -> DeviceModel:
        """The machine as the vendor describes it now."""
        self._device = await self._seen()
        return self._device

    @contextmanager
    def marking(self, key: str, mark: Mark, /, *, before: bool) -> Iterator[None]:
        if before and not self.unique:
            self._note_unsure(key)
            if not self.finds:
                raise MaybeSent(self._device.name, key)
        self._marks[key] = mark
        try:
            yield
        finally:
            del self._marks[key]

    async def _sent_once(self, key: str, create: Callable[[], Awaitable[str]]) -> str:
        """What the vendor calls the job under ``key``: as it was sent before, or as ``create`` sends it.

        Raises ``MaybeSent`` where nobody can say whether it is there.
        """
        if not key:
            return await create()
        if known := await self._there(key):
            return known
        await self._ready()
        if key in self._marks and not self.unique:
            await self._marks[key]()
        try:
            handle = await create()
        except asyncio.CancelledError:
            # Who asks in a thread is not stopped with us: it may still arrive.
            self._note_unsure(key)
            raise
        except Unanswered as error:
            self._note_unsure(key)
            if known := await self._there(key):
                return known
            told = f"it has no such job, and gave no answer to it: {error.reason}"
            raise VendorAway(self._device.name, told) from error
        return handle

    async def _there(self, key: str) -> str:
        """The job under ``key``; empty when it is sure that there is none."""
        if key not in self._unsure:
            return await self._find(key)
        if not self.finds:
            raise MaybeSent(self._device.name, key)

        async def ask() -> tuple[str]:
            return (await self._find(key),)

        try:
            for _ in range(_LOOKS):
                (handle,) = await self._waited(ask)
                if handle:
                    break
                # What is on its way there, or has only just come in, is not listed yet.
                await self._clock.sleep(VENDOR_TIMEOUT_S / _LOOKS)
        except PhalanxError as error:
            raise MaybeSent(self._device.name, key) from error
        del self._unsure[key]
        return handle

    async def _once_seen(self) -> None:
        """A job that a node finds when it starts is judged by what the machine takes, too."""
        if self._device.calibration is NOT_SEEN:
            await self.look()
        if self._device.calibration is NOT_SEEN:
            raise Unavailable(self._device.name, "it has not said yet how it is")

    async def _ready(self) -> None:  # noqa: B027 - most vendors need nothing
        """Ask for what has to be known before anything is sent: while it is not, nothing is on its way."""

    def _note_unsure(self, key: str) -> None:
        if self.unique:
            return
        self._unsure[key] = None
        while len(self._unsure) > MAX_UNSURE_JOBS:
            del self._unsure[next(iter(self._unsure))]

    async def _waited(
        self, ask: Callable[[], Awaitable[_T | None]], slower: float = _ASK_SLOWER, most_s: float = _ASK_AT_MOST_S
    ) -> _T:
        """What a job that was sent came to, once there is something."""
        pause_s, heard_ns = ASK_EVERY_S, self._clock.monotonic_ns()
        while True:
            try:
                found = await ask()
            except (VendorAway, Overloaded, Refused) as error:
                # It has the job, and will say what became of it when it is back, or takes our credentials again.
                left_ns = heard_ns + int(VENDOR_AWAY_MOST_S * NS_PER_S) - self._clock.monotonic_ns()
                if left_ns < 0:
                    raise
                self._silence = Silence(str(error), self._clock.wall_ns() + left_ns)
            else:
                self._silence = None
                if found is not None:
                    return found
                heard_ns = self._clock.monotonic_ns()
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * slower, most_s)

    @abstractmethod
    async def _find(self, key: str) -> str:
        """The job that was sent under ``key``; empty when there is none, or nobody can say."""

    @abstractmethod
    async def _stage(self, handle: str) -> Stage: ...

    @abstractmethod
    async def _drop(self, handle: str) -> None: ...

    @abstractmethod
    async def _seen(self) -> DeviceModel: ...


class SentMachine(Sent):
    """A ``StagedBackend`` and ``LiveBackend`` for circuits. A vendor's part is also to create a job, and to read it."""

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit(circuit, shots=shots, seed=seed, key="")
        return await self.collect(handle, circuit, shots=shots, seed=seed)

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        del seed  # A real machine draws for itself.
        await self._once_seen()
        check_fits(self._device, circuit, shots)
        check_runs(self._device, circuit)
        return await self._sent_once(key, lambda: self._create(circuit, shots, key))

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        counts = await self._waited(lambda: self._counts(handle, circuit, shots))
        return ShotResult(counts, provenance_of(self._device, circuit, shots, seed))

    @abstractmethod
    async def _create(self, circuit: Circuit, shots: int, key: str) -> str:
        """Send it once; returns what the vendor calls it."""

    @abstractmethod
    async def _counts(self, handle: str, circuit: Circuit, shots: int) -> dict[str, int] | None:
        """``None`` while it has not ended. Raises ``Unavailable`` when it ended without a result."""


class Drawn(NamedTuple):
    """What a machine of atoms measured, shots that began without all atoms left out; ``used_s`` where it says so."""

    counts: dict[str, int]
    used_s: float | None = None


class _SentPrograms(Sent):
    """What takes programs of one kind, and no circuits."""

    takes: str

    async def run(self, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del circuit, shots, seed
        raise self._no_gates()

    async def submit(self, circuit: Circuit, /, *, shots: int, seed: int, key: str) -> str:
        del circuit, shots, seed, key
        raise self._no_gates()

    async def collect(self, handle: str, circuit: Circuit, /, *, shots: int, seed: int) -> ShotResult:
        del handle, circuit, shots, seed
        raise self._no_gates()

    def _no_gates(self) -> InvalidCircuit:
        return InvalidCircuit(f"{self._device.name} runs no gates: it takes {self.takes} programs")


class SentAtoms(_SentPrograms):
    """The same for analog programs: a ``QueuedAnalog``. Questions about a job are ``ask_most_s`` apart at most."""

    takes = "analog"
    ask_most_s = ASK_EVERY_S

    async def evolve(self, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit_program(program, shots=shots, seed=seed, key="")
        return await self.collect_program(handle, program, shots=shots, seed=seed)

    async def submit_program(self, program: AnalogProgram, /, *, shots: int, seed: int, key: str) -> str:
        del seed  # A real machine draws for itself.
        check_takes(self._device, Program.of_analog(program), shots)
        return await self._sent_once(key, lambda: self._create_program(program, shots, key))

    async def collect_program(self, handle: str, program: AnalogProgram, /, *, shots: int, seed: int) -> ShotResult:
        drawn = await self._waited(lambda: self._drawn(handle, program, shots), 2.0, self.ask_most_s)
        if not drawn.counts:
            # The machine did its part, and asking for the same job again gives the same.
            raise InvalidInput(
                "shots", f"none of the {shots} on {self._device.name} began with all {program.n_atoms} atoms in place",
                hint="ask for more shots, or for fewer atoms",
            )  # fmt: skip
        came = sum(drawn.counts.values())
        return ShotResult(drawn.counts, provenance_of(self._device, program, came, seed), drawn.used_s)

    @abstractmethod
    async def _create_program(self, program: AnalogProgram, shots: int, key: str) -> str:
        """Send it once; returns what the vendor calls it."""

    @abstractmethod
    async def _drawn(self, handle: str, program: AnalogProgram, shots: int) -> Drawn | None:
        """``None`` while it has not ended. Raises ``Unavailable`` when it ended without a result."""


class Kept(NamedTuple):
    """What the conditions of a photonic program kept, and of how many shots."""

    counts: dict[str, int]
    shots: int


class SentPhotons(_SentPrograms):
    """The same for photonic programs: a ``QueuedPhotonic``."""

    takes = "photonic"

    async def interfere(self, program: PhotonicProgram, /, *, shots: int, seed: int) -> ShotResult:
        handle = await self.submit_program(program, shots=shots, seed=seed, key="")
        return await self.collect_program(handle, program, shots=shots, seed=seed)

    async def submit_program(self, program: PhotonicProgram, /, *, shots: int, seed: int, key: str) -> str:
        del seed  # A real machine draws for itself.
        check_takes(self._device, Program.of_photonic(program), shots)
        return await self._sent_once(key, lambda: self._create_program(program, shots, key))

    async def collect_program(self, handle: str, program: PhotonicProgram, /, *, shots: int, seed: int) -> ShotResult:
        kept = await self._waited(lambda: self._kept(handle, program, shots))
        return ShotResult(kept.counts, provenance_of(self._device, program, kept.shots, seed))

    @abstractmethod
    async def _create_program(self, program: PhotonicProgram, shots: int, key: str) -> str:
        """Send it once; returns what the vendor calls it."""

    @abstractmethod
    async def _kept(self, handle: str, program: PhotonicProgram, shots: int) -> Kept | None:
        """``None`` while it has not ended. Raises ``Unavailable`` when it ended without a result."""


class DrawnSpins(NamedTuple):
    """What an annealer found, a row of ``spins`` for each shot; ``used_s`` where it says so."""

    spins: Spins
    used_s: float | None = None


class SentSpins(_SentPrograms):
    """The same for Ising problems: a ``QueuedAnnealer``. The seed decides how a problem is laid on the machine."""

    takes = "Ising"

    async def sample(self, problem: IsingProblem, /, *, shots: int, seed: int) -> Samples:
        handle = await self.submit_program(problem, shots=shots, seed=seed, key="")
        samples, _ = await self._sampled(handle, problem, shots, seed)
        return samples

    async def submit_program(self, program: IsingProblem, /, *, shots: int, seed: int, key: str) -> str:
        await self._once_seen()
        check_takes(self._device, Program.of_ising(program), shots)
        return await self._sent_once(key, lambda: self._create_program(program, shots, seed, key))

    async def collect_program(self, handle: str, program: IsingProblem, /, *, shots: int, seed: int) -> ShotResult:
        return spins_result(*await self._sampled(handle, program, shots, seed))

    async def _sampled(self, handle: str, problem: IsingProblem, shots: int, seed: int) -> tuple[Samples, float | None]:
        async def ask() -> DrawnSpins | None:
            await self._once_seen()
            return await self._drawn(handle, problem, shots, seed)

        drawn = await self._waited(ask)
        return samples_of(problem, drawn.spins, provenance_of(self._device, problem, shots, seed)), drawn.used_s

    @abstractmethod
    async def _create_program(self, program: IsingProblem, shots: int, seed: int, key: str) -> str:
        """Send it once; returns what the vendor calls it."""

    @abstractmethod
    async def _drawn(self, handle: str, program: IsingProblem, shots: int, seed: int) -> DrawnSpins | None:
        """``None`` while it has not ended. Raises ``Unavailable`` when it ended without a result."""


def stage_by(status: str, *, waiting: frozenset[str], running: frozenset[str], done: frozenset[str]) -> Stage:
    """By the vendor's own words; what is none of them ended without a result."""
    for words, stage in ((waiting, Stage.WAITING), (running, Stage.RUNNING), (done, Stage.DONE)):
        if status in words:
            return stage
    return Stage.NOTHING


def in_our_words(device: str, work: Callable[[], _T], kind: type[Unavailable] = Unavailable) -> _T:
    """What ``work`` returns; what an SDK raises in it, as one ``kind`` of error."""
    try:
        return work()
    except PhalanxError:
        raise
    except Exception as error:
        raise kind(device, f"{type(error).__name__}: {error}") from error


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
