"""What a node found, reported to outside systems; and events drawn in from outside.

``TellingStore`` writes a notice into the commit of everything that sinks may receive; a ``Courier`` for each sink sends
it in order until it is accepted, a ``Drawer`` for each source brings events into the intake, each once. How a product
wants to be told and what its answers mean is in ``wire``; plug-ins of ``phalanx.sinks`` and ``phalanx.sources`` move
the bytes.

Errors::

    PhalanxError
    ├── Unsendable          an item cannot be expressed in a form the peer accepts
    └── PositionGone        a source no longer has what was at a position
"""

from phalanx.intel.delivery._contract import (
    SINKS_GROUP,
    SOURCES_GROUP,
    TAKEN,
    Answer,
    BoundedSource,
    ConnectorContext,
    Drawn,
    Parcel,
    Sink,
    SinkManifest,
    Source,
    SourceFactory,
    SourceManifest,
    later,
    never,
)
from phalanx.intel.delivery._courier import Courier, SinkPlan
from phalanx.intel.delivery._delivery import Delivery, SinkView, SourceView, Told
from phalanx.intel.delivery._drawer import Drawer, SourcePlan
from phalanx.intel.delivery._errors import PositionGone, Unsendable
from phalanx.intel.delivery._feed import BatchEvents, Fed, Feed
from phalanx.intel.delivery._items import event_items, item_of, probe_item
from phalanx.intel.delivery._limits import MAX_ANSWER_BYTES, MAX_POSITION_CHARS, MAX_SINKS, MAX_SOURCES
from phalanx.intel.delivery._model import (
    CASE,
    DECISION,
    EVENT,
    FINDING,
    KINDS,
    OUTBOX,
    PROBE,
    SINK_LETTERS,
    SINK_STATES,
    SOURCE_STATES,
    Item,
    Notice,
    Past,
    Place,
    SinkLetter,
    SinkState,
    SourceState,
)
from phalanx.intel.delivery._notices import Notices, TellingStore
from phalanx.intel.delivery._parcels import ParcelBounds, parcel_of
from phalanx.intel.delivery._retry import RetryPolicy, retry_after_s

__all__ = [
    "CASE",
    "DECISION",
    "EVENT",
    "FINDING",
    "KINDS",
    "MAX_ANSWER_BYTES",
    "MAX_POSITION_CHARS",
    "MAX_SINKS",
    "MAX_SOURCES",
    "OUTBOX",
    "PROBE",
    "SINKS_GROUP",
    "SINK_LETTERS",
    "SINK_STATES",
    "SOURCES_GROUP",
    "SOURCE_STATES",
    "TAKEN",
    "Answer",
    "BatchEvents",
    "BoundedSource",
    "ConnectorContext",
    "Courier",
    "Delivery",
    "Drawer",
    "Drawn",
    "Fed",
    "Feed",
    "Item",
    "Notice",
    "Notices",
    "Parcel",
    "ParcelBounds",
    "Past",
    "Place",
    "PositionGone",
    "RetryPolicy",
    "Sink",
    "SinkLetter",
    "SinkManifest",
    "SinkPlan",
    "SinkState",
    "SinkView",
    "Source",
    "SourceFactory",
    "SourceManifest",
    "SourcePlan",
    "SourceState",
    "SourceView",
    "TellingStore",
    "Told",
    "Unsendable",
    "event_items",
    "item_of",
    "later",
    "never",
    "parcel_of",
    "probe_item",
    "retry_after_s",
]
