"""Events stored for search: columns of codes in sealed segments, a query language, and answers in pages.

``Archive`` holds segments and what is not in one yet, ``Searches`` run on it what ``parse`` understood. A search
looks at the distinct values of a column first and at events only where a value passes, which is what makes it fast.

Errors: ``InvalidQuery``, an ``InvalidInput``, says at which column parsing failed. Searches also raise
``Overloaded``, reading segments ``StorageCorrupt`` and ``Shredded``.
"""

from phalanx.intel.archive._answers import Bar, Group, Mark, mark_of
from phalanx.intel.archive._archive import NOWHERE, Archive, Position
from phalanx.intel.archive._errors import InvalidQuery
from phalanx.intel.archive._files import SegmentFiles
from phalanx.intel.archive._grammar import parse, span_ns
from phalanx.intel.archive._limits import (
    ARCHIVE_RETRY_S,
    DEFAULT_TIMEOUT_S,
    MAX_ANSWER_ROWS,
    MAX_QUERY_CHARS,
    MAX_TIMEOUT_S,
    SEGMENT_AFTER_S,
    TAKE_RECORDS,
    TEND_EVERY_S,
)
from phalanx.intel.archive._listed import Lookup
from phalanx.intel.archive._model import SEGMENTS, Keep, Segment
from phalanx.intel.archive._query import And, CountBy, Match, Not, Or, Query, Text, Time, Timeline, Value
from phalanx.intel.archive._retro import RuleHit
from phalanx.intel.archive._run import Answer
from phalanx.intel.archive._searches import Searches

__all__ = [
    "ARCHIVE_RETRY_S",
    "DEFAULT_TIMEOUT_S",
    "MAX_ANSWER_ROWS",
    "MAX_QUERY_CHARS",
    "MAX_TIMEOUT_S",
    "NOWHERE",
    "SEGMENTS",
    "SEGMENT_AFTER_S",
    "TAKE_RECORDS",
    "TEND_EVERY_S",
    "And",
    "Answer",
    "Archive",
    "Bar",
    "CountBy",
    "Group",
    "InvalidQuery",
    "Keep",
    "Lookup",
    "Mark",
    "Match",
    "Not",
    "Or",
    "Position",
    "Query",
    "RuleHit",
    "Searches",
    "Segment",
    "SegmentFiles",
    "Text",
    "Time",
    "Timeline",
    "Value",
    "mark_of",
    "parse",
    "span_ns",
]
