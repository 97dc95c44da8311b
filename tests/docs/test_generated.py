"""Generated pages are what the code would generate now, and the map of requirements is honest."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PAGES = (
    "docs/reference/cli.md",
    "docs/reference/settings.md",
    "docs/reference/api.md",
    "docs/reference/openapi.json",
    "docs/reference/errors.md",
    "docs/reference/metrics.md",
    "docs/requirements.md",
)


def generate(*arguments):
    command = [sys.executable, str(ROOT / "scripts/generate_docs.py"), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.fixture
def docgen(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import docgen

    return docgen


def test_generated_pages_are_up_to_date():
    done = generate("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_page_is_generated_and_checked(docgen):
    assert tuple(docgen.PAGES) == PAGES


def test_a_stale_page_is_found_and_shown(tmp_path):
    (tmp_path / "docs/reference").mkdir(parents=True)
    (tmp_path / "docs/reference/settings.md").write_text("# Settings\n\nnone\n")
    done = generate("--check", "--root", str(tmp_path), "docs/reference/settings.md")
    assert done.returncode == 1
    assert "out of date; run `make docs`" in done.stdout
    assert "-none" in done.stdout
    assert (tmp_path / "docs/reference/settings.md").read_text() == "# Settings\n\nnone\n"


def references(part):
    """Every ``$ref`` below a part of a JSON document."""
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [ref for value in part.values() for ref in references(value)]
    return [ref for value in part for ref in references(value)] if isinstance(part, list) else []


def test_every_reference_in_the_schema_leads_somewhere():
    document = json.loads((ROOT / "docs/reference/openapi.json").read_text("utf-8"))
    found = references(document)
    assert found
    there = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert sorted(set(found) - there) == []


REQUIREMENTS = """
[areas.AGT]
title = "Agents"
[areas.AGT.rows.AGT-1]
wanted = "roles"
made_real = "each does work"
[areas.AGT.rows.AGT-2]
wanted = "capabilities"
made_real = "queried"
complete = true
[areas.AGT.rows.AGT-3]
wanted = "missions"
made_real = "assigned"
"""
TESTS = """
import pytest

@pytest.mark.requirement("AGT-1")
def test_one(): ...

@pytest.mark.requirement("AGT-1", "AGT-2")
class TestTwo:
    def test_three(self): ...

def test_four(): ...
"""


@pytest.fixture
def planted(tmp_path):
    def plant(tests=TESTS, requirements=REQUIREMENTS):
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "docs/requirements.toml").write_text(requirements)
        (tmp_path / "tests/unit").mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests/unit/test_planted.py").write_text(tests)
        return tmp_path

    return plant


def test_a_row_is_proven_only_when_a_person_says_so_and_tests_show_it(docgen, planted):
    page = docgen.PAGES["docs/requirements.md"](planted())
    assert "| AGT-1 | roles | partly | `tests/unit/test_planted.py`: test_one, TestTwo::test_three |" in page
    assert "| AGT-2 | capabilities | proven | `tests/unit/test_planted.py`: TestTwo::test_three |" in page
    assert "| AGT-3 | missions | not yet |  |" in page
    assert "| all | 1 | 1 | 1 |" in page


def test_a_claim_without_a_test_and_a_mark_without_a_row_are_refused(docgen, planted):
    with pytest.raises(SystemExit, match="AGT-2 is called complete, but no test names it"):
        docgen.PAGES["docs/requirements.md"](planted(tests="def test_one(): ..."))
    with pytest.raises(SystemExit, match="AGT-99, which is no requirement"):
        docgen.PAGES["docs/requirements.md"](planted(TESTS.replace('"AGT-1")', '"AGT-99")')))


def test_marks_are_found_wherever_pytest_takes_them(docgen):
    from docgen._marks import tests_in

    text = """
pytestmark = [pytest.mark.slow, pytest.mark.requirement("A-1")]
@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.requirement("A-2"))])
def test_a(x): ...
class TestB:
    pytestmark = pytest.mark.requirement("A-3")
    @pytest.mark.requirement("A-4")
    async def test_c(self): ...
    def help_c(self): ...
"""
    assert list(tests_in(ast.parse(text))) == [("test_a", ("A-1", "A-2")), ("TestB::test_c", ("A-1", "A-3", "A-4"))]


def test_metrics_are_read_from_the_calls_that_register_them(docgen, tmp_path):
    from docgen._metrics import metrics

    (tmp_path / "core").mkdir()
    (tmp_path / "core/_limits.py").write_text(
        'm.counter("phalanx_things_total", f"Things, up to {MAX_NAME_CHARS}.", ("kind",))\nc.counter("other")\n'
    )
    (found,) = metrics(tmp_path)
    assert (found.name, found.kind, found.labels, found.room) == ("phalanx_things_total", "counter", ("kind",), "core")
    assert found.help == "Things, up to 128."


def test_errors_show_the_hint_they_always_give(docgen):
    from docgen._errors import hint

    from phalanx.core import FutureVersion, NotFound, Overloaded, StorageCorrupt

    assert hint(Overloaded) == "send it again in <retry_after_s> s"
    assert hint(StorageCorrupt).startswith("restore from a backup")
    assert hint(FutureVersion) == "upgrade this node first: readers are upgraded before writers"
    assert hint(NotFound) == ""
