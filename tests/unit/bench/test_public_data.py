"""Public data: looked for where the command was told, fetched whole or not at all, made into what is measured on."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from phalanx.bench.public import SETS, data_in, find_data, get_data, public_data
from phalanx.cli._main import root
from phalanx.core import Unavailable


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=somebody", "-c", "user.email=somebody@corp.example", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def published(base: Path, name: str, files: dict[str, str]):
    """The set as somebody published it, below ``base``: with these files at its only commit."""
    folder = base / SETS[name].repository
    folder.mkdir(parents=True)
    git(folder, "init", "-q")
    # As GitHub has it: any commit may be asked for, without its files.
    git(folder, "config", "uploadpack.allowFilter", "true")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as published")
    return replace(SETS[name], commit=git(folder, "rev-parse", "HEAD"))


def look(backend, at, pending):
    status = {"operational": True, "pending_jobs": pending, "status_msg": "active"}
    return {"backend": backend, "timestamp": at, "status": status}


def test_of_a_repository_only_what_is_measured_on_is_fetched(tmp_path):
    files = {"rules/windows/one.yml": "title: one", "LICENSE": "DRL", "tests/rules/other.yml": "title: other"}
    wanted = published(tmp_path / "hub", "sigma", files)
    told = []
    get_data([wanted], tmp_path / "data", base=(tmp_path / "hub").as_uri(), tell=told.append)
    folder = tmp_path / "data" / wanted.folder
    found = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert found == ["LICENSE", "rules/windows/one.yml"]
    assert wanted.licence in told[0]
    get_data([wanted], tmp_path / "data", base="file:///nowhere", tell=told.append)
    assert "already" in told[1]


def test_what_cannot_be_fetched_leaves_nothing(tmp_path):
    wanted = published(tmp_path / "hub", "sigma", {"README": "no rules here"})
    with pytest.raises(Unavailable, match="rules"):
        get_data([wanted], tmp_path / "data", base=(tmp_path / "hub").as_uri())
    with pytest.raises(Unavailable, match="SigmaHQ"):
        get_data([replace(wanted, commit="0" * 40)], tmp_path / "data", base=(tmp_path / "hub").as_uri())
    assert not list((tmp_path / "data").iterdir())


def test_queues_are_the_first_look_at_each_machine_in_a_minute(tmp_path):
    looks = [
        look("ibm_cairo", "2023-11-16T13:59:49.75+00:00", 15),
        look("ibm_cairo", "2023-11-16T13:59:59.75+00:00", 16),
        look("ibm_hanoi", "2023-11-16T13:59:50.40+00:00", 17),
    ]
    later = [look("ibm_cairo", "2023-11-16T14:00:01.10+00:00", 10), look("ibm_cairo", "2023-11-22T00:00:00.0+00:00", 1)]
    where = SETS["queues"].paths[0]
    files = {f"{where}/2023-11-16T15.json": json.dumps(later), f"{where}/2023-11-16T14.json": json.dumps(looks)}
    wanted = published(tmp_path / "hub", "queues", files)
    get_data([wanted], tmp_path / "data", base=(tmp_path / "hub").as_uri())
    assert (tmp_path / "data" / wanted.folder / "ibm_queue_status_1min.csv").read_text().splitlines()[1:] == [
        "2023-11-16T13:59:49,ibm_cairo,1,15,active",
        "2023-11-16T13:59:50,ibm_hanoi,1,17,active",
        "2023-11-16T14:00:01,ibm_cairo,1,10,active",
    ]


def test_calibrations_are_a_row_for_each_qubit_and_gate_of_a_day(tmp_path):
    qubit = [
        {"name": "T1", "value": 203.0}, {"name": "T2", "value": 100.5}, {"name": "frequency", "value": 5.1},
        {"name": "readout_error", "value": 0.0157},
    ]  # fmt: skip
    gates = [
        {"gate": "cx", "qubits": [1, 0], "parameters": [
            {"name": "gate_error", "value": 0.01}, {"name": "gate_length", "value": 640.0},
        ]},
        {"gate": "reset", "qubits": [0], "parameters": [{"name": "gate_length", "value": 796.4}]},
    ]  # fmt: skip
    said = {"backend_name": "ibm_perth", "last_update_date": "2023-01-01T08:40:00", "qubits": [qubit], "gates": gates}
    where = SETS["perth"].paths[0]
    days = ("2023-01-01", "2023-05-01")
    wanted = published(tmp_path / "hub", "perth", {f"{where}/{day}T10:00:00.json": json.dumps(said) for day in days})
    get_data([wanted], tmp_path / "data", base=(tmp_path / "hub").as_uri())
    head = "2023-01-01,ibm_perth,2023-01-01T08:40:00"
    assert (tmp_path / "data" / wanted.folder / "ibm_perth_calibration.csv").read_text().splitlines()[1:] == [
        f"{head},qubit,0,203.0,100.5,0.0157,5.1,,",
        f"{head},cx,1_0,,,,,0.01,640.0",
    ]


def test_data_is_looked_for_where_the_command_was_told_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    here, there = (tmp_path / folder / SETS["sigma"].folder for folder in ("bench-data", "elsewhere"))
    here.mkdir(parents=True)
    assert public_data("sigma").resolve() == here
    with data_in(tmp_path / "elsewhere"):
        assert find_data("sigma") is None
        with pytest.raises(Unavailable) as refused:
            public_data("sigma")
        assert str(there) in refused.value.message
        assert "--get-data sigma" in (refused.value.hint or "")
        there.mkdir(parents=True)
        assert public_data("sigma") == there
    assert public_data("sigma").resolve() == here


def test_the_command_lists_what_there_is_and_refuses_what_there_is_not(tmp_path):
    listed = CliRunner().invoke(root, ["bench", "--list-data", "--data", str(tmp_path)])
    assert listed.exit_code == 0
    assert listed.output.count("not here; github.com/") == len(SETS)
    refused = CliRunner().invoke(root, ["bench", "--get-data", "braun", "--data", str(tmp_path)])
    assert "no set 'braun' to be fetched" in str(refused.exception)
    missing = CliRunner().invoke(root, ["bench", "utilisation", "--quick", "--data", str(tmp_path)])
    assert "queues" in str(missing.exception)
