"""`phalanx circuits`."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli.quantum._circuits import circuits
from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import UnreadableCircuit

BELL = 'OPENQASM 2.0; include "qelib1.inc"; qreg q[2]; creg c[2]; h q[0]; cx q[0],q[1]; measure q -> c;'


@pytest.fixture
def bell(tmp_path):
    file = tmp_path / "bell.qasm"
    file.write_text(BELL)
    return str(file)


def invoke(*arguments, given=None):
    return CliRunner().invoke(circuits, arguments, input=given, catch_exceptions=True)


@pytest.mark.requirement("QRM-1")
def test_read_and_features(bell):
    assert "c[1] = measure q[1];" in invoke("read", bell).output
    assert json.loads(invoke("read", "-", "--json", given=BELL).output)["n_qubits"] == 2
    found = json.loads(invoke("features", bell, "--json").output)
    assert (found["n_two"], found["is_clifford"], found["pairs"]) == (1, True, [[0, 1]])
    assert "two qubit depth" in invoke("features", bell).output
    refused = invoke("read", "-", given="OPENQASM 2.0;\nqreg q[1];\nbogus q[0];")
    assert isinstance(refused.exception, UnreadableCircuit)
    assert "line 3, column 1" in str(refused.exception)


@pytest.mark.requirement("QRM-1")
def test_convert_and_check(bell, tmp_path):
    to = tmp_path / "bell3.qasm"
    assert invoke("convert", bell, "--to", "openqasm3", "--output", str(to)).exit_code == 0
    assert json.loads(invoke("check", bell, str(to), "--json").output)["equal"] is True
    to.write_text(BELL.replace("cx q[0],q[1]", "cx q[1],q[0]"))
    different = invoke("check", bell, str(to))
    assert different.exit_code == 1
    assert "not equal" in different.output


@pytest.mark.requirement("QRM-8")
def test_run_and_map(bell):
    found = json.loads(invoke("run", bell, "--shots", "100", "--json").output)
    assert found["reason"] == "stabiliser: only Clifford gates"
    assert set(found["counts"]) == {"00", "11"}
    assert "statevector: asked for" in invoke("run", bell, "--method", "statevector").output
    mapped = json.loads(invoke("map", bell, "--couplers", "line:3", "--basis", "cz", "--json").output)
    assert mapped["n_two"] == 1
    assert "cz q[" in mapped["qasm3"]


@pytest.mark.requirement("HWF-6")
def test_a_device_is_emulated_with_mitigation_or_without(tmp_path):
    file = tmp_path / "ghz.qasm"
    file.write_text('OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nbit[3] c;\nh q[0];\ncx q[0], q[1];\n'
                    "cx q[1], q[2];\nc = measure q;\n")  # fmt: skip
    both = [
        json.loads(invoke("run", str(file), "--device", "fake_lagos", "--json", *more).output)
        for more in ([], ["--mitigate", "readout,dd"])
    ]
    good = [one["counts"]["000"] + one["counts"]["111"] for one in both]
    assert good[0] < good[1]
    assert all(one["provenance"]["origin"] == "emulated" for one in both)
    assert both[1]["provenance"]["mitigation"] == "decoupling xy4, readout tensored"
    assert "nothing to mitigate" in str(invoke("run", str(file), "--mitigate", "readout").exception)
    assert "device" in str(invoke("run", str(file), "--device", "fake_lagos", "--bond", "4").exception)


@pytest.mark.requirement("QRM-8")
def test_photons_are_told_what_a_circuit_takes_before_it_is_run(bell, tmp_path):
    told = invoke("photons", bell).output
    assert "2 in 6 modes, for 2 qubits" in told
    assert "1/9 of perfect runs" in told
    assert "0.111, 11,111 of 100,000 shots" in told
    file = tmp_path / "bell.json"
    found = json.loads(
        invoke("photons", bell, "--device", "local.photons", "--shots", "9000", "--output", str(file), "--json").output
    )
    assert set(found["bits"]) == {"00", "11"}
    assert sum(found["bits"].values()) == pytest.approx(1_000, abs=150)
    assert found["provenance"]["origin"] == "simulated"
    assert json.loads(file.read_text()) == json.loads(found["program"]["text"])
    shown = invoke("photons", bell, "--device", "quandela.belenos", "--shots", "200000")
    assert "kept" in shown.output
    assert "emulated" in shown.output
    assert "bits         00" in shown.output or "bits         11" in shown.output


def test_circuits_too_large_for_photons_are_refused_with_the_reason(tmp_path):
    ring = "".join(f"cx q[{a}], q[{(a + 1) % 4}];" for a in range(4))
    text = f'OPENQASM 2.0; include "qelib1.inc"; qreg q[4]; creg c[4]; h q[0]; {ring} measure q -> c;'
    told = invoke("photons", "-", given=text).output
    assert "heralded 4" in told
    assert "modes of quandela.ascella is limited to 12, got 16" in told
    twice = invoke("photons", "-", given=text.replace(ring, ring * 2))
    assert isinstance(twice.exception, LimitExceeded)
    assert "photons of one circuit is limited to 16" in str(twice.exception)


def test_a_program_is_told_from_a_circuit():
    refused = invoke("features", "-", given='{"modes": 1, "photons": [1]}')
    assert isinstance(refused.exception, InvalidInput)
    assert "a program of a machine without gates" in str(refused.exception)
