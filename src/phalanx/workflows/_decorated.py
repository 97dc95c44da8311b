"""Workflows written as functions: the names of a step's parameters say what it needs.

A step's function takes the ``context`` first, if it wants it, and then the results of other steps by their names,
each converted to the annotated type. Its result must match its annotated return type. Decorating leaves the
function as it is, so a plain function can run in another process.
"""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, get_type_hints

from phalanx.workflows._attempts import ONCE, Retry
from phalanx.workflows._errors import InvalidTemplate
from phalanx.workflows._performing import converted
from phalanx.workflows._placing import PLAIN, Placing
from phalanx.workflows._records import StepKind
from phalanx.workflows._template import Step, StepContext, StepOutput, StepWork, Template

F = TypeVar("F", bound=Callable[..., Any])
_CONTEXT = "context"


class Workflow:
    """Collects steps by decoration; ``template`` makes of them what an engine runs."""

    def __init__(self, name: str, *, title: str, takes: Any = None, limit_s: float = 0.0) -> None:
        self.name = name
        self.title = title
        self._takes = takes
        self._limit_s = limit_s
        self._steps: list[Step] = []

    def step(
        self, *, retry: Retry = ONCE, limit_s: float = 0.0, undo: StepWork | None = None, in_process: bool = False,
        pure: bool = False,
    ) -> Callable[[F], F]:  # fmt: skip
        """A classical step. With ``in_process`` a plain function runs in the node's pool of processes.

        A ``pure`` one acts on nothing outside, and need not wait for the disk; with ``in_process`` workers may do it.
        """

        def take(function: F) -> F:
            needs, work, gives = self._read(function, in_process=in_process)
            self._steps.append(
                Step(
                    name=function.__name__, kind=StepKind.CLASSICAL, run=work, needs=needs, retry=retry,
                    limit_s=limit_s, undo=undo, gives=gives, pure=pure, function=function if in_process else None,
                )
            )  # fmt: skip
            return function

        return take

    def quantum(
        self, *, fallback: Callable[..., Any], retry: Retry = ONCE, limit_s: float = 0.0, pure: bool = False,
        placing: Placing = PLAIN,
    ) -> Callable[[F], F]:  # fmt: skip
        """A quantum step, with the function that answers where no device can be had; both need the same.

        ``placing`` says who answers it, where its circuits go and what they may cost.
        """

        def take(function: F) -> F:
            needs, work, gives = self._read(function, in_process=False)
            others, instead, _ = self._read(fallback, in_process=False)
            if set(others) != set(needs):
                text = f"its fallback needs {', '.join(others) or 'nothing'}, not {', '.join(needs) or 'nothing'}"
                raise InvalidTemplate(self.name, function.__name__, text)
            self._steps.append(
                Step(
                    name=function.__name__, kind=StepKind.QUANTUM, run=work, needs=needs, fallback=instead,
                    retry=retry, limit_s=limit_s, gives=gives, pure=pure, placing=placing,
                )
            )  # fmt: skip
            return function

        return take

    def template(self) -> Template:
        """Raises ``InvalidTemplate``, which names the step."""
        return Template(
            name=self.name, title=self.title, steps=tuple(self._steps), takes=self._takes, limit_s=self._limit_s
        )

    def _read(self, function: Callable[..., Any], *, in_process: bool) -> tuple[tuple[str, ...], StepWork, Any]:
        step = function.__name__
        names = list(inspect.signature(function).parameters)
        hints = get_type_hints(function)
        with_context = names[:1] == [_CONTEXT]
        needs = tuple(names[1:] if with_context else names)
        is_coroutine = inspect.iscoroutinefunction(function)
        if in_process and (is_coroutine or with_context):
            raise InvalidTemplate(self.name, step, "what runs in another process is a plain function without context")
        if not in_process and not is_coroutine:
            raise InvalidTemplate(self.name, step, "it is `async def`, or it runs in another process")

        async def work(context: StepContext) -> Any:
            given = [converted(context.results[need].output, hints.get(need, Any), f"results.{need}") for need in needs]
            if in_process:
                return await context.processes.run(function, *given)
            return await function(*((context, *given) if with_context else given))

        gives = hints.get("return")
        return needs, work, None if gives in (None, type(None), StepOutput, Any) else gives
