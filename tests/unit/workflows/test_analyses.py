"""Every analysis that comes with the package answers, with quantum routines and without any device."""

import math

import numpy as np
import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, InvalidInput, Rng, Verdict, derive_id
from phalanx.devices import Fleet, ProviderContext, local_provider
from phalanx.learning import brier, calibration_error, reliability
from phalanx.telemetry import Telemetry
from phalanx.testing import SimWorld
from phalanx.workflows import Assessments, Engine, StepFailed, StepKind
from phalanx.workflows.analyses import ANALYSES
from phalanx.workflows.operations import Signal, fit_calibration, fuse, pooled_log_odds

LINKS = [["web", "app", 0.6], ["app", "db", 0.5], ["web", "vpn", 0.3], ["vpn", "db", 0.4]]
GRAPH = {"links": LINKS, "source": "web", "goal": "db"}
ROWS = [[math.sin(n), math.cos(1.7 * n), (n % 7) / 7] for n in range(60)]
INPUTS = {
    "attack-path-risk": GRAPH,
    "cryptographic-posture": {
        "keys": [
            {"name": "vpn", "family": "RSA", "bits": 2048, "secret_until": 2045},
            {"name": "new", "family": "ML-KEM", "bits": 768, "secret_until": 2060},
        ]
    },
    "indicator-search": {"values": [f"v{n}" for n in range(64)], "wanted": ["v7", "v63", "other"]},
    "network-anomaly": {"usual": ROWS, "asked": [[9.0, -9.0, 4.0], ROWS[3]]},
    "response-planning": {
        "graph": GRAPH, "budget": 2,
        "responses": [
            {"name": "cut-vpn", "cost": 1, "guards": [["vpn", "db"]]},
            {"name": "cut-app", "cost": 2, "guards": [["app", "db"]], "keeps_out": 0.9},
            {"name": "watch", "cost": 1, "guards": [["web", "app"]], "keeps_out": 0.5},
        ],
    },
}  # fmt: skip


def ran(template, *, devices=True, inputs=None):
    async def main(world):
        backends = local_provider(ProviderContext(world.offload, world.clock)).backends() if devices else []
        store = world.store("n")
        made = Engine(store, world.clock, Telemetry(world.clock), Fleet(backends), world.offload, Rng(1))
        made.register(template)
        outcome = await made.run(
            template.name, run_id=derive_id(10**18, "r"), tenant=DEFAULT_TENANT, trace=NO_TRACE,
            inputs=INPUTS[template.name] if inputs is None else inputs,
        )  # fmt: skip
        (assessment,) = await Assessments(store).list(DEFAULT_TENANT)
        return outcome.results, assessment

    return SimWorld(1).run(main)


@pytest.mark.requirement("HWF-1", "IRS-5", "HWF-4")
@pytest.mark.parametrize("template", ANALYSES, ids=lambda one: one.name)
def test_with_devices_and_without(template):
    kinds = [step.kind for step in template.steps]
    assert StepKind.QUANTUM in kinds
    assert kinds.count(StepKind.CLASSICAL) >= 2
    results, assessment = ran(template)
    assert not any(result.degraded for result in results.values())
    assert assessment.provenance
    assert not assessment.degraded
    assert 0 <= assessment.interval[0] <= assessment.probability <= assessment.interval[1] <= 1
    without, poorer = ran(template, devices=False)
    assert all(bool(result.degraded) == (result.step_kind is StepKind.QUANTUM) for result in without.values())
    assert not poorer.provenance
    assert "no quantum device" in poorer.degraded
    assert poorer.confidence < assessment.confidence
    assert ran(template)[1].probability == assessment.probability


def test_what_the_analyses_find():
    by_name = {one.name: ran(one)[0] for one in ANALYSES}
    assert by_name["indicator-search"]["search"].output["found"] == ["v63", "v7"]
    assert by_name["network-anomaly"]["classical"].output["ranks"][0] > 0.95
    assert by_name["network-anomaly"]["classical"].output["ranks"][1] < 0.95
    spread = by_name["attack-path-risk"]["spread"].output
    exact = 1 - (1 - 0.6 * 0.5) * (1 - 0.3 * 0.4)
    assert spread["exact"] == pytest.approx(exact)
    assert spread["interval"][0] <= exact <= spread["interval"][1]
    assert by_name["attack-path-risk"]["shortest"].output["path"][0] == "web"
    plan = by_name["response-planning"]
    assert plan["choose"].output["worth"] == pytest.approx(plan["choose"].output["best_possible"])
    assert plan["after"].output["after"] < plan["after"].output["before"]
    keys = by_name["cryptographic-posture"]["judge"].output["keys"]
    assert [key["name"] for key in keys] == ["vpn", "new"]
    assert keys[1]["chance"] == 0


@pytest.mark.requirement("HWF-1")
@pytest.mark.parametrize(
    ("name", "change", "step", "field"),
    [
        ("attack-path-risk", {"goal": "nowhere"}, None, "goal"),
        ("attack-path-risk", {"links": [["a", "b", 1.5]]}, None, "links"),
        ("network-anomaly", {"asked": [[1.0]]}, None, "asked"),
        (
            "response-planning", {"responses": [{"name": "x", "cost": 1, "guards": [["web", "moon"]]}]}, "weigh",
            "responses",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_told_with_step_and_field(name, change, step, field):
    template = next(one for one in ANALYSES if one.name == name)
    with pytest.raises(StepFailed) as told:
        ran(template, inputs={**INPUTS[name], **change})
    assert told.value.step in ({step} if step else {one.name for one in template.steps})
    assert told.value.field.startswith(field) or told.value.field.startswith("with")


def test_an_input_of_the_wrong_type_is_refused_before_anything_is_kept():
    template = next(one for one in ANALYSES if one.name == "indicator-search")
    with pytest.raises(InvalidInput) as told:
        ran(template, inputs={"values": "x", "wanted": []})
    assert told.value.field == "inputs.values"


def signal(name, probability, **more):
    return Signal(name=name, probability=probability, interval=(probability, probability), summary=name, **more)


@pytest.mark.requirement("HWF-4")
def test_one_signal_is_itself_and_two_that_agree_are_no_surer():
    assert fuse([signal("a", 0.8)]).probability == pytest.approx(0.8)
    assert fuse([signal("a", 0.8), signal("b", 0.8)]).probability == pytest.approx(0.8)
    assert fuse([signal("a", 0.8), signal("b", 0.2)]).probability == pytest.approx(0.5)


@pytest.mark.requirement("HWF-4")
def test_what_would_change_the_verdict_does():
    signals = [signal("a", 0.9), signal("b", 0.6), signal("c", 0.7, weight=0.5)]
    found = fuse(signals)
    assert found.verdict is Verdict.COMPROMISED
    assert found.turns
    for turn in found.turns:
        if turn.probability < 0:
            again = fuse([one for one in signals if one.name != turn.signal])
        else:
            # Just beyond the point that is told.
            moved = turn.probability - 1e-6
            again = fuse(
                [signal(one.name, moved, weight=one.weight) if one.name == turn.signal else one for one in signals]
            )
        assert again.verdict is turn.verdict, turn


def test_contributions_say_what_each_added():
    found = fuse([signal("up", 0.9), signal("down", 0.3)])
    assert found.parts[0].log_odds > 0 > found.parts[1].log_odds


@pytest.mark.parametrize("bad", [signal("a", 1.2), signal("a", float("nan")), signal("a", 0.5, weight=0.0)])
def test_signals_that_are_none_are_refused(bad):
    with pytest.raises(InvalidInput, match=r"signals"):
        fuse([bad])


@pytest.mark.requirement("HWF-4")
def test_a_calibration_makes_probabilities_true_on_what_it_never_saw():
    numbers = Rng(7).numpy()
    truth = numbers.random(4_000) < 0.3
    # Two signals that see the truth through noise, and are far too sure of it.
    said = [1 / (1 + np.exp(-4 * (np.where(truth, 1.0, -1.0) + numbers.normal(size=4_000) * 1.5))) for _ in range(2)]
    fit, rest = slice(0, 2_000), slice(2_000, 4_000)
    scale, shift = fit_calibration([one[fit] for one in said], truth[fit])
    fused = [
        fuse([signal("a", float(a)), signal("b", float(b))], scale=scale, shift=shift, calibrated=True).probability
        for a, b in zip(said[0][rest], said[1][rest], strict=True)
    ]
    plain = 1 / (1 + np.exp(-pooled_log_odds([one[rest] for one in said])))
    assert calibration_error(reliability(np.array(fused), truth[rest])) < 0.05
    assert calibration_error(reliability(plain, truth[rest])) > 0.1
    assert brier(np.array(fused), truth[rest]) < brier(plain, truth[rest])


def test_a_calibration_needs_both_classes():
    with pytest.raises(InvalidInput, match="both classes"):
        fit_calibration([np.array([0.5, 0.6])], np.array([True, True]))
