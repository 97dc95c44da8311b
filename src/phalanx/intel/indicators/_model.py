"""What an indicator is, what is known of it, and what is kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final

import msgspec

from phalanx.core import Record, Table, TenantId
from phalanx.messaging import Marking

# Indicators that are looked for in the events of every tenant.
EVERYBODY: Final = TenantId("node:everybody")

NOTES: Final = Table("indicator_notes", sealed=True)
VALUES: Final = Table("indicator_values", sealed=True)
MANIFESTS: Final = Table("indicator_manifests", sealed=True)


class Kind(Enum):
    """What a value is. A domain is meant with everything below it, a host by itself."""

    ADDRESS = "address"
    NETWORK = "network"
    DOMAIN = "domain"
    HOST = "host"
    URL = "url"
    EMAIL = "email"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A value to look for. ``until_ns`` is 0 where it does not end; ``reference`` is its id at the source.

    ``confidence`` is from 0 to 1. The same value from another source, or with another reference, stands beside
    it; from the same one it replaces what was said before.
    """

    kind: Kind
    value: str
    source: str
    name: str = ""
    reference: str = ""
    confidence: float = 0.5
    from_ns: int = 0
    until_ns: int = 0
    marking: Marking = Marking.AMBER
    labels: tuple[str, ...] = ()


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of some values of one source. ``gone``: they are not looked for any more.

    ``kind`` is that of the values; None in notes of a time when it was not kept, which may be on several.
    """

    source: str
    name: str = ""
    reference: str = ""
    confidence: float = 0.5
    from_ns: int = 0
    until_ns: int = 0
    marking: int = Marking.AMBER
    labels: tuple[str, ...] = ()
    gone: bool = False
    kind: Kind | None = None

    @property
    def origin(self) -> tuple[str, str]:
        """Of one value and one origin the latest counts."""
        return self.source, self.reference

    def holds(self, now_ns: int) -> bool:
        """Whether its values are to be found now."""
        return self.state(now_ns) is State.WANTED

    def state(self, now_ns: int) -> "State":
        """How its values stand."""
        if self.gone:
            return State.WITHDRAWN
        if 0 < self.until_ns <= now_ns:
            return State.OVER
        return State.WANTED if self.from_ns <= now_ns else State.LATER


class State(Enum):
    """Whether a value is looked for, and why not."""

    WANTED = "looked for"
    LATER = "not yet"
    OVER = "over"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Match:
    """``value`` is what was asked for, ``kind`` and ``matched`` which indicator it is, ``note`` what is known of it.

    ``scope`` is whose indicator it is.
    """

    value: str
    kind: Kind
    matched: str
    note: Note
    scope: TenantId


@dataclass(frozen=True, slots=True)
class Known:
    """A match, and how it stands: what ended or was withdrawn is known for some time longer."""

    match: Match
    state: State


@dataclass(frozen=True, slots=True)
class Change:
    """When a value was put, by which source, or when it was ``removed``, whichever source it was from."""

    at_ns: int
    kind: Kind
    value: str
    scope: TenantId
    source: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """What became of values, the newest first. ``whole``: everything that was ever put was looked through."""

    changes: tuple[Change, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that was not taken, and why."""

    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class PutReport:
    """What became of indicators that were put. ``replaced`` is how many notes of before are gone."""

    taken: int = 0
    refused: tuple[Refused, ...] = ()
    flagged: tuple[Refused, ...] = ()
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """An indicator that is looked for, as it is listed; ``place`` is where the next page begins."""

    kind: Kind
    value: str
    note: Note
    place: str


class NoteRow(Record, frozen=True, kw_only=True, tag="indicator-notes"):
    """Notes, from the number ``first`` on."""

    VERSION: ClassVar[int] = 2
    # Version 2 has notes of one kind each; those of version 1 have none.
    UPGRADES: ClassVar[Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]] = {1: dict}

    first: int
    notes: tuple[Note, ...]


class ValueRow(Record, frozen=True, kw_only=True, tag="indicator-values"):
    """Values that were put or removed together. ``packed`` is deflated lines, ``notes`` a little-endian uint32 each."""

    number: int
    n: int
    removed: bool
    packed: bytes
    notes: bytes


class Segment(msgspec.Struct, frozen=True):
    """A file of digests: its name, how many, and the SHA-256 of its bytes."""

    name: str
    n: int
    sha256: str


class Manifest(Record, frozen=True, kw_only=True, tag="indicator-manifest"):
    """What belongs together. ``key`` is that of the digests; rows of values before ``flushed`` are in ``segments``."""

    key: bytes
    segments: tuple[Segment, ...] = ()
    flushed: int = 0
    next_row: int = 0
    next_note: int = 0
    next_file: int = 0
    prefixes_v4: tuple[int, ...] = ()
    prefixes_v6: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stats:
    """What is there and what it takes. ``entries`` counts values once for each source, ``sources`` those of each."""

    entries: int
    notes: int
    sources: dict[str, int] = field(default_factory=dict)
    tables: int = 0
    files: int = 0
    table_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Census:
    """How many values are looked for: once for each source, by source, by kind, and by marking.

    ``exact`` is false where there are too many to put together for a count: then what was said twice is counted twice,
    and what was withdrawn may still be. ``untold`` are values of which the kind is not kept with the note.
    """

    values: int = 0
    sources: dict[str, int] = field(default_factory=dict)
    kinds: dict[Kind, int] = field(default_factory=dict)
    markings: dict[Marking, int] = field(default_factory=dict)
    untold: int = 0
    exact: bool = True
