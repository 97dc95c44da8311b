"""What is installed with the product may be used by anyone for anything.

An extra may bring a copyleft library only where ``licences.toml`` names it under that extra. The base
install brings none, but for what is named there under ``base`` and whose copyleft ends at its own files
(MPL-2.0); the GPL family never. A licence that forbids commercial use is nowhere.
"""

import importlib.metadata
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest
from packaging.requirements import Requirement

BASE = "base"
PERMISSIVE = re.compile(
    r"\b(0BSD|Apache|BSD|BSL-1\.0|CC0|ISC|HPND|MIT|MIT-0|MIT-CMU|PSF|Python Software Foundation|PostgreSQL|Unlicense|"
    r"Zlib|ZPL|Public Domain|Historical Permission Notice)\b", re.IGNORECASE)  # fmt: skip
# Copyleft that ends at the library's own files.
FILE_LEVEL = re.compile(r"\bMPL|Mozilla", re.IGNORECASE)
STRONGER = re.compile(r"\b[AL]?GPL|GNU", re.IGNORECASE)
COPYLEFT = re.compile(
    r"\b[AL]?GPL|GNU|\bMPL\b|\bMPL-|Mozilla|\bEPL|Eclipse Public|\bEUPL|\bCDDL|\bOSL|CC-BY-SA|Sleepycat|\bSSPL",
    re.IGNORECASE,
)
NOT_FREE = re.compile(
    r"non-?commercial|\bNC\b|CC-BY-NC|commercial use|proprietary|BUSL|Business Source|evaluation only",
    re.IGNORECASE,
)
MAX_NAMED_CHARS = 120


@dataclass(frozen=True)
class Package:
    name: str
    licence: str
    requires: tuple[str, ...]
    extras: tuple[str, ...]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(metadata) -> str:
    """The most exact statement there is: an SPDX expression, else classifiers, else the licence field's first line."""
    # Not by index: with the backport loaded that keyring brings, a missing field is a KeyError.
    if metadata.get("License-Expression"):
        return metadata.get("License-Expression")
    classifiers = [c.rsplit(" :: ", 1)[-1] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    # Some put the whole text into the field; its first line names it, or is but a copyright notice.
    field = (metadata.get("License") or "").strip().partition("\n")[0][:MAX_NAMED_CHARS]
    if classifiers and judged(field) not in {"copyleft", "not free"}:
        return " AND ".join(classifiers)
    return " AND ".join(dict.fromkeys(filter(None, [*classifiers, field]))) or "unknown"


def installed(path: list[str] | None = None) -> dict[str, Package]:
    found = importlib.metadata.distributions(path=path) if path else importlib.metadata.distributions()
    packages = {}
    for distribution in found:
        name = plain(distribution.metadata["Name"])
        extras = tuple(distribution.metadata.get_all("Provides-Extra") or ())
        packages.setdefault(
            name, Package(name, licence_of(distribution.metadata), tuple(distribution.requires or ()), extras)
        )
    return packages


def closure(packages: Mapping[str, Package], root: str, extra: str = "") -> set[str]:
    """Everything that installing ``root[extra]`` brings on this machine, itself excepted."""
    seen: set[tuple[str, str]] = set()
    todo = [(root, extra)]
    while todo:
        name, wanted = todo.pop()
        if (name, wanted) in seen or name not in packages:
            continue
        seen.add((name, wanted))
        for line in packages[name].requires:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": wanted}):
                todo += [(plain(requirement.name), asked) for asked in ("", *sorted(requirement.extras))]
    return {name for name, _ in seen} - {root}


def by_extra(packages: Mapping[str, Package], root: str) -> dict[str, set[str]]:
    """What the base install brings, and what each extra adds to it."""
    base = closure(packages, root)
    extras = [extra for extra in packages[root].extras if extra != "all"]
    return {BASE: base} | {extra: closure(packages, root, extra) - base for extra in extras}


def judged(licence: str) -> str:
    """``permissive``, ``copyleft``, ``not free`` or ``unknown``. A choice (OR) is as good as its best part."""
    if NOT_FREE.search(licence):
        return "not free"
    parts = re.split(r"\s+AND\s+", licence)
    verdicts = set()
    for part in parts:
        choices = re.split(r"\s+OR\s+", part)
        if any(PERMISSIVE.search(choice) and not COPYLEFT.search(choice) for choice in choices):
            verdicts.add("permissive")
        else:
            verdicts.add("copyleft" if COPYLEFT.search(part) else "unknown")
    return next(verdict for verdict in ("copyleft", "unknown", "permissive") if verdict in verdicts)


def objections(
    packages: Mapping[str, Package], root: str, copyleft: Iterable[dict], stated: Iterable[dict]
) -> list[str]:
    """What is installed and may not be, and what was told and is no longer so."""
    listed = {(entry["name"], entry["extra"]) for entry in copyleft}
    known = {entry["name"]: entry["licence"] for entry in stated}
    used, found = set(), []
    for extra, names in by_extra(packages, root).items():
        for name in sorted(names):
            licence = packages[name].licence
            if name in known and judged(licence) == "unknown":
                licence = known[name]
                used.add(name)
            verdict = judged(licence)
            bearable = extra != BASE or (FILE_LEVEL.search(licence) and not STRONGER.search(licence))
            if verdict == "copyleft" and bearable and (name, extra) in listed:
                used.add((name, extra))
            elif verdict != "permissive":
                found.append(f"{name} ({licence}) comes with {extra}: {verdict}")
    stale = [f"{name} is listed under {extra} and is not copyleft there any more" for name, extra in listed
             if (name, extra) not in used and name in packages]  # fmt: skip
    return found + sorted(stale) + [f"{name} states its licence itself now" for name in known if name not in used]


def test_what_is_installed_may_be_used_by_anyone(repository, refuse):
    told = tomllib.loads((repository / "tests/guards/licences.toml").read_text("utf-8"))
    packages = installed()
    assert len(closure(packages, "phalanx")) > 10
    refuse(objections(packages, "phalanx", told.get("copyleft", ()), told.get("stated", ())))


def test_every_listed_library_says_why(repository):
    told = tomllib.loads((repository / "tests/guards/licences.toml").read_text("utf-8"))
    for entry in (*told.get("copyleft", ()), *told.get("stated", ())):
        assert len(entry["reason"].split()) >= 4, entry["name"]


@pytest.fixture
def site(tmp_path):
    """A site folder into which distributions are planted."""

    def plant(name, licence, *requires, extras=()):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1", licence]
        lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {line}" for line in requires]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        return str(tmp_path)

    return plant


def test_copyleft_in_the_base_is_found_however_deep(site):
    site("phalanx", "License-Expression: Apache-2.0", "middle>=1")
    site("middle", "License: MIT", "deep; python_version >= '3'", "elsewhere; sys_platform == 'plan9'")
    site("elsewhere", "License: GPL-3.0")
    path = site("deep", "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    entry = {"name": "deep", "extra": BASE}
    found = objections(installed([path]), "phalanx", [entry], [])
    assert found[0] == "deep (GNU General Public License v3 (GPLv3)) comes with base: copyleft"


def test_file_level_copyleft_in_the_base_must_be_listed(site):
    site("phalanx", "License-Expression: Apache-2.0", "roots")
    packages = installed([site("roots", "License: MPL-2.0")])
    assert objections(packages, "phalanx", [], []) == ["roots (MPL-2.0) comes with base: copyleft"]
    assert not objections(packages, "phalanx", [{"name": "roots", "extra": BASE}], [])


def test_copyleft_in_an_extra_must_be_listed_under_it(site):
    site(
        "phalanx", "License-Expression: Apache-2.0", "mitigation; extra == 'mitigation'", extras=["mitigation", "other"]
    )
    packages = installed([site("mitigation", "License-Expression: GPL-3.0-only")])
    assert not objections(packages, "phalanx", [{"name": "mitigation", "extra": "mitigation"}], [])
    assert len(objections(packages, "phalanx", [], [])) == 1
    assert len(objections(packages, "phalanx", [{"name": "mitigation", "extra": "other"}], [])) == 2


def test_a_licence_that_is_not_free_is_refused_even_when_listed(site):
    site("phalanx", "License-Expression: Apache-2.0", "toy; extra == 'x'", extras=["x"])
    packages = installed([site("toy", "License: Free for non-commercial use")])
    assert "not free" in objections(packages, "phalanx", [{"name": "toy", "extra": "x"}], [])[0]


def test_a_licence_nobody_stated_must_be_looked_up(site):
    site("phalanx", "License-Expression: Apache-2.0", "silent")
    packages = installed([site("silent", "Summary: says nothing")])
    assert objections(packages, "phalanx", [], []) == ["silent (unknown) comes with base: unknown"]
    assert not objections(packages, "phalanx", [], [{"name": "silent", "licence": "MIT"}])


@pytest.mark.parametrize(
    ("licence", "verdict"),
    [
        ("MIT", "permissive"),
        ("Apache-2.0 OR GPL-2.0", "permissive"),
        ("MPL-2.0 AND MIT", "copyleft"),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", "copyleft"),
        ("BSD-3-Clause AND 0BSD AND Zlib", "permissive"),
        ("GNU Lesser General Public License v3 (LGPLv3)", "copyleft"),
        ("CC-BY-NC-4.0", "not free"),
        ("Custom", "unknown"),
    ],
)
def test_licences_are_told_apart(licence, verdict):
    assert judged(licence) == verdict
