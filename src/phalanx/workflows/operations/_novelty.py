"""What is unlike the usual: density by a quantum kernel and by a classical one, as ranks among what is usual."""

import msgspec
import numpy as np
import numpy.typing as npt

from phalanx.core import InvalidInput, LimitExceeded, Origin, Provenance
from phalanx.quantum.routines import KERNELS, PhaseKernel, gaussian_kernel
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

Rows = npt.NDArray[np.float64]
MAX_ROWS, MAX_WIDTH, MIN_USUAL = 2_000, 8, 20
_FAR = 3.0


class NoveltyAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``usual`` rows, and the ``asked`` ones, numbers of the same meaning in the same order."""

    usual: list[list[float]]
    asked: list[list[float]]


class Novel(msgspec.Struct, frozen=True, kw_only=True):
    """For each row asked about, the share of usual rows that are less unlike the others. The signal is of the worst."""

    ranks: list[float]
    method: str
    signal: Signal


def prepared(usual: Rows, asked: Rows) -> tuple[Rows, Rows]:
    """At most eight components of what is usual, each with variance one; what is asked has no say in them."""
    squeezed = [np.sign(rows) * np.log1p(np.abs(rows)) for rows in (usual, asked)]
    mean, spread = squeezed[0].mean(axis=0), squeezed[0].std(axis=0)
    spread[spread < 1e-9] = 1.0
    ours, theirs = ((rows - mean) / spread for rows in squeezed)
    _, singular, axes = np.linalg.svd(ours, full_matrices=False)
    wide = min(MAX_WIDTH, int((singular > 1e-6 * max(singular[0], 1e-12)).sum()) or 1)
    turn = axes[:wide].T / np.maximum(singular[:wide] / np.sqrt(len(ours)), 1e-9)
    return ours @ turn, theirs @ turn


def ranked(usual: Rows, asked: Rows, *, quantum: bool) -> list[float]:
    """Where each row asked about stands among usual ones, each of which is judged by the others."""
    ours, theirs = prepared(usual, asked)
    n, wide = ours.shape
    width = float(n ** (-1.0 / (wide + 4))) * np.sqrt(wide)
    if quantum:
        # Phases repeat: what lies far out is drawn in, so that it does not come around to the middle again.
        ours, theirs = (_FAR * np.tanh(rows / _FAR) for rows in (ours, theirs))
        kernel = PhaseKernel(wide, bandwidth=0.25 / width, pairs="none")
        among, across = kernel.matrix(ours), kernel.matrix(theirs, ours)
    else:
        among, across = gaussian_kernel(ours, ours, width=width), gaussian_kernel(theirs, ours, width=width)
    own = 1.0 - (among.sum(axis=1) - np.diag(among)) / (n - 1)
    ordered = np.sort(own)
    return [float(np.searchsorted(ordered, one, side="left")) / n for one in 1.0 - across.mean(axis=1)]


def run_novelty(asked: NoveltyAsked, quantum: bool) -> list[float]:  # noqa: FBT001 - what processes are given
    """Runs in another process. Raises ``InvalidInput``, which names the field."""
    rows = []
    for name, given, least in (("usual", asked.usual, MIN_USUAL), ("asked", asked.asked, 1)):
        if not least <= len(given) <= MAX_ROWS:
            raise LimitExceeded(f"{name} rows (at least {least})", maximum=MAX_ROWS, seen=len(given))
        if len({len(row) for row in (*given, asked.usual[0])}) != 1 or not given[0]:
            raise InvalidInput(name, "rows do not all have the same numbers")
        matrix = np.asarray(given, dtype=np.float64)
        if not np.isfinite(matrix).all():
            raise InvalidInput(name, "a number is not finite")
        rows.append(matrix)
    return ranked(rows[0], rows[1], quantum=quantum)


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
    ranks = await context.processes.run(run_novelty, asked, False)  # noqa: FBT003
    return _novel(context.step, ranks, len(asked.usual), "Gaussian kernel density")


@operation(
    "kernel-novelty", title="How unlike the usual, by the density of a quantum kernel, simulated", gives=Novel,
    fallback=by_gaussian, functions=(run_novelty,),
)  # fmt: skip
async def by_quantum_kernel(context: StepContext, asked: NoveltyAsked) -> StepOutput:
    """Overlaps of states whose phases are a row's components."""
    need_quantum(context)
    ranks = await context.processes.run(run_novelty, asked, True)  # noqa: FBT003
    source = Provenance(
        origin=Origin.SIMULATED, device=KERNELS, circuits=(), shots=len(asked.asked) * len(asked.usual),
        seed=context.seed,
    )  # fmt: skip
    novel = _novel(context.step, ranks, len(asked.usual), "quantum kernel density")
    return StepOutput(value=novel, provenance=(source,))


gaussian_novelty = operation(
    "gaussian-novelty", title="How unlike the usual, by a Gaussian kernel", gives=Novel, functions=(run_novelty,)
)(by_gaussian)
