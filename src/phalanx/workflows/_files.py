"""Workflows as YAML files: steps that use operations by name, with values, inputs, and other steps' results.

``${inputs.NAME}`` is an input of the run, ``${steps.NAME.FIELD}`` a field of a step's result; a step needs those
that it refers to. Everything that can be known before anything runs is checked: names, needs, cycles, arguments
against an operation's input, fields against a step's result. All errors are reported at once, each with its line.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import partial
from typing import Any, get_type_hints

import msgspec

from phalanx.core import InvalidInput
from phalanx.workflows._attempts import Retry
from phalanx.workflows._errors import InvalidFile, InvalidTemplate
from phalanx.workflows._limits import MAX_STEPS
from phalanx.workflows._marks import Marked, Path, read_marked
from phalanx.workflows._performing import converted
from phalanx.workflows._placing import Placing
from phalanx.workflows._template import Step, StepContext, StepWork, Template
from phalanx.workflows.operations import Operation

_REFERENCE = re.compile(r"^\$\{([^{}]*)\}$")
_PATH = re.compile(r"^(inputs|steps)(\.[\w-]+)+$")
INPUT_TYPES: dict[str, Any] = {"text": str, "integer": int, "number": float, "boolean": bool, "list": list, "map": dict}
_AT = re.compile(r" - at `\$\.?(.*?)`$")


class _RetryFile(msgspec.Struct, forbid_unknown_fields=True):
    attempts: int = 1
    first_s: float = 0.2
    factor: float = 2.0
    most_s: float = 30.0
    jitter: float = 0.5
    attempt_s: float = 0.0


class _StepFile(msgspec.Struct, forbid_unknown_fields=True):
    use: str
    needs: list[str] = []
    with_: dict[str, Any] = msgspec.field(default_factory=dict, name="with")
    retry: _RetryFile = msgspec.field(default_factory=_RetryFile)
    limit_s: float = 0.0
    least_s: float = 0.0
    quantum: dict[str, Any] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    steps: dict[str, Any]
    title: str = ""
    inputs: dict[str, Any] = {}
    limit_s: float = 0.0


def read_workflow(text: str, operations: Mapping[str, Operation], *, file: str = "workflow") -> Template:
    """The template that a file stands for. Raises ``InvalidFile`` with everything that is wrong."""
    marked = read_marked(text)
    template = None if marked.problems else _template(marked, operations, text)
    if template is None or marked.problems:
        raise InvalidFile(file, sorted(marked.problems, key=lambda one: (one.line, one.column, one.field)))
    return template


def _template(marked: Marked, operations: Mapping[str, Operation], text: str) -> Template | None:
    head: _File | None = _read(marked, (), marked.data, _File)
    if head is None:
        return None
    if not 1 <= len(head.steps) <= MAX_STEPS:
        marked.problem(("steps",), f"there are {len(head.steps)} steps; 1 to {MAX_STEPS} are allowed")
    takes = _inputs(marked, head.inputs)
    steps = {name: _read(marked, ("steps", name), data, _StepFile) for name, data in head.steps.items()}
    known = {
        name: operations[one.use] for name, one in steps.items() if one is not None and one.use in operations
    }  # fmt: skip
    made = [
        _step(marked, name, one, operations, known, set(head.steps), head.inputs)
        for name, one in steps.items()
        if one is not None
    ]
    if marked.problems:
        return None
    try:
        return Template(
            name=head.name, title=head.title or head.name, steps=tuple(one for one in made if one is not None),
            takes=takes, limit_s=head.limit_s, revision=hashlib.sha256(text.encode()).hexdigest()[:16],
        )  # fmt: skip
    except InvalidTemplate as error:
        at: Path = (error.field,) if error.field else ()
        marked.problem(("steps", error.step, *at) if error.step else at or ("name",), error.reason)
        return None


def _read(marked: Marked, path: Path, data: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        found = _AT.search(str(error))
        marked.problem((*path, *_parts(found.group(1) if found else "")), _AT.sub("", str(error)))
        return None


def _parts(text: str) -> Iterator[str | int]:
    for name, index in re.findall(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]", text):
        if index.isdigit():
            yield int(index)
        elif name:
            yield name


def _inputs(marked: Marked, inputs: Mapping[str, Any]) -> Any:
    fields: list[Any] = []
    for name, declared in inputs.items():
        kind = declared.get("type") if isinstance(declared, dict) else declared
        if not name.isidentifier() or kind not in INPUT_TYPES:
            path = ("inputs", name, "type") if isinstance(declared, dict) else ("inputs", name)
            marked.problem(path, f"an input is a name and one of: {', '.join(INPUT_TYPES)}")
            continue
        if isinstance(declared, dict) and "default" in declared:
            if _read(marked, ("inputs", name, "default"), declared["default"], INPUT_TYPES[kind]) is None:
                continue
            fields.append(
                (name, INPUT_TYPES[kind], msgspec.field(default_factory=partial(deepcopy, declared["default"])))
            )
        else:
            fields.append((name, INPUT_TYPES[kind]))
    return msgspec.defstruct("Inputs", fields, kw_only=True, forbid_unknown_fields=True) if fields else None


def _step(
    marked: Marked, name: str, one: _StepFile, operations: Mapping[str, Operation], known: Mapping[str, Operation],
    names: set[str], inputs: Mapping[str, Any],
) -> Step | None:  # fmt: skip
    path: Path = ("steps", name)
    used = operations.get(one.use)
    if used is None:
        marked.problem((*path, "use"), f"there is no operation {one.use!r}; there are: {', '.join(sorted(operations))}")
        return None
    needs = list(one.needs)
    for at, need in enumerate(one.needs):
        if need not in names:
            marked.problem((*path, "needs", at), f"{need!r} is no step")
    for where, reference in _references(one.with_, (*path, "with")):
        reason = _wrong_reference(reference, known, names, inputs)
        if reason:
            marked.problem(where, reason)
        elif reference.startswith("steps.") and (need := reference.split(".")[1]) not in needs:
            needs.append(need)
    _check_arguments(marked, path, one.with_, used)
    try:
        retry = Retry(**msgspec.structs.asdict(one.retry))
    except InvalidInput as error:
        marked.problem((*path, "retry", error.field), error.reason)
        return None
    placing = _placing(marked, path, one.quantum, used)
    if placing is None:
        return None
    return Step(
        name=name, kind=used.kind, run=_work(used.run, used, one.with_), needs=tuple(dict.fromkeys(needs)),
        fallback=None if used.fallback is None else _work(used.fallback, used, one.with_), retry=retry,
        limit_s=one.limit_s, least_s=one.least_s, gives=used.gives, pure=used.pure, placing=placing,
    )  # fmt: skip


def _placing(marked: Marked, path: Path, given: Mapping[str, Any], used: Operation) -> Placing | None:
    """Who answers a quantum step, and where its circuits go."""
    where: Path = (*path, "quantum")
    if given and used.fallback is None:
        marked.problem(where, f"operation {used.name!r} is classical: it has no circuits to place")
        return None
    try:
        made: Placing | None = _read(marked, where, given, Placing)
    except InvalidInput as error:
        marked.problem((*where, error.field), error.reason)
        return None
    if made is not None and made.wants_means and not used.means:
        marked.problem((*where, "mitigate"), f"zne and pec give a mean, not outcomes, which {used.name!r} needs")
        return None
    return made


def _references(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(data, str):
        found = _REFERENCE.match(data)
        if found:
            yield path, found.group(1).strip()
        elif "${" in data:
            yield path, ""
    elif isinstance(data, dict):
        for key, value in data.items():
            yield from _references(value, (*path, key))
    elif isinstance(data, list):
        for at, value in enumerate(data):
            yield from _references(value, (*path, at))


def _wrong_reference(
    reference: str, known: Mapping[str, Operation], names: set[str], inputs: Mapping[str, Any]
) -> str:  # fmt: skip
    if not _PATH.match(reference):
        return "a reference is all of a value, as ${inputs.NAME} or ${steps.NAME.FIELD}"
    whose, name, *fields = reference.split(".")
    if whose == "inputs":
        return "" if name in inputs else f"there is no input {name!r}"
    if name not in names:
        return f"there is no step {name!r}"
    kind = known[name].gives if name in known else None
    for field in fields:
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return ""
        hints = get_type_hints(kind)
        if field not in hints:
            return f"step {name!r} gives no {field!r}; it gives {', '.join(hints)}"
        kind = hints[field]
    return ""


def _check_arguments(marked: Marked, path: Path, given: Mapping[str, Any], used: Operation) -> None:
    hints = get_type_hints(used.takes)
    needed = {one.name for one in msgspec.structs.fields(used.takes) if one.required}
    for missing in sorted(needed - set(given)):
        marked.problem((*path, "with"), f"operation {used.name!r} needs {missing!r}")
    for name, value in given.items():
        if name not in hints:
            marked.problem((*path, "with", name), f"operation {used.name!r} takes {', '.join(hints)}")
        elif not any(True for _ in _references(value, ())):
            _read(marked, (*path, "with", name), value, hints[name])


def _work(run: Any, used: Operation, given: Mapping[str, Any]) -> StepWork:
    async def work(context: StepContext) -> Any:
        asked = converted(_resolved(given, context, "with"), used.takes, "with")
        return await run(context, asked)

    return work


def _resolved(data: Any, context: StepContext, at: str) -> Any:
    if isinstance(data, str) and (found := _REFERENCE.match(data)):
        whose, name, *fields = found.group(1).strip().split(".")
        value = context.inputs[name] if whose == "inputs" else context.results[name].output
        for field in fields:
            if not isinstance(value, dict) or field not in value:
                raise InvalidInput(at, f"{found.group(1)} is not there")
            value = value[field]
        return value
    if isinstance(data, dict):
        return {key: _resolved(value, context, f"{at}.{key}") for key, value in data.items()}
    if isinstance(data, list):
        return [_resolved(value, context, f"{at}[{n}]") for n, value in enumerate(data)]
    return data
