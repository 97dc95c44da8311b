"""Shared intelligence: STIX 2.1 in and out, collections, TAXII, MISP, and who may receive what.

Reading and writing are pure functions over bytes; ``Exchange`` is the way in and out of a node.

Errors::

    PhalanxError
    ├── InvalidInput
    │   ├── InvalidObject        an object is not STIX; names object and property
    │   ├── InvalidPattern       a pattern is not one of STIX; names the place
    │   └── UnsupportedPattern   it is one, but cannot be used for what was asked
    ├── NotShareable             the marking of an object does not allow it there
    └── TaxiiRefused             a TAXII server elsewhere answered with an error
"""

from phalanx.intel.sharing._attack import Attack, AttackIndex, Coverage, Covered, Tactic, Technique, attack, build_index
from phalanx.intel.sharing._client import Credentials, HttpAsks, HttpReply, ObjectPage, TaxiiClient
from phalanx.intel.sharing._collections import (
    ANYBODY,
    COLLECTIONS,
    Collection,
    Collections,
    Reader,
    can_read,
    can_write,
)
from phalanx.intel.sharing._errors import InvalidObject, InvalidPattern, NotShareable, TaxiiRefused, UnsupportedPattern
from phalanx.intel.sharing._exchange import (
    EXPORTS,
    STATUSES,
    Added,
    Exchange,
    Export,
    Status,
    StatusLine,
    with_definitions,
)
from phalanx.intel.sharing._ids import is_stix_id, observable_id, own_id
from phalanx.intel.sharing._indicators import SharedIndicator, Taken, indicators_of
from phalanx.intel.sharing._limits import MAX_CONTENT_BYTES, MAX_FEED_EVENTS, MAX_PAGE_OBJECTS
from phalanx.intel.sharing._looking import Found, Query, read_query
from phalanx.intel.sharing._misp import MispRead, read_misp
from phalanx.intel.sharing._misp_out import misp_event, misp_feed
from phalanx.intel.sharing._objects import BundleRead, StixObject, checked, read_bundle, write_bundle
from phalanx.intel.sharing._observed import Seen, observables_of, observables_of_view, seen_in
from phalanx.intel.sharing._own_objects import Teller, findings_as_stix, parted
from phalanx.intel.sharing._pattern import parse_pattern
from phalanx.intel.sharing._pattern_use import PatternValue, holds, pattern_values
from phalanx.intel.sharing._pulling import PULLS, IndicatorSink, Pull, Pulling, Source
from phalanx.intel.sharing._shelf import OBJECTS, Kept, Shelf
from phalanx.intel.sharing._tlp import TLP_2, Audience, MarkingBook, definition_of, marking_named, require_shareable

__all__ = [
    "ANYBODY",
    "Added",
    "Attack",
    "AttackIndex",
    "Audience",
    "BundleRead",
    "COLLECTIONS",
    "Collection",
    "Collections",
    "Coverage",
    "Covered",
    "Credentials",
    "EXPORTS",
    "Exchange",
    "Export",
    "Found",
    "HttpAsks",
    "HttpReply",
    "IndicatorSink",
    "InvalidObject",
    "InvalidPattern",
    "Kept",
    "MAX_CONTENT_BYTES",
    "MAX_FEED_EVENTS",
    "MAX_PAGE_OBJECTS",
    "MarkingBook",
    "MispRead",
    "NotShareable",
    "OBJECTS",
    "ObjectPage",
    "PULLS",
    "PatternValue",
    "Pull",
    "Pulling",
    "Query",
    "Reader",
    "STATUSES",
    "Seen",
    "SharedIndicator",
    "Shelf",
    "Source",
    "Status",
    "StatusLine",
    "StixObject",
    "TLP_2",
    "Tactic",
    "Taken",
    "TaxiiClient",
    "TaxiiRefused",
    "Technique",
    "Teller",
    "UnsupportedPattern",
    "attack",
    "build_index",
    "can_read",
    "can_write",
    "checked",
    "definition_of",
    "findings_as_stix",
    "holds",
    "indicators_of",
    "is_stix_id",
    "marking_named",
    "misp_event",
    "misp_feed",
    "observable_id",
    "observables_of",
    "observables_of_view",
    "own_id",
    "parse_pattern",
    "parted",
    "pattern_values",
    "read_bundle",
    "read_misp",
    "read_query",
    "require_shareable",
    "seen_in",
    "with_definitions",
    "write_bundle",
]
