"""Nothing is swallowed, put off or skipped without a word; every test can be found and can fail."""

import ast
import io
import re
import tokenize
import tomllib

import pytest

PUT_OFF = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
REASONED = {"skip": 0, "skipif": 1, "xfail": 1, "importorskip": 1}


def swallowed_errors(source) -> list[str]:
    """Handlers for everything that do nothing. To pass over one named error is a decision, and reads as one."""
    found = []
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        where = f"{source.path}:{node.lineno}"
        caught = ast.unparse(node.type) if node.type else ""
        if not caught:
            found.append(f"{where}: a bare except catches cancellation and typing errors alike")
        silent = all(isinstance(line, ast.Pass) or is_ellipsis(line) for line in node.body)
        if silent and (not caught or re.search(r"\b(Exception|BaseException)\b", caught)):
            found.append(f"{where}: whatever goes wrong is swallowed")
    return found


def is_ellipsis(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is Ellipsis


def put_off(source) -> list[str]:
    comments = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return [
        f"{source.path}:{token.start[0]}: {token.string.strip()}"
        for token in comments
        if token.type == tokenize.COMMENT and PUT_OFF.search(token.string)
    ]


def skips_without_reason(source) -> list[str]:
    """``skip``, ``skipif``, ``xfail`` and ``importorskip`` that do not say why."""
    called = {id(node.func) for node in ast.walk(source.tree) if isinstance(node, ast.Call)}
    found = []
    for node in ast.walk(source.tree):
        target = node.func if isinstance(node, ast.Call) else node
        if not isinstance(target, ast.Attribute) or target.attr not in REASONED or not is_pytest(target):
            continue
        if isinstance(node, ast.Call):
            given = [keyword.value for keyword in node.keywords if keyword.arg in {"reason", "msg"}]
            if target.attr == "skip":
                given += node.args
            if any(not (isinstance(value, ast.Constant) and not value.value) for value in given):
                continue
        elif id(node) in called:
            continue
        found.append(f"{source.path}:{node.lineno}: {target.attr} does not say why")
    return found


def is_pytest(target: ast.Attribute) -> bool:
    return ast.unparse(target.value) in {"pytest", "pytest.mark"}


def unreachable_tests(source) -> list[str]:
    """Tests that pytest never collects, and test modules without any."""
    tests = [name for name in function_names(source.tree) if name.startswith("test")]
    name = source.path.rsplit("/", 1)[-1]
    if name == "__init__.py":
        return [f"{source.path}: tests are not a package; remove it"]
    if name.startswith("test_"):
        hidden = [test for test in tests if not test.startswith("test_")]
        found = [f"{source.path}: {test} is not collected; call it test_{test[4:]}" for test in hidden]
        return found if tests else [f"{source.path}: there is no test in it"]
    return [f"{source.path}: {test} is in a module that is not collected" for test in tests if test.startswith("test_")]


def function_names(tree: ast.Module) -> list[str]:
    """Functions of the module and methods of its ``Test`` classes."""
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            functions += [
                child.name for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            ]
    # Hypothesis state machines become tests by assignment: TestThings = Machine.TestCase.
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    machines = any(isinstance(target, ast.Name) and target.id.startswith("Test") for target in targets)
    return [*functions, "test_state_machine"] if machines else functions


def async_tests(source) -> list[str]:
    """Coroutines named like tests: pytest would report them without running a line."""
    return [
        f"{source.path}:{node.lineno}: {node.name} is a coroutine that nothing runs"
        for node in ast.walk(source.tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def waits(source) -> list[str]:
    """Real waiting in a test; simulations wait on virtual time, through their clock."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"time.sleep", "asyncio.sleep"}:
            zero = node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
            if not zero:
                found.append(f"{source.path}:{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("fault", [swallowed_errors, put_off])
def test_no_file_swallows_errors_or_puts_work_off(fault, production, suite, scripts, refuse):
    refuse(line for source in production + suite + scripts for line in fault(source))


@pytest.mark.parametrize("fault", [skips_without_reason, unreachable_tests, async_tests])
def test_every_test_can_be_found_and_says_why_it_skips(fault, suite, refuse):
    refuse(line for source in suite for line in fault(source))


def test_waiting_tests_are_known(suite, repository, refuse):
    entries = tomllib.loads((repository / "tests/guards/waits_allowed.toml").read_text("utf-8"))["allow"]
    reasons = {entry["path"]: entry["reason"] for entry in entries}
    waiting = {source.path: waits(source) for source in suite if waits(source)}
    refuse(line for path, lines in waiting.items() if path not in reasons for line in lines)
    refuse(f"{path} no longer waits: remove its entry" for path in sorted(set(reasons) - set(waiting)))
    assert all(len(reason.split()) >= 4 for reason in reasons.values())


def test_swallowed_errors_are_found(planted):
    assert len(swallowed_errors(planted("try:\n    f()\nexcept:\n    raise\n"))) == 1
    assert len(swallowed_errors(planted("try:\n    f()\nexcept (OSError, Exception):\n    pass\n"))) == 1
    assert len(swallowed_errors(planted("try:\n    f()\nexcept:\n    ...\n"))) == 2
    assert not swallowed_errors(planted("try:\n    f()\nexcept Exception:\n    return\n"))
    assert not swallowed_errors(planted("try:\n    f()\nexcept FileExistsError:\n    pass\n"))


def test_work_put_off_is_found(planted):
    word = "TO" + "DO"
    assert put_off(planted(f"x = 1  # {word}: later\n")) == [f"src/phalanx/intel/_planted.py:1: # {word}: later"]
    assert not put_off(planted(f"x = '{word}'  # a mastodon\n"))


def test_silent_skips_are_found(planted):
    silent = (
        "@pytest.mark.skip\ndef test_a(): ...",
        "@pytest.mark.skipif(True)\ndef test_a(): ...",
        "@pytest.mark.xfail\ndef test_a(): ...",
        "def test_a():\n    pytest.skip()",
        "def test_a():\n    pytest.skip('')",
        "x = pytest.importorskip('x')",
    )
    for text in silent:
        assert len(skips_without_reason(planted(text))) == 1, text
    for text in (
        "pytest.skip('no data')",
        "pytest.mark.skipif(x, reason='y')",
        "pytest.skip(f'{x} is absent')",
        "a.skip()",
    ):
        assert not skips_without_reason(planted(text)), text


def test_tests_that_never_run_are_found(planted):
    assert unreachable_tests(planted("def test_a(): ...", "tests/unit/core/helpers.py"))
    assert unreachable_tests(planted("def check_a(): ...", "tests/unit/core/test_a.py"))
    assert unreachable_tests(planted("def testing_a(): ...\n", "tests/unit/core/test_a.py"))
    assert unreachable_tests(planted("", "tests/unit/core/__init__.py"))
    assert not unreachable_tests(planted("class TestA:\n    def test_a(self): ...", "tests/unit/core/test_a.py"))
    assert not unreachable_tests(planted("TestMachine = Machine.TestCase", "tests/property/core/test_a.py"))
    assert async_tests(planted("async def test_a(): ..."))


def test_waits_are_found(planted):
    assert waits(planted("import time\ntime.sleep(1)"))
    assert waits(planted("await asyncio.sleep(delay)"))
    assert not waits(planted("await asyncio.sleep(0)\nawait world.clock.sleep(3)"))
