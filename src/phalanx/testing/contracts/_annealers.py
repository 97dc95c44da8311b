"""What every annealer must keep to. Each check is an async function of one backend, as for devices."""

from collections.abc import Awaitable, Callable

import numpy as np

from phalanx.core import InvalidInput, LimitExceeded, Origin
from phalanx.devices import Annealer, IsingProblem, ising, qubo
from phalanx.quantum import Gates, InvalidCircuit

_SHOTS, _SEED = 50, 20_260_101


async def check_is_no_gate_machine(backend: Annealer) -> None:
    assert backend.device.features.analog
    assert not backend.device.features.gates
    try:
        await backend.run(Gates(1).h(0).measure(0).circuit(), shots=1, seed=_SEED)
    except InvalidCircuit:
        return
    raise AssertionError("an annealer refuses circuits")


async def check_counts_and_energies(backend: Annealer) -> None:
    problem = _frustrated()
    found = await backend.sample(problem, shots=_SHOTS, seed=_SEED)
    assert found.counts.sum() == _SHOTS
    assert set(np.unique(found.spins)) <= {-1, 1}
    assert np.allclose(found.energies, problem.energies(found.spins))
    assert (np.diff(found.energies) >= 0).all(), "lowest energy first"
    assert len(np.unique(found.spins, axis=0)) == len(found.spins)
    provenance = found.provenance
    assert (provenance.device, provenance.origin) == (backend.device.name, backend.device.origin)
    assert (provenance.circuits, provenance.shots, provenance.seed) == ((problem.digest,), _SHOTS, _SEED)


async def check_finds_the_lowest(backend: Annealer) -> None:
    """Small problems, dense ones among them, whose lowest energy is known by trying everything."""
    generator = np.random.default_rng(_SEED)
    for n in (2, 5, 8):
        pairs = {(a, b): float(generator.normal()) for a in range(n) for b in range(a + 1, n)}
        problem = ising({at: float(generator.normal()) for at in range(n)}, pairs, n)
        every = 1 - 2 * ((np.arange(1 << n)[:, None] >> np.arange(n)) & 1).astype(np.int8)
        found = await backend.sample(problem, shots=_SHOTS, seed=_SEED)
        assert abs(found.energies[0] - problem.energies(every).min()) < 1e-9, n


async def check_qubo_offset(backend: Annealer) -> None:
    found = await backend.sample(qubo({(0, 0): 1.0, (1, 1): -2.0, (0, 1): 3.0}, 2), shots=_SHOTS, seed=_SEED)
    assert found.best.tolist() == [-1, 1]
    assert abs(found.energies[0] + 2.0) < 1e-9


async def check_nothing_to_decide(backend: Annealer) -> None:
    found = await backend.sample(ising({}, {}, 3), shots=_SHOTS, seed=_SEED)
    assert found.counts.sum() == _SHOTS
    assert (found.energies == 0).all()


async def check_one_seed_one_result(backend: Annealer) -> None:
    if backend.device.origin is Origin.HARDWARE:
        return
    first = await backend.sample(_frustrated(), shots=_SHOTS, seed=_SEED)
    again = await backend.sample(_frustrated(), shots=_SHOTS, seed=_SEED)
    assert np.array_equal(first.spins, again.spins)
    assert np.array_equal(first.counts, again.counts)


async def check_bounds(backend: Annealer) -> None:
    wide = IsingProblem(np.zeros(backend.device.n_qubits + 1), np.empty((0, 2), np.int32), np.empty(0))
    for problem, shots in ((wide, 1), (_frustrated(), 0), (_frustrated(), backend.device.max_shots + 1)):
        try:
            await backend.sample(problem, shots=shots, seed=_SEED)
        except LimitExceeded:
            continue
        raise AssertionError(f"{problem.n_spins} spins and {shots} shots are refused")


async def check_malformed(backend: Annealer) -> None:
    del backend
    for fields, pairs, couplings in (([0.0], [[0, 0]], [1.0]), ([0.0], [[0, 1]], [1.0]), ([np.nan], [], [])):
        try:
            IsingProblem(np.array(fields), np.array(pairs, np.int32).reshape(-1, 2), np.array(couplings))
        except InvalidInput:
            continue
        raise AssertionError("a malformed problem is refused")


ANNEALER_CHECKS: tuple[Callable[[Annealer], Awaitable[None]], ...] = (
    check_is_no_gate_machine,
    check_counts_and_energies,
    check_finds_the_lowest,
    check_qubo_offset,
    check_nothing_to_decide,
    check_one_seed_one_result,
    check_bounds,
    check_malformed,
)


def _frustrated() -> IsingProblem:
    """A triangle of spins that all want to differ, so that six states are lowest."""
    return ising({}, {(0, 1): 1.0, (1, 2): 1.0, (0, 2): 1.0}, 3)
