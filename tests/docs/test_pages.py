"""Pages that people write stay true to the code where that can be checked."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

import phalanx.core

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CONFLICT = re.compile(r"^(?:<{7} |={7}$|>{7} )", re.MULTILINE)


def pages():
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(text):
    """The anchors that headings get: lower case, punctuation dropped, spaces to hyphens."""
    titles = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(FENCED.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


def broken_links(page, text):
    found = []
    for target in LINK.findall(FENCED.sub("", text)):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            found.append(f"{page.name}: {target} does not exist")
        elif anchor and file.suffix == ".md":
            there = anchors(text if file == page else file.read_text("utf-8"))
            found += [f"{page.name}: {target} has no such heading"] * (anchor not in there)
    return found


def rooms():
    return sorted(init.parent.name for init in (ROOT / "src/phalanx").glob("*/__init__.py"))


def test_no_page_has_the_marks_of_a_merge():
    """Linters find them in code; in Markdown they would be published."""
    assert CONFLICT.search("kept\n=======\ndropped\n")
    assert not [page.name for page in pages() if CONFLICT.search(page.read_text("utf-8"))]


def test_every_link_leads_somewhere():
    assert not [line for page in pages() for line in broken_links(page, page.read_text("utf-8"))]


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title: *here*\n")
    assert broken_links(page, "[a](gone.md) [b](page.md#nowhere) ![c](gone.svg) [d](https://example.net)") == [
        "page.md: gone.md does not exist",
        "page.md: page.md#nowhere has no such heading",
        "page.md: gone.svg does not exist",
    ]
    assert not broken_links(page, "# A title: *here*\n[a](#a-title-here)\n```text\n[b](gone.md)\n```\n")


@pytest.mark.parametrize("room", rooms())
def test_every_room_is_on_the_floor_plan(room):
    assert f"| `{room}` |" in (ROOT / "ARCHITECTURE.md").read_text("utf-8")


def test_the_floor_plan_shows_no_room_that_is_not_there():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    shown = re.findall(r"^\| \S+ \| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    assert shown
    absent = {room for room, line in shown if not line.startswith("planned")} - set(rooms())
    assert not absent, f"planned rooms are called planned: {absent}"
    assert not {room for room, line in shown if line.startswith("planned")} & set(rooms())


def test_every_extension_point_is_documented():
    text = (ROOT / "docs/extending.md").read_text("utf-8")
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert groups
    assert [group for group in groups if f"`{group}`" not in text] == []


def test_every_port_is_documented():
    text = (ROOT / "docs/extending.md").read_text("utf-8")
    ports = [name for name in phalanx.core.__all__ if getattr(getattr(phalanx.core, name), "_is_protocol", False)]
    assert "Store" in ports
    assert [port for port in ports if f"`{port}`" not in text] == []


def test_every_word_of_core_is_in_the_vocabulary():
    text = (ROOT / "docs/vocabulary.md").read_text("utf-8")
    classes = [name for name in phalanx.core.__all__ if inspect.isclass(getattr(phalanx.core, name))]
    words = [name for name in classes if not issubclass(getattr(phalanx.core, name), Exception)]
    assert "Finding" in words
    assert [word for word in words if f"`{word}`" not in text] == []


def test_every_decision_is_in_the_index():
    folder = ROOT / "docs/decisions"
    index = (folder / "README.md").read_text("utf-8")
    decisions = sorted(file.name for file in folder.glob("0*.md"))
    assert decisions
    # Numbers are reserved before pages are written, so some may be missing; none is given twice.
    numbers = [name.partition("-")[0] for name in decisions]
    assert len(set(numbers)) == len(numbers), numbers
    for name in decisions:
        title = (folder / name).read_text("utf-8").splitlines()[0].partition(" · ")[2]
        assert title
        assert f"({name}) | {title} |" in index, name
