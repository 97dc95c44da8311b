"""Rooms import downwards only, through public names, and what is heavy stays outside the door."""

import ast
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator

import pytest

# Rooms that only some may import, beyond what the floors say: production code never imports what is
# made for tests, and only what assembles a node may choose adapters.
RESERVED = {
    "adapters": {"adapters", "node", "testing", "demo", "bench", "cli"},
    "testing": {"testing", "demo", "bench", "cli"},
}

# What only extras bring. Every room must be importable without them.
OPTIONAL = (
    "asyncpg", "braket", "cirq", "cirq_google", "highspy", "keyring", "lightgbm", "nats",
    "opentelemetry.exporter", "opentelemetry.proto",
    "opentelemetry.sdk", "pennylane", "pkcs11", "qiskit", "qiskit_aer", "qiskit_ibm_runtime", "rfc3161_client",
    "sklearn",
)  # fmt: skip
# Libraries that are imported where they are used, on first use.
SDKS = (*(name.split(".")[0] for name in OPTIONAL), "amazon", "google", "numba", "playwright", "plotly")
# At home in the rooms named beside them, where a module-level import is right.
AT_HOME = {
    "fastapi": {"api", "dashboard"},
    "starlette": {"api", "dashboard"},
    "jinja2": {"dashboard"},
    "uvicorn": set(),
    "pydantic": {"api", "node"},
}
# What neither `import phalanx`, `phalanx.core` nor `phalanx.cli` may load.
NOT_AT_START = (*SDKS, *AT_HOME, "cryptography", "httpx", "urllib3", "hypothesis", "numpy", "pytest", "sqlite3", "yaml")
# Python itself with its site packages is about 60 modules; click and what it needs are most of the rest.
MAX_MODULES = {"phalanx": 150, "phalanx.core": 250, "phalanx.cli": 350}


def module_level_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, module) of imports that run when the module is imported, type-checking ones excepted."""
    todo: list[ast.AST] = list(tree.body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            todo.extend(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))


def all_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def early_imports(sources):
    found = []
    for source in sources:
        for line, module in module_level_imports(source.tree):
            top = module.split(".")[0]
            if source.room != "adapters" and (top in SDKS or source.room not in AT_HOME.get(top, {source.room})):
                found.append(f"{source.path}:{line}: {module} is imported before it is used")
    return found


def private_reaches(sources):
    """Imports of another room's private modules or names, and of rooms that are reserved."""
    found = set()
    for source in sources:
        for line, module in all_imports(source.tree):
            parts = module.split(".")
            if parts[0] != "phalanx" or len(parts) < 2 or parts[1] == source.room:
                continue
            if any(part.startswith("_") for part in parts[2:]):
                found.add(f"{source.path}:{line}: {module} is private to {parts[1]}")
            if source.room not in RESERVED.get(parts[1], {source.room}):
                found.add(f"{source.path}:{line}: {source.room} may not import {parts[1]}")
    return sorted(found)


def lint_imports(folder, package_folder):
    """Runs import-linter under the configuration in ``folder`` over the package in ``package_folder``."""
    command = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command(sys.argv[1:])"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(package_folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def modules_loaded_by(module):
    command = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_room_imports_only_from_the_floors_below_it(repository):
    done = lint_imports(repository, repository / "src")
    assert done.returncode == 0, done.stdout + done.stderr


def test_rooms_use_each_others_public_names_only(production, refuse):
    refuse(private_reaches(production))


def test_heavy_libraries_are_imported_on_first_use(production, refuse):
    refuse(early_imports(production))


@pytest.mark.parametrize("module", MAX_MODULES)
def test_importing_loads_nothing_heavy(module):
    loaded = modules_loaded_by(module)
    assert not sorted({name.split(".")[0] for name in loaded} & set(NOT_AT_START))
    assert len(loaded) <= MAX_MODULES[module]


def test_what_a_node_is_made_of_does_not_load_the_compiler_of_kernels():
    """It takes half a second and sixty mebibytes. Functions import modules of kernels, when something is calculated."""
    loaded = modules_loaded_by("phalanx.node, phalanx.api, phalanx.dashboard, phalanx.cli.node._serve")
    assert "phalanx.node" in loaded
    assert not {"numba", "llvmlite", "scipy", "numpy.ma"} & set(loaded)


def test_every_room_can_be_imported_without_any_extra(repository):
    rooms = sorted(f"phalanx.{init.parent.name}" for init in (repository / "src/phalanx").glob("*/__init__.py"))
    assert "phalanx.core" in rooms
    command = f"""
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if any((name + ".").startswith(optional + ".") for optional in {OPTIONAL!r}):
            raise ModuleNotFoundError(f"{{name}} comes with an extra", name=name)
sys.meta_path.insert(0, Absent())
for room in {rooms!r}:
    importlib.import_module(room)
"""
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def plant_package(folder, repository, **modules):
    """A package ``phalanx`` in ``folder`` under the repository's own contracts."""
    settings = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    lines = ["[importlinter]", f"root_package = {settings['root_package']}"]
    for number, contract in enumerate(settings["contracts"]):
        lines.append(f"[importlinter:contract:{number}]")
        for key, value in contract.items():
            lines.append(f"{key} = " + ("\n    ".join(["", *value]) if isinstance(value, list) else str(value)))
    (folder / ".importlinter").write_text("\n".join(lines))
    rooms = ("core", "telemetry", "workflows", "adapters", "node", "testing", "bench", "demo", "cli", *modules)
    for room in dict.fromkeys(rooms):
        (folder / "phalanx" / room).mkdir(parents=True)
        (folder / "phalanx" / room / "__init__.py").write_text(modules.get(room, ""))
    (folder / "phalanx/__init__.py").touch()


def test_an_upward_import_and_an_unplaced_room_break_the_contract(tmp_path, repository):
    plant_package(tmp_path, repository, telemetry="import phalanx.core")
    done = lint_imports(tmp_path, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr

    (tmp_path / "phalanx/core/__init__.py").write_text("import phalanx.telemetry")
    (tmp_path / "phalanx/telemetry/__init__.py").write_text("")
    assert "phalanx.core -> phalanx.telemetry" in lint_imports(tmp_path, tmp_path).stdout

    (tmp_path / "phalanx/core/__init__.py").write_text("")
    (tmp_path / "phalanx/cellar").mkdir()
    (tmp_path / "phalanx/cellar/__init__.py").touch()
    done = lint_imports(tmp_path, tmp_path)
    assert done.returncode != 0
    assert "cellar" in done.stdout


def test_an_early_heavy_import_is_found(planted):
    text = "try:\n    import qiskit.circuit\nexcept ImportError:\n    pass\n"
    assert early_imports([planted(text)]) == [
        "src/phalanx/intel/_planted.py:2: qiskit.circuit is imported before it is used"
    ]
    assert early_imports([planted("from fastapi import APIRouter")])
    assert not early_imports([planted("from fastapi import APIRouter", "src/phalanx/api/_planted.py")])
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import cirq\ndef f():\n    import cirq\n"
    assert not early_imports([planted(late)])


def test_reaching_into_another_room_is_found(planted):
    assert private_reaches([planted("from phalanx.core._wire import encode")])
    assert private_reaches([planted("from phalanx.core import _wire")])
    assert private_reaches([planted("from phalanx.testing import SimWorld")])
    assert private_reaches([planted("import phalanx.adapters", "src/phalanx/api/_planted.py")])
    assert not private_reaches([planted("from phalanx.core import encode\nfrom phalanx.intel._read import x")])


def test_listing_devices_compiles_nothing():
    loaded = modules_loaded_by("phalanx.adapters.providers, phalanx.devices")
    assert not {"numba", "scipy", "phalanx.workflows"} & set(loaded)
