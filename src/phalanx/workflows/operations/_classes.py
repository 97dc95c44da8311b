"""Rows classified in two classes: by a trained circuit or a quantum kernel, or by boosted stumps."""

from typing import Literal

import msgspec
import numpy as np

from phalanx.quantum.routines import Answer, boosted_stumps, checked, classify, classify_by_kernel
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._quantum import need_quantum
from phalanx.workflows.operations._signals import Signal

_WIDE = 0.1


class ClassesAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``rows`` to learn from with their ``labels`` (true for an attack), and those ``asked`` about.

    With ``truth`` of what is asked about each method is judged.
    """

    rows: list[list[float]]
    labels: list[bool]
    asked: list[list[float]]
    truth: list[bool] = []
    method: Literal["variational", "kernel"] = "variational"
    qubits: int = 4
    steps: int = 120


class Classes(Compared, frozen=True, kw_only=True):
    """How likely each row asked about is an attack; the signal is of the likeliest. ``accuracy`` is by method."""

    probability: list[float]
    accuracy: dict[str, float]
    method: str
    signal: Signal


def run_classes(asked: ClassesAsked, seed: int) -> Answer:
    """Runs in another process. Raises ``InvalidInput``, which names the field."""
    rows, others = np.array(asked.rows, dtype=np.float64), np.array(asked.asked, dtype=np.float64)
    truth = asked.truth or None
    if asked.method == "kernel":
        return classify_by_kernel(rows, asked.labels, others, seed=seed, truth=truth, qubits=asked.qubits)
    return classify(rows, asked.labels, others, seed=seed, truth=truth, qubits=asked.qubits, steps=asked.steps)


def run_stumps(asked: ClassesAsked) -> list[float]:
    rows, others, known, _ = checked(
        np.array(asked.rows, dtype=np.float64), asked.labels, np.array(asked.asked, dtype=np.float64), None
    )
    odds = boosted_stumps(rows, known, others)
    return [float(one) for one in 1 / (1 + np.exp(-np.clip(odds, -60, 60)))]


def _classes(name: str, chances: list[float], method: str, accuracy: dict[str, float]) -> Classes:
    worst = max(chances)
    attacks = sum(one > 0.5 for one in chances)
    summary = f"{method}: {attacks} of {len(chances)} rows are attacks, the likeliest with {worst:.2f}"
    signal = Signal(
        name=name, probability=worst, interval=(max(0.0, worst - _WIDE), min(1.0, worst + _WIDE)), summary=summary
    )
    return Classes(probability=chances, accuracy=accuracy, method=method, signal=signal)


async def by_stumps(context: StepContext, asked: ClassesAsked) -> Classes:
    """Gradient boosting of trees with one split."""
    chances = await context.processes.run(run_stumps, asked)
    return _classes(context.step, chances, "boosted stumps", {})


@operation(
    "classify-rows", title="Attacks told from the rest by a circuit or a quantum kernel, simulated", gives=Classes,
    fallback=by_stumps, functions=(run_stumps,),
)  # fmt: skip
async def classes(context: StepContext, asked: ClassesAsked) -> StepOutput:
    """Learned from labelled rows; boosted stumps, and what else is classical, beside it."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_classes, asked, context.seed)
    found = answer.found
    return answered(_classes(context.step, found["probability"], answer.quantum.method, found["accuracy"]), answer)


stumps = operation(
    "classify-by-stumps", title="The same by gradient boosting alone", gives=Classes, functions=(run_stumps,)
)(by_stumps)
