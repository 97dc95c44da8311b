"""An evidence bundle as a file: one JSON document in one canonical form.

Canonical means: what Python's ``json`` writes with sorted keys, an indent of one and UTF-8, and a
newline at the end; no floats. A file that says the same in other bytes is refused, so that two
verifiers never read one file differently and no byte of it is beside the point.

Everything in it is checked against something: entries against the checkpoint, checkpoints against
keys, the timeline against the entries. There is no field that only its exporter vouches for.
"""

import json
from typing import Annotated, Any, NoReturn

import msgspec

from phalanx.ledger.evidence._errors import BrokenLink, Link
from phalanx.ledger.evidence._limits import (
    MAX_BUNDLE_BYTES,
    MAX_BUNDLE_ENTRIES,
    MAX_BUNDLE_WITNESSES,
    MAX_MARKS,
    MAX_PATH,
    MAX_ROOTS,
)

KIND = "phalanx-evidence"
VERSION = 2
# Files of version 1 have anchors whose key nothing ties to the log. They are read for ever.
_VERSIONS = (1, VERSION)
# FIPS 205, all of it: signatures that rest on hash functions and nothing else.
ANCHOR_ALGORITHMS = frozenset(
    f"SLH-DSA-{hashing}-{bits}{speed}" for hashing in ("SHA2", "SHAKE") for bits in (128, 192, 256) for speed in "sf"
)

_Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]
_Index = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Path = Annotated[tuple[_Hash, ...], msgspec.Meta(max_length=MAX_PATH)]


class LogPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose ledger: its origin, its verifier keys, and the fingerprint that people compare."""

    fingerprint: _Hash
    keys: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=2)]
    origin: str


class WitnessPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A witness whose cosignature stands in the checkpoint's note."""

    keys: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=2)]
    name: str


class TimestampPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An authority's answer (RFC 3161, DER), and the certificates (DER) it was checked against, in base64."""

    roots: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=MAX_ROOTS)]
    token: str


class AnnouncementPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entry that announces an anchor's key, and its path to the root that is anchored."""

    index: _Index
    leaf: str
    path: _Path


class AnchorPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same head signed with hashes alone (SLH-DSA): the anchor's note, and the key in base64."""

    algorithm: str
    announcement: AnnouncementPart | msgspec.UnsetType = msgspec.UNSET
    key: str
    note: str


class MarkPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier checkpoint of the same log with a timestamp, an anchor or both; ``path`` leads to the bundle's own."""

    anchor: AnchorPart | None
    note: str
    path: _Path
    timestamp: TimestampPart | None


class EntryPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry. ``payload`` and ``salt`` are null when they are gone or not disclosed."""

    index: _Index
    leaf: str
    leaf_hash: _Hash
    path: _Path
    payload: str | None
    salt: _Hash | None


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries of one case of one tenant, and everything that is needed to check them elsewhere."""

    case: str
    checkpoint: str
    entries: Annotated[tuple[EntryPart, ...], msgspec.Meta(min_length=1, max_length=MAX_BUNDLE_ENTRIES)]
    kind: str
    log: LogPart
    marks: Annotated[tuple[MarkPart, ...], msgspec.Meta(max_length=MAX_MARKS)]
    tenant: str
    timeline: str
    version: int
    witnesses: Annotated[tuple[WitnessPart, ...], msgspec.Meta(max_length=MAX_BUNDLE_WITNESSES)]

    def to_bytes(self) -> bytes:
        return canonical(msgspec.to_builtins(self))


def canonical(document: Any) -> bytes:
    """A JSON value in the form that is hashed, compared and written to files."""
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False)
    return text.encode() + b"\n"


def read_bundle(data: bytes) -> Bundle:
    """The bundle in a file; raises ``BrokenLink``. Only its form is checked."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise _broken(f"it is longer than {MAX_BUNDLE_BYTES} bytes")
    try:
        document = json.loads(data.decode(), parse_float=_no_float, parse_constant=_no_float)
        same = canonical(document) == data
    except (ValueError, RecursionError) as error:
        raise _broken(f"it is not JSON as a bundle has it: {error}") from error
    if not same:
        raise _broken("its bytes are not in the canonical form")
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("version") not in _VERSIONS:
        raise _broken(f"it is no {KIND} of version {' or '.join(map(str, _VERSIONS))}")
    try:
        bundle = msgspec.convert(document, Bundle)
    except msgspec.ValidationError as error:
        raise _broken(str(error)) from error
    indexes = [entry.index for entry in bundle.entries]
    if indexes != sorted(set(indexes)):
        raise _broken("its entries are not in order")
    names = [witness.name for witness in bundle.witnesses]
    if len(set(names)) < len(names):
        raise _broken("a witness stands in it twice")
    if any(mark.anchor is None and mark.timestamp is None for mark in bundle.marks):
        raise _broken("a mark has neither a timestamp nor an anchor")
    ties = [mark.anchor.announcement is not msgspec.UNSET for mark in bundle.marks if mark.anchor is not None]
    if any(tied != (bundle.version > 1) for tied in ties):
        raise _broken("an anchor has an announcement in a file of version 1, or none in a later one")
    for entry in bundle.entries:
        if (entry.payload is None) != (entry.salt is None):
            raise _broken(f"entry {entry.index} has a payload without its salt, or a salt alone")
    return bundle


def _no_float(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number that stands in a bundle")


def _broken(reason: str) -> BrokenLink:
    return BrokenLink(Link.DOCUMENT, "the bundle", reason)
