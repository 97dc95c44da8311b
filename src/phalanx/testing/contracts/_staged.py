"""What a machine at a vendor that says how far a job is must keep to. Checks are async functions of a backend."""

from collections.abc import Awaitable, Callable

from phalanx.core import PhalanxError
from phalanx.devices import (
    QueuedAnalog,
    QueuedAnnealer,
    QueuedPhotonic,
    ShotResult,
    Stage,
    StagedBackend,
    ising,
)
from phalanx.quantum import Gates
from phalanx.quantum.analog import AnalogProgram
from phalanx.quantum.photonic import PhotonicProgram

_SHOTS, _SEED = 100, 20_260_101
_BELL = Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()
# What goes to a machine without gates instead: two atoms far apart, and hardly any drive.
_PULSE = AnalogProgram(
    atoms_um=((0.0, 0.0), (20.0, 0.0)), amplitude=((0, 0), (0.5, 1), (1, 0)), detuning=((0, 0), (1, 0))
)
# And to one of photons: a photon that goes straight on.
_PHOTON = PhotonicProgram(modes=2, photons=(1, 0), detectors="threshold")
# And to an annealer: two spins that are against each other.
_SPINS = ising({}, {(0, 1): 1.0}, 2)


async def check_a_job_that_gave_its_result_is_done(backend: StagedBackend) -> None:
    handle = await _submitted(backend, "staged-one")
    assert await backend.stage(handle) is not Stage.NOTHING
    result = await _collected(backend, handle)
    assert sum(result.counts.values()) == _SHOTS
    assert await backend.stage(handle) is Stage.DONE


async def check_a_job_that_was_dropped_gives_no_result(backend: StagedBackend) -> None:
    """Where the vendor drops it at all: it is then asked what became of it, and has to say that it was nothing."""
    handle = await _submitted(backend, "staged-two")
    try:
        await backend.recall(handle)
    except PhalanxError:
        return
    stage = await backend.stage(handle)
    assert stage in {Stage.NOTHING, Stage.DONE}, stage


STAGED_CHECKS: tuple[Callable[[StagedBackend], Awaitable[None]], ...] = (
    check_a_job_that_gave_its_result_is_done,
    check_a_job_that_was_dropped_gives_no_result,
)


async def _submitted(backend: StagedBackend, key: str) -> str:
    if isinstance(backend, QueuedAnalog):
        return await backend.submit_program(_PULSE, shots=_SHOTS, seed=_SEED, key=key)
    if isinstance(backend, QueuedPhotonic):
        return await backend.submit_program(_PHOTON, shots=_SHOTS, seed=_SEED, key=key)
    if isinstance(backend, QueuedAnnealer):
        return await backend.submit_program(_SPINS, shots=_SHOTS, seed=_SEED, key=key)
    return await backend.submit(_BELL, shots=_SHOTS, seed=_SEED, key=key)


async def _collected(backend: StagedBackend, handle: str) -> ShotResult:
    if isinstance(backend, QueuedAnalog):
        return await backend.collect_program(handle, _PULSE, shots=_SHOTS, seed=_SEED)
    if isinstance(backend, QueuedPhotonic):
        return await backend.collect_program(handle, _PHOTON, shots=_SHOTS, seed=_SEED)
    if isinstance(backend, QueuedAnnealer):
        return await backend.collect_program(handle, _SPINS, shots=_SHOTS, seed=_SEED)
    return await backend.collect(handle, _BELL, shots=_SHOTS, seed=_SEED)
