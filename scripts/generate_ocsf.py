#!/usr/bin/env python3
"""Writes the classes of OCSF, ``src/phalanx/intel/reading/ocsf/``, from the published schema.

    scripts/generate_ocsf.py ../shared/data/schemas/ocsf_schema [--check]

The schema is a folder of JSON files: classes extend each other and include profiles, extensions add classes of their
own. Each class becomes a constant with its number, its category, its activities and the attributes it may have.
"""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/phalanx/intel/reading/ocsf"
WIDTH = 118


class Schema:
    """The schema's classes by name, with what they inherit."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.version = str(self._load("version.json")["version"])
        self.categories = self._load("categories.json")["attributes"]
        self._bodies: dict[str, dict[str, Any]] = {}
        self._offsets: dict[str, int] = {}
        self._read(root / "events", 0)
        for extension in sorted(root.glob("extensions/*/extension.json")):
            self._read(extension.parent / "events", json.loads(extension.read_text())["uid"])

    def _load(self, path: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self._root / path).read_text())
        return loaded

    def _read(self, folder: Path, extension: int) -> None:
        for file in sorted(folder.rglob("*.json")):
            body = json.loads(file.read_text())
            name = body.get("name") or body["extends"]
            self._bodies[name] = body
            self._offsets[name] = extension * 100_000

    def classes(self) -> Iterator[str]:
        """Names of classes that events may have; those without a number are only extended."""
        return (name for name, body in self._bodies.items() if "uid" in body or name == "base_event")

    def body(self, name: str) -> dict[str, Any]:
        return self._bodies[name]

    def category(self, name: str) -> str:
        body = self._bodies[name]
        while "category" not in body:
            body = self._bodies[body["extends"]]
        return str(body["category"])

    def uid(self, name: str) -> int:
        category = self.category(name)
        number = 0 if category == "other" else self.categories[category]["uid"]
        return self._offsets[name] + number * 1_000 + int(self._bodies[name].get("uid", 0))

    def attributes(self, name: str) -> dict[str, Any]:
        body = self._bodies[name]
        own = dict(body.get("attributes", {}))
        found: dict[str, Any] = {}
        for include in own.pop("$include", []):
            found |= self._load(include)["attributes"]
        inherited = self.attributes(body["extends"]) if body.get("extends", name) != name else {}
        return inherited | found | own

    def activities(self, name: str) -> dict[int, str]:
        found: dict[int, str] = {}
        body: dict[str, Any] | None = self._bodies[name]
        while body is not None:
            told = body.get("attributes", {}).get("activity_id", {}).get("enum", {})
            found = {int(number): one["caption"] for number, one in told.items()} | found
            body = self._bodies.get(body.get("extends", ""))
        return dict(sorted(found.items()))


def wrapped(words: list[str], indent: str) -> str:
    """Words in quotes, over as many lines as they take."""
    lines = textwrap.wrap(" ".join(words), WIDTH - len(indent) - 4, break_long_words=False, break_on_hyphens=False)
    ends = [*[" "] * (len(lines) - 1), ""][: len(lines)]
    return "\n".join(f'{indent}"{line}{end}"' for line, end in zip(lines, ends, strict=True)) or f'{indent}""'


def items(each: list[str], indent: str) -> str:
    """Items parted by commas, over as many lines as they take; none is broken."""
    whole = [one.replace(" ", "\0") + "," for one in each]
    lines = textwrap.wrap(" ".join(whole), WIDTH - len(indent), break_long_words=False, break_on_hyphens=False)
    return "\n".join(indent + line.replace("\0", " ") for line in lines)


def constant(schema: Schema, name: str, base: frozenset[str]) -> str:
    body, category = schema.body(name), schema.category(name)
    number = 0 if category == "other" else schema.categories[category]["uid"]
    caption = "Uncategorized" if category == "other" else schema.categories[category]["caption"]
    activities = [f'{key}: "{value}"' for key, value in schema.activities(name).items()]
    inner = items(activities, "        ")
    own = sorted(schema.attributes(name) if name == "base_event" else set(schema.attributes(name)) - base)
    return (
        f"{name.upper()} = OcsfClass(\n"
        f'    {schema.uid(name)}, "{body["caption"]}", {number}, "{caption}",\n'
        f"    {{\n{inner}\n    }},\n"
        f"    (\n{wrapped(own, '        ')}\n    ),\n"
        ")\n"
    )


def modules(schema: Schema) -> dict[str, str]:
    """The generated files by name."""
    base = frozenset(schema.attributes("base_event"))
    by_category: dict[str, list[str]] = {}
    for name in schema.classes():
        by_category.setdefault(schema.category(name), []).append(name)
    head = "# Generated by scripts/generate_ocsf.py from the published schema; do not edit.\n# fmt: off\n"
    files: dict[str, str] = {}
    imports: list[str] = []
    for category, names in sorted(by_category.items()):
        names.sort(key=schema.uid)
        title = "Base Event" if category == "other" else schema.categories[category]["caption"]
        module = f"_{'base' if category == 'other' else category}"
        files[f"{module}.py"] = (
            f'"""OCSF {schema.version}: {title}."""\n\n{head}\n'
            "from phalanx.intel.reading._ocsf_class import OcsfClass\n\n"
            + "\n".join(constant(schema, name, base) for name in names)
        )
        upper = sorted(name.upper() for name in names)
        imports.append(f"from phalanx.intel.reading.ocsf.{module} import (\n{items(upper, '    ')}\n)\n")
    every = sorted(name.upper() for names in by_category.values() for name in names)
    listed = items(every, "        ")
    public = items([f'"{name}"' for name in sorted([*every, "CLASSES", "OCSF_VERSION"])], "    ")
    note = f"{head}# ruff: noqa: I001\n\n"
    files["_index.py"] = (
        f'"""The classes of OCSF {schema.version} by their numbers."""\n\n{note}'
        "from typing import Final\n\nfrom phalanx.intel.reading._ocsf_class import OcsfClass\n"
        + "".join(imports)
        + f'\nOCSF_VERSION: Final = "{schema.version}"\n\n'
        f"CLASSES: Final[dict[int, OcsfClass]] = {{\n    one.class_uid: one\n    for one in (\n{listed}\n    )\n}}\n"
    )
    files["__init__.py"] = (
        f'"""The classes of OCSF {schema.version}, as constants and by number."""\n\n{note}'
        + "".join(imports)
        + "from phalanx.intel.reading.ocsf._index import CLASSES, OCSF_VERSION\n"
        + f"\n__all__ = [\n{public}\n]\n"
    )
    return files


def main() -> int:
    """Write or check the files; 1 when a checked one is out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("schema", type=Path, help="folder of the schema")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of date")
    given = parser.parse_args()
    stale = 0
    for name, text in modules(Schema(given.schema)).items():
        target = TARGET / name
        if target.exists() and target.read_text() == text:
            continue
        stale += 1
        print(f"{target.relative_to(ROOT)} {'is out of date' if given.check else 'written'}")
        if not given.check:
            TARGET.mkdir(exist_ok=True)
            target.write_text(text)
    return 1 if given.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
