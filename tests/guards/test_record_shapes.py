"""What a durable record is made of changes with its version, or not at all.

``record_shapes.txt`` has each kind with its version and its fields. A field that came without a new version would be
taken for damage by a node that does not know it, instead of for something newer. After a new version, or a new kind,
run with ``PHALANX_TEST_UPDATE_GOLDEN=1``; a kind that is another under the same version is refused then, too.
"""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

import phalanx
from phalanx.core import Record, kind_name

FILE = Path(__file__).parent / "record_shapes.txt"
_HEAD = frozenset(Record.__struct_fields__)


def records() -> Iterator[type[Record]]:
    # Only those that name a kind: to import everything takes a minute.
    root = Path(phalanx.__file__).parent
    for file in sorted(root.rglob("*.py")):
        if ' tag="' in file.read_text():
            importlib.import_module(".".join(("phalanx", *file.relative_to(root).with_suffix("").parts)))
    left: list[type[Record]] = [Record]
    while left:
        for one in left.pop().__subclasses__():
            left.append(one)
            # What adds to a record under its own kind is how it is shown, and is not kept.
            shown = any(base is not Record and kind_name(base) == kind_name(one) for base in one.__mro__[1:-2]
                        if issubclass(base, Record))  # fmt: skip
            if one.__module__.startswith("phalanx.") and not shown:
                yield one


def shapes() -> dict[str, tuple[int, str]]:
    """Kind, version, and fields: those with a default end in ``=``."""
    found: dict[str, tuple[int, str]] = {}
    for one in records():
        names = [
            field.name + ("" if field.required else "=")
            for field in msgspec.structs.fields(one)
            if field.name not in _HEAD
        ]
        found[kind_name(one)] = one.VERSION, " ".join(names)
    return found


def recorded() -> dict[str, tuple[int, str]]:
    rows = [line.split("\t") for line in FILE.read_text().splitlines()] if FILE.exists() else []
    return {kind: (int(version), fields) for kind, version, fields in rows}


def test_fields_of_a_record_change_with_its_version_alone():
    before, now = recorded(), shapes()
    assert len(now) > 50
    same = {kind for kind in before.keys() & now.keys() if before[kind][0] == now[kind][0]}
    changed = sorted(kind for kind in same if before[kind] != now[kind])
    assert not changed, f"other fields under the same version, give a new VERSION and an upgrade: {', '.join(changed)}"
    if os.environ.get("PHALANX_TEST_UPDATE_GOLDEN") == "1":
        FILE.write_text("".join(f"{kind}\t{version}\t{fields}\n" for kind, (version, fields) in sorted(now.items())))
    assert recorded() == now, "run with PHALANX_TEST_UPDATE_GOLDEN=1"


def test_every_older_version_has_an_upgrade():
    lacking = [kind_name(one) for one in records() if set(one.UPGRADES) != set(range(1, one.VERSION))]
    assert lacking == []
