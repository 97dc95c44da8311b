"""Which functions can be requested by name: those of operations, and those that make up a whole pure step.

Node and worker call this with what is installed where they are.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from phalanx.core import InvalidInput
from phalanx.workflows._template import Template
from phalanx.workflows.operations import Operation
from phalanx.workflows.workers import Function, Functions, function_named


def portable(operations: Iterable[Operation], templates: Iterable[Template]) -> Functions:
    """What does not say what it takes and gives is left out: it is done on the node."""
    found = Functions()
    for name, call in (*_of_operations(operations), *_of_templates(templates)):
        function = _function(name, call)
        if function is not None:
            found.add(function)
    return found


def functions_of(template: Template) -> list[Function]:
    """Those of one template."""
    made = (_function(name, call) for name, call in _of_templates([template]))
    return [one for one in made if one is not None]


def _of_operations(operations: Iterable[Operation]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for one in operations:
        if one.pure:
            yield from ((f"{one.name}.{call.__name__}", call) for call in one.functions)


def _of_templates(templates: Iterable[Template]) -> Iterator[tuple[str, Callable[..., Any]]]:
    for template in templates:
        for step in template.steps:
            if step.pure and step.function is not None:
                yield f"{template.name}.{step.name}", step.function


def _function(name: str, call: Callable[..., Any]) -> Function | None:
    try:
        return function_named(name, call)
    except InvalidInput:
        return None
