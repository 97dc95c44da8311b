"""A simulated world to test in: virtual time, seeded scheduling, faulty network and disks.

``SimWorld(seed)`` runs any number of nodes in one process and replays from its seed. The
simulated ports stand in for the real ones wherever ``phalanx.core`` asks for a port, and pass
the same contract suites (``phalanx.testing.contracts``). Production code never imports this.

Errors::

    PhalanxError
    └── SimulationError
        ├── Deadlock            every task waits and no timer is set
        ├── Livelock            still busy after the bounded number of steps
        ├── NotSimulated        asked of the loop, but not repeatable from a seed
        ├── PowerLost           what is left of a crashed node touched its disk or network
        ├── Unstoppable         cancelled tasks go on
        └── BackgroundFailure   something failed that nobody waited for
"""

from phalanx.testing._audit import MemoryAudit
from phalanx.testing._calls import SimCalls
from phalanx.testing._channel_lab import ChannelLab
from phalanx.testing._checking import Checker, SimReport, Simulation, judged_in
from phalanx.testing._device_jobs import job_ended, line_of_three, run_with_store, running_jobs
from phalanx.testing._disk import SimDisk
from phalanx.testing._errors import (
    BackgroundFailure,
    Deadlock,
    Livelock,
    NotSimulated,
    PowerLost,
    SimulationError,
    Unstoppable,
)
from phalanx.testing._faults import ROUGH_NETWORK, DiskFaults, Faults, NetworkFaults
from phalanx.testing._logs import SimLog
from phalanx.testing._loop import SimLoop, SimTask, new_loop
from phalanx.testing._network import SimNetwork, SimTransport
from phalanx.testing._reach import SimEndpoints, SimFileWatch, SimListeners, SimVisitor
from phalanx.testing._real import TcpProxy, wait_until
from phalanx.testing._sealers import MemorySealers
from phalanx.testing._sim_balancing import balancing_simulation
from phalanx.testing._sim_channel import channel_simulation
from phalanx.testing._sim_ledger import ledger_simulation
from phalanx.testing._sim_messaging import messaging_simulation
from phalanx.testing._sim_storage import storage_simulation
from phalanx.testing._sim_vault import vault_simulation
from phalanx.testing._sim_witness import witness_simulation
from phalanx.testing._sims import SIMULATIONS, run_seeds
from phalanx.testing._sources import WORLD_START_NS, InlineOffload, SimClock, SimEntropy, SimKeys
from phalanx.testing._store import SimStore
from phalanx.testing._trace import Trace, TraceEntry
from phalanx.testing._work_line import WorkFaults, WorkQueue
from phalanx.testing._world import SimNode, SimWorld
from phalanx.testing._wrapper import MemoryWrapper

__all__ = [
    "SimEndpoints",
    "SimFileWatch",
    "SimListeners",
    "SimVisitor",
    "ROUGH_NETWORK",
    "SIMULATIONS",
    "WORLD_START_NS",
    "BackgroundFailure",
    "ChannelLab",
    "Checker",
    "Deadlock",
    "DiskFaults",
    "Faults",
    "InlineOffload",
    "Livelock",
    "MemoryAudit",
    "MemorySealers",
    "MemoryWrapper",
    "NetworkFaults",
    "NotSimulated",
    "PowerLost",
    "SimCalls",
    "SimClock",
    "SimDisk",
    "SimEntropy",
    "SimKeys",
    "SimLog",
    "SimLoop",
    "SimNetwork",
    "SimNode",
    "SimReport",
    "SimStore",
    "SimTask",
    "SimTransport",
    "SimWorld",
    "WorkFaults",
    "WorkQueue",
    "Simulation",
    "SimulationError",
    "Trace",
    "TraceEntry",
    "TcpProxy",
    "Unstoppable",
    "channel_simulation",
    "ledger_simulation",
    "messaging_simulation",
    "balancing_simulation",
    "job_ended",
    "judged_in",
    "line_of_three",
    "new_loop",
    "run_seeds",
    "run_with_store",
    "running_jobs",
    "storage_simulation",
    "vault_simulation",
    "witness_simulation",
    "wait_until",
]
