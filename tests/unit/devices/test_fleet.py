import asyncio
from dataclasses import dataclass

import pytest

from phalanx.core import InvalidInput, NotFound, Origin, Unavailable
from phalanx.devices import (
    DeviceModel,
    Fleet,
    Modality,
    NoDeviceFits,
    ProviderContext,
    SessionLimits,
    ideal_calibration,
    local_provider,
)
from phalanx.testing import SimWorld


@dataclass
class Named:
    """A backend that is only looked at."""

    device: DeviceModel

    async def run(self, circuit, /, *, shots, seed):
        raise AssertionError("placing a circuit does not run it")


def backend(name, n_qubits, *, max_shots=1_000, origin=Origin.SIMULATED):
    return Named(
        DeviceModel(name=f"test.{name}", provider="test", kind=Modality.SIMULATOR, origin=origin, n_qubits=n_qubits,
                    limits=SessionLimits(max_shots=max_shots), calibration=ideal_calibration(n_qubits))
    )  # fmt: skip


FLEET = Fleet([
    backend("wide", 30),
    backend("narrow", 5),
    backend("middle", 12),
    backend("real", 127, origin=Origin.HARDWARE, max_shots=100),
])  # fmt: skip


def test_the_smallest_that_fits_is_chosen_and_every_device_gets_its_reason():
    placement = FLEET.place(7, shots=200)
    assert placement.backend.device.name == "test.middle"
    assert "12 qubits" in placement.reason
    assert "of 2 devices as little disturbed it is the smallest" in placement.reason
    assert [(c.device.name, c.fits, c.reason) for c in placement.considered] == [
        ("test.middle", True, placement.reason),
        ("test.narrow", False, "test.narrow has 5 qubits, 7 are needed"),
        ("test.real", False, "test.real takes at most 100 shots at once, 200 are needed"),
        ("test.wide", True, "test.wide fits, but test.middle is smaller"),
    ]


def test_the_origin_of_results_can_be_asked_for():
    placement = FLEET.place(7, origin=Origin.HARDWARE)
    assert placement.backend.device.name == "test.real"
    assert "no other device fits 7 hardware qubits" in placement.reason
    refused = {c.device.name: c.reason for c in placement.considered if not c.fits}
    assert refused["test.wide"] == "test.wide gives simulated results, hardware ones are asked for"


def test_the_reason_does_not_pass_over_those_that_fit_and_are_more_disturbed():
    placement = FLEET.place(20, shots=50)
    assert placement.backend.device.name == "test.wide"
    assert "of 2 devices it is the least disturbed that fits 20 qubits" in placement.reason


def test_a_tie_goes_to_the_first_by_name_whatever_the_order():
    twins = [backend("b", 9), backend("a", 9)]
    for order in (twins, twins[::-1]):
        placement = Fleet(order).place(9)
        assert placement.backend.device.name == "test.a"
        assert placement.considered[1].reason == "test.b fits, but test.a is as small"


def test_when_nothing_fits_every_refusal_is_told():
    with pytest.raises(NoDeviceFits) as caught:
        FLEET.place(200)
    assert isinstance(caught.value, Unavailable)
    assert caught.value.refusals == ("test.real has 127 qubits, 200 are needed, and so it is with 3 others",)
    with pytest.raises(NoDeviceFits) as caught:
        FLEET.place(200, without={"test.wide": "is paused"})
    assert set(caught.value.refusals) == {
        "test.wide is paused", "test.real has 127 qubits, 200 are needed", "test.middle has 12 qubits, 200 are needed",
        "test.narrow has 5 qubits, 200 are needed",
    }  # fmt: skip
    with pytest.raises(NoDeviceFits, match="there are no devices"):
        Fleet([]).place(1)


def test_devices_are_found_by_name():
    assert FLEET.backend("test.wide").device.n_qubits == 30
    assert [device.name for device in FLEET.devices()] == ["test.middle", "test.narrow", "test.real", "test.wide"]
    with pytest.raises(NotFound, match=r"test\.none"):
        FLEET.backend("test.none")
    with pytest.raises(InvalidInput, match=r"two are called 'test\.a'"):
        Fleet([backend("a", 1), backend("a", 2)])


class Counting:
    def __init__(self):
        self.calls = 0

    async def run(self, work, /, *args, **kwargs):
        self.calls += 1
        return work(*args, **kwargs)


def test_the_local_simulator_works_off_the_loop_and_once_per_circuit():
    from phalanx.quantum import Gates

    offload = Counting()
    local, *_ = local_provider(ProviderContext(offload, SimWorld(1).clock)).backends()
    circuits = [Gates(2).ry(0.1 * i, 0).measure(0, 1).circuit() for i in range(40)]

    async def main():
        results = [await local.run(circuits[0], shots=100, seed=seed) for seed in range(5)]
        assert offload.calls == 1
        for circuit in circuits:
            await local.run(circuit, shots=10, seed=0)
        assert offload.calls == 40
        assert await local.run(circuits[0], shots=100, seed=0) == results[0]
        assert offload.calls == 41, "what has not been asked for lately is forgotten"
        wide = Gates(14).measure(*range(14)).circuit()
        await local.run(wide, shots=10, seed=0)
        await local.run(wide, shots=10, seed=0)
        assert offload.calls == 45, "big distributions are not kept, and are drawn from off the loop"

    asyncio.run(main())
