"""What can be asked for by name: only functions that say what they take and give, and never anything that travels."""

import msgspec
import pytest

from phalanx.core import InvalidInput
from phalanx.workflows import Workflow, portable
from phalanx.workflows.operations import BUILT_IN
from phalanx.workflows.workers import Functions, function_named


class Asked(msgspec.Struct):
    n: int


def doubled(asked: Asked, by: float) -> tuple[float, list[str]]:
    return asked.n * by, ["a"]


def vague(asked):
    return asked


def test_arguments_and_results_come_back_as_they_were():
    function = function_named("doubled", doubled)
    packed = function.packed((Asked(3), 0.1))
    assert function.arguments(packed) == (Asked(3), 0.1)
    value = doubled(*function.arguments(packed))
    assert function.result(function.packed_result(value)) == value == (3 * 0.1, ["a"])


def test_what_is_not_of_the_annotated_type_is_refused_by_name():
    function = function_named("doubled", doubled)
    with pytest.raises(InvalidInput, match="arguments of doubled"):
        function.arguments(msgspec.msgpack.encode(("os.system", 1.0)))
    with pytest.raises(InvalidInput, match="result of doubled"):
        function.result(msgspec.msgpack.encode("x"))


def test_what_cannot_be_told_or_is_too_big_stays_here():
    function = function_named("doubled", doubled)
    assert function.packed((object(), 1.0)) is None
    assert function.packed((Asked(1),)) is None
    assert function_named("one", doubled).packed((Asked(1), float("inf"))) is not None
    with pytest.raises(InvalidInput, match="within"):
        function.packed_result("x" * (1 << 20))


@pytest.mark.parametrize("call", [vague, lambda n: n, print, BUILT_IN[0].run])
def test_only_plain_functions_that_say_their_types_have_a_name(call):
    with pytest.raises(InvalidInput):
        function_named("f", call)


def test_a_name_with_another_text_has_another_digest():
    assert function_named("doubled", doubled).digest == function_named("doubled", doubled).digest
    assert function_named("doubled", doubled).digest != function_named("twice", doubled).digest


def test_operations_and_pure_steps_are_known_by_name():
    flow = Workflow("w", title="W")
    flow.step(pure=True, in_process=True)(doubled_step)
    flow.step(pure=False, in_process=True)(acting_step)
    known = portable(BUILT_IN, [flow.template()])
    assert "w.doubled_step" in known.digests
    assert "w.acting_step" not in known.digests
    assert "weigh-responses.weighed" in known.digests
    assert known.of(doubled_step).name == "w.doubled_step"
    assert known.of([]) is None
    assert Functions().named("x") is None


def doubled_step() -> int:
    return 2


def acting_step() -> int:
    return 2
