"""What a group of concurrent commits comes to. Pure; shared by the SQL stores.

Commits that arrive together become one database transaction, yet each keeps its own meaning:
they take effect one after the other in order of arrival, each checks its expectations against
what the ones before it left, and one that is refused leaves nothing. Only the group's net
effect is then written, in a few statements however many commits it has.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from phalanx.adapters._limits import MAX_COMMIT_WRITES, MAX_INDEX_VALUE_BYTES, MAX_VALUE_BYTES
from phalanx.adapters.storage._row_keys import check_index, check_row, check_text
from phalanx.core import Conflict, Expect, LimitExceeded, Put, Write

# Table, tenant, key.
RowKey = tuple[str, str, str]
# Table, tenant, index, value, key.
Entry = tuple[str, str, str, str, str]
# Table, tenant, key, version, value, packed entries.
StoredRow = tuple[str, str, str, int, bytes, bytes]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[str, str]]).decode


@dataclass(frozen=True, slots=True)
class Commit:
    """One caller's commit, checked."""

    writes: Sequence[Write]
    expect: Sequence[Expect]

    def row_keys(self) -> Iterable[RowKey]:
        for part in (self.expect, self.writes):
            for item in part:
                yield item.table.name, item.tenant, item.key


@dataclass(slots=True)
class Plan:
    """What to write, and what to tell each commit: its version or why it was refused."""

    version: int
    outcomes: list[int | Conflict] = field(default_factory=list)
    puts: list[StoredRow] = field(default_factory=list)
    deletes: list[RowKey] = field(default_factory=list)
    new_entries: list[Entry] = field(default_factory=list)
    old_entries: list[Entry] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        return any(isinstance(outcome, int) for outcome in self.outcomes)


def unpacked(entries: bytes) -> dict[str, list[str]]:
    """Packed entries as the values of each index, in order."""
    found: dict[str, list[str]] = {}
    for index, value in _unpack(entries) if entries else ():
        found.setdefault(index, []).append(value)
    return found


def checked(writes: Sequence[Write], expect: Sequence[Expect]) -> Commit:
    """A commit whose every part is within bounds; raises InvalidInput or LimitExceeded."""
    if (seen := len(writes) + len(expect)) > MAX_COMMIT_WRITES:
        raise LimitExceeded("writes and expectations of a commit", maximum=MAX_COMMIT_WRITES, seen=seen)
    for condition in expect:
        check_row(condition.table, condition.tenant, condition.key)
    for write in writes:
        check_row(write.table, write.tenant, write.key)
        if isinstance(write, Put):
            _check_put(write)
    return Commit(writes, expect)


def _check_put(put: Put) -> None:
    if len(put.value) > MAX_VALUE_BYTES:
        raise LimitExceeded(f"a value of {put.table.name} in bytes", maximum=MAX_VALUE_BYTES, seen=len(put.value))
    for index, values in put.index.items():
        check_index(put.table, index)
        for value in values:
            check_text(f"{put.table.name} {index}", value, MAX_INDEX_VALUE_BYTES)


def plan(commits: Sequence[Commit], stored: Mapping[RowKey, tuple[int, bytes]], version: int) -> Plan:
    """The net effect of ``commits`` on ``stored``: version and packed entries of rows named in them.

    ``version`` is the store's; each accepted commit takes the next one.
    """
    out = Plan(version)
    versions = {key: row[0] for key, row in stored.items()}
    last: dict[RowKey, tuple[int, Write]] = {}
    for commit in commits:
        conflict = _conflict(commit.expect, versions)
        if conflict is None:
            out.version += 1
            for write in commit.writes:
                key: RowKey = (write.table.name, write.tenant, write.key)
                last[key] = out.version, write
                versions[key] = out.version if isinstance(write, Put) else 0
        out.outcomes.append(conflict or out.version)
    for key, (at, write) in last.items():
        _add(out, key, at, write, stored.get(key))
    # Writing in key order touches each page of the database once.
    for part in (out.puts, out.deletes, out.new_entries, out.old_entries):
        part.sort()
    return out


def _conflict(expect: Sequence[Expect], versions: Mapping[RowKey, int]) -> Conflict | None:
    for condition in expect:
        found = versions.get((condition.table.name, condition.tenant, condition.key), 0)
        if found != condition.version:
            return Conflict(condition.table.name, condition.key, expected=condition.version, found=found)
    return None


def _add(out: Plan, key: RowKey, at: int, write: Write, stored: tuple[int, bytes] | None) -> None:
    table, tenant, name = key
    pairs: list[tuple[str, str]] = []
    if isinstance(write, Put):
        pairs = [(index, value) for index, values in write.index.items() for value in values]
        if len(pairs) > 1:
            pairs = sorted(set(pairs))
        out.puts.append((table, tenant, name, at, write.value, _pack(pairs) if pairs else b""))
    elif stored is not None:
        out.deletes.append(key)
    if stored is not None and stored[1]:
        # Each is sorted with the others before it is written, so the order of a set is never seen.
        old, new = set(_unpack(stored[1])), set(pairs)
        out.old_entries.extend((table, tenant, index, value, name) for index, value in old - new)
        pairs = list(new - old)
    for index, value in pairs:
        out.new_entries.append((table, tenant, index, value, name))
