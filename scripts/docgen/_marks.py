"""Finds ``@pytest.mark.requirement("AGT-1")`` in the tests, without importing them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "pytest.mark.requirement"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Marked:
    """A test and the requirements that it says it shows."""

    file: str
    name: str
    requirements: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"{self.file}::{self.name}"


def marked_tests(folder: Path) -> list[Marked]:
    """Every marked test below ``folder``, in order of file and line."""
    found = []
    for file in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(file.read_text("utf-8"), str(file))
        name = f"{folder.name}/{file.relative_to(folder).as_posix()}"
        found += [Marked(name, test, marks) for test, marks in tests_in(tree) if marks]
    return found


def tests_in(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each test of a module with the requirements of its own, its class's and its module's marks."""
    of_module = assigned(tree.body)
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith("test_"):
            yield node.name, unique(of_module + decorators(node))
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            of_class = of_module + assigned(node.body) + decorators(node)
            for child in node.body:
                if isinstance(child, Function) and child.name.startswith("test_"):
                    yield f"{node.name}::{child.name}", unique(of_class + decorators(child))


def assigned(body: list[ast.stmt]) -> list[str]:
    """Requirements of a ``pytestmark = …``."""
    return [
        name
        for node in body
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "pytestmark" for target in node.targets)
        for name in names(node.value)
    ]


def decorators(node: Function | ast.ClassDef) -> list[str]:
    """Requirements of a definition's decorators, those inside ``pytest.param(…, marks=…)`` too."""
    return [name for decorator in node.decorator_list for name in names(decorator)]


def names(expression: ast.expr) -> Iterator[str]:
    for node in ast.walk(expression):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
            yield from (str(argument.value) for argument in node.args if isinstance(argument, ast.Constant))


def unique(found: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
