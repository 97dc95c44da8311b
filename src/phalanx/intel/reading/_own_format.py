"""Events of the node's own making: one JSON object a line, ``phalanx`` says what kind it is."""

from typing import Any

from phalanx.core import LogSource
from phalanx.intel._errors import BadLine
from phalanx.intel.reading._fields import ReadEvent, flatten, time_from_text

PRODUCT = "phalanx"


def read_own(record: dict[str, Any]) -> ReadEvent:
    """Raises ``BadLine`` for what is not such an event."""
    kind, time_ns = record.get(PRODUCT), time_from_text(record.get("time"))
    if not isinstance(kind, str) or not kind or time_ns is None:
        raise BadLine("an event of the node's own needs its kind and its time")
    return ReadEvent(LogSource(PRODUCT, kind, ""), time_ns, flatten(record))
