"""The gravest case asked about once more, on an emulated machine: which one, why, and what noise makes of that."""

import math
from dataclasses import dataclass

import msgspec

from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, Assessment, Origin, PhalanxError
from phalanx.devices import Job
from phalanx.node import Node
from phalanx.quantum import Amplifier, AttackModel, Stage
from phalanx.workflows import Runs

_SHOTS, _SEED = 2_000, 7


class _Risk(msgspec.Struct):
    stage: str
    risk: float


class _Collected(msgspec.Struct):
    stages: list[_Risk]


@dataclass(frozen=True, slots=True)
class Asked:
    """``job`` ran the circuit; ``seen`` is the part of its outcomes that reach the goal, ``ideal`` what it would be."""

    case: str
    job: Job
    seen: float
    ideal: float

    def __str__(self) -> str:
        return (
            f"the question of {self.case} once more, amplified once, on {self.job.device} (emulated): "
            f"{self.seen:.2f} where an ideal machine gives {self.ideal:.2f}; chosen because {self.job.reason}"
        )


async def ask_a_machine(node: Node) -> Asked | None:
    """One circuit of the gravest assessment as a job; None where nothing was assessed. Raises what placing does."""
    rows = await node.assessments.list(DEFAULT_TENANT, limit=MAX_PAGE_ROWS)
    gravest = max((row for row in rows if row.run), key=lambda row: row.probability, default=None)
    model = None if gravest is None else await _model(node, gravest)
    if gravest is None or model is None:
        return None
    amplifier = Amplifier(model)
    job = await node.jobs.submit(
        DEFAULT_TENANT, amplifier.circuit(1), shots=_SHOTS, seed=_SEED, origin=Origin.EMULATED, trace=gravest.trace
    )  # fmt: skip
    done = await node.jobs.ended(DEFAULT_TENANT, job.id)
    if not done.counts:
        raise PhalanxError(done.error)
    angle = math.asin(math.sqrt(model.exact()))
    return Asked(
        gravest.subject.value, done, amplifier.goals(done.counts) / sum(done.counts.values()), math.sin(3 * angle) ** 2
    )


async def _model(node: Node, assessment: Assessment) -> AttackModel | None:
    steps = await Runs(node.store).steps(DEFAULT_TENANT, assessment.run)
    found = next((step for step in steps if step.step == "collect"), None)
    if found is None:
        return None
    stages = msgspec.convert(found.output, _Collected).stages
    return AttackModel.through([[Stage(one.stage, (one.risk,)) for one in stages]]) if stages else None
