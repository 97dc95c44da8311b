"""`phalanx quantum`: what each command says, and what it says of input that is none."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from phalanx.cli.quantum._group import quantum
from phalanx.core import InvalidInput


def run(*arguments):
    return CliRunner().invoke(quantum, [*map(str, arguments)])


@pytest.fixture
def files(tmp_path):
    (tmp_path / "values").write_text("".join(f"host-{j}.example\n" for j in range(100)))
    (tmp_path / "wanted").write_text("host-7.example\nnowhere.example\n")
    (tmp_path / "edges").write_text("web-1 db-1\ndb-1, dc-1\nweb-1 web-2\n")
    plan = {
        "budget": 5,
        "actions": [{"name": n, "worth": w, "cost": c} for n, w, c in (("a", 3, 3), ("b", 4, 5), ("c", 2, 2))],
    }
    (tmp_path / "plan").write_text(json.dumps(plan))
    (tmp_path / "links").write_text("web-1 db-1 0.5\ndb-1 dc-1 0.5\n")
    (tmp_path / "series").write_text("".join(f"{j % 7}\n" for j in range(120)))
    return tmp_path


@pytest.mark.requirement("IRS-2")
def test_each_command_gives_its_answer_its_cost_and_its_claim(files):
    shown = {
        "search": run("search", files / "values", files / "wanted"),
        "respond": run("respond", files / "plan"),
        "walk": run("walk", files / "edges", "--from", "web-1", "--to", "dc-1"),
        "factor": run("factor", 899),
        "spread": run("spread", files / "links", "--from", "web-1", "--to", "dc-1", "--epsilon", 0.05),
        "forecast": run("forecast", files / "series"),
    }
    for name, text in (
        ("search", "host-7.example"),
        ("respond", "take: a, c"),
        ("walk", "web-1 → db-1 → dc-1"),
        ("factor", "29 · 31"),
        ("spread", "between 0."),
        ("forecast", "as it was"),
    ):
        assert shown[name].exit_code == 0, shown[name].output
        assert text in shown[name].output
        assert "quantum, simulated" in shown[name].output
        assert "claim: " in shown[name].output
    assert "6,190 logical qubits" in run("resources", "rsa", 2048).output


def test_json_is_whole(files):
    read = json.loads(run("search", files / "values", files / "wanted", "--json").output)
    assert read["found"]["places"] == [7]
    assert read["provenance"]["origin"] == "simulated"
    assert [one["method"] for one in read["classical"]] == ["scan", "hash table, already built"]


def test_input_that_is_none_is_told_by_its_field(files):
    (files / "bad").write_text("one two three\n")
    for arguments, field in (
        (("search", files / "none", files / "wanted"), "VALUES"),
        (("respond", files / "edges"), "PLAN"),
        (("walk", files / "bad", "--from", "a", "--to", "b"), "line 1"),
        (("walk", files / "edges", "--from", "nobody", "--to", "dc-1"), "source"),
        (("factor", 16), "number"),
        (("spread", files / "edges", "--from", "web-1", "--to", "dc-1"), "line 1"),
        (("forecast", files / "edges"), "SERIES"),
        (("resources", "RSA", 3), "BITS"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, InvalidInput)
        assert field in str(done.exception)


@pytest.fixture
def circuit(tmp_path):
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nh q[0];\ncx q[0], q[1];\ncx q[1], q[2];\n'
    (tmp_path / "circuit.qasm").write_text(text)
    return tmp_path / "circuit.qasm"


@pytest.mark.requirement("HWF-6")
def test_a_mean_is_mitigated_with_its_cost_told_before_and_its_benefit_after(circuit):
    shown = run("mitigate", circuit, "--device", "fake_lagos", "--observable", "Z0 Z1", "--method", "zne,readout")
    assert shown.exit_code == 0, shown.output
    assert "5 circuits and 20,000 shots" in shown.output
    assert "ideal machine, exact" in shown.output
    found = json.loads(run("mitigate", circuit, "--device", "ibm.fake_lagos", "--json", "--shots", 2_000).output)
    assert found["observable"] == "Z0 Z1 Z2"
    assert found["provenance"]["origin"] == "emulated"
    assert found["benefit"] == pytest.approx(
        abs(found["plain"] - found["exact"]) - abs(found["value"] - found["exact"])
    )
    cost = run("mitigate", circuit, "--device", "fake_lagos", "--method", "pec,readout", "--only-cost")
    assert "258 circuits" in cost.output
    assert "ideal" not in cost.output
    assert run("mitigate", circuit, "--device", "nowhere").exit_code
    assert "method" in str(run("mitigate", circuit, "--device", "fake_lagos", "--method", "magic").exception)


@pytest.mark.requirement("HWF-2")
def test_a_circuit_is_cut_with_its_overhead_told_before(circuit):
    cost = run("cut", circuit, "--max-qubits", 2, "--only-cost")
    assert cost.exit_code == 0, cost.output
    assert "2 pieces of 2, 1 qubits by cutting 1 gate" in cost.output
    assert "9 times the shots" in cost.output
    found = json.loads(run("cut", circuit, "--max-qubits", 2, "--observable", "Z0 Z2", "--json").output)
    assert found["value"] == pytest.approx(found["exact"], abs=6 * found["error"])
    assert found["provenance"][0]["origin"] == "simulated"
    shown = run("cut", circuit, "--max-qubits", 2, "--device", "fake_lagos", "--shots", 500)
    assert "emulated" in shown.output, shown.output


@pytest.fixture
def tables(tmp_path):
    draw = np.random.default_rng(3)
    usual = draw.normal(size=(60, 4))
    strange = draw.normal(size=(60, 4)) + 2
    for name, rows in (("usual", usual), ("strange", strange)):
        np.savetxt(tmp_path / name, rows, delimiter=",")
    both = np.column_stack([np.concatenate([usual, strange]), [0] * 60 + [1] * 60])
    np.savetxt(tmp_path / "labelled", both, delimiter=",")
    (tmp_path / "traffic").write_text("web db 5\nweb cache 4\ndc files 6\ndb dc 0.5\n")
    return tmp_path


@pytest.mark.requirement("QML-1")
def test_variational_routines_answer_from_files_beside_classical_ones(tables):
    shown = {
        "segment": run("segment", tables / "traffic", "--steps", 40),
        "novelty": run("novelty", tables / "usual", tables / "labelled", "--labelled", "--columns", 2),
        "generate": run("generate", tables / "strange", "--others", tables / "usual", "--columns", 2, "--draws", 50,
                        "--output", tables / "drawn"),
        "classify": run("classify", tables / "labelled", tables / "labelled", "--qubits", 3, "--steps", 40),
    }  # fmt: skip
    for name, text in (
        ("segment", "annealing"), ("novelty", "isolation forest"), ("generate", "tree of dependencies"),
        ("classify", "boosted stumps"),
    ):  # fmt: skip
        assert shown[name].exit_code == 0, shown[name].output
        assert text in shown[name].output
        assert "quantum, simulated" in shown[name].output
    assert np.loadtxt(tables / "drawn", delimiter=",").shape == (50, 2)
    assert "areas:" in shown["novelty"].output


@pytest.mark.requirement("QML-1", "HWF-6")
def test_a_segmentation_is_measured_on_a_device_that_is_named(tables):
    (tables / "two").write_text("web db 5\ndb dc 1\n")
    device = ("--device", "fake_lagos", "--mitigate", "readout")
    shown = run("segment", tables / "two", *device, "--layers", 1, "--steps", 3, "--shots", 100, "--json")
    found = json.loads(shown.output)
    assert found["provenance"]["origin"] == "emulated"
    assert found["provenance"]["mitigation"] == "readout tensored"
    (tables / "bad").write_text("1,2\n3\n")
    assert "line 2" in str(run("novelty", tables / "bad", tables / "usual").exception)
    assert "0 or 1" in str(run("classify", tables / "usual", tables / "usual").exception)


@pytest.mark.requirement("HWF-2")
def test_strategies_are_told_with_what_they_keep(tmp_path):
    text = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[3] q;\nbit[3] c;\nh q[0];\ncx q[0], q[1];\ncx q[1], q[2];\n'
    (tmp_path / "ghz.qasm").write_text(text + "c = measure q;\n")
    shown = run("coherence", tmp_path / "ghz.qasm", "--device", "fake_lagos", "--cut-to", 2)
    assert shown.exit_code == 0, shown.output
    assert "layout-by-noise" in shown.output
    assert "× 9" in shown.output
