"""What every policy of placement must keep to, whoever wrote it.

Each check is an async function of one policy::

    @pytest.mark.parametrize("check", POLICY_CHECKS)
    def test_my_policy(check):
        asyncio.run(check(my_policy(PolicyContext())))
"""

import math
from collections.abc import Awaitable, Callable

from phalanx.allocation import Board, Case, Layouts, Policy, Ranking, Requirement, requirement_of, standing_of
from phalanx.core import Circuit, Origin
from phalanx.devices import DeviceModel, Modality, Numbers, SessionLimits, Status, calibration, ideal_device
from phalanx.quantum import Gates, features

_CIRCUIT = Gates(3).h(0).cx(0, 1).cx(1, 2).measure(0, 1, 2).circuit()


async def check_name(policy: Policy) -> None:
    assert policy.name, "a policy has a name that settings can say"
    assert policy.name == policy.name.strip().lower(), policy.name


async def check_ranks_what_fits(policy: Policy) -> None:
    """Each device that fits, once; none that does not; a reason for each and one for the first."""
    for wanted in (_wanted(), _wanted(fidelity=0.5), _wanted(regions=frozenset({"north"}))):
        case = policy_case(wanted=wanted)
        ranking = policy.rank(case)
        named = [one.device for one in ranking.preferences]
        assert sorted(named) == sorted(case.fitting), (named, case.fitting)
        assert named, "something fits"
        assert ranking.reason, "the first has its reason"
        assert all(one.reason for one in ranking.preferences), ranking
        assert all(math.isfinite(one.score) for one in ranking.preferences), ranking


async def check_nothing_fits(policy: Policy) -> None:
    case = policy_case(wanted=_wanted(regions=frozenset({"moon"})))
    assert policy.rank(case).preferences == ()


async def check_same_again(policy: Policy) -> None:
    """The same case gives the same ranking."""
    assert _order(policy.rank(policy_case(steady=True))) == _order(policy.rank(policy_case(steady=True)))


async def check_excluded(policy: Policy) -> None:
    """What the node has ruled out is not ranked, however good it is."""
    first = policy.rank(policy_case(steady=True)).preferences[0].device
    again = policy.rank(policy_case(steady=True, without=first))
    assert first not in _order(again)
    assert again.preferences


def policy_case(
    *, wanted: Requirement | None = None, steady: bool = False, without: str = "", circuit: Circuit = _CIRCUIT
) -> Case:
    """A circuit over six devices that differ in errors, size, queue, region and price; one of them takes no work."""
    models = [
        _device("good", 5, 0.004), _device("poor", 5, 0.06), _device("busy", 7, 0.006), _device("north", 7, 0.01),
        _device("down", 7, 0.001, status=Status.OFFLINE), ideal_device("local.ideal", 8, max_shots=10_000),
    ]  # fmt: skip
    board = Board([standing_of(model) for model in models])
    board.set_load("x.busy", 1.0, 600.0)
    if without:
        board.set_open(without, is_open=False)
    excluded = {without: "was ruled out"} if without else {}
    return Case(circuit, wanted or _wanted(), board, models, Layouts(trials=2), 3, excluded, steady)


def _order(ranking: Ranking) -> list[str]:
    return [one.device for one in ranking.preferences]


def _wanted(**wishes: object) -> Requirement:
    return requirement_of(features(_CIRCUIT), shots=1_000, **wishes)


def _device(name: str, n: int, error: float, *, status: Status = Status.ONLINE) -> DeviceModel:
    numbers = Numbers(
        two_qubit_error=error, one_qubit_error=error / 20, readout_error=2 * error, t1_ns=1e5, t2_ns=8e4,
        one_qubit_ns=40.0, two_qubit_ns=300.0, readout_ns=1_000.0,
    )  # fmt: skip
    return DeviceModel(
        name=f"x.{name}", provider="x", kind=Modality.SUPERCONDUCTING, origin=Origin.EMULATED, n_qubits=n,
        limits=SessionLimits(max_shots=10_000), status=status, region="north" if name == "north" else "local",
        calibration=calibration(n, [(at, at + 1) for at in range(n - 1)], numbers, calibrated_at_ns=1, source="made"),
    )  # fmt: skip


PolicyCheck = Callable[[Policy], Awaitable[None]]

POLICY_CHECKS: tuple[PolicyCheck, ...] = (
    check_name, check_ranks_what_fits, check_nothing_fits, check_same_again, check_excluded,
)  # fmt: skip
