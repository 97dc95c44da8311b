"""`phalanx devices` with arguments that make no sense, and what jobs of programs look like."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli import _job
from phalanx.cli._client import NodeClient
from phalanx.cli._exits import Exit
from phalanx.cli.devices._allocate import allocate
from phalanx.cli.devices._brought import brought_fleet
from phalanx.cli.devices._group import devices
from phalanx.cli.devices._jobs import print_job
from phalanx.cli.devices._manager import manager
from phalanx.core import InvalidInput, PhalanxError, Unavailable, encode_json
from phalanx.devices import Program, QueueState, device_detail, device_view
from phalanx.testing import InlineOffload, line_of_three

ATOMS = '{"atoms_um": [[0,0],[5.5,0]], "amplitude": [[0,0],[1,12],[2,0]], "detuning": [[0,-20],[2,20]]}'


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "local.statevector", "--number", "nope"], "two_qubit_error, one_qubit_error"),
        (["watch", "worker.one", "--number", "t1_ns"], "busy, memory, load, gpu"),
        (["watch", "worker.one", "--qubit", "1"], "without qubits"),
    ],
)
def test_a_number_that_there_is_not_is_refused_before_a_node_is_asked(arguments, said):
    done = CliRunner().invoke(devices, [*arguments, "--url", "http://127.0.0.1:1", "--token", "none"])
    assert isinstance(done.exception, InvalidInput)
    assert said in str(done.exception)


class Client:
    def get(self, path):
        assert path == "/v1/devices/braket.quera-aquila"
        return {"analog": {"c6": 5.42e6}}


@pytest.mark.parametrize(("text", "device"), [(ATOMS, "braket.quera-aquila"), ('{"fields": [1, -1]}', "dwave.x")])
def test_outcomes_of_a_program_are_shown_with_what_they_cost(text, device, capsys):
    program = Program.read(text)
    job = {
        "id": "j", "state": "Completed", "device": device, "error": "", "reason": "it fits", "moves": [],
        "program": {"text": program.text}, "counts": {"10": 7, "01": 3}, "shots": 10, "seed": 1,
        "provenance": {
            "origin": "emulated", "device": device,
            "baselines": [{"method": "every outcome tried", "value": -3.5, "cost": 4, "cost_unit": "outcomes"}],
        },
    }  # fmt: skip
    print_job(Client(), json.loads(json.dumps(job)), as_json=False)
    printed = capsys.readouterr().out
    first, second = ("energy -20", "energy -20") if device.startswith("braket") else ("energy 2", "energy -2")
    assert f"  10  7  {first}" in printed
    assert f"  01  3  {second}" in printed
    assert "-3.5 is the lowest: every outcome tried, 4 outcomes" in printed


BELL = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] q;\nbit[1] c;\nh q[0];\nc[0] = measure q[0];\n'


def job_in(state):
    return {
        "id": "j", "state": state, "device": "a.one", "error": "", "reason": "it fits", "moves": [],
        "provenance": None, "counts": {"0": 5} if state == "Completed" else {}, "wishes": {"not_before_ns": 0},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "shown"),
    [(devices, job_in), (manager, lambda state: {"key": "k", "at": "hq", "own": False, "job": job_in(state)})],
    ids=["of this node", "of a manager"],
)
def test_who_waits_for_a_job_is_shown_how_it_ended(command, shown, monkeypatch, tmp_path):
    asked, paused = [], []
    states = iter(["Running", "Running", "Failed"])

    def submitted(_, path, __, *, timeout_s):
        assert timeout_s >= 120, "kernels may be compiled first"
        asked.append(path)
        return shown("Queued")

    monkeypatch.setattr(NodeClient, "post_json", submitted)
    monkeypatch.setattr(NodeClient, "get", lambda _, path, **__: asked.append(path) or shown(next(states)))
    monkeypatch.setattr(_job.time, "sleep", paused.append)
    file = tmp_path / "bell.qasm"
    file.write_text(BELL)
    done = CliRunner().invoke(command, ["submit", str(file), "--wait", "--token", "none"], catch_exceptions=False)
    assert "Failed" in done.output
    assert "Running" not in done.output
    assert done.exit_code == Exit.FAILED
    assert len(asked) == 4
    assert len(paused) == 3


def test_a_job_that_waits_for_a_window_says_until_when_and_whose(capsys, monkeypatch):
    waits = {"until_ns": 1_900_000_000 * 10**9, "by": ["lab"], "own": False, "why": "a.one is booked by lab"}
    print_job(Client(), job_in("Queued") | {"waits": waits}, as_json=False)
    assert "waits        until 2030-03-17 17:46:40: a.one is booked by lab" in capsys.readouterr().out
    print_job(Client(), job_in("Queued") | {"waits": None}, as_json=False)
    assert "waits" not in capsys.readouterr().out
    rows = [job_in("Queued") | {"waits": waits, "at_ns": 1, "shots": 1}, job_in("Running") | {"at_ns": 1, "shots": 1}]
    monkeypatch.setattr(NodeClient, "pages", lambda *_, **__: rows)
    listed = CliRunner().invoke(devices, ["job", "--token", "none"], catch_exceptions=False)
    assert "Queued, waits until 2030-03-17 17:46:40" in listed.output
    assert listed.output.count("waits until") == 1


def test_a_managers_job_says_what_it_waits_for_what_it_costs_and_of_which_kind_its_result_is(monkeypatch):
    waits = {"until_ns": 1_900_000_000 * 10**9, "by": ["lab"], "own": True, "why": "its window has not opened"}
    cost = {"told": "1 job held"}
    found = {"key": "k", "at": "hq", "own": False, "job": job_in("Queued"), "waits": waits, "cost": cost}
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: found)
    shown = CliRunner().invoke(manager, ["job", "k", "--token", "none"], catch_exceptions=False).output
    assert "k at hq: Queued on a.one" in shown
    assert "waits        until 2030-03-17 17:46:40: its window has not opened" in shown
    assert "cost         1 job held" in shown
    came = {"provenance": {"origin": "emulated"}, "counts": {"00": 3}, "shots": 3, "seed": 1}
    found = found | {"job": job_in("Completed") | came, "waits": None}
    shown = CliRunner().invoke(manager, ["job", "k", "--token", "none"], catch_exceptions=False).output
    assert "result       emulated, 3 shots" in shown
    found = {"key": "k", "at": "hq", "own": False, "job": None, "why": "its window was given back"}
    monkeypatch.setattr(NodeClient, "post", lambda *_, **__: found)
    shown = CliRunner().invoke(manager, ["cancel", "k", "--token", "none"], catch_exceptions=False).output
    assert shown == "k at hq: its window was given back\n"


def test_a_manager_that_answers_says_its_version(monkeypatch):
    found = {
        "manager": "hq", "manages": [], "away": "", "budgets": [], "words": 2, "manager_words": 1, "manager_program": ""
    }  # fmt: skip
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: found)
    shown = CliRunner().invoke(manager, ["show", "--token", "none"], catch_exceptions=False).output
    assert "hq: answers (version 1 of managers' words, this node version 2)" in shown


def test_a_device_that_work_is_kept_away_from_says_so(monkeypatch):
    away = json.loads(encode_json(device_view(line_of_three("a.one", 0.01), 1, kept_away="paused after failures")))
    there = json.loads(encode_json(device_view(line_of_three("a.two", 0.01), 1)))
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: {"items": [away, there]})
    listed = CliRunner().invoke(devices, ["list", "--token", "none"], catch_exceptions=False).output
    assert "online, paused after failures" in listed
    assert listed.count("paused") == 1
    assert listed.count("unlisted") == 2, "a real machine without a price list is not free"


def test_a_machine_says_how_long_work_waits_and_shows_no_rows_that_say_nothing(monkeypatch):
    queue = QueueState(wait_ns_p50=1_800 * 10**9)
    known = json.loads(encode_json(device_detail(line_of_three("a.one", 0.01, queue=queue), 1)))
    monkeypatch.setattr(NodeClient, "get", lambda *_, **__: known)
    shown = CliRunner().invoke(devices, ["show", "a.one", "--token", "none"], catch_exceptions=False).output
    assert "waiting      1,800 s" in shown
    assert "Qubits" in shown
    asked = ["show", "a.one", "--couplers", "--token", "none"]
    joined = CliRunner().invoke(devices, asked, catch_exceptions=False).output
    assert "Qubits" not in joined
    assert [line.split()[0] for line in joined.splitlines() if line.startswith(("0-1", "1-2"))] == ["0-1", "1-2"]
    for row in known["qubits"]:
        row.update(dict.fromkeys(row.keys() - {"qubit", "faulty"}))
    shown = CliRunner().invoke(devices, ["show", "a.one", "--token", "none"], catch_exceptions=False).output
    assert "Qubits" not in shown


def test_photons_are_shown_by_what_they_are_like_and_without_what_they_have_not(monkeypatch):
    fleet = brought_fleet(InlineOffload())

    def shown(name):
        known = json.loads(encode_json(device_detail(fleet.backend(name).device, 1)))
        monkeypatch.setattr(NodeClient, "get", lambda *_, **__: known)
        return CliRunner().invoke(devices, ["show", name, "--token", "none"], catch_exceptions=False).output

    ideal = shown("local.photons")
    assert "up to 16 in 64 modes, whose detectors count" in ideal
    assert "can          photonic programs" in ideal
    assert not {"couplers", "medians", "Qubits"} & set(ideal.split())
    ascella = shown("quandela.ascella")
    assert "can          gates, photonic programs" in ascella
    assert "up to 6 in 12 modes, whose detectors click" in ascella
    assert "transmittance 0.0244, indistinguishability 0.864" in ascella


DIP = {"modes": 2, "photons": [1, 1], "circuit": [{"kind": "beam-splitter", "modes": [0, 1]}]}


def run_here(tmp_path, program, *arguments):
    file = tmp_path / "program.json"
    file.write_text(json.dumps(program))
    return CliRunner().invoke(devices, ["run", str(file), *arguments])


def test_photons_are_run_without_a_node_and_told_with_what_is_known_classically(tmp_path):
    done = run_here(tmp_path, DIP, "--shots", "400")
    assert done.exit_code == 0, done.output
    assert "local.photons has 64 modes" in done.output
    assert "simulated, 400 shots, seed 1" in done.output
    assert "kept         400 of 400 shots (1)" in done.output
    assert "1,1" not in done.output
    assert "0.5000 is the probability of" in done.output
    assert "0.2500 is the probability of" in done.output
    assert "photons that do not interfere" in done.output
    found = json.loads(run_here(tmp_path, DIP, "--shots", "400", "--json").output)
    assert sum(found["counts"].values()) == 400
    assert found["provenance"]["origin"] == "simulated"


def test_bits_are_spelt_and_nothing_kept_is_told(tmp_path):
    photon = {"modes": 2, "photons": [0, 1], "rails": [[0, 1]], "detectors": "threshold"}
    done = run_here(tmp_path, photon, "--device", "quandela.ascella", "--shots", "10")
    assert "emulated, calibration of 2026-03-15" in done.output
    assert "  0,1  10  1.0000  bits 1" in done.output
    never = run_here(tmp_path, DIP | {"heralds": [{"mode": 0}]}, "--shots", "10")
    assert "kept         0 of 10 shots (0): no outcome" in never.output


def test_other_programs_are_run_without_a_node_too(tmp_path):
    done = run_here(tmp_path, json.loads(ATOMS), "--shots", "50", "--device", "pasqal.analog")
    assert "energy" in done.output
    assert "is the lowest: every outcome tried" in done.output


@pytest.mark.parametrize(
    ("program", "arguments", "said"),
    [
        (DIP, ["--device", "quandela.ascella"], 'is to be "threshold" on quandela.ascella'),
        (DIP, ["--device", "local.statevector"], "takes no photonic programs"),
        (DIP, ["--results", "emulated"], "quandela.belenos does not take it"),
        (DIP | {"circuit": [{"kind": "phase", "mode": 7, "phi": 1}]}, [], r"program.circuit[0].mode"),
        ({"modes": 25, "photons": [1] + [0] * 24}, ["--device", "quandela.belenos"], "limited to 24, got 25"),
    ],
)
def test_programs_that_do_not_fit_are_refused_with_the_reason(tmp_path, program, arguments, said):
    done = run_here(tmp_path, program, *arguments)
    assert isinstance(done.exception, PhalanxError)
    assert said in str(done.exception)
    assert len(str(done.exception)) < 1_500, "a hundred devices that refuse for one reason are told together"


@pytest.mark.parametrize(
    ("group", "command"), [(devices, "submit"), (allocate, "explain"), (allocate, "route"), (manager, "place")]
)
def test_a_circuit_comes_from_standard_input_too_and_what_is_no_text_is_said(group, command, monkeypatch, tmp_path):
    sent = []

    def refused(_, __, wanted, **___):
        sent.append(wanted["circuit"])
        raise Unavailable("the node", "it is a test")

    monkeypatch.setattr(NodeClient, "post_json", refused)
    there = {"explain": ["--on-node"], "route": ["--submit"]}.get(command, [])
    CliRunner().invoke(group, [command, "-", *there], input="OPENQASM 3.0;")
    assert sent == ["OPENQASM 3.0;"]
    file = tmp_path / "bell.qasm"
    file.write_bytes(b"BC\xc0\xde")
    done = CliRunner().invoke(group, [command, str(file), *there])
    assert isinstance(done.exception, InvalidInput)
    assert "is not text" in str(done.exception)
    assert len(sent) == 1


def test_a_job_is_shown_with_what_it_costs(capsys):
    cost = {"told": "0.3 USD held (10 shots), by the list of a.one (a.example, 2026-01-01)"}
    print_job(Client(), job_in("Running") | {"cost": cost}, as_json=False)
    assert "cost         0.3 USD held (10 shots), by the list of a.one" in capsys.readouterr().out
    print_job(Client(), job_in("Running") | {"cost": None}, as_json=False)
    assert "cost" not in capsys.readouterr().out
