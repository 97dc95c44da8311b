"""Time, randomness, identifiers, secrets, files, threads and sockets come in through ports.

Whatever reaches for one directly must be in ``effects_allowed.toml`` with a reason, and what stands
there must still be true: an entry that nothing needs fails too.
"""

import ast
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

# Each effect, and the dotted names that have it; a name ending in a dot stands for all below it.
EFFECTS = {
    "clock": ("time.", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today",
              "datetime.date.today"),
    "random": ("random.", "numpy.random."),
    "identifier": ("uuid.uuid1", "uuid.uuid3", "uuid.uuid4", "uuid.uuid5", "uuid.uuid6", "uuid.uuid7", "uuid.getnode"),
    "entropy": ("secrets.", "os.urandom", "os.getrandom"),
    "thread": ("threading.", "concurrent.futures.", "multiprocessing.", "asyncio.to_thread"),
    "process": ("subprocess.", "os.system", "os.fork", "os.execv", "os.kill", "os._exit", "signal.",
                "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"),
    "network": ("socket.", "urllib.request.", "http.client.", "httpx.", "urllib3.", "asyncio.open_connection",
                "asyncio.start_server", "asyncio.start_unix_server"),
    "environment": ("os.environ", "os.getenv"),
    "file": ("os.open", "os.write", "os.remove", "os.unlink", "os.rename", "os.replace", "os.mkdir", "os.makedirs",
             "os.rmdir", "os.truncate", "shutil.", "tempfile.", "sqlite3."),
}  # fmt: skip
# Names of the modules above that have no effect of their own.
PURE = {
    "secrets.compare_digest", "time.struct_time", "numpy.random.Generator", "numpy.random.SeedSequence",
    "numpy.random.PCG64", "numpy.random.Philox", "signal.Signals",
}  # fmt: skip
# Methods that write, whatever they are called on.
WRITING_METHODS = {"write_text", "write_bytes", "mkdir", "touch", "unlink", "rmdir"}
THREADING_METHODS = {"run_in_executor"}


def aliases(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, fully dotted."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """The full name an expression refers to, or nothing if it is not a plain imported name."""
    if isinstance(node, ast.Name):
        return names.get(node.id, "")
    if isinstance(node, ast.Attribute):
        base = dotted(node.value, names)
        return f"{base}.{node.attr}" if base else ""
    return ""


def effect_of_name(name: str) -> str:
    if name in PURE:
        return ""
    for effect, prefixes in EFFECTS.items():
        if any(name.startswith(prefix) if prefix.endswith(".") else name == prefix for prefix in prefixes):
            return effect
    return ""


def opens_for_writing(call: ast.Call, *, method: bool) -> bool:
    """Whether an ``open`` may write. A mode that is not a literal may, except as a method's only argument.

    There it may as well be the name of a journal: ``journals.open(name)``.
    """
    modes = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    if not modes:
        modes = [arg for arg in call.args[:1] if isinstance(arg, ast.Constant)] if method else call.args[1:2]
    if not modes:
        return False
    mode = modes[0].value if isinstance(modes[0], ast.Constant) else "w"
    return isinstance(mode, str) and set(mode) <= set("rwxabt+") and bool(set(mode) & set("wax+"))


def effect_of_call(call: ast.Call, names: dict[str, str]) -> str:
    name = dotted(call.func, names)
    if name == "asyncio.sleep":
        zero = len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0
        return "" if zero else "sleep"
    if isinstance(call.func, ast.Name) and call.func.id == "open" and "open" not in names:
        return "file" if opens_for_writing(call, method=False) else ""
    if isinstance(call.func, ast.Attribute) and not name:
        if call.func.attr in THREADING_METHODS:
            return "thread"
        if call.func.attr in WRITING_METHODS or (call.func.attr == "open" and opens_for_writing(call, method=True)):
            return "file"
    return ""


def seeded_generators(tree: ast.Module, names: dict[str, str]) -> set[ast.AST]:
    """References to ``numpy.random.default_rng`` that are called with a seed: repeatable, so pure."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and (node.args or node.keywords))
    return {call.func for call in calls if dotted(call.func, names) == "numpy.random.default_rng"}


def effects(source) -> Iterator[tuple[str, str, str]]:
    """(effect, path:line, what) for everything in a source that reaches outside by itself."""
    names = aliases(source.tree)
    pure = seeded_generators(source.tree, names)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and (effect := effect_of_call(node, names)):
            yield effect, f"{source.path}:{node.lineno}", ast.unparse(node.func)
        elif (
            isinstance(node, ast.Name | ast.Attribute)
            and node not in pure
            and (effect := effect_of_name(dotted(node, names)))
        ):
            yield effect, f"{source.path}:{node.lineno}", ast.unparse(node)


def unexplained(sources, allowed) -> tuple[list[str], list[str]]:
    """Effects that no entry allows, and entries that allow nothing."""
    used, found = set(), []
    for source in sources:
        for effect, where, what in effects(source):
            entries = {(path, kind) for path, kind in allowed if kind == effect and source.path.startswith(path)}
            used |= entries
            if not entries:
                found.append(f"{where}: {what} ({effect}) belongs behind a port")
    stale = [
        f"{path}: nothing there needs {effect!r} any more" for path, effect in allowed if (path, effect) not in used
    ]
    return found, stale


def allowances(repository: Path) -> dict[tuple[str, str], str]:
    entries = tomllib.loads((repository / "tests/guards/effects_allowed.toml").read_text("utf-8"))["allow"]
    return {(entry["path"], effect): entry["reason"] for entry in entries for effect in entry["effects"]}


def test_what_reaches_outside_is_allowed_by_name(repository, production, refuse):
    found, stale = unexplained(production, allowances(repository))
    refuse(found + stale)


def test_every_allowance_has_a_reason_and_a_known_effect(repository):
    for (path, effect), reason in allowances(repository).items():
        assert (repository / path).exists(), path
        assert effect in {*EFFECTS, "sleep"}, f"{path}: there is no effect {effect!r}"
        assert len(reason.split()) >= 4, f"{path}: say why it may ({effect})"


PLANTED = {
    "import time as t\nt.monotonic_ns()": "clock",
    "from time import sleep\nwait = sleep": "clock",
    "from datetime import datetime as dt\ndt.now()": "clock",
    "import random\nrandom.Random(7)": "random",
    "import numpy as np\nnp.random.rand(3)": "random",
    "from numpy.random import default_rng\ndefault_rng()": "random",
    "import uuid\nuuid.uuid4()": "identifier",
    "from os import urandom\nurandom(8)": "entropy",
    "import asyncio\nasyncio.sleep(0.1)": "sleep",
    "import asyncio\nasyncio.sleep(seconds)": "sleep",
    "open('x', 'w')": "file",
    "open('x', mode=mode)": "file",
    "path.open('ab')": "file",
    "path.write_text('x')": "file",
    "loop.run_in_executor(None, f)": "thread",
    "import os\nos.environ['X']": "environment",
}
HARMLESS = (
    "import numpy as np\nnp.random.default_rng(7)\ndef f(g: np.random.Generator): ...",
    "import asyncio\nasyncio.sleep(0)\nasyncio.Queue(3)",
    "import secrets\nsecrets.compare_digest(a, b)",
    "open('x')\nopen('x', 'rb')\npath.open()\npath.read_text()\njournals.open('intake')\njournals.open(name)",
    "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
    "time = 3\ntime.sleep(3)\nself.clock.sleep(3)",
)


def test_each_effect_is_found(planted: Callable):
    for text, effect in PLANTED.items():
        assert [found for found, _, _ in effects(planted(text))] == [effect], text
    for text in HARMLESS:
        assert not list(effects(planted(text))), text


def test_an_allowance_that_nothing_needs_is_stale(planted):
    source = planted("import time\ntime.time()")
    assert unexplained([source], {(source.path, "clock"): ""}) == ([], [])
    assert unexplained([source], {(source.path, "clock"): "", ("src/", "random"): ""})[1]
    assert unexplained([source], {})[0] == [f"{source.path}:2: time.time (clock) belongs behind a port"]
