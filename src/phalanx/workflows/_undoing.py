"""Compensation: what the steps of a cancelled run did outside is undone, last first.

A step counts as having acted once it is recorded as begun, whether or not its result was stored. Each undo is
recorded once, before the next begins; one that is repeated after a crash is given the same key. One that fails does
not keep the others from being undone.
"""

from phalanx.core import Conflict, Expect
from phalanx.workflows._attempts import STEP_UNDOS, StepUndo, Work, attempts_of, undo_id, undo_put, undos_of
from phalanx.workflows._errors import StepFailed
from phalanx.workflows._keeping import Keeper
from phalanx.workflows._performing import Performer, Surroundings
from phalanx.workflows._records import Run, Runs
from phalanx.workflows._template import Template


async def take_back(
    template: Template, run: Run, performer: Performer, keeper: Keeper, around: Surroundings
) -> StepFailed | None:
    """Undo what has begun and is not undone. Returns the first failure; raises ``Taken``."""
    if not any(step.undo is not None for step in template.steps):
        return None
    began: dict[str, int] = {}
    for one in await attempts_of(around.store, run.tenant, run.id):
        if one.work is Work.RUN:
            began.setdefault(one.step, one.started_ns)
    undone = {one.step for one in await undos_of(around.store, run.tenant, run.id)}
    order = {name: at for at, name in enumerate(template.order())}
    results = {result.step: result for result in await Runs(around.store).steps(run.tenant, run.id)}
    todo = [step for step in template.steps if step.undo is not None and step.name in began]
    todo.sort(key=lambda step: (began[step.name], order[step.name]), reverse=True)
    number, failure = len(undone), None
    for step in todo:
        if step.name in undone:
            continue
        try:
            performed = await performer.undo(step, results)
        except StepFailed as failed:
            failure = failure or failed
            continue
        number += 1
        now_ns = around.clock.wall_ns()
        record = StepUndo(
            id=undo_id(run.id, step.name), tenant=run.tenant, trace=run.trace, at_ns=now_ns, run=run.id,
            step=step.name, number=number, output=performed.output.value, started_ns=performed.started_ns,
            finished_ns=now_ns,
        )  # fmt: skip
        try:
            await keeper.commit(
                (undo_put(record), *performed.output.writes), expect=(Expect(STEP_UNDOS, run.tenant, record.id, 0),)
            )
        except Conflict:
            continue  # It was undone elsewhere.
    return failure
