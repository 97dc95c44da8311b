"""What the archive notes in the store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Delete, Put, Record, Table, encode
from phalanx.intel._model import CURSORS, Cursor

SEGMENTS: Final = Table("archive_segments", sealed=True)
ARCHIVE_PURPOSE: Final = "archive"
_CURSOR = "archive"


@dataclass(frozen=True, slots=True)
class Keep:
    """What is kept of a tenant: so many bytes, and nothing that is older than ``max_age_ns`` (0: however old)."""

    max_bytes: int
    max_age_ns: int = 0


class Segment(Record, frozen=True, kw_only=True, tag="segment"):
    """A file of events that is complete. ``at_ns`` is when it was written, ``file`` its name among the blobs.

    ``low_ns`` and ``high_ns`` are the first and last time of its events; its directory is ``directory_bytes`` from
    ``directory_at`` on. ``sealed`` says that its blocks are sealed for the tenant, with which ``keys``; none are noted
    of a segment of version 1. ``since_ns`` is ``aged_ns`` of the oldest of those that it was made of; 0 if of none.
    """

    VERSION: ClassVar[int] = 2
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    file: str
    events: int
    low_ns: int
    high_ns: int
    size_bytes: int
    directory_at: int
    directory_bytes: int
    sealed: bool
    keys: tuple[str, ...] = ()
    since_ns: int = 0

    def latest_ns(self, now_ns: int) -> int:
        """The last time of its events; when it was written where an event says that it is of the future."""
        return self.high_ns if self.high_ns <= now_ns else self.at_ns

    def aged_ns(self, now_ns: int) -> int:
        """The time from which on it becomes too old to be kept.

        Clocks of senders and of this machine may be wrong: what lies in the future does not count.
        """
        past = [one for one in (self.high_ns, self.at_ns) if one <= now_ns]
        return max(past, default=min(self.high_ns, self.at_ns))

    def oldest_ns(self, now_ns: int) -> int:
        """The same, of the oldest part of it if that had stayed by itself."""
        return self.since_ns or self.aged_ns(now_ns)

    def put(self) -> Put:
        return Put(SEGMENTS, self.tenant, self.id, encode(self))

    def delete(self) -> Delete:
        return Delete(SEGMENTS, self.tenant, self.id)


CURSOR_KEY: Final = (CURSORS, DEFAULT_TENANT, _CURSOR)


def cursor_at(offset: int, row: int, *, at_ns: int) -> Put:
    """How far the journal is in segments: all of what is before ``row`` of the record at ``offset``."""
    cursor = Cursor(id=_CURSOR, tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=at_ns, offset=offset, row=row)
    return Put(*CURSOR_KEY, encode(cursor))
