"""Shows a benchmark's result to people: similar things side by side in tables, a spread in one cell. ``--json`` is
authoritative.
"""

from collections.abc import Iterator, Mapping
from math import floor, isfinite, log10
from typing import Any

import click

from phalanx.cli._output import Column, print_table, printable

_SECTIONS = ("load", "figures", "baselines", "ratios")
_SPREAD = ("p50", "p95", "p99", "p999", "max")
_INTERVAL = {"value", "low", "high"}
_LEAST_WIDE = 36
# More measures than this stand below each other.
_MANY = 7


def print_result(result: Mapping[str, Any]) -> None:
    """Every section that has content, in the order in which a sceptic asks."""
    click.secho(result["bench"], bold=True)
    for name in _SECTIONS:
        if result[name]:
            click.echo()
            click.secho(name, bold=True)
            _print_section(_folded(result[name]))


def _print_section(tree: Mapping[str, Any]) -> None:
    parts = list(_parts(tree, ""))
    wide = max([_LEAST_WIDE, *(len(path) for path, part in parts if isinstance(part, str))])
    for path, part in parts:
        if isinstance(part, str):
            click.echo(printable(f"  {path:<{wide}}  {part}"))
    for path, part in parts:
        if not isinstance(part, str):
            click.echo()
            _print_subjects(path, part)


def _parts(tree: Mapping[str, Any], path: str) -> Iterator[tuple[str, str | dict[str, dict[str, str]]]]:
    """A line for a value that stands alone, a table for neighbours that give the same fields for different subjects."""
    for key, value in tree.items():
        if isinstance(value, str):
            yield path + key, value
    trees = {key: value for key, value in tree.items() if isinstance(value, dict)}
    for alike in _alike({key: dict(_flat(value)) for key, value in trees.items()}):
        if len(alike) > 1:
            yield path.rstrip("."), alike
        else:
            for key in alike:
                yield from _parts(trees[key], f"{path}{key}.")


def _print_subjects(title: str, subjects: Mapping[str, Mapping[str, str]]) -> None:
    """A row for each subject, or a column where each has many fields."""
    measures = list(dict.fromkeys(name for said in subjects.values() for name in said))
    if len(measures) > _MANY:
        subjects = {one: {key: said[one] for key, said in subjects.items() if one in said} for one in measures}
        measures = list(dict.fromkeys(name for said in subjects.values() for name in said))
    columns: list[Column] = [("", lambda row: row[""])]
    columns += [(name, lambda row, name=name: row.get(name, "–")) for name in measures]  # type: ignore[misc]
    print_table(title, [{"": key, **said} for key, said in subjects.items()], columns, empty="")


def _alike(trees: Mapping[str, dict[str, str]]) -> Iterator[dict[str, dict[str, str]]]:
    """Neighbours, each of which has at least half of the fields of the first."""
    found: dict[str, dict[str, str]] = {}
    for key, said in trees.items():
        first = next(iter(found.values()), said)
        if 2 * len(first.keys() & said.keys()) < len(first.keys() | said.keys()):
            yield found
            found = {}
        found[key] = said
    if found:
        yield found


def _flat(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, str):
            yield path + key, value
        else:
            yield from _flat(value, f"{path}{key}.")


def _folded(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens leaves into words; what belongs in one cell goes into one cell, under the shared name."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {f"{key}.{at}": _folded(one) for at, one in enumerate(value, 1)}
            continue
        stem, _, end = key.rpartition("_")
        ends = _ends(tree, f"{stem}_") if end in _SPREAD else {}
        if len(ends) > 1:
            found[f"{stem}, {' / '.join(ends)}"] = " / ".join(ends.values())
        elif isinstance(value, dict):
            name, cell = _cell_of(value)
            found[f"{key}{name}"] = cell
        elif not key.endswith("_interval"):
            between = tree.get(f"{key}_interval", tree.get(f"{key.removesuffix('_mean')}_interval"))
            found[key] = _said(value) + (f" {_between(*between)}" if between else "")
    return found


def _cell_of(tree: Mapping[str, Any]) -> tuple[str, Any]:
    """What is said under the name, and a cell or a tree."""
    if tree.keys() >= _INTERVAL:
        shown = f"{_said(tree['value'])} {_between(tree['low'], tree['high'])}"
        others = {key: value for key, value in tree.items() if key not in _INTERVAL}
        return ("", {"value": shown, **_folded(others)}) if others else ("", shown)
    ends = _ends(tree, "")
    if len(ends) > 1 and len(ends) == len(tree):
        return f", {' / '.join(ends)}", " / ".join(ends.values())
    return "", _folded(tree)


def _ends(tree: Mapping[str, Any], stem: str) -> dict[str, str]:
    """The ends of a spread, under one name."""
    return {one: _said(tree[stem + one]) for one in _SPREAD if stem + one in tree}


def _between(low: float, high: float) -> str:
    return f"[{_said(low)}, {_said(high)}]"


def _said(value: Any) -> str:
    """Three significant figures, more where they stand before the decimal point; never 0 for what is not."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        if value and isinstance(value[0], list | tuple):
            return f"{len(value)} rows, in --json"
        return ", ".join(map(_said, value)) or "none"
    return str(value)


def _number(value: float) -> str:
    size = abs(value)
    if not size or not isfinite(size):
        return f"{value:g}"
    if size < 1e-4:
        return f"{value:.2e}"
    digits = max(0, 2 - floor(log10(size)))
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
