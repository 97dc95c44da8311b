"""Intelligence shared: STIX 2.1 in and out, collections, TAXII, MISP, and who may have what.

Reading and writing are pure functions over bytes; ``Exchange`` is the way in and out of a node.

Errors::

    PhalanxError
    ├── InvalidInput
    │   ├── InvalidObject        an object is not STIX; names object and property
    │   ├── InvalidPattern       a pattern is not one of STIX; names the place
    │   └── UnsupportedPattern   it is one, but cannot be used for what was asked
    └── NotShareable             the marking of an object does not allow it there
"""

from phalanx.intel.sharing._collections import (
    ANYBODY,
    COLLECTIONS,
    Collection,
    Collections,
    Reader,
    can_read,
    can_write,
)
from phalanx.intel.sharing._errors import InvalidObject, InvalidPattern, NotShareable, UnsupportedPattern
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
from phalanx.intel.sharing._limits import MAX_CONTENT_BYTES, MAX_PAGE_OBJECTS
from phalanx.intel.sharing._looking import Found, Query, read_query
from phalanx.intel.sharing._objects import BundleRead, StixObject, checked, read_bundle, write_bundle
from phalanx.intel.sharing._shelf import OBJECTS, Kept, Shelf
from phalanx.intel.sharing._tlp import TLP_2, Audience, MarkingBook, definition_of, marking_named, require_shareable

__all__ = [
    "ANYBODY",
    "COLLECTIONS",
    "EXPORTS",
    "MAX_CONTENT_BYTES",
    "MAX_PAGE_OBJECTS",
    "OBJECTS",
    "STATUSES",
    "TLP_2",
    "Added",
    "Audience",
    "BundleRead",
    "Collection",
    "Collections",
    "Exchange",
    "Export",
    "Found",
    "InvalidObject",
    "InvalidPattern",
    "Kept",
    "MarkingBook",
    "NotShareable",
    "Query",
    "Reader",
    "Shelf",
    "Status",
    "StatusLine",
    "StixObject",
    "UnsupportedPattern",
    "can_read",
    "can_write",
    "checked",
    "definition_of",
    "is_stix_id",
    "marking_named",
    "observable_id",
    "own_id",
    "read_bundle",
    "read_query",
    "require_shareable",
    "with_definitions",
    "write_bundle",
]
