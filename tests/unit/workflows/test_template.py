import pytest

from phalanx.workflows import InvalidTemplate, Step, StepKind, Template


async def work(context):
    return None


def classical(name, *needs, **changes):
    return Step(**{"name": name, "kind": StepKind.CLASSICAL, "needs": needs, "run": work} | changes)


def template(*steps, name="t"):
    return Template(name=name, title="T", steps=steps)


@pytest.mark.parametrize(
    ("steps", "step", "reason"),
    [
        ([classical("a"), classical("b", "c")], "b", "it needs 'c', which is no step"),
        ([classical("a"), classical("a")], "a", "another step has the same name"),
        ([classical("a", "a")], "a", "it needs itself: a needs a"),
        ([classical("x"), classical("a", "c"), classical("b", "a"), classical("c", "b")], "", "it needs itself"),
        ([classical("a"), classical("b", "a", "a")], "b", "it needs one step twice"),
        ([classical("")], "", "a name has 1 to"),
        ([classical("a", kind=StepKind.QUANTUM)], "a", "declares a classical fallback"),
        ([classical("a", fallback=work)], "a", "only a quantum step has a fallback"),
        ([classical("a", limit_s=-1.0)], "a", "0 to 2.592e+06 are allowed, not -1"),
        ([classical("a", least_s=2.0, limit_s=1.0)], "a", "it takes 2 s at the least and may take 1"),
        ([], "", "0 steps"),
        ([classical(str(i)) for i in range(65)], "", "65 steps"),
    ],
)
def test_a_template_that_cannot_run_is_refused_by_step(steps, step, reason):
    with pytest.raises(InvalidTemplate) as caught:
        template(*steps)
    assert reason in caught.value.reason
    assert caught.value.template == "t"
    if step:
        assert caught.value.step == step
        assert f"step {step!r}" in str(caught.value)


def test_what_is_wrong_with_a_template_names_its_field():
    for steps, field in (
        ([classical("a", "c")], "needs"), ([classical("a", "a")], "needs"), ([classical("a", limit_s=-1.0)], "limit_s"),
        ([classical("a", least_s=float("nan"))], "least_s"), ([classical("a", fallback=work)], ""),
    ):  # fmt: skip
        with pytest.raises(InvalidTemplate) as caught:
            template(*steps)
        assert caught.value.field == field
        assert not field or f"{field}: " in str(caught.value)
    with pytest.raises(InvalidTemplate) as caught:
        Template(name="t", title="T", steps=(classical("a"),), limit_s=-1.0)
    assert (caught.value.step, caught.value.field) == ("", "limit_s")


def test_a_cycle_is_told_in_order():
    needs = {"a": "c", "b": "a", "c": "b"}
    with pytest.raises(InvalidTemplate) as caught:
        template(*(classical(name, need) for name, need in needs.items()))
    around = caught.value.reason.removeprefix("it needs itself: ").split(" needs ")
    assert caught.value.step == around[0] == around[-1]
    assert [needs[name] for name in around[:-1]] == around[1:]


def test_the_shape_is_what_a_half_finished_run_depends_on():
    shape = template(classical("a"), classical("b", "a")).shape

    async def better(context):
        return 1

    assert template(classical("a", run=better), classical("b", "a")).shape == shape
    assert template(classical("a"), classical("b")).shape != shape
    assert template(classical("a"), classical("b", "a"), classical("c")).shape != shape
    quantum = classical("a", kind=StepKind.QUANTUM, fallback=work)
    assert template(quantum, classical("b", "a")).shape != shape
