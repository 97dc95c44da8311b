"""What circuits are worth where policies place them, on devices that are not quite what they are known to be.

Each policy places each circuit (``_placement_world``) over three kinds of pools: all usable devices; the fourteen whose
expected success lies closest together (near peers, where the best is little better than any); and random eights. The
oracle knows the drifted noise. ``regret`` is 1 - worth/oracle, ``above_random`` worth/random - 1, with intervals from
resampling circuits; random is the mean over the pool, and queues are drawn, so that the least busy is any. ``two_tier``
maps a circuit only onto the best three of the compiled shortlist, ``success_probability`` onto every device;
``expected_fidelity`` maps it onto the best five of the shortlist, simulates it there under the noise that is known, and
takes the best, as a node does.
``learned`` begins there and learns from its own placements, in turn: each circuit comes four times in random order,
and all of them count.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from phalanx.allocation import warm_decisions
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench.allocation._placement_world import World, make_world
from phalanx.core import Rng
from phalanx.learning import OffsetBandit, bootstrap

Places = npt.NDArray[np.int64]
# What a policy's choice is worth for each (draw, circuit, pool), beside the pool's mean and its best: columns.
Worth = npt.NDArray[np.float64]
POLICIES = (
    "least_busy",
    "composite",
    "best_error",
    "shortlist",
    "two_tier",
    "success_probability",
    "expected_fidelity",
)
N_PEERS, SUBSET, PASSES, TIER, SIMULATED = 14, 8, 4, 3, 5


async def placement_bench(options: BenchOptions) -> BenchResult:
    """Worth, regret and gain over random for each policy and pool."""
    warm_decisions()
    world = (
        make_world(options, n_jobs=8, draws=1, widest=65) if options.quick
        else make_world(options, n_jobs=0, draws=3, widest=1_000)
    )  # fmt: skip
    rng = options.rng.child("pools")
    subsets = 20 if options.quick else 60
    pools: dict[str, list[Places]] = {
        "whole_pool": [np.arange(len(world.devices))],
        "near_peers": [near_peers(world)],
        "random_subsets": [
            np.array(sorted(rng.sample(range(len(world.devices)), SUBSET)), np.int64) for _ in range(subsets)
        ],
    }
    figures: dict[str, Any] = {}
    for name, each in pools.items():
        options.tell(f"policies over {name}")
        figures[name] = judged(world, each, options.rng.child(name))
    return BenchResult(
        load={
            "circuits": [job.name for job in world.jobs],
            "devices": len(world.devices),
            "draws_of_drift": world.realised.shape[0],
            "near_peers": [world.devices[at] for at in pools["near_peers"][0]],
            "mapping_ms_p50_p99": [float(1e3 * np.nanquantile(world.mapping_s, part)) for part in (0.5, 0.99)],
            "metric": "normalised fidelity of the exact outcome distribution",
            "bars": "whole_pool above_random >= 0.35; near_peers regret < 0.03",
        },
        figures=figures,
    )


def near_peers(world: World) -> Places:
    """Neighbours in expected success, by what is known, with the least spread; of devices that take every circuit."""
    able = np.flatnonzero(np.isfinite(world.log_success).all(axis=0))
    mean = world.log_success[:, able].mean(axis=0)
    order = np.argsort(mean)
    n = min(N_PEERS, len(order))
    spread = [mean[order[at + n - 1]] - mean[order[at]] for at in range(len(order) - n + 1)]
    at = int(np.argmin(spread))
    return np.sort(able[order[at : at + n]])


def judged(world: World, pools: Sequence[Places], rng: Rng) -> dict[str, Any]:
    """Every policy over the same pools."""
    busy = rng.child("queues")
    chosen = {policy: _worth(world, pools, _choice(world, policy, busy.child(policy))) for policy in POLICIES}
    chosen["learned"] = learned(world, pools, rng.child("learned"))
    found: dict[str, Any] = {}
    any_of = chosen["success_probability"]
    found["random"] = _figures(np.column_stack([any_of[:, 0], any_of[:, 2], any_of[:, 2], any_of[:, 3]]), rng)
    for policy, worth in chosen.items():
        found[policy] = _figures(worth, rng)
    found["oracle"] = {
        "worth": float(any_of[:, 3].mean()), "above_random": float(any_of[:, 3].mean() / any_of[:, 2].mean() - 1.0),
    }  # fmt: skip
    for policy in ("success_probability", "expected_fidelity"):
        found[policy]["regret_by_family"] = _by_family(world, chosen[policy], rng.child(policy))
    return found


def _by_family(world: World, worth: Worth, rng: Rng) -> dict[str, list[float]]:
    """Regret of each family of circuits, with its interval."""
    found: dict[str, list[float]] = {}
    for family in sorted({job.family for job in world.jobs}):
        members = [at for at, job in enumerate(world.jobs) if job.family == family]
        rows = worth[np.isin(worth[:, 0], members)]
        if len(rows):
            each = bootstrap(partial(_regret_at, rows), len(rows), rng=rng.child(family), rounds=200)
            found[family] = [each.value, each.low, each.high]
    return found


Choice = Callable[[int, Places], int]


def _choice(world: World, policy: str, rng: Rng) -> Choice:
    def least_busy(_: int, places: Places) -> int:
        return int(rng.choice(places.tolist()))

    def best_error(_: int, places: Places) -> int:
        return int(places[np.argmin(world.two_qubit_error[places])])

    def two_tier(job: int, places: Places) -> int:
        few = places[np.argsort(-world.shortlist[job, places], kind="stable")[:TIER]]
        return int(few[np.argmax(world.log_success[job, few])])

    def simulated(job: int, places: Places) -> int:
        few = places[np.argsort(-world.shortlist[job, places], kind="stable")[:SIMULATED]]
        return int(few[np.argmax(world.expected[job, few])])

    tables = {
        "composite": world.composite, "shortlist": world.shortlist, "success_probability": world.log_success,
    }  # fmt: skip

    def by_table(job: int, places: Places) -> int:
        return int(places[np.argmax(tables[policy][job, places])])

    others = {
        "least_busy": least_busy, "best_error": best_error, "two_tier": two_tier, "expected_fidelity": simulated,
    }  # fmt: skip
    return others.get(policy, by_table)


def _worth(world: World, pools: Sequence[Places], choose: Choice) -> Worth:
    """Rows of (circuit, worth of the choice, mean of the pool, best of the pool)."""
    rows = []
    for draw in range(world.realised.shape[0]):
        for pool in pools:
            for job in range(len(world.jobs)):
                places = np.intersect1d(pool, world.fits(job))
                if places.size:
                    real = world.realised[draw, job]
                    rows.append((job, real[choose(job, places)], real[places].mean(), real[places].max()))
    return np.array(rows)


def learned(world: World, pools: Sequence[Places], rng: Rng) -> Worth:
    """One learner for each draw and pool, told only of what it chose."""
    rows = []
    for draw in range(world.realised.shape[0]):
        for number, pool in enumerate(pools):
            bandit = OffsetBandit(prior_sd=0.1, noise_sd=0.1, slack=0.03, optimism=0.5)
            order = list(range(len(world.jobs))) * PASSES
            rng.child(f"{draw} {number}").shuffle(order)
            for job in order:
                places = np.intersect1d(pool, world.fits(job))
                if not places.size:
                    continue
                # In units of success, so that an offset means as much on a short circuit as on a long one.
                scores = {str(place): float(np.exp(world.log_success[job, place])) for place in places}
                arm = bandit.choose(scores)
                real = world.realised[draw, job]
                bandit.learn(arm, scores[arm], float(real[int(arm)]))
                rows.append((job, real[int(arm)], real[places].mean(), real[places].max()))
    return np.array(rows)


def _figures(worth: Worth, rng: Rng) -> dict[str, Any]:
    found: dict[str, Any] = {
        "worth": float(worth[:, 1].mean()), "regret": _regret(worth), "above_random": _gain(worth),
    }  # fmt: skip
    circuits = [worth[worth[:, 0] == job] for job in np.unique(worth[:, 0])]
    draws = rng.child("bootstrap").numpy()
    again = [
        np.concatenate([circuits[at] for at in draws.integers(0, len(circuits), len(circuits))]) for _ in range(400)
    ]
    for name, of in (("regret", _regret), ("above_random", _gain)):
        low, high = np.quantile([of(one) for one in again], (0.025, 0.975))
        found[f"{name}_interval"] = [float(low), float(high)]
    return found


def _regret(worth: Worth) -> float:
    return float(1.0 - worth[:, 1].mean() / max(1e-12, worth[:, 3].mean()))


def _regret_at(worth: Worth, at: npt.NDArray[np.intp]) -> float:
    return _regret(worth[at])


def _gain(worth: Worth) -> float:
    return float(worth[:, 1].mean() / max(1e-12, worth[:, 2].mean()) - 1.0)
