"""Recorded attacks on hosts as rows: one for each process that Sysmon saw, and whether it was the attacker's.

The recordings are public (OTRF Security Datasets) and not ours to ship. They say which technique was shown and how, and
not which event belongs to it, so labels are ours: in a recording a process is the attacker's if its program is named
where the metadata of the recording tells of the simulation, or descends from such a process. Programs of the system are
not, whoever names them. What a row says is how the process behaved: counts of events by kind, of distinct modules,
keys and destinations, access that it asked of others. No names: those made the labels.
"""

import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from phalanx.bench.public import public_data
from phalanx.core import NotFound

_SYSMON = "Microsoft-Windows-Sysmon"
_KINDS = (1, 2, 3, 5, 7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 22, 23)
_SYSTEM = frozenset({
    "conhost", "csrss", "dllhost", "explorer", "lsass", "services", "smss", "svchost", "system", "taskhostw",
    "wininit", "winlogon", "wmiprvse",
})  # fmt: skip
_MAX_RECORDINGS, _MAX_ANCESTORS, _LEAST_EVENTS = 200, 20, 2
_WORD = re.compile(r"[a-z0-9_\-]{3,}")
_MAX_MEMBER_BYTES = 64 << 20


class HostRows(NamedTuple):
    """``x`` are rows of processes, ``recording`` the number of the recording that each is of."""

    x: NDArray[np.float64]
    attack: NDArray[np.bool_]
    recording: NDArray[np.int64]
    recordings: tuple[str, ...]


def host_rows() -> HostRows:
    """Processes of all recordings in which an attacker's was seen. Raises ``NotFound``."""
    folder = public_data("otrf") / "datasets" / "atomic"
    told = _told(folder)
    rows: list[list[float]] = []
    labels: list[bool] = []
    places: list[int] = []
    names: list[str] = []
    archives = sorted(one for one in folder.rglob("*") if one.name.endswith((".zip", ".tar.gz")))
    for archive in archives[:_MAX_RECORDINGS]:
        name = archive.relative_to(folder).as_posix()
        x, attack = processes(_events(archive), told.get(name, ""))
        if any(attack) and not all(attack):
            rows += x
            labels += attack
            places += [len(names)] * len(x)
            names.append(name)
    if not names:
        raise NotFound("recordings", str(folder), hint="none has Sysmon's events with an attacker's process")
    return HostRows(np.array(rows), np.array(labels), np.array(places), tuple(names))


def processes(events: Iterable[Mapping[str, Any]], told: str) -> tuple[list[list[float]], list[bool]]:
    """A row for each process, and whether it was the attacker's, whose programs ``told`` names."""
    of: dict[str, list[Mapping[str, Any]]] = {}
    parent: dict[str, str] = {}
    program: dict[str, str] = {}
    for event in events:
        guid = _text(event, "ProcessGuid", "SourceProcessGuid", "SourceProcessGUID")
        if not guid or not _text(event, "Channel", "SourceName").startswith(_SYSMON):
            continue
        of.setdefault(guid, []).append(event)
        program[guid] = _stem(_text(event, "Image", "SourceImage")) or program.get(guid, "")
        if _kind(event) == 1:
            parent[guid] = _text(event, "ParentProcessGuid")
            program.setdefault(parent[guid], _stem(_text(event, "ParentImage")))
    named = set(_WORD.findall(told.lower())) - _SYSTEM
    own = {guid for guid, stem in program.items() if stem in named}
    kept = [guid for guid in sorted(of) if len(of[guid]) >= _LEAST_EVENTS]
    return [_row(of[guid]) for guid in kept], [_descends(guid, own, parent) for guid in kept]


def _descends(guid: str, own: set[str], parent: Mapping[str, str]) -> bool:
    at = guid
    for _ in range(_MAX_ANCESTORS):
        if at in own:
            return True
        at = parent.get(at, "")
        if not at:
            return False
    return False


def _row(events: list[Mapping[str, Any]]) -> list[float]:
    kinds = Counter(_kind(event) for event in events)
    access = 0
    for event in events:
        asked = _text(event, "GrantedAccess")
        access |= int(asked, 16) if asked.startswith("0x") else 0
    distinct = [
        len({_text(event, name) for event in events} - {""})
        for name in ("ImageLoaded", "TargetObject", "DestinationIp", "TargetImage", "TargetFilename", "PipeName",
                     "QueryName", "DestinationPort")
    ]  # fmt: skip
    unsigned = sum(_text(event, "Signed").lower() == "false" for event in events)
    line = max((_text(event, "CommandLine") for event in events), key=len, default="")
    high = any(_text(event, "IntegrityLevel") in ("High", "System") for event in events)
    symbols = sum(not (one.isalnum() or one.isspace()) for one in line)
    return [
        *(float(kinds[kind]) for kind in _KINDS), *map(float, distinct), float(unsigned), float(access.bit_count()),
        float(len(line)), float(symbols), float(high), float(len(events)),
    ]  # fmt: skip


def _events(archive: Path) -> Iterator[Mapping[str, Any]]:
    for text in _members(archive):
        for line in text.splitlines():
            try:
                event = msgspec.json.decode(line)
            except msgspec.DecodeError:
                continue  # a few files hold lines that cannot be parsed; the intake would quarantine them
            if isinstance(event, dict):
                yield event


def _members(archive: Path) -> Iterator[bytes]:
    if archive.name.endswith(".zip"):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                if info.filename.endswith(".json") and info.file_size <= _MAX_MEMBER_BYTES:
                    yield opened.read(info)
        return
    with tarfile.open(archive, "r:gz") as packed:
        for member in packed:
            file = packed.extractfile(member) if member.isfile() and member.name.endswith(".json") else None
            if file is not None and member.size <= _MAX_MEMBER_BYTES:
                yield file.read()


def _told(folder: Path) -> dict[str, str]:
    """For each archive what its metadata tells of the simulation: the tools, and what the attacker saw."""
    found: dict[str, str] = {}
    for file in sorted((folder / "_metadata").glob("*.yaml")):
        text = file.read_text(encoding="utf-8", errors="replace")
        simulated = text.partition("\nsimulation:")[2].partition("\nreferences:")[0]
        for name in re.findall(r"/datasets/atomic/(\S+?\.(?:zip|tar\.gz))", text):
            found[name] = simulated
    return found


def _kind(event: Mapping[str, Any]) -> int:
    try:
        return int(event.get("EventID", 0))
    except (TypeError, ValueError):
        return 0


def _text(event: Mapping[str, Any], *names: str) -> str:
    return next((str(event[name]) for name in names if event.get(name)), "")


def _stem(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
