"""What is unlike the usual: density by a quantum kernel and by a classical one, as ranks among the usual."""

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, Rng
from phalanx.quantum.routines import Answer, density_novelties, density_ranks, find_novelties, isolation
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

Rows = npt.NDArray[np.float64]
MAX_ROWS, MAX_COLUMNS, MIN_USUAL = 2_000, 3, 20


class NoveltyAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``usual`` rows, and the ``asked`` ones, numbers of the same meaning in the same order."""

    usual: list[list[float]]
    asked: list[list[float]]


class Novel(Compared, frozen=True, kw_only=True):
    """For each row asked about, the share of usual rows that are less unlike the others. The signal is of the worst."""

    ranks: list[float]
    method: str
    signal: Signal


def _rows(asked: NoveltyAsked) -> tuple[Rows, Rows]:
    """Raises ``InvalidInput``, which names the field."""
    rows = []
    for name, given, least in (("usual", asked.usual, MIN_USUAL), ("asked", asked.asked, 1)):
        if not least <= len(given) <= MAX_ROWS:
            raise InvalidInput(name, f"{least} to {MAX_ROWS:,} rows, got {len(given)}")
        if len({len(row) for row in (*given, asked.usual[0])}) != 1 or not given[0]:
            raise InvalidInput(name, "rows do not all have the same numbers")
        matrix = np.asarray(given, dtype=np.float64)
        if not np.isfinite(matrix).all():
            raise InvalidInput(name, "a number is not finite")
        rows.append(matrix)
    return rows[0], rows[1]


def run_gaussian(asked: NoveltyAsked) -> list[float]:
    """Runs in another process."""
    return density_ranks(*_rows(asked), quantum=False)


def run_density(asked: NoveltyAsked, seed: int) -> Answer:
    return density_novelties(*_rows(asked), seed=seed)


def run_forest(asked: NoveltyAsked, seed: int) -> list[float]:
    usual, rows = _rows(asked)
    scores = isolation(usual, np.concatenate([usual, rows]), Rng(seed).child("forest"))
    return _ranks(scores[: len(usual)], scores[len(usual) :])


def run_boltzmann(asked: NoveltyAsked, seed: int) -> tuple[list[float], Answer]:
    """Usual rows are asked about as well, so that others have ranks among them."""
    usual, rows = _rows(asked)
    columns = min(MAX_COLUMNS, usual.shape[1])
    answer = find_novelties(usual, np.concatenate([usual, rows]), seed=seed, columns=columns)
    surprise = np.array(answer.found["surprise_bits"])
    return _ranks(surprise[: len(usual)], surprise[len(usual) :]), answer


def _ranks(usual: Rows, asked: Rows) -> list[float]:
    ordered = np.sort(usual)
    return [float(np.searchsorted(ordered, one, side="left")) / len(usual) for one in asked]


def _novel(name: str, ranks: list[float], n_usual: int, method: str) -> Novel:
    worst = max(ranks)
    # A rank among n has a standard error; it is no probability of an attack until it is calibrated.
    error = float(np.sqrt(worst * (1.0 - worst) / n_usual)) + 1.0 / n_usual
    interval = (max(0.0, worst - 2 * error), min(1.0, worst + 2 * error))
    summary = f"{method}: the strangest of {len(ranks)} rows is stranger than {worst:.3f} of {n_usual} usual ones"
    return Novel(
        ranks=ranks, method=method, signal=Signal(name=name, probability=worst, interval=interval, summary=summary)
    )


async def by_gaussian(context: StepContext, asked: NoveltyAsked) -> Novel:
    """Density by a Gaussian kernel."""
    ranks = await context.processes.run(run_gaussian, asked)
    return _novel(context.step, ranks, len(asked.usual), "Gaussian kernel density")


@operation(
    "kernel-novelty", title="How unlike the usual, by the density of a quantum kernel, simulated", gives=Novel,
    fallback=by_gaussian, functions=(run_gaussian,),
)  # fmt: skip
async def by_quantum_kernel(context: StepContext, asked: NoveltyAsked) -> StepOutput:
    """Overlaps of states whose phases are a row's components; a Gaussian kernel and a forest beside it."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_density, asked, context.seed)
    return answered(_novel(context.step, answer.found["ranks"], len(asked.usual), "quantum kernel density"), answer)


gaussian_novelty = operation(
    "gaussian-novelty", title="How unlike the usual, by a Gaussian kernel", gives=Novel, functions=(run_gaussian,)
)(by_gaussian)


async def by_forest(context: StepContext, asked: NoveltyAsked) -> Novel:
    """An isolation forest."""
    ranks = await context.processes.run(run_forest, asked, context.seed)
    return _novel(context.step, ranks, len(asked.usual), "isolation forest")


@operation(
    "boltzmann-novelty", title="How unlike the usual, by a quantum Boltzmann machine, simulated", gives=Novel,
    fallback=by_forest, functions=(run_forest,),
)  # fmt: skip
async def by_boltzmann(context: StepContext, asked: NoveltyAsked) -> StepOutput:
    """A thermal state of the bits of a few columns; its classical peer and a forest beside it."""
    need_quantum(context)
    ranks, answer = await context.processes.run(run_boltzmann, asked, context.seed)
    return answered(_novel(context.step, ranks, len(asked.usual), "quantum Boltzmann machine"), answer)


forest_novelty = operation(
    "forest-novelty", title="How unlike the usual, by an isolation forest", gives=Novel, functions=(run_forest,)
)(by_forest)
