"""What a step of a run is given for CPU-bound work: its calls become pieces of the crew."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, ParamSpec, TypeVar

from phalanx.core import TenantId
from phalanx.workflows.workers._crew import Crew
from phalanx.workflows.workers._tries import PieceAsked, PieceDone

P = ParamSpec("P")
T = TypeVar("T")


class StepPieces:
    """An ``Offload``. A function that has no name among the crew's is done on this node and by nobody else.

    What a piece is called follows from run, step, how many came before it and its arguments: an engine that takes the
    run up again asks for the same ones.
    """

    def __init__(self, crew: Crew, *, run: str, step: str, tenant: TenantId, again: bool, rest_s: float = 0.0) -> None:
        self._crew = crew
        self._run, self._step, self._tenant, self._again, self._rest_s = run, step, tenant, again, rest_s
        self._asked = 0
        self.done: list[PieceDone] = []

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        function = self._crew.functions.of(work)
        if function is None or kwargs or len(args) != len(function.takes):
            return await self._crew.local.run(work, *args, **kwargs)
        self._asked += 1
        told = sha256("\x1f".join((self._run, self._step, str(self._asked), function.name)).encode())
        told.update(function.packed(args) or b"")
        asked = PieceAsked(
            id=told.hexdigest()[:32], tenant=self._tenant, function=function, arguments=args, again=self._again,
            rest_s=self._rest_s,
        )  # fmt: skip
        value: Any
        value, done = await self._crew.run(asked)
        self.done.append(done)
        return value  # type: ignore[no-any-return]
