"""docs/requirements.md: what the product must do, and which tests show how much of it.

The rows are data (``docs/requirements.toml``). What a test shows is said in the test itself, by
``@pytest.mark.requirement("AGT-1")``. A row with such tests is partly done; it is proven only when its
data says ``complete = true`` besides, which a person sets.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgen._markdown import page, table
from docgen._marks import Marked, marked_tests

PROVEN, PARTLY, NOT_YET = "proven", "partly", "not yet"

INTRODUCTION = f"""\
`{PROVEN}`: the main path uses it, the tests named assert all of it, and its figures are measured by `phalanx bench`.
`{PARTLY}`: the tests named assert some of it. `{NOT_YET}`: no test asserts any of it.

How each row is to be made real, with the bars it must reach, stands in [requirements.toml](requirements.toml)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One requirement and the tests that name it."""

    id: str
    wanted: str
    complete: bool
    tests: tuple[Marked, ...]

    @property
    def status(self) -> str:
        return PROVEN if self.complete and self.tests else PARTLY if self.tests else NOT_YET


def requirements_page(root: Path) -> str:
    """The page: a summary, then one table per area."""
    areas = tomllib.loads((root / "docs" / "requirements.toml").read_text("utf-8"))["areas"]
    tests = marked_tests(root / "tests")
    refuse_contradictions(areas, tests)
    rows = {name: rows_of(area, tests) for name, area in areas.items()}
    blocks = []
    for name, area in areas.items():
        body = [(row.id, row.wanted, row.status, shown_by(row)) for row in rows[name]]
        blocks += [f"## {name} · {area['title']}", table(["id", "wanted", "status", "shown by"], body)]
    return page(
        "Requirements",
        "`docs/requirements.toml` and the marks of the tests",
        INTRODUCTION,
        summary(areas, rows),
        *blocks,
    )


def rows_of(area: dict[str, Any], tests: list[Marked]) -> list[Row]:
    return [
        Row(name, row["wanted"], row.get("complete", False), tuple(test for test in tests if name in test.requirements))
        for name, row in area["rows"].items()
    ]


def refuse_contradictions(areas: dict[str, Any], tests: list[Marked]) -> None:
    """A mark without a row, or a complete row without a test, is a mistake and not a page."""
    known = {name: row for area in areas.values() for name, row in area["rows"].items()}
    marked = {name for test in tests for name in test.requirements}
    wrong = [f"{test.id} names {name}, which is no requirement" for test in tests for name in test.requirements
             if name not in known]  # fmt: skip
    wrong += [f"{name} is called complete, but no test names it" for name, row in known.items()
              if row.get("complete") and name not in marked]  # fmt: skip
    if wrong:
        raise SystemExit("\n".join(wrong))


def shown_by(row: Row) -> str:
    """The tests by file, so that a row stays readable."""
    by_file: dict[str, list[str]] = {}
    for test in row.tests:
        by_file.setdefault(test.file, []).append(test.name)
    return "<br>".join(f"`{file}`: {', '.join(names)}" for file, names in by_file.items())


def summary(areas: dict[str, Any], rows: dict[str, list[Row]]) -> str:
    """How many rows of each area stand where."""
    lines = []
    total: Counter[str] = Counter()
    for name, area in areas.items():
        count = Counter(row.status for row in rows[name])
        total += count
        lines.append((f"{name} · {area['title']}", *(str(count[status]) for status in (PROVEN, PARTLY, NOT_YET))))
    lines.append(("all", *(str(total[status]) for status in (PROVEN, PARTLY, NOT_YET))))
    return table(["area", PROVEN, PARTLY, NOT_YET], lines)
