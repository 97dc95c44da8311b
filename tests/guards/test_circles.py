"""Modules form an order: none imports another that, by whatever way, imports it; not for types alone either.

An import from a package counts as one of the module behind the name: a package's ``__init__`` only hands names on.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"


def modules() -> dict[str, ast.Module]:
    found = {}
    for file in sorted((SOURCES / "phalanx").rglob("*.py")):
        parts = file.relative_to(SOURCES).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(file.read_text())
    return found


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Module and name of every import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, one.name) for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.name, "") for one in node.names)


def behind(module: str, name: str, handed: dict[str, dict[str, tuple[str, str]]], seen: frozenset[str]) -> str:
    """Where what is imported stands."""
    if f"{module}.{name}" in handed:
        return f"{module}.{name}"
    if name in handed.get(module, {}) and module not in seen:
        return behind(*handed[module][name], handed, seen | {module})
    return module


def graph(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    handed = {name: {one: (of, one) for of, one in imported(tree) if one} for name, tree in trees.items()}
    packages = {name.rpartition(".")[0] for name in trees}
    found: dict[str, set[str]] = {}
    for name, tree in trees.items():
        if name not in packages:
            targets = {behind(of, one, handed, frozenset({name})) for of, one in imported(tree)}
            found[name] = {one for one in targets if one in trees and one not in packages} - {name}
    return found


def test_no_module_imports_what_imports_it():
    found = graph(modules())
    assert sum(map(len, found.values())) > 5_000, "imports are seen"
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from None


def test_a_circle_is_seen_also_through_a_package_and_for_types_alone():
    code = {
        "phalanx.a": "from phalanx.a._two import x",
        "phalanx.a._one": "from phalanx.a import x",
        "phalanx.a._two": "if TYPE_CHECKING:\n    from phalanx.a._one import y\nx = 1",
    }
    found = graph({name: ast.parse(text) for name, text in code.items()})
    assert found == {"phalanx.a._one": {"phalanx.a._two"}, "phalanx.a._two": {"phalanx.a._one"}}
