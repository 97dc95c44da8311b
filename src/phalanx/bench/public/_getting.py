"""Fetches public data by git: one commit of a repository, and of it only the files that are measured on."""

import csv
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from phalanx.bench.public._sets import DataSet
from phalanx.core import Unavailable

GITHUB = "https://github.com"
MAX_GIT_S = 1_800
# The figures are of the first six days, and of the first four months.
_QUEUES_UNTIL, _PERTH_UNTIL = "2023-11-22", "2023-05-01"
_QUEUES_FILE, _QUEUES_HEAD = "ibm_queue_status_1min.csv", "timestamp_utc,backend,operational,pending_jobs,status_msg"
_PERTH_FILE = "ibm_perth_calibration.csv"
_PERTH_HEAD = (
    "day,backend,last_update,kind,qubits,T1_us,T2_us,readout_error,freq_GHz,gate_error,gate_length_ns"
)  # fmt: skip
_QUBIT_COLUMNS = ("T1", "T2", "readout_error", "frequency")
_GATE_COLUMNS = ("gate_error", "gate_length")


def get_data(
    sets: Sequence[DataSet], into: Path, *, base: str = GITHUB, tell: Callable[[str], None] = lambda _: None
) -> None:  # fmt: skip
    """Put ``sets`` below ``into``, each whole or not at all; what is there stays. Raises ``Unavailable``."""
    into.mkdir(parents=True, exist_ok=True)
    for one in sets:
        folder = into / one.folder
        if folder.exists():
            tell(f"{one.name}: {folder} is there already")
            continue
        tell(f"{one.name}: {one.title}, {one.licence}, github.com/{one.repository} at {one.commit[:12]}")
        with tempfile.TemporaryDirectory(dir=into, prefix=".getting-") as work:
            fetched, made = Path(work, "repository"), Path(work, "made")
            fetched.mkdir()
            made.mkdir()
            _fetch(one, f"{base}/{one.repository}", fetched)
            _MADE.get(one.name, _copy)(one, fetched, made)
            folder.parent.mkdir(parents=True, exist_ok=True)
            made.rename(folder)


def _fetch(one: DataSet, address: str, into: Path) -> None:
    """One commit without its history, and the files that are wanted."""
    steps = (
        ("init", "-q"),
        ("remote", "add", "origin", address),
        ("sparse-checkout", "set", "--no-cone", *(path if "*" in path else f"/{path}" for path in one.paths)),
        ("fetch", "-q", "--depth", "1", "--filter=blob:none", "origin", one.commit),
        ("checkout", "-q", "FETCH_HEAD"),
    )
    for step in steps:
        try:
            done = subprocess.run(  # noqa: S603 - our own words and pinned names
                ["git", *step],  # noqa: S607 - whichever git the user has
                cwd=into, capture_output=True, text=True, timeout=MAX_GIT_S, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise Unavailable("git", "it is not installed", hint="it fetches the public data") from error
        except subprocess.TimeoutExpired as error:
            raise Unavailable(address, f"fetching took longer than {MAX_GIT_S} s") from error
        if done.returncode:
            raise Unavailable(address, (done.stderr.strip().splitlines() or ["git failed"])[-1])


def _copy(one: DataSet, fetched: Path, made: Path) -> None:
    files = [file for file in sorted(fetched.rglob("*")) if file.is_file() and ".git" not in file.parts]
    if not files:
        raise Unavailable(one.title, f"github.com/{one.repository} has none of {', '.join(one.paths)}")
    for file in files:
        target = made / file.relative_to(fetched)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _queues(one: DataSet, fetched: Path, made: Path) -> None:
    """The first look at each machine in a minute: they were looked at every ten seconds."""
    seen: set[tuple[str, str]] = set()
    with (made / _QUEUES_FILE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_QUEUES_HEAD.split(","))
        for look in _documents(one, fetched):
            for said in look:
                at, status = said["timestamp"][:19], said["status"]
                if at >= _QUEUES_UNTIL or (said["backend"], at[:16]) in seen:
                    continue
                seen.add((said["backend"], at[:16]))
                rows.writerow([
                    at, said["backend"], int(status["operational"]), status["pending_jobs"], status["status_msg"]
                ])  # fmt: skip


def _perth(one: DataSet, fetched: Path, made: Path) -> None:
    """A row for each qubit of a day, then one for each of its gates."""
    with (made / _PERTH_FILE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_PERTH_HEAD.split(","))
        for day, said in zip(_days(one, fetched), _documents(one, fetched), strict=True):
            if day >= _PERTH_UNTIL:
                break
            head = [day, said["backend_name"], said["last_update_date"]]
            for number, qubit in enumerate(said["qubits"]):
                values = {part["name"]: part["value"] for part in qubit}
                rows.writerow([*head, "qubit", number, *(values.get(name, "") for name in _QUBIT_COLUMNS), "", ""])
            for gate in said["gates"]:
                if gate["gate"] == "reset":
                    continue  # It has a length, and no error.
                values = {part["name"]: part["value"] for part in gate["parameters"]}
                qubits = "_".join(map(str, gate["qubits"]))
                rows.writerow([
                    *head, gate["gate"], qubits, "", "", "", "", *(values.get(name, "") for name in _GATE_COLUMNS)
                ])  # fmt: skip


def _days(one: DataSet, fetched: Path) -> list[str]:
    return [file.name[:10] for file in _files(one, fetched)]


def _documents(one: DataSet, fetched: Path) -> Iterator[Any]:
    for file in _files(one, fetched):
        yield json.loads(file.read_bytes())


def _files(one: DataSet, fetched: Path) -> list[Path]:
    """By name, which begins with the time."""
    files = sorted((fetched / one.paths[0]).glob("*.json"))
    if not files:
        raise Unavailable(one.title, f"github.com/{one.repository} has no {one.paths[0]}")
    return files


_MADE: dict[str, Callable[[DataSet, Path, Path], None]] = {"queues": _queues, "perth": _perth}
