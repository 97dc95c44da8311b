"""Rows like those of attacks, to train and test with: by a quantum generative model, or by a classical one."""

from typing import Any, Literal

import msgspec
import numpy as np

from phalanx.quantum.routines import Answer, generate, generate_classically
from phalanx.workflows._template import StepContext, StepOutput
from phalanx.workflows.operations._contract import Compared, answered, operation
from phalanx.workflows.operations._quantum import need_quantum


class TrafficAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``attacks`` are rows to be like, ``others`` rows of the other kind, for utility. See ``generate``."""

    attacks: list[list[float]]
    others: list[list[float]] = []
    method: Literal["born", "adversarial"] = "born"
    draws: int = 500
    columns: int = 3
    bits: int = 2
    steps: int = 150


class Traffic(Compared, frozen=True, kw_only=True):
    """``rows`` have the ``columns`` of the attacks that were learned; ``judged`` says what each model is worth."""

    rows: list[list[float]]
    columns: list[int]
    method: str
    judged: dict[str, dict[str, float]]


def run_traffic(asked: TrafficAsked, seed: int, quantum: bool) -> Answer:  # noqa: FBT001 - what processes are given
    """Runs in another process."""
    others = np.array(asked.others, dtype=np.float64) if asked.others else None
    rows = np.array(asked.attacks, dtype=np.float64) if asked.attacks else np.zeros((0, 0))
    if quantum:
        return generate(
            rows, seed=seed, columns=asked.columns, bits_each=asked.bits, steps=asked.steps, draws=asked.draws,
            others=others, method=asked.method,
        )  # fmt: skip
    return generate_classically(
        rows, seed=seed, columns=asked.columns, bits_each=asked.bits, draws=asked.draws, others=others
    )


def _traffic(answer: Answer) -> Traffic:
    found: Any = answer.found
    return Traffic(
        rows=found["rows"], columns=found["columns"], method=answer.quantum.method, judged=found["judged"]
    )  # fmt: skip


async def by_tree(context: StepContext, asked: TrafficAsked) -> Traffic:
    """A tree of dependencies."""
    return _traffic(await context.processes.run(run_traffic, asked, context.seed, False))  # noqa: FBT003


@operation(
    "generate-traffic", title="Synthetic rows like given ones, with utility and what they give away, simulated",
    gives=Traffic, fallback=by_tree,
)  # fmt: skip
async def traffic(context: StepContext, asked: TrafficAsked) -> StepOutput:
    """A Born machine or an adversarial network, beside classical models."""
    need_quantum(context)
    answer: Answer = await context.processes.run(run_traffic, asked, context.seed, True)  # noqa: FBT003
    return answered(_traffic(answer), answer)
