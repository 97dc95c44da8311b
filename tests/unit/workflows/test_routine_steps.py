"""Every routine is a step of workflows: with quantum means, and with the classical ones that stand in for them."""

import math

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Rng, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Engine, InvalidFile, StepFailed, StepKind, read_workflow
from phalanx.workflows.operations import BUILT_IN

ROWS = [[math.sin(n), math.cos(1.7 * n), (n % 7) / 7] for n in range(60)]
FAR = [[one + 3.0 for one in row] for row in ROWS]
LINKS = [["a", "b", 3.0], ["b", "c", 1.0], ["c", "d", 3.0], ["a", "d", 0.5]]
ASKED = {
    "boltzmann-novelty": {"usual": ROWS, "asked": [FAR[0], ROWS[3]]},
    "classify-rows": {
        "rows": ROWS + FAR, "labels": [False] * 60 + [True] * 60, "asked": [FAR[5], ROWS[5]], "truth": [True, False],
        "steps": 40,
    },
    "estimate-probability": {"stages": {"in": [0.3, 0.2], "up": [0.5]}, "paths": [["in", "up"]]},
    "factor-number": {"number": 187},
    "forecast-series": {"series": [math.sin(n / 4) for n in range(120)]},
    "generate-traffic": {"attacks": FAR, "others": ROWS, "draws": 100, "columns": 2, "steps": 30},
    "segment-hosts": {"links": LINKS, "steps": 30},
}  # fmt: skip
GHZ = 'OPENQASM 3.0; include "stdgates.inc"; qubit[4] q; h q[0]; cx q[0], q[1]; cx q[1], q[2]; cx q[2], q[3];'
MANY = GHZ + " cx q[0], q[1]; cx q[2], q[3]; cx q[1], q[2];" * 1_400
ALL = ASKED | {
    "estimate-mean": {"circuit": GHZ, "observable": "Z0 Z3 + X0 X1 X2 X3", "shots": 2_000},
    "choose-responses": {"actions": [["a", 0.4, 1.0], ["b", 0.3, 1.0], ["c", 0.5, 2.0]], "budget": 2},
    "kernel-novelty": {"usual": ROWS, "asked": [FAR[0], ROWS[3]]},
    "key-exposure": {"keys": [{"name": "vpn", "family": "RSA", "bits": 2048, "secret_until": 2040}]},
    "search-indicators": {"values": ["v1", "v2", "v3"], "wanted": ["v2"]},
    "spread-probability": {"links": [["a", "b", 0.5], ["b", "c", 0.5]], "source": "a", "goal": "c"},
    "walk-paths": {"links": [["a", "b", 0.5], ["b", "c", 0.5]], "source": "a", "goal": "c"},
}
OPERATIONS = {one.name: one for one in BUILT_IN}


def ran(name, asked, *, devices=True, device=""):
    fields = "\n".join(f"  {key}: {{type: {_type(value)}}}" for key, value in asked.items())
    given = ", ".join(f'{key}: "${{inputs.{key}}}"' for key in asked)
    text = f"name: one\ntitle: One step\ninputs:\n{fields}\nsteps:\n  ask:\n    use: {name}\n    with: {{{given}}}\n"
    text += f"    quantum: {{device: {device}}}\n" if device else ""
    template = read_workflow(text, OPERATIONS, file="one.yaml")

    async def main(world):
        backends = local_provider(ProviderContext(world.offload, world.clock)).backends() if devices else []
        made = Engine(world.store("n"), world.clock, Telemetry(world.clock), Fleet(backends), world.offload, Rng(1))
        made.register(template)
        outcome = await made.run(
            "one", run_id=derive_id(10**18, "r"), tenant=DEFAULT_TENANT, trace=NO_TRACE, inputs=asked
        )
        return outcome.results["ask"]

    return SimWorld(1).run(main)


def _type(value):
    kinds = {bool: "boolean", int: "integer", float: "number", str: "text", list: "list", dict: "map"}
    return kinds[type(value)]


@pytest.mark.requirement("QML-1", "IRS-2", "HWF-1")
@pytest.mark.parametrize("name", ALL)
def test_a_routine_answers_as_a_step_with_its_classical_peers_and_without_any_device(name):
    found = ran(name, ALL[name])
    assert not found.degraded
    assert found.provenance
    assert found.output["quantum"]["cost"] > 0
    assert found.output["classical"], "what is classical stands beside it, on the same input"
    assert all(one["method"] and one["cost_unit"] for one in found.output["classical"])
    assert len(found.output["claim"]) > 20
    again = ran(name, ALL[name])
    assert again.output == found.output, "the same seed, the same answer"
    without = ran(name, ALL[name], devices=False)
    assert "no quantum device" in without.degraded
    assert not without.provenance
    assert set(without.output) == set(found.output)
    assert (without.output["quantum"], without.output["claim"]) == (None, "")


def test_what_the_steps_find():
    assert ran("factor-number", ASKED["factor-number"]).output["factors"] == [11, 17]
    assert ran("factor-number", ASKED["factor-number"], devices=False).output["factors"] == [11, 17]
    classes = ran("classify-rows", ASKED["classify-rows"] | {"method": "kernel"}).output
    assert classes["probability"][0] > 0.5 > classes["probability"][1]
    assert classes["accuracy"]["quantum kernel"] == 1.0
    segments = ran("segment-hosts", ASKED["segment-hosts"])
    exact = ran("segment-hosts", ASKED["segment-hosts"], devices=False)
    assert segments.output["lowest_possible"] == pytest.approx(exact.output["cost"])
    ranks = ran("boltzmann-novelty", ASKED["boltzmann-novelty"], devices=False).output["ranks"]
    assert ranks[0] > 0.95 > ranks[1]
    traffic = ran("generate-traffic", ASKED["generate-traffic"] | {"method": "adversarial"}).output
    assert "quantum adversarial network" in traffic["judged"]
    assert len(traffic["rows"]) == 100
    chance = ran("estimate-probability", ASKED["estimate-probability"]).output
    assert chance["exact"] == pytest.approx((1 - 0.7 * 0.8) * 0.5)
    assert chance["interval"][0] <= chance["exact"] <= chance["interval"][1]


@pytest.mark.requirement("HWF-2", "HWF-6")
def test_a_circuit_is_cut_where_it_does_not_fit_and_what_that_takes_is_told_and_bounded_before():
    planned = ran("plan-cuts", {"circuit": GHZ, "max_qubits": 3}).output
    assert planned["overhead"] > 1
    assert max(planned["widths"]) <= 3
    assert planned["cuts"]
    asked = ALL["estimate-mean"] | {"max_qubits": 3, "observable": "Z0 Z3", "shots": 4_000}
    found = ran("estimate-mean", asked, device="local.simulator").output
    assert (found["pieces"], found["overhead"]) == (planned["widths"], pytest.approx(planned["overhead"]))
    assert found["exact"] == pytest.approx(1.0)
    assert abs(found["value"] - 1.0) < 5 * found["error"] + 0.05
    with pytest.raises(StepFailed) as failed:
        ran("estimate-mean", asked | {"max_overhead": 2.0})
    assert failed.value.field == "max_overhead"
    assert "2 times the shots are allowed" in str(failed.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"circuit": "qubit[2"}, "circuit: "), ({"observable": "Z9"}, "observable: "),
        ({"shots": 0}, "shots: 1 to 1,000,000, got 0"),
        ({"circuit": MANY, "max_qubits": 3}, "circuit: 4 qubits are more than the 3 there are, and it cannot be cut: "),
    ],
)  # fmt: skip
def test_a_mean_that_cannot_be_taken_is_refused_with_its_field(change, told):
    with pytest.raises(StepFailed) as failed:
        ran("estimate-mean", ALL["estimate-mean"] | change)
    assert told in str(failed.value)
    assert failed.value.field == told.partition(":")[0]


@pytest.mark.requirement("HWF-6")
def test_mitigation_that_gives_means_is_refused_with_its_line_where_outcomes_are_needed():
    text = (
        "name: one\ninputs: {}\nsteps:\n  ask:\n    use: {use}\n    with: {with}\n    quantum:\n"
        "      results: emulated\n      mitigate: zne,readout\n"
    )
    with pytest.raises(InvalidFile) as wrong:
        read_workflow(
            text.replace("{use}", "spread-probability").replace(
                "{with}", "{links: [[a, b, 0.5]], source: a, goal: b}"
            ),
            OPERATIONS, file="one.yaml",
        )  # fmt: skip
    (problem,) = wrong.value.problems
    assert (problem.line, problem.field) == (9, "steps.ask.quantum.mitigate")
    right = text.replace("{use}", "estimate-mean").replace("{with}", "{circuit: x}")
    assert read_workflow(right, OPERATIONS, file="one.yaml").steps[0].placing.mitigate == "zne,readout"


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("classify-rows", {"labels": [True] * 120}, "one class"),
        ("classify-rows", {"asked": [[1.0]]}, "asked"),
        ("generate-traffic", {"attacks": []}, "rows"),
        ("forecast-series", {"series": [1.0]}, "series"),
        ("factor-number", {"number": 13}, "number"),
        ("segment-hosts", {"links": [["a", "a", 1.0]]}, "hosts"),
        ("estimate-probability", {"paths": [["moon"]]}, "paths"),
    ],
)
@pytest.mark.parametrize("devices", [True, False])
def test_bad_input_fails_the_step_with_its_field(name, change, told, devices):
    with pytest.raises(StepFailed) as failed:
        ran(name, ASKED[name] | change, devices=devices)
    assert failed.value.step == "ask"
    assert told in str(failed.value)


def test_every_operation_that_asks_for_devices_is_quantum_and_has_a_stand_in():
    quantum = {one.name for one in BUILT_IN if one.kind is StepKind.QUANTUM}
    assert quantum == set(ALL)
    assert all(one.fallback is not None for one in BUILT_IN if one.kind is StepKind.QUANTUM)
