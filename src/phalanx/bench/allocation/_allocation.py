"""How long it takes to decide where a circuit goes, over boards of 68 and 1,000 made-up devices.

``kernel`` is the compiled function alone, called from Python; ``decide`` is a requirement to a decision with its own
copy of what it saw; ``end_to_end`` writes a load and, every hundredth time, a calibration before, makes the
requirement from counts, and says its reason after. Each decision is another circuit on a board that just changed.
NumPy over whole arrays and a plain Python loop over lists do the same on the same board in the same run. ``cold_ms``
is a process of its own that loads (or compiles) the kernels and decides once.

``two_tier_ms`` is a whole placement over the published devices, reasons for each included: of circuits that were never
seen (laid out on three devices, by success probability; simulated there too, by expected fidelity), and of the same
again, whose layouts are kept. ``booked`` is what it costs to write to a board, before a decision, for how long each
device is taken by a thousand bookings of others, and the kernel on that board.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from phalanx.allocation import (
    Ask,
    Board,
    Bookable,
    Booked,
    Booking,
    BookingState,
    Case,
    Decider,
    Layouts,
    Requirement,
    Standing,
    built_in_policies,
    explained,
    kernel_of,
    published_devices,
    requirement_of,
    shortlist_loop,
    standing_of,
    warm_decisions,
)
from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.bench._timing import quantile
from phalanx.core import NS_PER_S, Circuit, Rng
from phalanx.quantum import Gates, features

_SIZES = (68, 1_000)
_COLD = """
import time
begun = time.perf_counter()
from phalanx.allocation import Board, Decider, Requirement, Standing, warm_decisions
warm_decisions()
Decider(Board([Standing(name="a", n_qubits=5)])).decide(Requirement(width=2)).reason()
print((time.perf_counter() - begun) * 1e3)
"""


async def allocation_bench(options: BenchOptions) -> BenchResult:
    """Times of both compiled policies, alone and end to end, beside what needs no compiler."""
    cold_ms = await _cold_ms()
    warm_decisions()
    rounds = 3_000 if options.quick else 30_000
    figures: dict[str, Any] = {"cold_ms": cold_ms}
    baselines: dict[str, Any] = {}
    ratios: dict[str, float] = {}
    for n in _SIZES:
        options.tell(f"{n} devices")
        rng = options.rng.child(str(n))
        for policy in ("shortlist", "composite"):
            figures[f"{policy}_{n}"] = _policy(Board(_standings(rng, n)), rng, policy, rounds)
        baselines[f"shortlist_{n}"] = _plain(Board(_standings(rng, n)), rng, max(200, rounds // 20))
        ratios |= {
            f"{name}_over_kernel_{n}": baselines[f"shortlist_{n}"][f"{name}_us_p50"]
            / figures[f"shortlist_{n}"]["kernel_us_p50"]
            for name in ("numpy", "python_loop")
        }
    figures["booked"] = {f"{n}": _booked(options.rng.child(f"booked {n}"), n, rounds // 10) for n in _SIZES}
    options.tell("both tiers")
    figures["two_tier_ms"] = {
        policy: _both_tiers(policy, 4 if options.quick else 12)
        for policy in ("success_probability", "expected_fidelity")
    }
    return BenchResult(
        load={"devices": list(_SIZES), "rounds": rounds, "shortlist": 3, "circuits": "64, of 2-20 qubits"},
        figures=figures,
        baselines=baselines,
        ratios=ratios,
    )


def _booked(rng: Rng, n: int, rounds: int) -> dict[str, float]:
    """Microseconds of writing to a board what others booked on its devices, and of the shortlist on that board."""
    board, booked = Board(_standings(rng, n)), Booked()
    booked.see_all([Bookable(name=name) for name in board.names], _bookings(rng, board.names))
    kernel, want = kernel_of("shortlist"), _requirements(rng)[0].row
    buffers = np.zeros(n), np.zeros(n, np.int64), np.zeros(3, np.int64)
    written_us, kernel_us = [], []
    for at in range(rounds):
        now_ns = at * NS_PER_S
        begun = time.perf_counter_ns()
        for name in board.names:
            board.set_load(name, 0.5, booked.wait_s(name, "somebody", now_ns, 1.0))
        then = time.perf_counter_ns()
        kernel(board.rows, want, *buffers)
        kernel_us.append((time.perf_counter_ns() - then) / 1e3)
        written_us.append((then - begun) / 1e3)
    return {
        "written_us_p50": quantile(written_us, 0.5), "written_us_p99": quantile(written_us, 0.99),
        "kernel_us_p50": quantile(kernel_us, 0.5), "kernel_us_p99": quantile(kernel_us, 0.99),
    }  # fmt: skip


def _bookings(rng: Rng, names: Sequence[str]) -> list[Booking]:
    """A thousand, of others, in the next day: minutes to hours."""
    made = []
    for at in range(1_000):
        start_ns, lasts_ns = rng.integer(0, 86_400) * NS_PER_S, rng.integer(60, 7_200) * NS_PER_S
        ask = Ask(demands={rng.choice(names): 1}, duration_ns=lasts_ns, earliest_ns=start_ns)
        made.append(
            Booking(
                id=f"{at}", tenant=f"t{at % 7}", ask=ask, start_ns=start_ns, end_ns=start_ns + lasts_ns,
                state=BookingState.BOOKED, made=at,
            )
        )  # fmt: skip
    return made


def _both_tiers(policy: str, n: int) -> dict[str, float]:
    """Milliseconds of placing circuits of 4 to 6 qubits over the published devices, new and known."""
    models, layouts, by = published_devices(), Layouts(), built_in_policies()[policy]
    board = Board([standing_of(model) for model in models])
    circuits = [_chain(4 + at % 3, at) for at in range(n)]
    found: dict[str, float] = {}
    # One more before: what is loaded at first is not part of it.
    explained(by, Case(_chain(4, n), requirement_of(features(_chain(4, n))), board, models, layouts))
    for how in ("new", "known"):
        took_ms = []
        for circuit in circuits:
            begun = time.perf_counter()
            wanted = requirement_of(features(circuit), shots=1_000)
            explained(by, Case(circuit, wanted, board, models, layouts))
            took_ms.append((time.perf_counter() - begun) * 1e3)
        found |= {f"{how}_p50": quantile(took_ms, 0.5), f"{how}_max": max(took_ms)}
    return found


def _chain(width: int, number: int) -> Circuit:
    """Entangled neighbours with turns that no other circuit has."""
    gates = Gates(width).h(0)
    for at in range(width - 1):
        gates = gates.cx(at, at + 1).ry(0.1 * (number + 1), at + 1)
    return gates.cx(0, width - 1).measure(*range(width)).circuit()


def _standings(rng: Rng, n: int) -> list[Standing]:
    return [
        Standing(
            name=f"made-up.{at}",
            n_qubits=rng.choice((5, 7, 16, 20, 27, 65, 127, 156)),
            one_qubit_error=rng.uniform(1e-4, 1e-3),
            two_qubit_error=rng.uniform(4e-3, 3e-2),
            readout_error=rng.uniform(5e-3, 5e-2),
            one_qubit_ns=35.0,
            two_qubit_ns=rng.uniform(60.0, 500.0),
            readout_ns=rng.uniform(700.0, 5_000.0),
            t1_ns=rng.uniform(5e4, 3e5),
            t2_ns=rng.uniform(3e4, 3e5),
            degree=rng.uniform(1.6, 2.4),
            load=rng.random(),
            wait_s=rng.exponential(600.0),
            price_second=rng.uniform(0.2, 1.6),
            shot_s=2.5e-4,
            max_shots=100_000,
        )
        for at in range(n)
    ]


def _requirements(rng: Rng) -> list[Requirement]:
    return [
        Requirement(
            width=(width := rng.integer(2, 21)), n_one=6 * width, n_two=5 * width, n_measured=width, depth_one=12,
            depth_two=10, degree=rng.uniform(1.0, 4.0), fidelity=0.01, coherence_ns=4e4, deadline_s=3_600.0,
            budget=500.0, shots=1_000,
        )
        for _ in range(64)
    ]  # fmt: skip


def _policy(board: Board, rng: Rng, policy: str, rounds: int) -> dict[str, float]:
    n = len(board.names)
    kernel = kernel_of(policy)
    wanted = _requirements(rng)
    rows = [one.row for one in wanted]
    scores, why, best = np.zeros(n), np.zeros(n, np.int64), np.zeros(3, np.int64)
    decider, fresh = Decider(board, policy), _standings(rng.child("fresh"), n)

    def alone(at: int) -> None:
        kernel(board.rows, rows[at % 64], scores, why, best)

    def decide(at: int) -> None:
        _ = decider.decide(wanted[at % 64]).best

    def whole(at: int) -> None:
        board.set_load(board.names[at % n], (at % 97) / 97.0, at % 600)
        if at % 100 == 0:
            board.put(fresh[at % n])
        known = wanted[at % 64]
        _ = decider.decide(
            Requirement(
                width=known.width, n_one=known.n_one, n_two=known.n_two, n_measured=known.n_measured, depth_one=12,
                depth_two=10, degree=known.degree, coherence_ns=4e4, deadline_s=3_600.0, shots=1_000,
            )
        ).reason()  # fmt: skip

    def explained(at: int) -> None:
        _ = decider.decide(wanted[at % 64]).considered()

    found: dict[str, float] = {}
    for name, work, times in (
        ("kernel", alone, rounds), ("decide", decide, rounds), ("end_to_end", whole, rounds),
        ("all_reasons", explained, max(100, rounds // 100)),
    ):  # fmt: skip
        found |= _timed(name, work, times, board)
    return found


def _plain(board: Board, rng: Rng, rounds: int) -> dict[str, float]:
    n = len(board.names)
    rows = [one.row for one in _requirements(rng)]
    scores, why, best = np.zeros(n), np.zeros(n, np.int64), np.zeros(3, np.int64)
    wanted = [row.tolist() for row in rows]
    wide_kernel = kernel_of("shortlist", compiled=False)
    lists = board.rows.T.tolist()

    def wide(at: int) -> None:
        wide_kernel(board.rows, rows[at % 64], scores, why, best)

    def loop(at: int) -> None:
        shortlist_loop(lists, wanted[at % 64], 3)

    return _timed("numpy", wide, rounds, board) | _timed("python_loop", loop, rounds, board)


def _timed(name: str, work: Callable[[int], None], rounds: int, board: Board) -> dict[str, float]:
    """Microseconds of single calls; the board changes between them, outside what is measured."""
    n, took = len(board.names), []
    for at in range(rounds + 50):
        board.set_load(board.names[at % n], (at % 89) / 89.0, at % 600)
        begun = time.perf_counter_ns()
        work(at)
        took.append(time.perf_counter_ns() - begun)
    took_us = [one / 1e3 for one in took[50:]]
    return {f"{name}_us_p50": quantile(took_us, 0.5), f"{name}_us_p99": quantile(took_us, 0.99)}


async def _cold_ms() -> float:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", _COLD, stdout=asyncio.subprocess.PIPE)
    said, _ = await child.communicate()
    return float(said)
