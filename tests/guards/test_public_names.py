"""A room's public names are a promise: they change on purpose or not at all.

``PHALANX_TEST_UPDATE_GOLDEN=1 pytest tests/guards/test_public_names.py`` writes the new list; the diff of
``public_names.txt`` is then part of the review.
"""

import ast
import os

GOLDEN = "tests/guards/public_names.txt"
UPDATE = "PHALANX_TEST_UPDATE_GOLDEN"


def exported(tree: ast.Module) -> list[str] | None:
    """The literal ``__all__`` of a package, or None when it has none."""
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return None


def public_names(sources) -> list[str]:
    packages = [source for source in sources if source.path.endswith("/__init__.py")]
    return sorted(f"{source.module}.{name}" for source in packages for name in exported(source.tree) or ())


def untidy_faces(sources) -> list[str]:
    """Packages whose ``__init__`` has no docstring, or whose ``__all__`` is not what it re-exports."""
    found = []
    for source in sources:
        if not source.path.endswith("/__init__.py"):
            continue
        if not ast.get_docstring(source.tree):
            found.append(f"{source.path}: the docstring that says what the room is for is missing")
        names = exported(source.tree)
        own = imported_names(source.tree, source.module)
        defined = {node.name for node in source.tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        if names is None and own:
            found.append(f"{source.path}: __all__ is missing")
        elif names is not None:
            found += [f"{source.path}: {name} is re-exported but not in __all__" for name in sorted(own - set(names))]
            found += [
                f"{source.path}: {name} is in __all__ twice"
                for name in sorted({n for n in names if names.count(n) > 1})
            ]
            lazy = "__getattr__" in defined
            unknown = set(names) - imported_names(source.tree) - defined - assigned(source.tree)
            found += [f"{source.path}: {name} is in __all__ but not there" for name in sorted(unknown) if not lazy]
    return found


def imported_names(tree: ast.Module, below: str = "") -> set[str]:
    """Public names that a package imports from its own modules, or from anywhere."""
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(below)]
    names = {alias.asname or alias.name for node in nodes for alias in node.names}
    return {name for name in names if not name.startswith("_")}


def assigned(tree: ast.Module) -> set[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def changes(golden: list[str], now: list[str]) -> list[str]:
    removed = [f"removed: {name} (whoever used it breaks)" for name in sorted(set(golden) - set(now))]
    return removed + [f"added: {name}" for name in sorted(set(now) - set(golden))]


def test_public_names_are_frozen(repository, production, refuse):
    now = public_names(production)
    golden = repository / GOLDEN
    if os.environ.get(UPDATE):
        golden.write_text("\n".join(now) + "\n", "utf-8")
    changed = changes(golden.read_text("utf-8").splitlines(), now)
    refuse([*changed, f"if this is meant, run again with {UPDATE}=1"] if changed else [])


def test_every_package_shows_a_tidy_face(production, refuse):
    refuse(untidy_faces(production))


def test_a_changed_name_is_named(planted):
    room = planted('from phalanx.intel._a import A, B\n__all__ = ["A", "B"]\n', "src/phalanx/intel/__init__.py")
    assert public_names([room]) == ["phalanx.intel.A", "phalanx.intel.B"]
    assert changes(["phalanx.intel.A", "phalanx.intel.C"], public_names([room])) == [
        "removed: phalanx.intel.C (whoever used it breaks)",
        "added: phalanx.intel.B",
    ]


def test_an_untidy_face_is_found(planted):
    def faults(text):
        return untidy_faces([planted(text, "src/phalanx/intel/__init__.py")])

    assert not faults('"""Reads."""\nfrom phalanx.intel._a import A\n__all__ = ["A"]\n')
    assert not faults('"""Reads."""\n')
    assert len(faults('from phalanx.intel._a import A\n__all__ = ["A"]\n')) == 1
    assert len(faults('"""Reads."""\nfrom phalanx.intel._a import A\n')) == 1
    assert len(faults('"""Reads."""\nfrom phalanx.intel._a import A, B\n__all__ = ["A"]\n')) == 1
    assert len(faults('"""Reads."""\nfrom phalanx.intel._a import A\n__all__ = ["A", "A", "B"]\n')) == 2
