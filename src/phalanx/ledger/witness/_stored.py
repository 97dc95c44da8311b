"""Checking what is kept of others' signatures: every cosignature and timestamp, against its checkpoint.

A row that does not follow from the signatures in it, to the byte, was changed.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from phalanx.core import DEFAULT_TENANT, InvalidInput, Record, Row, Store, Table, Unavailable, WireError, decode, encode
from phalanx.ledger._errors import InvalidCheckpoint, LedgerTampered
from phalanx.ledger._limits import PAGE_CHECKPOINTS
from phalanx.ledger._note import Note, parse_note
from phalanx.ledger._reading import require_home
from phalanx.ledger._shelf import Shelf
from phalanx.ledger.witness._asking import COSIGNATURES, Cosignature, cosignature, cosignature_key
from phalanx.ledger.witness._errors import TimestampRefused
from phalanx.ledger.witness._keys import Head, WitnessKeys
from phalanx.ledger.witness._timestamp import TIMESTAMPS, Timestamp, as_pem, timestamp, timestamp_key, verify_timestamp

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class VouchedReport:
    """What was checked. ``unchecked`` timestamps need the extra ``timestamps``."""

    cosignatures: int
    timestamps: int
    unchecked: int


async def audit_vouched(store: Store) -> VouchedReport:
    """Raises ``LedgerTampered`` naming the first cosignature or timestamp that does not hold."""
    await require_home(store, (COSIGNATURES, TIMESTAMPS))
    shelf, n_cosignatures, n_timestamps, n_unchecked = Shelf(store), 0, 0, 0
    last: dict[str, str] = {}
    async for row in _rows(store, COSIGNATURES):
        kept = _decoded(row, Cosignature, "cosignature")
        with _named("cosignature", kept.size):
            _require_same(row, *_cosigned(kept, await _note(shelf, kept.size)))
            await _require_found(store, row.key, kept.witness, after=last.get(kept.witness, ""))
        last[kept.witness] = row.key
        n_cosignatures += 1
    for witness, key in last.items():
        if rows := await store.find(COSIGNATURES, DEFAULT_TENANT, "witness", witness, after=key, limit=1):
            raise LedgerTampered(f"cosignature stored as {rows[0].key!r}", 0, f"it is found under {witness}")
    async for row in _rows(store, TIMESTAMPS):
        stamp = _decoded(row, Timestamp, "timestamp")
        try:
            with _named("timestamp", stamp.size):
                _require_same(row, *_stamped(stamp, await _note(shelf, stamp.size)))
        except Unavailable:
            n_unchecked += 1
        else:
            n_timestamps += 1
    return VouchedReport(n_cosignatures, n_timestamps, n_unchecked)


@contextlib.contextmanager
def _named(what: str, size: int) -> Iterator[None]:
    try:
        yield
    except (InvalidCheckpoint, InvalidInput, TimestampRefused) as error:
        raise LedgerTampered(what, size, error.message) from error


def _cosigned(kept: Cosignature, note: Note) -> tuple[str, Record]:
    keys = WitnessKeys.from_texts(kept.keys)
    lines = parse_note(note.text + "\n" + kept.lines).signatures
    at_s = keys.verify(Note(note.text, lines), Head.of(note))
    return cosignature_key(kept.size, keys.name), cosignature(keys, kept.size, lines, at_s)


def _stamped(stamp: Timestamp, note: Note) -> tuple[str, Record]:
    stamped = verify_timestamp(stamp.token, note.text, "".join(map(as_pem, stamp.roots)))
    made = timestamp(Head.of(note).origin, stamp.size, stamp.token, stamp.roots, stamped.at_s)
    return timestamp_key(stamp.size), made


def _require_same(row: Row, key: str, record: Record) -> None:
    if (key, encode(record)) != (row.key, row.value):
        raise InvalidInput("row", "it is not stored as its signatures have it")


async def _require_found(store: Store, key: str, witness: str, *, after: str) -> None:
    """That the row is found under its witness, next, and under nothing else."""
    found = await store.find(COSIGNATURES, DEFAULT_TENANT, "witness", witness, after=after, limit=1)
    if [row.key for row in found] != [key]:
        raise InvalidInput("row", f"it is not found under {witness}")
    index = await store.index_of(COSIGNATURES, DEFAULT_TENANT, key)
    if {name: list(values) for name, values in index.items()} != {"witness": [witness]}:
        raise InvalidInput("row", "it is found under something else than its witness")


async def _note(shelf: Shelf, size: int) -> Note:
    stored = await shelf.checkpoint(size)
    if stored is None:
        raise InvalidInput("row", "there is no checkpoint of this size")
    return parse_note(stored.note)


def _decoded(row: Row, kind: type[R], what: str) -> R:
    try:
        return decode(row.value, kind)
    except WireError as error:
        raise LedgerTampered(f"{what} stored as {row.key!r}", 0, error.message) from error


async def _rows(store: Store, table: Table) -> AsyncIterator[Row]:
    after = ""
    while page := await store.scan(table, DEFAULT_TENANT, after=after, limit=PAGE_CHECKPOINTS):
        for row in page:
            yield row
        after = page[-1].key
