"""Look-ups of indicators: 10⁷ queries against 10⁸ values, from strings and hashed, beside what anybody would take.

One query in a hundred is a value that is there. Names are asked about as whole values, without the names above them.
The baselines answer the same queries: a Python set of strings and ``numpy.searchsorted`` over sorted 64-bit digests,
the set at a size that fits into memory. Best of the rounds.
"""

import gc
import resource
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phalanx.bench._model import BenchOptions, BenchResult
from phalanx.core import NS_PER_S, Unavailable
from phalanx.intel.indicators import Arithmetic, Digests, IndicatorTable, build_table, on_gpu

_VALUES, _QUERIES = 100_000_000, 10_000_000
_QUICK_VALUES, _QUICK_QUERIES = 10_000_000, 1_000_000
# A set of so many strings of this length takes about a gigabyte.
_SET_VALUES = 10_000_000
_HIT_EVERY = 100
_ROUNDS = 3
_PIECE = 5_000_000
_KEY = bytes(range(16))
_MIB = 1 << 20


async def indicators_bench(options: BenchOptions) -> BenchResult:
    """See the module."""
    n_values = _QUICK_VALUES if options.quick else _VALUES
    n_queries = _QUICK_QUERIES if options.quick else _QUERIES
    arithmetic = Arithmetic(compiled=True)
    options.tell(f"building a table of {n_values} values")
    digests, hashed_s = _hashed_values(n_values, arithmetic)
    began = time.perf_counter_ns()
    table = build_table(digests, np.zeros(n_values, np.uint32), arithmetic)
    built_s = _seconds_since(began)
    del digests
    gc.collect()
    options.tell(f"{n_queries} queries")
    queries = _queries(n_values, n_queries)
    asked = _digests_of(queries, arithmetic)
    hits = int((table.find(asked, arithmetic) >= 0).sum())
    expected = len(range(0, n_queries, _HIT_EVERY))
    if hits != expected:
        raise AssertionError(f"{hits} found, {expected} are there")
    hashed_rate = n_queries / _best(lambda: table.find(asked, arithmetic))
    string_rate = n_queries / _best(lambda: table.find(_digests_of(queries, arithmetic), arithmetic))
    plain = Arithmetic(compiled=False)
    plain_rate = n_queries / _best(lambda: table.find(asked, plain))
    options.tell("baselines")
    search_rate = n_queries / _best(lambda: _searched(table, asked))
    n_set = min(n_values, _SET_VALUES)
    set_rate, set_bytes = _set_rate(n_set, queries)
    return BenchResult(
        load={"values": n_values, "queries": n_queries, "hits": hits, "rounds": _ROUNDS},
        figures={
            "lookups_per_s_hashed": round(hashed_rate), "lookups_per_s_from_strings": round(string_rate),
            "lookups_per_s_hashed_without_kernels": round(plain_rate),
            "bytes_per_value": round(table.nbytes / n_values, 2), "hash_values_s": round(hashed_s, 2),
            "build_s": round(built_s, 2), "table_mib": round(table.nbytes / _MIB),
            "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024),
            "gpu": _gpu(table, asked),
        },
        baselines={
            "searchsorted_lookups_per_s_hashed": round(search_rate), "searchsorted_bytes_per_value": 8,
            "set_lookups_per_s_from_strings": round(set_rate), "set_values": n_set,
            "set_bytes_per_value": round(set_bytes / n_set, 1),
        },
        ratios={
            "hashed_over_searchsorted": round(hashed_rate / search_rate, 2),
            "from_strings_over_set": round(string_rate / set_rate, 2),
        },
    )  # fmt: skip


def _hashed_values(n: int, arithmetic: Arithmetic) -> tuple[Digests, float]:
    """Digests of ``n`` names, made piece by piece as text would not fit, and the seconds that hashing took."""
    high, low = np.empty(n, np.uint64), np.empty(n, np.uint64)
    seconds = 0.0
    for begin in range(0, n, _PIECE):
        end = min(begin + _PIECE, n)
        names = _names(np.arange(begin, end))
        began = time.perf_counter_ns()
        found = arithmetic.digests_at(*names, _KEY)
        seconds += _seconds_since(began)
        high[begin:end], low[begin:end] = found.high, found.low
    return Digests(high, low), seconds


def _names(numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """``dxxxxxxxxxxxxxxxx.example-feed.net`` for each number, with where each begins and ends."""
    mixed = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    text = np.empty((len(numbers), 34), np.uint8)
    text[:, 0] = ord("d")
    pairs = np.array([list(f"{byte:02x}".encode()) for byte in range(256)], np.uint8)
    text[:, 1:17] = pairs[mixed.view(np.uint8)].reshape(len(numbers), 16)
    text[:, 17:] = np.frombuffer(b".example-feed.net", np.uint8)
    starts = np.arange(len(numbers), dtype=np.int64) * 34
    return text.reshape(-1), starts, starts + 34


def _queries(n_values: int, n: int) -> list[str]:
    """Names of which one in a hundred is among the values, without the letter of their kind."""
    step = n_values // n
    numbers = np.arange(n, dtype=np.int64) * step
    numbers[np.arange(n) % _HIT_EVERY != 0] += n_values
    data, starts, ends = _names(numbers)
    text = data.tobytes().decode("ascii")
    return [text[begin + 1 : end] for begin, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _digests_of(names: list[str], arithmetic: Arithmetic) -> Digests:
    """From strings: joined, looked through for their ends, hashed."""
    data = np.frombuffer(("d" + "\nd".join(names) + "\n").encode(), np.uint8)
    ends = np.flatnonzero(data == ord("\n"))
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    return arithmetic.digests_at(data, starts, ends, _KEY)


def _gpu(table: IndicatorTable, asked: Digests) -> float | str:
    """Look-ups a second on a GPU, digests there already; in words where there is none."""
    try:
        device = on_gpu(table)
    except Unavailable as error:
        return f"not measured: {error.message}"
    sent = device.send(asked)
    device.look_up(sent)
    return round(len(asked) / _best(lambda: device.look_up(sent)))


def _searched(table: IndicatorTable, asked: Digests) -> int:
    places = np.minimum(np.searchsorted(table.high, asked.high), len(table) - 1)
    return int((table.high[places] == asked.high).sum())


def _set_rate(n: int, queries: list[str]) -> tuple[float, int]:
    before = _resident()
    data, starts, ends = _names(np.arange(n))
    text = data.tobytes().decode("ascii")
    known = {text[begin + 1 : end] for begin, end in zip(starts.tolist(), ends.tolist(), strict=True)}
    del data, starts, ends, text
    taken = _resident() - before
    found: list[float] = []
    for _ in range(_ROUNDS):
        # A string remembers its hash: each round asks with new ones.
        fresh = "\n".join(queries).split("\n")
        began = time.perf_counter_ns()
        sum(1 for one in fresh if one in known)
        found.append(_seconds_since(began))
    return len(queries) / min(found), max(taken, 0)


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel's
        return int(file.read().split()[1]) * resource.getpagesize()


def _best(work: Callable[[], Any]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter_ns()
        work()
        times.append(_seconds_since(began))
    return min(times)


def _seconds_since(began_ns: int) -> float:
    return (time.perf_counter_ns() - began_ns) / NS_PER_S
