"""docs/reference/errors.md: everything Phalanx raises on purpose, and how it reaches a person or a program."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

from docgen._markdown import code, first_sentence, page, prose, table
from phalanx.core import PhalanxError

INTRODUCTION = """\
Every error has a stable code. The API answers with a problem document (RFC 9457) whose `type` is
`/v1/problems/CODE`; the command line writes the message and the hint to standard error and ends with the exit code.
An error indented below another is a kind of it: whoever handles the upper one handles it too."""

# Made for tests; production code never raises what lives there.
NOT_FOR_PRODUCTION = {"testing"}
INTERNAL = 500


def errors_page(root: Path) -> str:  # noqa: ARG001 - every page is built from the repository
    """The page: the whole tree in one table, parents before children."""
    import_all_rooms()
    rows = [row(kind, depth) for kind, depth in tree(PhalanxError)]
    header = ["error", "code", "room", "meaning", "what to do", "exit", "HTTP"]
    return page("Errors", "the subclasses of `phalanx.core.PhalanxError`", INTRODUCTION, table(header, rows))


def import_all_rooms() -> None:
    """Import every module of the package, so that every error is known."""
    import phalanx

    for found in pkgutil.walk_packages(phalanx.__path__, "phalanx."):
        if found.name.split(".")[1] not in NOT_FOR_PRODUCTION and not found.name.endswith(".__main__"):
            importlib.import_module(found.name)


def tree(kind: type[PhalanxError], depth: int = 0) -> Iterator[tuple[type[PhalanxError], int]]:
    """The error and all below it, siblings in order of their rooms and names."""
    yield kind, depth
    for child in sorted(kind.__subclasses__(), key=lambda one: (room(one), one.__name__)):
        if child.__module__.startswith("phalanx.") and room(child) not in NOT_FOR_PRODUCTION:
            yield from tree(child, depth + 1)


def room(kind: type) -> str:
    return kind.__module__.split(".")[1]


def row(kind: type[PhalanxError], depth: int) -> tuple[str, ...]:
    """One error; the exit code and the status come from the code that assigns them."""
    from phalanx.api._problems import PROBLEM_TYPES
    from phalanx.cli._exits import exit_for

    codes = [vars(one).get("code", "") for one in kind.__mro__]
    status = next((PROBLEM_TYPES[known].status for known in codes if known in PROBLEM_TYPES), INTERNAL)
    # Made without its constructor: only its type and code decide the exit code.
    sample = kind.__new__(kind)
    name = "&nbsp;&nbsp;" * depth + code(kind.__name__)
    meaning = prose(first_sentence(kind.__doc__)).partition(" Attribute")[0]
    return name, code(kind.code), room(kind), meaning, hint(kind), str(int(exit_for(sample))), str(status)


def hint(kind: type[PhalanxError]) -> str:
    """The hint that the constructor always gives, with ``<name>`` for what varies; empty when callers give it."""
    constructor = vars(kind).get("__init__")
    if constructor is None:
        return ""
    node = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
    values: list[ast.expr] = []
    for one in ast.walk(node):
        passed = isinstance(one, ast.keyword) and one.arg == "hint"
        if passed or (isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == "self.hint"):
            assert isinstance(one, ast.keyword | ast.Assign)
            values.append(one.value)
    return " ".join(filter(None, map(literal, values)))


def literal(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(
            f"<{ast.unparse(p.value)}>" if isinstance(p, ast.FormattedValue) else literal(p) for p in value.values
        )
    return ""
