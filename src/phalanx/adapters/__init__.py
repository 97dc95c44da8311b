"""The outside world: clocks, disks, databases, exporters. Implements the ports of ``core``.

Only ``node`` and the rooms above it import this room. Vendor libraries are imported when an
adapter is opened, and a missing one is ``Unavailable`` with the command that installs it. The
durable adapters raise ``core``'s ``StorageError`` and its subclasses; this room has no errors of
its own.

This module has what a node needs from its machine and the network; the packages are ``storage``,
``nats``, ``tls`` and ``keys``, ``processes`` for computing outside the node's process, and the
built-in plug-ins: ``providers`` of quantum devices, ``connectors`` for events and findings.

================  =============================  ================================
port              embedded                       server
================  =============================  ================================
``Store``         ``SqliteStore``                ``PostgresStore``
``Journals``      ``SegmentJournals``            ``PostgresJournals``
``Blobs``         ``FolderBlobs``                the same
``Shelf``         ``FolderShelf``                the same
``KeyWrapper``    ``FileWrapper``, OS keyring    ``TransitWrapper``, an HSM
``Transport``     (one process needs none)       ``NatsTransport``
================  =============================  ================================
"""

from phalanx.adapters._batches import KubernetesJobs, SlurmJobs
from phalanx.adapters._calls import HttpCalls
from phalanx.adapters._file_watch import OsFileWatch
from phalanx.adapters._garbage import settle_garbage
from phalanx.adapters._host_metrics import OsHostMetrics
from phalanx.adapters._http_asks import HttpAsker
from phalanx.adapters._listening import StreamListeners, knock
from phalanx.adapters._local_batches import LocalBatches
from phalanx.adapters._loop_watch import LoopWatch
from phalanx.adapters._otlp import OtlpExporter
from phalanx.adapters._system import OsEntropy, SystemClock, ThreadOffload, machine_name

__all__ = [
    "HttpAsker",
    "HttpCalls",
    "KubernetesJobs",
    "LocalBatches",
    "LoopWatch",
    "OsEntropy",
    "OsFileWatch",
    "OsHostMetrics",
    "OtlpExporter",
    "SlurmJobs",
    "StreamListeners",
    "SystemClock",
    "ThreadOffload",
    "knock",
    "machine_name",
    "settle_garbage",
]
