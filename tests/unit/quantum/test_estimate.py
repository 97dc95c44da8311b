import asyncio

import pytest

from phalanx.core import InvalidInput, Origin, Provenance, Rng, Unavailable
from phalanx.quantum import AttackModel, Contradictory, ShotResult, Stage, estimate_probability, parse, simulate

INTRUSION = AttackModel.through([
    [Stage("initial-access", (0.4, 0.5))],
    [Stage("credential-access", (0.3,)), Stage("privilege-escalation", (0.6, 0.2))],
    [Stage("lateral-movement", (0.35,)), Stage("exfiltration", (0.7,))],
])  # fmt: skip
SHARED = AttackModel(
    tuple(Stage(name, (risk,)) for name, risk in zip("abcd", (0.6, 0.3, 0.5, 0.8), strict=True)),
    (("a", "b"), ("a", "c", "d"), ("b", "d")),
)


async def ideal(circuit, /, *, shots, seed):
    counts = simulate.counts(parse(circuit), shots, Rng(seed))
    return ShotResult(counts, provenance(circuit, shots, seed))


def provenance(circuit, shots, seed, device="test.ideal"):
    return Provenance(origin=Origin.SIMULATED, device=device, circuits=(circuit.digest,), shots=shots, seed=seed)


def estimate(model, *, seed=1, run=ideal, **options):
    return asyncio.run(estimate_probability(model, run=run, seed=seed, **options))


@pytest.mark.parametrize("model", [INTRUSION, SHARED], ids=["phases", "shared stages"])
@pytest.mark.requirement("IRS-2")
def test_the_estimate_is_within_epsilon_of_the_closed_form(model):
    for seed in range(12):
        found = estimate(model, seed=seed)
        low, high = found.interval
        assert high - low <= 0.02
        assert low <= model.exact() <= high, seed
        assert found.agrees
        assert found.estimate == (low + high) / 2


@pytest.mark.parametrize("risk", [0.0, 1.0])
def test_certainty_is_found(risk):
    low, high = estimate(AttackModel.through([[Stage("a", (risk,))], [Stage("b", (1.0,))]])).interval
    assert low - 1e-9 <= risk <= high + 1e-9


def test_one_seed_one_result():
    assert estimate(INTRUSION, seed=3) == estimate(INTRUSION, seed=3)
    assert estimate(INTRUSION, seed=3) != estimate(INTRUSION, seed=4)


def test_the_result_says_where_it_came_from_and_what_it_is_compared_with():
    found = estimate(INTRUSION, seed=9)
    (source,) = found.provenance
    assert (source.origin, source.device, source.seed) == (Origin.SIMULATED, "test.ideal", 9)
    assert source.shots == sum(look.shots for look in found.looks)
    assert len(source.circuits) == len({look.power for look in found.looks})
    exact, monte_carlo = source.baselines
    assert exact.method == "exact"
    assert exact.value == INTRUSION.exact()
    assert monte_carlo.cost == found.calls == sum(look.power * look.shots for look in found.looks)
    assert abs(monte_carlo.value - exact.value) < 2 * monte_carlo.error
    assert monte_carlo.error > (found.interval[1] - found.interval[0]) / 2, "else nothing was gained"
    assert found.monte_carlo_calls > 5 * found.calls


def test_a_device_replaced_on_the_way_is_named_too():
    asked = []

    async def failing_over(circuit, /, *, shots, seed):
        asked.append(circuit)
        result = await ideal(circuit, shots=shots, seed=seed)
        return ShotResult(result.counts, provenance(circuit, shots, seed, f"test.{'one' if len(asked) < 3 else 'two'}"))

    found = estimate(INTRUSION, run=failing_over)
    assert [p.device for p in found.provenance] == ["test.one", "test.two"]
    assert sum(p.shots for p in found.provenance) == sum(look.shots for look in found.looks)


def test_a_device_that_contradicts_itself_is_unavailable_for_the_method():
    goals = iter([9, 48, 48])

    async def drifting(circuit, /, *, shots, seed):
        hits = next(goals)
        counts = {"11": hits, "00": shots - hits}
        return ShotResult(counts, provenance(circuit, shots, seed))

    with pytest.raises(Contradictory, match=r"test\.ideal") as caught:
        estimate(AttackModel.through([[Stage("a", (0.5,))], [Stage("b", (0.5,))]]), run=drifting)
    assert isinstance(caught.value, Unavailable)


def test_a_noisy_device_disagrees_with_the_exact_answer():
    async def noisy(circuit, /, *, shots, seed):
        result = await ideal(circuit, shots=shots, seed=seed)
        width = len(parse(circuit).measured)
        lost = {key: n // 2 for key, n in result.counts.items()}
        counts = {key: n - lost[key] for key, n in result.counts.items()}
        counts["0" * width] = counts.get("0" * width, 0) + sum(lost.values())
        return ShotResult(counts, provenance(circuit, shots, seed))

    assert estimate(INTRUSION).agrees
    assert not estimate(INTRUSION, run=noisy).agrees


def test_shots_at_once_are_bounded_by_the_device():
    found = estimate(INTRUSION, max_shots=20)
    assert max(look.shots for look in found.looks) == 20
    assert found.interval[0] <= INTRUSION.exact() <= found.interval[1]


@pytest.mark.parametrize("options", [{"epsilon": 0.0}, {"epsilon": 0.3}, {"alpha": 0.0}, {"epsilon": float("nan")}])
def test_accuracy_is_bounded(options):
    with pytest.raises(InvalidInput, match=next(iter(options))):
        estimate(INTRUSION, **options)
