"""`phalanx workflows` on what a node answered."""

import json

import pytest
from click.testing import CliRunner

from phalanx.cli import _job
from phalanx.cli._client import NodeClient
from phalanx.cli.workflows._found import print_found
from phalanx.cli.workflows._group import workflows
from phalanx.core import derive_id

RUN = derive_id(10**18, "run")
STEP = {
    "name": "a",
    "step_kind": "classical",
    "needs": [],
    "attempts": 3,
    "limit_s": 2.5,
    "undoable": True,
    "pure": False,
    "mode": "auto",
}
INPUTS = [
    {"name": "keys", "type": "list", "needed": True, "default": None},
    {"name": "year", "type": "number", "needed": False, "default": 2035},
]
WORKFLOW = {"name": "t", "title": "Title", "limit_s": 0, "steps": [STEP], "inputs": INPUTS}
STATE = {
    "id": "r-1", "template": "t", "status": "failed", "wanted": "go", "reason": "it broke", "step": "a",
    "field": "output.n", "by": "kim", "at_ns": 1_767_268_800_000_000_000,
}  # fmt: skip
STAY = {
    "device": "x.good", "reason": "likeliest to succeed", "begun_ns": 0, "ended_ns": 900_000, "circuits": 3,
    "decision": "job-1", "jobs": ["job-1"], "calibration": "0123456789abcdef", "booking": "w", "booked_from_ns": 0,
    "booked_until_ns": 4_000_000, "forecast_s": 2.0, "forecast_by": "4 jobs", "waited_s": 1.5,
    "priority": 120, "coherence": "decoupling-xy4",
    "survival": 0.72, "bound": 0.8, "mitigation": "readout tensored", "benefit": 0.05, "cost": 4.0, "currency": "USD",
}  # fmt: skip
BAR = {
    "step": "a", "kind": "quantum", "needs": [], "status": "done", "start_ns": 0, "end_ns": 2_000_000,
    "now": [], "handover_ns": 500_000, "windows": ["simulated on local.statevector"], "placed": [STAY], "why": "",
    "decided": "x.good (quantum)", "way": "", "failed_attempts": 0, "critical": True,
}  # fmt: skip
OPERATION = {"name": "look", "title": "Look", "step_kind": "classical", "takes": ["values"], "gives": ["found"]}
REPLAYED = {"step": "a", "outcome": "different", "reason": "", "kept": 1, "said": 2}
CHART = {
    "run": "r-1", "template": "t", "status": "done", "begun_ns": 1, "span_ns": 2_000_000, "bars": [BAR],
    "critical_path": ["a"],
}  # fmt: skip
ANSWERS = {
    "/v1/workflows": {"items": [WORKFLOW]}, "/v1/workflows/t": WORKFLOW, "/v1/runs": {"items": [STATE]},
    "/v1/operations": {"items": [OPERATION]}, "/v1/runs/r-1": {"state": STATE, "steps": [], "seed": 17},
    "/v1/runs/r-1/gantt": CHART, f"/v1/runs/{RUN}": {"state": STATE, "steps": [], "seed": 17},
    f"/v1/runs/{RUN}/gantt": CHART,
}  # fmt: skip


@pytest.fixture
def run(monkeypatch):
    asked = []

    def post(self, path, *, content=b"", headers=None, **params):
        return post_json(self, path, json.loads(content))

    def post_json(self, path, value, **_):
        asked.append((path, value))
        if path == "/v1/workflows":
            return WORKFLOW
        return {"steps": [REPLAYED]} if path.endswith("/replay") else STATE

    monkeypatch.setattr(NodeClient, "get", lambda self, path, **params: ANSWERS[path])
    monkeypatch.setattr(NodeClient, "post", post)
    monkeypatch.setattr(NodeClient, "post_json", post_json)

    def run(*arguments):
        return CliRunner().invoke(workflows, arguments)

    run.asked = asked
    return run


@pytest.mark.requirement("HWF-1")
def test_workflows_and_runs_are_listed_and_shown(run):
    assert "Title" in run("list").output
    shown = run("show", "t").output
    assert "2.5 s" in shown
    assert [line.split() for line in shown.splitlines()[-2:]] == [
        ["keys", "list", "needed"],
        ["year", "number", "2035"],
    ]
    assert "it broke" in run("runs").output
    told = run("status", "r-1").output
    assert "t: failed, step a, field output.n: it broke" in told
    assert "seed 17" in told
    assert "simulated on local.statevector" in told
    assert "0.50 ms" in told


def test_a_run_is_begun_with_inputs_and_steered(run):
    assert run("run", "t", "--input", "n=3", "--input", "host=fs-01", "--within", "5", "--seed", "9").exit_code == 0
    wanted = {"workflow": "t", "inputs": {"n": 3, "host": "fs-01"}, "deadline_s": 5.0, "run": "", "seed": 9}
    assert run.asked[-1] == ("/v1/runs", wanted)
    for what in ("pause", "resume", "cancel"):
        assert run(what, "r-1", "--reason", "why").exit_code == 0
        assert run.asked[-1] == (f"/v1/runs/r-1/{what}", {"reason": "why"})
    assert "is not KEY=VALUE" in str(run("run", "t", "--input", "n").exception)


@pytest.mark.parametrize(("ends", "exit_code"), [("done", 0), ("failed", 1), ("paused", 1)])
def test_who_waits_for_a_run_is_shown_what_came_of_it(run, monkeypatch, ends, exit_code):
    states = iter(["queued", "running", ends, ends])
    meant = {
        "step": "a",
        "way": "fallback",
        "provenance": [],
        "output": {"value": 0.5, "method": "the state, computed"},
    }

    def get(self, path, **params):
        found = ANSWERS[path]
        return (
            found if path.endswith("gantt") else found | {"state": STATE | {"status": next(states)}, "steps": [meant]}
        )

    monkeypatch.setattr(NodeClient, "get", get)
    monkeypatch.setattr(NodeClient, "post_json", lambda *_, **__: STATE | {"status": "queued"})
    paused = []
    monkeypatch.setattr(_job.time, "sleep", paused.append)
    shown = run("run", "t", "--wait")
    assert shown.exit_code == exit_code
    assert f"t: {ends}" in shown.output
    assert "a: 0.5, classically by the state, computed" in shown.output
    assert len(paused) == 3


def test_what_has_no_form_of_its_own_is_shown_of_the_last_step_alone(capsys):
    one = {"step": "a", "way": "", "provenance": [], "output": {"hosts": ["x" * 500]}}
    print_found(one)
    assert capsys.readouterr().out == ""
    print_found(one, last=True)
    shown = capsys.readouterr().out
    assert shown.startswith('a: {"hosts": ["xxx')
    assert shown.endswith(" …: --json\n")


@pytest.mark.requirement("HWF-4")
def test_the_status_of_a_run_tells_its_verdict_and_what_stands_beside_quantum_answers(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    costs = {"error": 0.0, "cost": 8, "cost_unit": "questions"}
    search = {
        "step": "search", "provenance": [{"origin": "simulated"}],
        "output": {
            "quantum": {"method": "grover", "value": 1.0, **costs}, "claim": "fewer questions",
            "classical": [{"method": "scan", "value": 1.0, **costs}],
        },
    }  # fmt: skip
    fused = {
        "verdict": "suspicious", "probability": 0.41, "interval": [0.2, 0.6], "confidence": 0.36, "calibrated": False,
        "degraded": "search was answered classically", "turns": [{"text": "without search it is benign"}],
        "parts": [{"name": "search", "probability": 0.4, "log_odds": 0.5, "summary": "1 of 3 is on the list"}],
    }  # fmt: skip
    case = {
        "verdict": "benign", "probability": 0.1, "interval": [0.0, 0.2], "confidence": 0.8, "degraded": "",
        "subject": {"type": "host", "value": "fs-01"},
        "contributions": [{"step": "estimate", "value": 0.1, "summary": "little"}],
    }  # fmt: skip
    mean = {
        "value": 0.97, "plain": 0.9, "error": 0.01, "mitigation": "zne", "benefit": 0.05, "circuits": 5,
        "shots": 20_000, "claim": "no speed-up", "quantum": {"method": "shots", "value": 0.97, **costs},
        "classical": [{"method": "computed", "value": 0.98, **costs}],
    }  # fmt: skip
    cuts = {"told": "2 pieces", "overhead": 9.0, "circuits": 10, "shots": 40_000}
    steps = [
        {"step": "mean", "provenance": [{"origin": "emulated"}], "output": mean},
        {"step": "cuts", "provenance": [], "output": cuts},
        search, {"step": "assess", "provenance": [], "output": {"about": "dc-1", "fused": fused}},
        {"step": "triage", "provenance": [], "output": case}, {"step": "plain", "provenance": [], "output": 3},
    ]  # fmt: skip
    monkeypatch.setitem(ANSWERS, "/v1/runs/r-1", {"state": STATE, "steps": steps, "seed": 1})
    told = run("status", "r-1").output
    for part in (
        "dc-1: suspicious, probability 0.41 [0.20, 0.60], confidence 0.36, not calibrated", "1 of 3 is on the list",
        "less sure, since search was answered classically", "would change it: without search it is benign",
        "host fs-01: benign, probability 0.10", "quantum, simulated", "scan", "8 questions", "claim: fewer questions",
        "0.9 without it, 0.97 ± 0.01 with it, 0.05 nearer to what an ideal machine gives; it took 5 circuits",
        "cuts: 2 pieces (10 circuits, 40,000 shots)", "nearer to ideal by +0.050",
    ):  # fmt: skip
        assert part in told, told


def test_inputs_are_read_from_files(run, tmp_path):
    (tmp_path / "all.yaml").write_text("source: web-1\nlimit: 3\n")
    (tmp_path / "links.json").write_text('[["a", "b", 0.5]]')
    (tmp_path / "rows.csv").write_text("1,2.5\n\n3,4\n")
    (tmp_path / "seen.txt").write_text("one\n two \n")
    (tmp_path / "bell.qasm").write_text("OPENQASM 3.0;\nqubit q;\n")
    given = [f"@{tmp_path}/all.yaml", "limit=4"]
    given += [f"{name}=@{tmp_path}/{file}" for name, file in
              (("links", "links.json"), ("rows", "rows.csv"), ("seen", "seen.txt"),
               ("circuit", "bell.qasm"))]  # fmt: skip
    assert run("run", "t", *(word for one in given for word in ("--input", one))).exit_code == 0
    assert run.asked[-1][1]["inputs"] == {
        "source": "web-1", "limit": 4, "links": [["a", "b", 0.5]], "rows": [[1.0, 2.5], [3.0, 4.0]],
        "seen": ["one", "two"], "circuit": "OPENQASM 3.0;\nqubit q;\n",
    }  # fmt: skip
    (tmp_path / "rows.csv").write_text("1,2\n3,x\n")
    (tmp_path / "bad.json").write_text("[1,")
    for wrong, told in (("rows=@rows.csv", "line 2"), ("x=@bad.json", "bad.json"), ("x=@none.txt", "none.txt"),
                        ("@links.json", "names")):  # fmt: skip
        key, sign, name = wrong.rpartition("@")
        failed = run("run", "t", "--input", f"{key}{sign}{tmp_path}/{name}")
        assert failed.exit_code != 0
        assert told in str(failed.exception), wrong


def test_the_chart_is_written_as_a_picture(run, tmp_path):
    assert json.loads(run("export", "r-1").output) == CHART
    assert run("export", "r-1", "--format", "svg", "--out", str(tmp_path / "run.svg")).exit_code == 0
    assert (tmp_path / "run.svg").read_text().startswith("<svg")


FILE = """\
name: seen
steps:
  index:
    use: look-up-indicators
    with: {values: [a], wanted: [a]}
"""


@pytest.mark.requirement("HWF-1")
def test_a_file_is_checked_here_with_line_and_field(run, tmp_path):
    file = tmp_path / "seen.yaml"
    file.write_text(FILE)
    assert "seen is right; its steps: index" in run("check", str(file)).output
    file.write_text(FILE.replace("wanted", "wonted"))
    wrong = run("check", str(file))
    assert f"{file}:5:" in str(wrong.exception)
    assert "steps.index.with.wonted" in str(wrong.exception)
    told = run("check", str(file), "--json")
    assert told.exit_code == 2
    assert {one["line"] for one in json.loads(told.output)["problems"]} == {5}


def test_a_file_is_brought_and_run(run, tmp_path):
    file = tmp_path / "seen.yaml"
    file.write_text(FILE)
    assert "workflows run t" in run("add", str(file)).output
    assert run.asked == [("/v1/workflows", {"text": FILE})]
    assert run("run", str(file)).exit_code == 0
    assert [path for path, _ in run.asked[1:]] == ["/v1/workflows", "/v1/runs"]
    assert "look" in run("operations").output


def test_a_run_is_done_again(run):
    assert "different" in run("replay", "r-1", "--step", "a").output
    assert run.asked[-1] == ("/v1/runs/r-1/replay", {"step": "a"})


@pytest.mark.requirement("HWF-2")
def test_a_run_is_shown_by_its_id_with_what_is_known_of_its_circuits(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    told = run("show", RUN).output
    for part in (
        "x.good (quantum)", "01234567", "0.00 ms to 4.00 ms, priority 120", "1.5 s, 2 s foreseen (4 jobs)",
        "decoupling-xy4", "72.0% of at best 80.0%", "readout tensored, nearer to ideal by +0.050", "4 USD", "job-1",
    ):  # fmt: skip
        assert part in told, told
    assert "auto" in run("show", "t").output
