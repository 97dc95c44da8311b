"""What every quantum device must keep to, whoever wrote its backend.

Each check is an async function of one backend::

    @pytest.mark.parametrize("check", DEVICE_CHECKS)
    def test_my_device(check):
        asyncio.run(check(my_backend()))

A noisy device is held to the same form and to the gist of the numbers; an ideal one to the numbers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from phalanx.core import Circuit, LimitExceeded, Origin, Rng
from phalanx.devices import Backend, Provider
from phalanx.quantum import Gates, InvalidCircuit, Op, simulate

_SHOTS = 1_000
_MANY_SHOTS = 4_000
_SEED = 20_260_101
# Total variation of 4,000 ideal draws over 8 outcomes stays below 0.06 but once in a million runs.
_MAX_IDEAL_DISTANCE = 0.06
_RANDOM_CIRCUITS = 5


async def check_description(backend: Backend) -> None:
    device = backend.device
    assert device.name.startswith(f"{device.provider}."), device.name
    assert device.kind, "a device says what carries its qubits"
    assert device == backend.device, "a description does not change by being read"


async def check_counts_add_up(backend: Backend) -> None:
    result = await backend.run(_bell(), shots=_SHOTS, seed=_SEED)
    assert sum(result.counts.values()) == _SHOTS, result.counts
    assert all(n > 0 for n in result.counts.values()), "an outcome that never came up is absent"
    assert all(len(key) == 2 and set(key) <= {"0", "1"} for key in result.counts), result.counts
    agreeing = result.counts.get("00", 0) + result.counts.get("11", 0)
    assert agreeing > _SHOTS / 2, f"a Bell pair agrees with itself: {result.counts}"
    if _is_ideal(backend):
        assert agreeing == _SHOTS, result.counts
        assert abs(result.counts["00"] - _SHOTS / 2) < _SHOTS / 8, result.counts


async def check_order_of_bits(backend: Backend) -> None:
    """Bit 0 is the leftmost character, whichever qubit was measured into it."""
    circuit = Gates(3).x(2).measure(2, 0).circuit()
    result = await backend.run(circuit, shots=_SHOTS, seed=_SEED)
    assert result.counts.get("10", 0) > _SHOTS / 2, result.counts


async def check_provenance(backend: Backend) -> None:
    circuit = _bell()
    provenance = (await backend.run(circuit, shots=_SHOTS, seed=_SEED)).provenance
    assert provenance.device == backend.device.name
    assert provenance.origin is backend.device.origin
    assert provenance.circuits == (circuit.digest,)
    assert (provenance.shots, provenance.seed) == (_SHOTS, _SEED)


async def check_one_seed_one_result(backend: Backend) -> None:
    if backend.device.origin is Origin.HARDWARE:
        return
    circuit = _spread()
    first = await backend.run(circuit, shots=_SHOTS, seed=_SEED)
    again = await backend.run(circuit, shots=_SHOTS, seed=_SEED)
    other = await backend.run(circuit, shots=_SHOTS, seed=_SEED + 1)
    assert first == again
    assert first.counts != other.counts, "another seed draws anew"


async def check_runs_at_once(backend: Backend) -> None:
    """Runs that overlap give what they give alone."""
    circuits = [_spread(), _bell(), Gates(1).x(0).measure(0).circuit()]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(backend.run(c, shots=_SHOTS, seed=_SEED)) for c in circuits]
    for circuit, task in zip(circuits, tasks, strict=True):
        assert task.result().provenance.circuits == (circuit.digest,)
        if backend.device.origin is not Origin.HARDWARE:
            assert task.result() == await backend.run(circuit, shots=_SHOTS, seed=_SEED)


async def check_distribution(backend: Backend) -> None:
    """Random circuits give the distribution that quantum mechanics says."""
    if not _is_ideal(backend):
        return
    rng = Rng(_SEED).child("circuits")
    clifford = backend.device.features.clifford_only
    if clifford:
        await _refused(backend, Gates(1).rx(0.3, 0).measure(0).circuit(), _SHOTS, InvalidCircuit)
    for _ in range(_RANDOM_CIRCUITS):
        gates = _random_clifford(rng) if clifford else _random(rng)
        result = await backend.run(gates.circuit(), shots=_MANY_SHOTS, seed=_SEED)
        expected = {f"{i:03b}": float(p) for i, p in enumerate(simulate.probabilities(gates))}
        assert _distance(result.counts, expected) < _MAX_IDEAL_DISTANCE, gates.circuit().qasm3


async def check_too_wide(backend: Backend) -> None:
    wide = backend.device.n_qubits + 1
    await _refused(backend, Gates(wide).h(0).measure(0).circuit(), _SHOTS, LimitExceeded)


async def check_shots(backend: Backend) -> None:
    await _refused(backend, _bell(), 0, LimitExceeded)
    await _refused(backend, _bell(), backend.device.max_shots + 1, LimitExceeded)


async def check_malformed(backend: Backend) -> None:
    unmeasured = Gates(1).h(0).circuit()
    nonsense = Circuit.from_canonical("OPENQASM 3.0;\nimport os;\n", 1)
    forged = Circuit(qasm3=_bell().qasm3, n_qubits=2, digest=unmeasured.digest)
    for circuit in (unmeasured, nonsense, forged):
        await _refused(backend, circuit, _SHOTS, InvalidCircuit)


DEVICE_CHECKS: tuple[Callable[[Backend], Awaitable[None]], ...] = (
    check_description,
    check_counts_add_up,
    check_order_of_bits,
    check_provenance,
    check_one_seed_one_result,
    check_runs_at_once,
    check_distribution,
    check_too_wide,
    check_shots,
    check_malformed,
)


def check_provider(provider: Provider) -> None:
    """A provider names its devices after itself, each differently, and names the same ones each time."""
    names = [backend.device.name for backend in provider.backends()]
    assert names, "a provider has at least one device"
    assert len(set(names)) == len(names), names
    assert all(backend.device.provider == provider.name for backend in provider.backends())
    assert names == [backend.device.name for backend in provider.backends()]


async def _refused(backend: Backend, circuit: Circuit, shots: int, error: type[Exception]) -> None:
    try:
        result = await backend.run(circuit, shots=shots, seed=_SEED)
    except error:
        return
    raise AssertionError(f"expected {error.__name__}, got {result}")


def _is_ideal(backend: Backend) -> bool:
    return backend.device.origin is Origin.SIMULATED


def _bell() -> Circuit:
    return Gates(2).h(0).cx(0, 1).measure(0, 1).circuit()


def _spread() -> Circuit:
    return Gates(3).h(0).h(1).h(2).measure(0, 1, 2).circuit()


def _random(rng: Rng) -> Gates:
    gates = Gates(3)
    for _ in range(12):
        a, b, c = rng.sample((0, 1, 2), 3)
        angle = rng.uniform(-3.0, 3.0)
        if rng.chance(0.5):
            gates.h(a).ry(angle, b).cx(a, b)
        else:
            gates.rx(angle, a).p(angle, b).ccx(c, a, b)
    return gates.measure(2, 0, 1)


def _random_clifford(rng: Rng) -> Gates:
    gates = Gates(3)
    for _ in range(12):
        a, b, _ = rng.sample((0, 1, 2), 3)
        gates.h(a).add(Op("s", (b,)))
        gates.cx(a, b)
    return gates.measure(2, 0, 1)


def _distance(counts: Mapping[str, int], expected: Mapping[str, float]) -> float:
    """Total variation between what was counted and what was expected."""
    shots = sum(counts.values())
    return sum(abs(counts.get(key, 0) / shots - p) for key, p in expected.items()) / 2
