"""Devices as shown to people: one line of a list, and all details of one. Unknown numbers are ``null``."""

import math

import msgspec
import numpy as np

from phalanx.devices._analog import AnalogLimits
from phalanx.devices._calibration import Calibration
from phalanx.devices._model import DeviceModel
from phalanx.devices._photonic import PhotonicLimits


class QueueView(msgspec.Struct, frozen=True, kw_only=True):
    """What waits in front of a device, when somebody said so."""

    depth: int | None
    wait_ns_p50: int | None
    wait_ns_p90: int | None
    wait_ns_p99: int | None
    as_of_ns: int


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """A price list: ``max(minimum, fixed + shots·(per_shot + Σ n·per_gate) + seconds·per_second)``. ``charge`` is its
    shape, or ``free``, or ``unlisted``: a real machine of which no list is known here is not free."""

    shape: str
    charge: str
    currency: str
    source: str
    as_of_ns: int
    minimum: float
    fixed: float
    per_shot: float
    per_one: float
    per_two: float
    per_measured: float
    per_second: float
    per_month: float


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that runs circuits. Medians are over what no mask rules out; ``age_days`` is that of the
    calibration. ``kept_away`` says why a node sends nothing there, though it is open."""

    name: str
    title: str
    provider: str
    kind: str
    origin: str
    status: str
    kept_away: str
    region: str
    n_qubits: int
    usable_qubits: int
    max_shots: int
    calibrated_at_ns: int
    age_days: float
    calibration_source: str
    t1_ns: float | None
    t2_ns: float | None
    one_qubit_error: float | None
    two_qubit_error: float | None
    readout_error: float | None
    queue: QueueView
    price: PriceView


class QubitView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one qubit."""

    qubit: int
    faulty: bool
    t1_ns: float | None
    t2_ns: float | None
    readout_error: float | None
    readout_error_se: float | None
    readout_ns: float | None
    one_qubit_error: float | None
    one_qubit_error_se: float | None
    one_qubit_ns: float | None


class CouplerView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one coupler."""

    qubits: tuple[int, int]
    faulty: bool
    two_qubit_error: float | None
    two_qubit_error_se: float | None
    two_qubit_ns: float | None


class PhotonicView(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine of photons allows, and what it does to them; its figures have a date and a source of their own."""

    modes: int
    photons: int
    most_in_mode: int
    threshold: bool
    transmittance: float
    indistinguishability: float
    g2: float
    brightness: float
    as_of_ns: int
    source: str


class DeviceDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of a device."""

    device: DeviceView
    calibration_id: str
    all_to_all: bool
    operations: tuple[tuple[str, int], ...]
    features: dict[str, bool]
    analog: dict[str, float | None] | None
    photonic: PhotonicView | None
    limits: dict[str, float | None]
    windows: tuple[tuple[int, int, int], ...]
    error_kinds: dict[str, str]
    qubits: tuple[QubitView, ...]
    couplers: tuple[CouplerView, ...]


def device_view(device: DeviceModel, now_ns: int, *, kept_away: str = "") -> DeviceView:
    known, queue, price = device.calibration, device.queue, device.price
    return DeviceView(
        name=device.name, title=device.title or device.name, provider=device.provider, kind=device.kind.value,
        origin=device.origin.value, status=device.status.value, kept_away=kept_away, region=device.region,
        n_qubits=device.n_qubits, usable_qubits=device.usable_qubits, max_shots=device.max_shots,
        calibrated_at_ns=known.calibrated_at_ns, age_days=_days(known, now_ns), calibration_source=known.source,
        t1_ns=_known(known.median("t1_ns")), t2_ns=_known(known.median("t2_ns")),
        one_qubit_error=_known(known.median("one_qubit_error")),
        two_qubit_error=_known(known.median("two_qubit_error")),
        readout_error=_known(known.median("readout_error")),
        queue=QueueView(
            depth=queue.depth, wait_ns_p50=queue.wait_ns_p50, wait_ns_p90=queue.wait_ns_p90,
            wait_ns_p99=queue.wait_ns_p99, as_of_ns=queue.as_of_ns,
        ),
        price=PriceView(
            shape=price.shape.value, charge=device.charge, currency=price.currency, source=price.source,
            as_of_ns=price.as_of_ns,
            minimum=price.minimum, fixed=price.fixed, per_shot=price.per_shot, per_one=price.per_one,
            per_two=price.per_two, per_measured=price.per_measured, per_second=price.per_second,
            per_month=price.per_month,
        ),
    )  # fmt: skip


def device_detail(device: DeviceModel, now_ns: int, *, kept_away: str = "") -> DeviceDetail:
    features, limits, known = device.features, device.limits, device.calibration
    return DeviceDetail(
        device=device_view(device, now_ns, kept_away=kept_away),
        calibration_id=known.id,
        all_to_all=device.all_to_all,
        operations=tuple((one.name, one.n_qubits) for one in device.operations),
        features={name: bool(getattr(features, name)) for name in features.__slots__},
        analog=_analog(device.analog),
        photonic=_photonic(device.photonic),
        limits={name: getattr(limits, name) for name in limits.__slots__},
        windows=tuple((one.weekday, one.start_s, one.end_s) for one in device.windows),
        error_kinds={
            "readout": known.readout_kind.value,
            "one_qubit": known.one_qubit_kind.value,
            "two_qubit": known.two_qubit_kind.value,
        },
        qubits=tuple(_qubit(known, index) for index in range(known.n_qubits)),
        couplers=tuple(_coupler(known, index) for index in range(len(known.pair))),
    )


def _analog(limits: AnalogLimits | None) -> dict[str, float | None] | None:
    """Flags are 0 or 1, what nobody bounds is ``null``."""
    if limits is None:
        return None
    given = {name: float(getattr(limits, name)) for name in limits.__slots__}
    return {name: value if math.isfinite(value) else None for name, value in given.items()}


def _photonic(limits: PhotonicLimits | None) -> PhotonicView | None:
    if limits is None:
        return None
    return PhotonicView(**{name: getattr(limits, name) for name in limits.__slots__})


def _qubit(known: Calibration, at: int) -> QubitView:
    numbers = {
        name: _known(getattr(known, name)[at])
        for name in (
            "t1_ns", "t2_ns", "readout_error", "readout_error_se", "readout_ns",
            "one_qubit_error", "one_qubit_error_se", "one_qubit_ns",
        )
    }  # fmt: skip
    return QubitView(qubit=at, faulty=bool(known.faulty_qubit[at]), **numbers)


def _coupler(known: Calibration, at: int) -> CouplerView:
    numbers = {
        name: _known(getattr(known, name)[at]) for name in ("two_qubit_error", "two_qubit_error_se", "two_qubit_ns")
    }
    a, b = known.pair[at]
    return CouplerView(qubits=(int(a), int(b)), faulty=bool(known.faulty_coupler[at]), **numbers)


def _days(known: Calibration, now_ns: int) -> float:
    return round(known.age_ns(now_ns) / 86_400e9, 2) if known.calibrated_at_ns else 0.0


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
