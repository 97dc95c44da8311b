"""Workflows as files: what is wrong is told with line and field, and what is right runs."""

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
from phalanx.devices import Fleet
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Criticality, Engine, InvalidFile, Mode, OverSpent, StepFailed, read_workflow
from phalanx.workflows.operations import BUILT_IN

OPERATIONS = {one.name: one for one in BUILT_IN}
RIGHT = """\
name: seen
title: Were they seen
inputs:
  values: list
  wanted: {type: list, default: [b]}
steps:
  index:
    use: look-up-indicators
    with:
      values: ${inputs.values}
      wanted: ${inputs.wanted}
  judge:
    use: assess
    retry: {attempts: 2}
    with:
      about: host-1
      signals: ["${steps.index.signal}"]
"""


def problems(text):
    with pytest.raises(InvalidFile) as told:
        read_workflow(text, OPERATIONS, file="seen.yaml")
    return [(one.line, one.field, one.reason) for one in told.value.problems]


def run(template, inputs):
    async def main(world):
        made = Engine(
            world.store("n"), world.clock, Telemetry(world.clock), Fleet([]), world.offload, Rng(1)
        )  # fmt: skip
        made.register(template)
        return await made.run(
            template.name, run_id=derive_id(10**18, "r"), tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=inputs
        )

    return SimWorld(1).run(main)


@pytest.mark.requirement("HWF-1")
def test_a_file_becomes_a_workflow_whose_needs_follow_from_what_it_refers_to():
    template = read_workflow(RIGHT, OPERATIONS)
    assert [(step.name, step.needs, step.retry.attempts) for step in template.steps] == [
        ("index", (), 1), ("judge", ("index",), 2),
    ]  # fmt: skip
    found = run(template, {"values": ["a", "b"]}).results
    assert found["index"].output["found"] == ["b"]
    assert found["judge"].output["fused"]["verdict"] == "compromised"


@pytest.mark.requirement("HWF-1")
@pytest.mark.parametrize(
    ("change", "line", "field", "reason"),
    [
        (("  judge:", "    quantum: {mode: auto}\n  judge:"), 12, "steps.index.quantum", "is classical"),
        (("use: look-up-indicators", "use: look-up"), 8, "steps.index.use", "no operation 'look-up'"),
        (("use: look-up-indicators", "uses: look-up-indicators"), 7, "steps.index", "unknown field `uses`"),
        (("steps.index.signal", "steps.inde.signal"), 17, "steps.judge.with.signals[0]", "no step 'inde'"),
        (("steps.index.signal", "steps.index.signals"), 17, "steps.judge.with.signals[0]", "gives no 'signals'"),
        (("${inputs.values}", "${inputs.value}"), 10, "steps.index.with.values", "no input 'value'"),
        (("${inputs.values}", "all ${inputs.values}"), 10, "steps.index.with.values", "all of a value"),
        (("${inputs.values}", "[1, 2]"), 10, "steps.index.with.values[0]", "Expected `str`"),
        (("      wanted: ${inputs.wanted}\n", ""), 9, "steps.index.with", "needs 'wanted'"),
        (("about: host-1", "aboot: host-1"), 16, "steps.judge.with.aboot", "takes about"),
        (("retry: {attempts: 2}", "retry: {attempts: 99}"), 14, "steps.judge.retry.attempts", "1 to 10"),
        (("retry: {attempts: 2}", "limit_s: -1"), 14, "steps.judge.limit_s", "0 to"),
        (("retry: {attempts: 2}", "limit_s: 1\n    least_s: 2"), 14, "steps.judge.limit_s", "2 s at the least"),
        (("title: Were they seen", "limit_s: .nan"), 2, "limit_s", "not nan"),
        (("retry: {attempts: 2}", "needs: [later]"), 14, "steps.judge.needs[0]", "is no step"),
        (("values: list", "values: lust"), 4, "inputs.values", "one of: text"),
        (("default: [b]", "default: b"), 5, "inputs.wanted.default", "Expected `array`"),
        (("  judge:", "  index:"), 12, "steps.index", "is there twice"),
        (("name: seen\n", ""), 1, "", "required field `name`"),
        (("use: look-up-indicators", "use: look-up-indicators\n    needs: [judge]"), 9, "steps.index.needs", "itself"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_line_and_field(change, line, field, reason):
    assert change[0] in RIGHT
    found = problems(RIGHT.replace(*change, 1))
    told = next((one for one in found if one[0] == line and one[1] == field), None)
    assert told is not None, found
    assert reason in told[2]


@pytest.mark.parametrize(
    ("asked", "field", "reason"),
    [
        ("{budget: -4}", "budget", "0 at least, got -4"),
        ("{results: guessed}", "results", "'guessed' is none of"),
        ("{classical_fidelity: 2}", "classical_fidelity", "2.0 is not between 0 and 1"),
    ],
)
def test_what_a_step_asks_of_devices_is_told_by_its_own_field(asked, field, reason):
    text = f"name: t\nsteps:\n  a:\n    use: factor-number\n    with: {{number: 15}}\n    quantum: {asked}\n"
    ((line, told, why),) = problems(text)
    assert (line, told) == (6, f"steps.a.quantum.{field}")
    assert why.startswith(reason), "the field is said once"


def test_everything_that_is_wrong_is_told_at_once():
    text = RIGHT.replace("look-up-indicators", "nothing").replace("values: list", "values: lust")
    assert [line for line, _, _ in problems(text)] == [4, 8]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("steps: [", "not YAML"),
        ("a: &x [1]\nb: *x\n", "not referred to"),
        ("[" * 200 + "]" * 200, "nested"),
        ("name: " + "x" * 300_000, "longer than"),
        ("just words", "Expected `object`"),
        ("name: t\nsteps: {}\n", "1 to 64"),
    ],
)
def test_hostile_files_are_refused(text, reason):
    assert any(reason in told for _, _, told in problems(text))


@pytest.mark.requirement("HWF-1")
def test_what_is_only_known_when_it_runs_fails_with_step_and_field():
    with pytest.raises(StepFailed) as told:
        run(read_workflow(RIGHT, OPERATIONS), {"values": ["a", 7]})
    assert (told.value.step, told.value.field) == ("index", "with.values[1]")


def test_another_text_is_another_shape():
    assert read_workflow(RIGHT, OPERATIONS).shape != read_workflow(RIGHT + "# new\n", OPERATIONS).shape


QUANTUM = """\
name: seen
inputs: {values: list, wanted: list}
steps:
  search:
    use: search-indicators
    with: {values: "${inputs.values}", wanted: "${inputs.wanted}"}
    quantum:
      mode: auto
      budget: 5
      over_budget: refuse
      criticality: critical
      mitigate: readout
"""


@pytest.mark.requirement("HWF-1", "QRM-10")
def test_a_file_says_who_answers_a_quantum_step_and_for_how_much():
    (step,) = read_workflow(QUANTUM, OPERATIONS).steps
    asked = step.placing
    assert (asked.mode, asked.budget, asked.mitigate) == (Mode.AUTO, 5.0, "readout")
    assert (asked.over_budget, asked.criticality) == (OverSpent.REFUSE, Criticality.CRITICAL)


@pytest.mark.parametrize(
    ("change", "line", "field", "reason"),
    [
        (("mode: auto", "mode: whoever"), 8, "steps.search.quantum.mode", "Invalid enum value"),
        (("mode: auto", "moode: auto"), 7, "steps.search.quantum", "unknown field `moode`"),
        (("budget: 5", "budget: -1"), 9, "steps.search.quantum.budget", "0 at least, got -1"),
        (("mitigate: readout", "mitigate: zne"), 12, "steps.search.quantum.mitigate", "not outcomes"),
        (("mitigate: readout", "mitigate: soap"), 12, "steps.search.quantum.mitigate", "'soap' is none of"),
        (("mitigate: readout", "coherence: hope"), 12, "steps.search.quantum.coherence", "'hope' is none of"),
    ],
)
def test_a_wrong_wish_of_a_quantum_step_is_told_with_line_and_field(change, line, field, reason):
    found = problems(QUANTUM.replace(*change))
    assert [(at, where) for at, where, _ in found] == [(line, field)], found
    assert reason in found[0][2]
