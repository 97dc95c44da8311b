import pytest

from phalanx.core import InvalidInput, LimitExceeded
from phalanx.quantum import Amplifier, AttackModel, Stage

A, B, C = Stage("a", (0.5,)), Stage("b", (0.25, 0.5)), Stage("c", (0.1,))


def test_a_chain_multiplies_and_an_alternative_adds():
    assert AttackModel.through([[A], [B]]).exact() == pytest.approx(0.5 * 0.625)
    assert AttackModel.through([[A, B]]).exact() == pytest.approx(1 - 0.5 * 0.375)


def test_paths_that_share_a_stage_are_not_independent():
    model = AttackModel((A, B, C), (("a", "b"), ("a", "c")))
    assert model.exact() == pytest.approx(0.5 * (1 - 0.375 * 0.9))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Stage("a", (1.5,)), InvalidInput, "a risk lies in"),
        (lambda: Stage("a", (float("nan"),)), InvalidInput, "a risk lies in"),
        (lambda: Stage("a", ()), LimitExceeded, "risks of stage 'a'"),
        (lambda: AttackModel((), ()), LimitExceeded, "stages"),
        (lambda: AttackModel((A, A), (("a",),)), InvalidInput, "one name"),
        (lambda: AttackModel((A,), ()), LimitExceeded, "paths"),
        (lambda: AttackModel((A,), ((),)), InvalidInput, "at least one stage"),
        (lambda: AttackModel((A,), (("b",),)), InvalidInput, "no stage 'b'"),
        (lambda: AttackModel.through([[Stage(str(i), (0.5,))] for i in range(8)]), LimitExceeded, "limited to 7"),
    ],
)
def test_a_model_that_makes_no_sense_is_refused(make, error, says):
    with pytest.raises(error, match=says):
        make()


def test_circuits_stay_small():
    seven = AttackModel.through([[Stage(str(i), (0.5,))] for i in range(7)])
    assert seven.n_qubits == Amplifier(seven).n_qubits == 11
    assert AttackModel.through([[A], [B, C]]).n_qubits == 3


def gates_of_one_iteration(model):
    amplifier = Amplifier(model)
    return amplifier.circuit(1).qasm3.count("\n") - amplifier.circuit(0).qasm3.count("\n")


def test_an_or_costs_no_more_than_an_and():
    stages = [Stage(str(i), (0.3,)) for i in range(6)]
    chain = gates_of_one_iteration(AttackModel.through([[stage] for stage in stages]))
    alternative = gates_of_one_iteration(AttackModel.through([stages]))
    assert chain == alternative
