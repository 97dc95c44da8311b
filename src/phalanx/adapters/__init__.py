"""The outside world: clocks, disks, databases, exporters. Implements the ports of ``core``.

Only ``node`` and what stands above it import this room. Vendor libraries are imported when an
adapter is opened, and a missing one is ``Unavailable`` with the command that installs it. The
durable adapters raise ``core``'s ``StorageError`` and its kinds; this room has no errors of
its own.

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

from importlib import import_module
from typing import TYPE_CHECKING

from phalanx.adapters._batches import KubernetesJobs, SlurmJobs
from phalanx.adapters._blobs import FolderBlobs
from phalanx.adapters._braket_documents import braket_model
from phalanx.adapters._calls import HttpCalls
from phalanx.adapters._exact import ExactAnswer, solve_exactly
from phalanx.adapters._file_watch import OsFileWatch
from phalanx.adapters._file_wrapper import FileWrapper, file_wrapper
from phalanx.adapters._files import Files, OsFiles, lock_folder
from phalanx.adapters._garbage import settle_garbage
from phalanx.adapters._google_snapshots import google_snapshots
from phalanx.adapters._host_metrics import OsHostMetrics
from phalanx.adapters._ibm_snapshots import ibm_snapshots
from phalanx.adapters._iqm_snapshots import iqm_snapshots
from phalanx.adapters._kernels import (
    KERNELS,
    KernelProcess,
    compile_kernels,
    keep_user_kernels,
    missing_kernels,
)
from phalanx.adapters._keyfile import load_or_create, read_private, replace_private
from phalanx.adapters._keyring_wrapper import KeyringWrapper, keyring_wrapper
from phalanx.adapters._limits import TLS_GOODBYE_S, TLS_HANDSHAKE_S
from phalanx.adapters._listening import StreamListeners, knock
from phalanx.adapters._local_batches import LocalBatches
from phalanx.adapters._loop_watch import LoopWatch
from phalanx.adapters._nats import NatsTransport
from phalanx.adapters._nats_client import NatsAccess
from phalanx.adapters._nats_config import NatsServerPlan
from phalanx.adapters._nats_server import NatsServer, find_nats_server, nats_server_version
from phalanx.adapters._nkey import Nkey
from phalanx.adapters._noise import DeviceNoise, JitterNoise, OsNoise, device_noise, jitter_noise, os_noise
from phalanx.adapters._otlp import OtlpExporter
from phalanx.adapters._pkcs11_wrapper import Pkcs11Wrapper, pkcs11_wrapper
from phalanx.adapters._postgres_hold import hold_database
from phalanx.adapters._postgres_journals import PostgresJournals
from phalanx.adapters._postgres_late import LatePostgresStore
from phalanx.adapters._postgres_store import PostgresStore
from phalanx.adapters._processes import ProcessOffload
from phalanx.adapters._provider_braket import braket_provider
from phalanx.adapters._provider_dwave import dwave_provider, pegasus_snapshot
from phalanx.adapters._provider_google import google_provider
from phalanx.adapters._provider_ibm import ibm_provider
from phalanx.adapters._provider_ionq import ionq_provider
from phalanx.adapters._provider_iqm import iqm_provider
from phalanx.adapters._provider_pasqal import pasqal_provider
from phalanx.adapters._provider_qrmi import OfferedResource, qrmi_provider, state_name
from phalanx.adapters._provider_quandela import quandela_provider
from phalanx.adapters._provider_quantinuum import quantinuum_provider
from phalanx.adapters._provider_secrets import provider_secret
from phalanx.adapters._provider_simulators import simulators_provider
from phalanx.adapters._qrmi_documents import read_target, write_target
from phalanx.adapters._qsharp import compile_qsharp
from phalanx.adapters._secrets import Ask, nobody_to_ask, secret_source
from phalanx.adapters._segments import SegmentJournal, SegmentJournals
from phalanx.adapters._shelf import FolderShelf
from phalanx.adapters._sqlite import SqliteStore
from phalanx.adapters._system import OsEntropy, SystemClock, ThreadOffload, machine_name
from phalanx.adapters._tls import POST_QUANTUM_GROUP, PostQuantumContext, TlsSession, tls_server_context
from phalanx.adapters._tls_files import self_signed_files
from phalanx.adapters._tls_probe import best_group, probe_tls
from phalanx.adapters._transit_wrapper import TransitWrapper, transit_wrapper

if TYPE_CHECKING:
    from phalanx.adapters._connector_kafka import kafka_sink, kafka_source
    from phalanx.adapters._connector_nats import nats_sink, nats_source
    from phalanx.adapters._endpoint_probe import NetworkProbe, ask_ssh
    from phalanx.adapters._http_asks import HttpAsker
    from phalanx.adapters._nats_cluster import ClusterAccess, NatsCluster, ServePlan
    from phalanx.adapters._nats_work import NatsCrewLine, NatsHandLine
    from phalanx.adapters._sink_http import (
        elastic_sink,
        secops_sink,
        sentinel_sink,
        splunk_hec_sink,
        splunk_soar_sink,
        webhook_sink,
        xsoar_sink,
    )
    from phalanx.adapters._sink_syslog import syslog_leef_sink
    from phalanx.adapters._source_file import file_source
    from phalanx.adapters._source_http import http_poll_source
    from phalanx.adapters._source_syslog import syslog_source

# Whoever lists devices or opens a store needs no connectors, which bring half of the rooms above with them.
_LATER = {
    "ClusterAccess": "_nats_cluster",
    "HttpAsker": "_http_asks",
    "NatsCluster": "_nats_cluster",
    "NatsCrewLine": "_nats_work",
    "NatsHandLine": "_nats_work",
    "NetworkProbe": "_endpoint_probe",
    "ServePlan": "_nats_cluster",
    "ask_ssh": "_endpoint_probe",
    "elastic_sink": "_sink_http",
    "file_source": "_source_file",
    "http_poll_source": "_source_http",
    "kafka_sink": "_connector_kafka",
    "kafka_source": "_connector_kafka",
    "nats_sink": "_connector_nats",
    "nats_source": "_connector_nats",
    "secops_sink": "_sink_http",
    "sentinel_sink": "_sink_http",
    "splunk_hec_sink": "_sink_http",
    "splunk_soar_sink": "_sink_http",
    "syslog_leef_sink": "_sink_syslog",
    "syslog_source": "_source_syslog",
    "webhook_sink": "_sink_http",
    "xsoar_sink": "_sink_http",
}


def __getattr__(name: str) -> object:
    where = _LATER.get(name)
    if where is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{where}"), name)


__all__ = [
    "braket_model",
    "braket_provider",
    "dwave_provider",
    "google_provider",
    "google_snapshots",
    "ibm_provider",
    "ibm_snapshots",
    "ionq_provider",
    "iqm_provider",
    "iqm_snapshots",
    "pasqal_provider",
    "pegasus_snapshot",
    "OfferedResource",
    "compile_qsharp",
    "provider_secret",
    "qrmi_provider",
    "read_target",
    "state_name",
    "write_target",
    "quandela_provider",
    "quantinuum_provider",
    "simulators_provider",
    "ClusterAccess",
    "DeviceNoise",
    "JitterNoise",
    "OsNoise",
    "compile_kernels",
    "device_noise",
    "jitter_noise",
    "os_noise",
    "Ask",
    "ExactAnswer",
    "FileWrapper",
    "Files",
    "FolderBlobs",
    "FolderShelf",
    "HttpAsker",
    "HttpCalls",
    "KERNELS",
    "KernelProcess",
    "KeyringWrapper",
    "KubernetesJobs",
    "LocalBatches",
    "LoopWatch",
    "NatsAccess",
    "NatsCluster",
    "NatsCrewLine",
    "NatsHandLine",
    "NatsServer",
    "NatsServerPlan",
    "NatsTransport",
    "Nkey",
    "OsEntropy",
    "NetworkProbe",
    "OsFileWatch",
    "OsFiles",
    "OsHostMetrics",
    "OtlpExporter",
    "POST_QUANTUM_GROUP",
    "Pkcs11Wrapper",
    "PostQuantumContext",
    "LatePostgresStore",
    "PostgresJournals",
    "PostgresStore",
    "ProcessOffload",
    "SegmentJournal",
    "SegmentJournals",
    "ServePlan",
    "SlurmJobs",
    "SqliteStore",
    "SystemClock",
    "StreamListeners",
    "TLS_GOODBYE_S",
    "TLS_HANDSHAKE_S",
    "ThreadOffload",
    "machine_name",
    "TlsSession",
    "TransitWrapper",
    "ask_ssh",
    "best_group",
    "file_wrapper",
    "find_nats_server",
    "hold_database",
    "keyring_wrapper",
    "keep_user_kernels",
    "knock",
    "load_or_create",
    "lock_folder",
    "missing_kernels",
    "nats_server_version",
    "nobody_to_ask",
    "pkcs11_wrapper",
    "probe_tls",
    "read_private",
    "replace_private",
    "secret_source",
    "self_signed_files",
    "settle_garbage",
    "solve_exactly",
    "tls_server_context",
    "transit_wrapper",
    "elastic_sink",
    "file_source",
    "http_poll_source",
    "kafka_sink",
    "kafka_source",
    "nats_sink",
    "nats_source",
    "secops_sink",
    "sentinel_sink",
    "splunk_hec_sink",
    "splunk_soar_sink",
    "syslog_leef_sink",
    "syslog_source",
    "webhook_sink",
    "xsoar_sink",
]
