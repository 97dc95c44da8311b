"""Quantum devices and simulators behind one interface, and the choice among them.

A provider is a plug-in of the group ``phalanx.devices``: a callable that takes a ``ProviderContext`` and
returns a ``Provider``. ``phalanx.testing.contracts`` holds the suite that every backend must pass.

Limits: the built-in ``local.statevector`` is an ideal simulator of up to 22 qubits (64 MiB of amplitudes); the other
simulators of this process run what names them. Emulation leaves crosstalk and drift out.

Errors::

    PhalanxError (core)
    └── Unavailable (core)
        └── NoDeviceFits    no device can run the circuit; says why for each
"""

from phalanx.devices._analog import AnalogLimits, beyond
from phalanx.devices._annealing import (
    Annealer,
    IsingProblem,
    Samples,
    ising,
    qubo,
    read_problem,
    samples_of,
    written,
)
from phalanx.devices._backend import Backend, LiveBackend, Provider, ProviderContext, QueuedBackend
from phalanx.devices._calibration import Calibration, ErrorKind, Numbers, Quality, calibration, median_of
from phalanx.devices._choosing import Chooser, Chosen, FleetChooser, Wish
from phalanx.devices._emulated import Emulated, check_fits, check_runs, emulate, fit, provenance_of
from phalanx.devices._errors import NoDeviceFits
from phalanx.devices._fleet import Candidate, Fleet, Placement
from phalanx.devices._history import (
    CalibrationPoint,
    DeviceHistory,
    Drift,
    History,
    HistoryNumber,
    SeenCalibration,
    SeenState,
    StatePoint,
    drifts,
    history_line,
    history_view,
    seen_calibration,
)
from phalanx.devices._job_records import JOB_KEYS, JOBS, Job, JobState, JobWishes, Move
from phalanx.devices._jobs import Jobs
from phalanx.devices._limits import JOBS_AT_ONCE
from phalanx.devices._local import LOCAL_STATEVECTOR, LocalProvider, LocalSimulator, LocalStatevector, local_provider
from phalanx.devices._model import (
    DeviceModel,
    Features,
    Modality,
    Operation,
    QueueState,
    SessionLimits,
    Status,
    Window,
    all_pairs,
    ideal_calibration,
    ideal_device,
)
from phalanx.devices._noise import noise_of
from phalanx.devices._plots import history_svg, topology_svg
from phalanx.devices._prices import (
    FREE,
    MICROS,
    Money,
    PriceModel,
    PriceShape,
    price_in_credits,
    price_per_gate_shot,
    price_per_second,
    price_per_shot,
    subscription,
)
from phalanx.devices._programs import (
    EXACT,
    AnalogBackend,
    EmulatedAtoms,
    Program,
    ProgramKind,
    best_beside,
    check_takes,
    energies,
    perform,
    refusals,
)
from phalanx.devices._published import (
    PublishedDevice,
    lattice_pairs,
    listed_price,
    price_lists,
    published_machines,
    uniform_calibration,
)
from phalanx.devices._purse import Dues, NoPurse, Purse, commit_paid
from phalanx.devices._snapshots import Snapshot, SnapshotHead, read_snapshots, shipped_snapshots, write_snapshots
from phalanx.devices._views import (
    CouplerView,
    DeviceDetail,
    DeviceView,
    PriceView,
    QubitView,
    QueueView,
    device_detail,
    device_view,
)
from phalanx.devices._watch import watch_devices
from phalanx.devices._workers import (
    GpuReading,
    HostMetrics,
    HostReading,
    SeenWorker,
    WorkerHistory,
    WorkerNumber,
    Workers,
    WorkerView,
    watch_workers,
    worker_line,
    worker_name,
)
from phalanx.quantum import ShotResult

__all__ = [
    "EXACT",
    "FREE",
    "JOBS",
    "JOBS_AT_ONCE",
    "JOB_KEYS",
    "LOCAL_STATEVECTOR",
    "MICROS",
    "AnalogBackend",
    "AnalogLimits",
    "Annealer",
    "Backend",
    "Calibration",
    "CalibrationPoint",
    "Candidate",
    "Chooser",
    "Chosen",
    "CouplerView",
    "DeviceDetail",
    "DeviceHistory",
    "DeviceModel",
    "DeviceView",
    "Drift",
    "Dues",
    "Emulated",
    "EmulatedAtoms",
    "ErrorKind",
    "Features",
    "Fleet",
    "FleetChooser",
    "GpuReading",
    "History",
    "HistoryNumber",
    "HostMetrics",
    "HostReading",
    "IsingProblem",
    "Job",
    "JobState",
    "JobWishes",
    "Jobs",
    "LiveBackend",
    "LocalProvider",
    "LocalSimulator",
    "LocalStatevector",
    "Modality",
    "Money",
    "Move",
    "NoDeviceFits",
    "NoPurse",
    "Numbers",
    "Operation",
    "Placement",
    "PriceModel",
    "PriceShape",
    "PriceView",
    "Program",
    "ProgramKind",
    "Provider",
    "ProviderContext",
    "PublishedDevice",
    "Purse",
    "Quality",
    "QubitView",
    "QueueState",
    "QueueView",
    "QueuedBackend",
    "Samples",
    "SeenCalibration",
    "SeenState",
    "SeenWorker",
    "SessionLimits",
    "ShotResult",
    "Snapshot",
    "SnapshotHead",
    "StatePoint",
    "Status",
    "Window",
    "Wish",
    "WorkerHistory",
    "WorkerNumber",
    "WorkerView",
    "Workers",
    "all_pairs",
    "best_beside",
    "beyond",
    "calibration",
    "check_fits",
    "check_runs",
    "check_takes",
    "commit_paid",
    "device_detail",
    "device_view",
    "drifts",
    "emulate",
    "energies",
    "fit",
    "history_line",
    "history_svg",
    "history_view",
    "ideal_calibration",
    "ideal_device",
    "ising",
    "lattice_pairs",
    "listed_price",
    "local_provider",
    "median_of",
    "noise_of",
    "perform",
    "price_in_credits",
    "price_lists",
    "price_per_gate_shot",
    "price_per_second",
    "price_per_shot",
    "provenance_of",
    "published_machines",
    "qubo",
    "read_problem",
    "read_snapshots",
    "refusals",
    "samples_of",
    "seen_calibration",
    "shipped_snapshots",
    "subscription",
    "topology_svg",
    "uniform_calibration",
    "watch_devices",
    "watch_workers",
    "worker_line",
    "worker_name",
    "write_snapshots",
    "written",
]
