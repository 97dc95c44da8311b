"""What every guard looks at: the repository's Python files, parsed once.

A guard is a pure function from sources to a list of lines that say what is wrong and where. Its
test runs it over the repository; beside it stands a test that plants a violation and sees it found.
"""

import ast
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REPORT = pytest.StashKey[list[str]]()


@dataclass(frozen=True)
class Source:
    """One Python file; ``path`` is relative to the repository, as messages show it."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def module(self) -> str:
        """``phalanx.core._wire`` for a file below ``src``; empty elsewhere."""
        if not self.path.startswith("src/"):
            return ""
        return self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def room(self) -> str:
        return self.module.split(".")[1] if self.module.count(".") else ""


def _read(folder: str) -> tuple[Source, ...]:
    files = sorted((ROOT / folder).rglob("*.py"))
    return tuple(Source(file.relative_to(ROOT).as_posix(), file.read_text("utf-8")) for file in files)


@pytest.fixture(scope="session")
def repository() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def production() -> tuple[Source, ...]:
    """Every module of the package."""
    return _read("src")


@pytest.fixture(scope="session")
def suite() -> tuple[Source, ...]:
    return _read("tests")


@pytest.fixture(scope="session")
def scripts() -> tuple[Source, ...]:
    return _read("scripts")


@pytest.fixture(scope="session")
def committed() -> tuple[str, ...]:
    """Paths that are in the repository or would be with the next commit."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        # An unpacked archive has no git: everything in it was committed, but for what tools leave behind.
        files = (file.relative_to(ROOT) for file in ROOT.rglob("*") if file.is_file())
        names = [file.as_posix() for file in files if not any(part.startswith(".") for part in file.parts)]
    return tuple(sorted(name for name in set(names) if name and (ROOT / name).is_file()))


@pytest.fixture(scope="session")
def planted() -> Callable[..., Source]:
    """Makes a source that is not in the repository, for a guard to find fault with."""

    def plant(text: str, path: str = "src/phalanx/intel/_planted.py") -> Source:
        return Source(path, text)

    return plant


@pytest.fixture(scope="session")
def refuse() -> Callable[[Iterable[str]], None]:
    """Fails with every line it is given, in full; passes when there is none."""

    def fail(lines: Iterable[str]) -> None:
        found = list(lines)
        if found:
            pytest.fail("\n".join(found), pytrace=False)

    return fail


@pytest.fixture
def report(pytestconfig: pytest.Config) -> Callable[[Iterable[str]], None]:
    """Collects lines that are worth a look but fail nothing; they are printed at the end of the run."""
    return pytestconfig.stash.setdefault(REPORT, []).extend


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(REPORT, [])
    if lines:
        terminalreporter.section("worth a look")
        for line in lines:
            terminalreporter.write_line(line)
