"""Every example that a reader may copy is run.

The ```python blocks of a page run one after another in one namespace and an empty folder, and so do its
```console blocks whose lines begin with ``$ phalanx``; what a command prints is compared with what the page
shows, where ``…`` stands for anything (a line of its own: any lines). A block that cannot run says why in a
comment right above it::

    <!-- not run: it would listen until it is stopped -->

Scripts in ``examples/`` run as they are.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = {"python", "console"}
MAX_EXAMPLE_S = 600

OPENING = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)\s*$")
NOT_RUN = re.compile(r"^\s*<!--\s*not run:(?P<reason>.*)-->\s*$")
ENDS_WITH = re.compile(r"^\s*<!--\s*exit code:\s*(?P<code>\d+)\s*-->\s*$")
MIN_REASON_WORDS = 3


@dataclass(frozen=True)
class Block:
    """A fenced block that is to run. ``line`` is the line of its first code line, from 1."""

    language: str
    line: int
    text: str
    exit_code: int


def blocks(text: str) -> list[Block]:
    """The blocks of a page that are to run. Raises ValueError for one that is excused without a reason."""
    found = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opening = OPENING.match(lines[number])
        if not opening:
            number += 1
            continue
        fence = f"{opening['indent']}```"
        end = next((i for i in range(number + 1, len(lines)) if lines[i].rstrip() == fence), len(lines))
        before = next((line for line in reversed(lines[:number]) if line.strip()), "")
        if opening["language"] in RUN and not excused(before, number + 1):
            body = [line.removeprefix(opening["indent"]) for line in lines[number + 1 : end]]
            ends_with = ENDS_WITH.match(before)
            code = int(ends_with["code"]) if ends_with else 0
            found.append(Block(opening["language"], number + 2, "\n".join(body) + "\n", code))
        number = end + 1
    return found


def excused(line: str, number: int) -> bool:
    comment = NOT_RUN.match(line)
    if comment and len(comment["reason"].split()) < MIN_REASON_WORDS:
        raise ValueError(f"line {number}: say why the block is not run")
    return bool(comment)


def run_python(block: Block, page: Path, namespace: dict) -> None:
    """Runs in the page's namespace; tracebacks show the page's own lines."""
    padded = "\n" * (block.line - 1) + block.text
    exec(compile(padded, str(page), "exec"), namespace)


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """(command, lines that it should print) for each ``$`` line of a console block."""
    found: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith("> ") and found and not found[-1][1]:
            found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
        elif found:
            found[-1][1].append(line)
        else:
            raise ValueError(f"line {block.line}: a console block begins with a command: $ phalanx …")
    for command, _ in found:
        if not re.match(r"phalanx\b", command):
            raise ValueError(f"line {block.line}: only phalanx commands are run here, not {command!r}")
    return found


def run_command(command: str, folder: Path) -> tuple[int, str]:
    """Runs in a shell that finds this environment's phalanx; both streams come back as on a terminal."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=MAX_EXAMPLE_S,
    )
    return done.returncode, done.stdout


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PHALANX_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return kept | {"PATH": path, "HOME": str(folder), "COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}


def like(shown: list[str], printed: str) -> bool:
    """Whether what was printed is what the page shows; spaces at line ends and empty ends do not count."""
    pattern = ""
    for line in "\n".join(shown).strip("\n").splitlines():
        if line.strip() in {"…", "..."}:
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.fullmatch(pattern, printed.strip("\n") + "\n" if printed.strip() else "") is not None


def run_page(page: Path, folder: Path) -> int:
    """Runs the blocks of a page in order and returns how many there were."""
    namespace: dict = {"__name__": "__main__"}
    found = blocks(page.read_text("utf-8"))
    for block in found:
        if block.language == "python":
            run_python(block, page, namespace)
            continue
        for command, shown in commands(block):
            code, printed = run_command(command, folder)
            where = f"{page}:{block.line}: $ {command}\n"
            assert code == block.exit_code, f"{where}ended with {code}:\n{printed}"
            assert like(shown, printed), f"{where}printed:\n{printed}"
    return len(found)


def pages() -> list[Path]:
    """Pages with something to run. Generated ones have nothing to copy."""
    written = [ROOT / "README.md", *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
    generated = ROOT / "docs" / "reference"
    return [page for page in dict.fromkeys(written) if generated not in page.parents and fenced(page)]


def fenced(page: Path) -> bool:
    return page.exists() and any(f"```{language}" in page.read_text("utf-8") for language in RUN)


def scripts() -> list[Path]:
    return sorted((ROOT / "examples").glob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", [*pages(), *scripts()], ids=name)
def test_example_runs(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if document.suffix == ".md":
        run_page(document, tmp_path)
        return
    command = [sys.executable, str(document)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=MAX_EXAMPLE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def page(tmp_path):
    def write(text):
        path = tmp_path / "page.md"
        path.write_text(text, "utf-8")
        return path

    return write


def test_blocks_of_a_page_share_their_names_and_fail_at_their_own_line(page, tmp_path):
    assert run_page(page("```python\nx = 1\n```\n\nThen\n\n```python\nassert x == 1\n```\n"), tmp_path) == 2
    with pytest.raises(AssertionError) as failure:
        run_page(page("# Title\n\n```python\nx = 1\nassert x == 2\n```\n"), tmp_path)
    assert failure.traceback[-1].lineno == 4


def test_a_command_whose_output_differs_is_found(page, tmp_path):
    run_page(page("```console\n$ phalanx --version\nphalanx, version …\n```\n"), tmp_path)
    with pytest.raises(AssertionError, match="printed:"):
        run_page(page("```console\n$ phalanx --version\nphalanx, version twelve\n```\n"), tmp_path)
    with pytest.raises(AssertionError, match="ended with 2"):
        run_page(page("```console\n$ phalanx no-such-command\n…\n```\n"), tmp_path)
    run_page(page("<!-- exit code: 2 -->\n```console\n$ phalanx no-such-command\n…\n```\n"), tmp_path)


def test_only_phalanx_commands_and_explained_exceptions_stand_in_console_blocks(page, tmp_path):
    with pytest.raises(ValueError, match="only phalanx commands"):
        run_page(page("```console\n$ rm -rf x\n```\n"), tmp_path)
    with pytest.raises(ValueError, match="say why"):
        run_page(page("<!-- not run: -->\n```console\n$ rm -rf x\n```\n"), tmp_path)
    assert run_page(page("<!-- not run: it removes files -->\n\n```console\n$ rm -rf x\n```\n"), tmp_path) == 0


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "…", "d"], "a\nb\nc\nd\n", True),
        (["a", "…", "d"], "a\nd\n", True),
        (["took … ms"], "took 12.5 ms\n", True),
        (["took … ms"], "took 12.5 s\n", False),
        (["a"], "a\nb\n", False),
        (["a", "b"], "a\n", False),
        ([], "", True),
        ([], "a\n", False),
        (["…"], "", True),
        (["(a.b)"], "(axb)\n", False),
    ],
)
def test_output_is_compared_loosely_but_not_blindly(shown, printed, same):
    assert like(shown, printed) is same
