"""The values and ports that every room speaks. Imports nothing of Phalanx, does no I/O.

Errors::

    PhalanxError
    ├── InvalidInput        a field from outside is not acceptable
    ├── NotFound            what was asked for does not exist
    ├── LimitExceeded       a named bound was reached
    ├── Overloaded          a bounded queue is full; retry later
    ├── Unavailable         a service or an extra is missing
    ├── StorageError
    │   ├── StorageFull     no space; the write was undone
    │   ├── StorageCorrupt  stored bytes are not what was written
    │   └── Conflict        somebody else wrote first
    └── WireError           bytes are not the record they should be
        ├── UnknownField
        └── FutureVersion
"""

from phalanx.core._circuit import Circuit
from phalanx.core._clock import Clock
from phalanx.core._compiling import fast_kernel, keep_kernels_in, kernel, kernel_folder
from phalanx.core._counts import counted
from phalanx.core._errors import (
    Conflict,
    FutureVersion,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Overloaded,
    PhalanxError,
    StorageCorrupt,
    StorageError,
    StorageFull,
    Unavailable,
    UnknownField,
    WireError,
)
from phalanx.core._events import Event, EventBatch, LogSource, Value
from phalanx.core._evidence import FindingReader, Nearby, Trail
from phalanx.core._ids import (
    DEFAULT_TENANT,
    MAX_BATCH_ROWS,
    NO_TRACE,
    BatchId,
    EventId,
    IdSource,
    TenantId,
    TraceId,
    Uuid7Source,
    derive_id,
    event_id,
    event_ids,
    id_time_ms,
    id_time_ns,
    is_id,
    split_event_id,
)
from phalanx.core._limits import (
    MAX_CHUNK_BYTES,
    MAX_CHUNK_EVENTS,
    MAX_EVENT_BYTES,
    MAX_EVENT_DEPTH,
    MAX_EVIDENCE,
    MAX_NAME_CHARS,
    MAX_PAGE_ROWS,
)
from phalanx.core._ports import (
    AlertLevel,
    AlertSink,
    AuditEntry,
    AuditReceipt,
    AuditSink,
    Blobs,
    Delete,
    Expect,
    HttpAnswer,
    HttpCaller,
    Journal,
    Journals,
    KernelCompiler,
    Offload,
    Put,
    Row,
    Store,
    Table,
    Transport,
    Write,
)
from phalanx.core._provenance import Baseline, Origin, Provenance
from phalanx.core._reach import (
    PROBE_TENANT,
    Connection,
    EventSink,
    FileMark,
    FileWatch,
    Listeners,
    Listening,
    Serve,
)
from phalanx.core._records import (
    Assessment,
    Contribution,
    Decision,
    Entity,
    Finding,
    Outcome,
    Severity,
    Verdict,
    Waypoint,
)
from phalanx.core._rng import EntropySource, Rng
from phalanx.core._units import GIB, KIB, MIB, NS_PER_MS, NS_PER_S, NS_PER_US, iso_from_ns, ns_from_iso, ns_from_s
from phalanx.core._wire import Record, decode, decode_json, encode, encode_json, kind_name

__all__ = [
    "FindingReader",
    "Nearby",
    "Trail",
    "PROBE_TENANT",
    "Connection",
    "EventSink",
    "FileMark",
    "FileWatch",
    "Listeners",
    "Listening",
    "Serve",
    "DEFAULT_TENANT",
    "GIB",
    "KIB",
    "MAX_BATCH_ROWS",
    "MAX_CHUNK_BYTES",
    "MAX_CHUNK_EVENTS",
    "MAX_EVENT_BYTES",
    "MAX_EVENT_DEPTH",
    "MAX_EVIDENCE",
    "MAX_NAME_CHARS",
    "MAX_PAGE_ROWS",
    "MIB",
    "NO_TRACE",
    "NS_PER_MS",
    "NS_PER_S",
    "NS_PER_US",
    "AlertLevel",
    "AlertSink",
    "Assessment",
    "AuditEntry",
    "AuditReceipt",
    "AuditSink",
    "Blobs",
    "Baseline",
    "BatchId",
    "Circuit",
    "Clock",
    "Conflict",
    "Contribution",
    "Decision",
    "Delete",
    "Entity",
    "EntropySource",
    "Event",
    "EventBatch",
    "EventId",
    "Expect",
    "Finding",
    "FutureVersion",
    "HttpAnswer",
    "HttpCaller",
    "IdSource",
    "InvalidInput",
    "Journal",
    "Journals",
    "KernelCompiler",
    "LimitExceeded",
    "LogSource",
    "NotFound",
    "Offload",
    "Origin",
    "Outcome",
    "Overloaded",
    "PhalanxError",
    "Provenance",
    "Put",
    "Record",
    "Rng",
    "Row",
    "Severity",
    "StorageCorrupt",
    "StorageError",
    "StorageFull",
    "Store",
    "Table",
    "TenantId",
    "TraceId",
    "Transport",
    "Unavailable",
    "UnknownField",
    "Uuid7Source",
    "Value",
    "Verdict",
    "Waypoint",
    "WireError",
    "Write",
    "counted",
    "decode",
    "decode_json",
    "derive_id",
    "encode",
    "encode_json",
    "event_id",
    "event_ids",
    "fast_kernel",
    "id_time_ms",
    "id_time_ns",
    "is_id",
    "iso_from_ns",
    "keep_kernels_in",
    "kernel",
    "kernel_folder",
    "kind_name",
    "ns_from_iso",
    "ns_from_s",
    "split_event_id",
]
