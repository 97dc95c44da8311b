"""What every machine that takes photonic programs must keep to. Each check is an async function of one backend."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from phalanx.core import InvalidInput, LimitExceeded, Origin
from phalanx.devices import PhotonicBackend, PhotonicLimits
from phalanx.quantum.photonic import (
    MAX_MODES,
    MAX_PHOTONS,
    BeamSplitter,
    Condition,
    Herald,
    Permutation,
    PhotonicProgram,
)

_SHOTS, _MANY, _SEED = 20_000, 200_000, 20_260_101


async def check_counts_and_provenance(backend: PhotonicBackend) -> None:
    program = _dip(backend)
    found = await backend.interfere(program, shots=_SHOTS, seed=_SEED)
    assert 0 < sum(found.counts.values()) <= _SHOTS
    if backend.device.origin is not Origin.HARDWARE:
        assert sum(found.counts.values()) == _SHOTS, "a shot is a run in which something was detected"
    assert all(n > 0 for n in found.counts.values()), "an outcome that never came up is absent"
    for outcome in found.counts:
        seen = [int(n) for n in outcome.split(",")]
        assert len(seen) == program.modes, outcome
        assert sum(seen) >= 1, outcome
    made = found.provenance
    assert (made.device, made.origin) == (backend.device.name, backend.device.origin)
    assert (made.circuits, made.shots, made.seed) == ((program.digest,), _SHOTS, _SEED)


async def check_one_photon_goes_where_it_is_sent(backend: PhotonicBackend) -> None:
    program = _program(backend, photons=(1, 0, 0), circuit=(Permutation(modes=(0, 1, 2), to=(2, 0, 1)),))
    found = await backend.interfere(program, shots=_SHOTS, seed=_SEED)
    assert found.counts.get("0,0,1", 0) > 0.9 * sum(found.counts.values()), found.counts


async def check_photons_interfere_as_their_visibility_says(backend: PhotonicBackend) -> None:
    meets = msgspec.structs.replace(_dip(backend), min_detected=2)
    apart = msgspec.structs.replace(meets, circuit=())
    met, both = [(await backend.interfere(one, shots=_MANY, seed=_SEED)).counts.get("1,1", 0) for one in (meets, apart)]
    assert both
    # Half of them part where they do not interfere; how many do otherwise is told by the visibility of the source.
    told = (1 - _limits(backend).indistinguishability) / 2
    assert met / both <= (told + 0.5) / 2, (met / both, told)


async def check_conditions_say_what_is_kept(backend: PhotonicBackend) -> None:
    apart = msgspec.structs.replace(_dip(backend), circuit=())
    for change in ({"heralds": (Herald(mode=0),)}, {"postselect": (Condition(modes=(0,), photons=(1,)),)}):
        program = msgspec.structs.replace(apart, **change)
        found = await backend.interfere(program, shots=_SHOTS, seed=_SEED)
        assert found.counts, change
        assert all(outcome.startswith("1,") for outcome in found.counts), found.counts
        assert found.provenance.shots == _SHOTS, "what was not kept was a shot all the same"


async def check_nothing_may_be_left(backend: PhotonicBackend) -> None:
    never = _program(backend, photons=(1, 0), postselect=(Condition(modes=(0, 1), photons=(0,)),))
    found = await backend.interfere(never, shots=100, seed=_SEED)
    assert found.counts == {}
    assert found.provenance.shots == 100


async def check_one_seed_one_result(backend: PhotonicBackend) -> None:
    if backend.device.origin is Origin.HARDWARE:
        return
    program = _dip(backend)
    first, again, other = [await backend.interfere(program, shots=_SHOTS, seed=_SEED + at) for at in (0, 0, 1)]
    assert first == again
    assert first.counts != other.counts, "another seed draws anew"


async def check_bounds(backend: PhotonicBackend) -> None:
    limits, fits = _limits(backend), _dip(backend)
    wrong: list[tuple[PhotonicProgram, int]] = [(fits, 0), (fits, backend.device.max_shots + 1)]
    if limits.modes < MAX_MODES:
        wrong.append((_program(backend, photons=(1, *([0] * limits.modes))), 1))
    if limits.photons < MAX_PHOTONS:
        wrong.append((_program(backend, photons=(1,) * (limits.photons + 1)), 1))
    if limits.most_in_mode < MAX_PHOTONS:
        wrong.append((_program(backend, photons=(limits.most_in_mode + 1, 0)), 1))
    if limits.threshold:
        wrong.append((msgspec.structs.replace(fits, detectors="number"), 1))
    for program, shots in wrong:
        try:
            await backend.interfere(program, shots=shots, seed=_SEED)
        except (InvalidInput, LimitExceeded):
            continue
        raise AssertionError(f"{program} with {shots} shots goes beyond the machine, and is refused")


PHOTONIC_CHECKS: tuple[Callable[[PhotonicBackend], Awaitable[None]], ...] = (
    check_counts_and_provenance,
    check_one_photon_goes_where_it_is_sent,
    check_photons_interfere_as_their_visibility_says,
    check_conditions_say_what_is_kept,
    check_nothing_may_be_left,
    check_one_seed_one_result,
    check_bounds,
)


def _limits(backend: PhotonicBackend) -> PhotonicLimits:
    assert backend.device.photonic is not None
    return backend.device.photonic


def _program(backend: PhotonicBackend, *, photons: tuple[int, ...], **others: Any) -> PhotonicProgram:
    program = PhotonicProgram(modes=len(photons), photons=photons, **others)
    return msgspec.structs.replace(program, detectors="threshold") if _limits(backend).threshold else program


def _dip(backend: PhotonicBackend) -> PhotonicProgram:
    return _program(backend, photons=(1, 1), circuit=(BeamSplitter(modes=(0, 1)),))
