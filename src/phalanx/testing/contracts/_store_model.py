"""A store as a dictionary, and random operations to compare a real one with it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from phalanx.core import Conflict, Delete, Expect, Put, Store, Table, TenantId, Write

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_TABLES = (Table("model-a", indexes=("tag", "state"), sealed=True), Table("model-b", indexes=("tag",)))
_KEYS = ("a", "a\x00", "aa", "ab", "b", "é", "\uffff", "😀")
_VALUES = ("", "red", "blue")
_PREFIXES = ("", "a", "aa", "\uffff", "😀")

RowId = tuple[str, str, str]


@dataclass(slots=True)
class ModelStore:
    """What a store holds, and the answers it owes. The one place that says it all in Python."""

    rows: dict[RowId, tuple[Put, int]] = field(default_factory=dict)

    def version(self, row: RowId) -> int:
        return self.rows[row][1] if row in self.rows else 0

    def conflicts(self, expect: Sequence[Expect]) -> bool:
        return any(self.version((e.table.name, e.tenant, e.key)) != e.version for e in expect)

    def apply(self, writes: Sequence[Write], version: int) -> None:
        for write in writes:
            row = (write.table.name, write.tenant, write.key)
            if isinstance(write, Put):
                self.rows[row] = write, version
            else:
                self.rows.pop(row, None)

    def listed(
        self, table: Table, tenant: TenantId, matches: Callable[[Put], bool], *, after: str, limit: int, reverse: bool
    ) -> list[tuple[str, bytes, int]]:
        found = sorted(
            (
                (put.key, put.value, version)
                for (name, owner, _), (put, version) in self.rows.items()
                if (name, owner) == (table.name, tenant) and matches(put)
            ),
            key=lambda row: row[0].encode(),
            reverse=reverse,
        )
        past = [row for row in found if not after or (row[0] < after if reverse else row[0] > after)]
        return past[:limit]

    def tenants(self, table: Table) -> list[str]:
        return sorted({tenant for name, tenant, _ in self.rows if name == table.name})


@dataclass(frozen=True, slots=True)
class RandomCommit:
    """Writes and expectations; an expectation says how far it is from the truth, 0 meaning it holds."""

    writes: tuple[Write, ...]
    expect: tuple[tuple[Table, TenantId, str, int], ...]


@dataclass(frozen=True, slots=True)
class RandomListing:
    """A ``scan`` with ``value`` None, else a ``find``."""

    table: Table
    tenant: TenantId
    value: str | None
    prefix: str
    after: str
    limit: int
    reverse: bool


Operation = RandomCommit | RandomListing


def store_operations() -> "SearchStrategy[list[Operation | list[RandomCommit]]]":
    """A Hypothesis strategy: operations one after the other, a list of commits meaning all at once."""
    from hypothesis import strategies as st

    tables = st.sampled_from(_TABLES)
    tenants = st.sampled_from((TenantId("t1"), TenantId("t2")))
    keys = st.sampled_from(_KEYS)

    def puts(table: Table) -> "SearchStrategy[Put]":
        values = st.lists(st.sampled_from(_VALUES), max_size=3)
        index = st.dictionaries(st.sampled_from(table.indexes), values)
        return st.builds(Put, st.just(table), tenants, keys, st.binary(max_size=8), index)

    writes: Any = tables.flatmap(puts) | st.builds(Delete, tables, tenants, keys)
    expect = st.tuples(tables, tenants, keys, st.sampled_from((0, 0, 0, 0, 1, -1)))
    commits = st.builds(RandomCommit, st.lists(writes, max_size=5).map(tuple), st.lists(expect, max_size=2).map(tuple))
    listings = st.builds(
        RandomListing,
        tables,
        tenants,
        st.none() | st.sampled_from(_VALUES),
        st.sampled_from(_PREFIXES),
        st.just("") | keys,
        st.integers(0, 6),
        st.booleans(),
    )
    together = st.lists(commits, min_size=2, max_size=5)
    return st.lists(commits | listings | together, min_size=1, max_size=12)


async def compare_with_model(store: Store, operations: Sequence[Operation | list[RandomCommit]], suffix: str) -> None:
    """Do ``operations`` on ``store`` and on a model; fail at the first difference.

    ``suffix`` goes behind the names of the tenants, so that one store serves many comparisons.
    """
    model = ModelStore()
    for operation in operations:
        if isinstance(operation, RandomListing):
            await _compare_listing(store, model, operation, suffix)
        else:
            group = operation if isinstance(operation, list) else [operation]
            await _compare_commits(store, model, group, suffix)
    for table in _TABLES:
        seen = [tenant for tenant in await store.tenants(table) if tenant.endswith(suffix)]
        assert seen == model.tenants(table), f"tenants of {table.name}"


async def _compare_listing(store: Store, model: ModelStore, wanted: RandomListing, suffix: str) -> None:
    table, tenant, value = wanted.table, TenantId(wanted.tenant + suffix), wanted.value
    if value is None:
        rows = await store.scan(
            table, tenant, prefix=wanted.prefix, after=wanted.after, limit=wanted.limit, reverse=wanted.reverse
        )
    else:
        rows = await store.find(
            table, tenant, "tag", value, after=wanted.after, limit=wanted.limit, reverse=wanted.reverse
        )

    def matches(put: Put) -> bool:
        return put.key.startswith(wanted.prefix) if value is None else value in put.index.get("tag", ())

    expected = model.listed(table, tenant, matches, after=wanted.after, limit=wanted.limit, reverse=wanted.reverse)
    assert [(row.key, row.value, row.version) for row in rows] == expected, wanted


async def _compare_commits(store: Store, model: ModelStore, group: Sequence[RandomCommit], suffix: str) -> None:
    """Commit all at once, then replay them on the model in the order of the versions they got."""
    commits = [_made_real(commit, model, suffix) for commit in group]
    outcomes = await asyncio.gather(
        *(store.commit(writes, expect=expect) for writes, expect in commits), return_exceptions=True
    )
    accepted = sorted((version, i) for i, version in enumerate(outcomes) if isinstance(version, int))
    refused = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)]
    assert len(accepted) + len(refused) == len(group), outcomes
    may_conflict = {i for i in refused if model.conflicts(commits[i][1])}
    for version, i in accepted:
        writes, expect = commits[i]
        assert not model.conflicts(expect), f"{group[i]} was accepted"
        model.apply(writes, version)
        may_conflict |= {i for i in refused if model.conflicts(commits[i][1])}
    assert may_conflict == set(refused), f"refused without a reason: {[group[i] for i in refused]}"
    for (table, tenant, key), (put, version) in model.rows.items():
        row = await store.get(put.table, TenantId(tenant), key)
        assert row is not None, (table, tenant, key)
        assert (row.value, row.version) == (put.value, version), (table, tenant, key)


def _made_real(commit: RandomCommit, model: ModelStore, suffix: str) -> tuple[list[Write], list[Expect]]:
    writes: list[Write] = []
    for write in commit.writes:
        tenant = TenantId(write.tenant + suffix)
        if isinstance(write, Put):
            writes.append(Put(write.table, tenant, write.key, write.value, write.index))
        else:
            writes.append(Delete(write.table, tenant, write.key))
    expect = []
    for table, short, key, error in commit.expect:
        tenant = TenantId(short + suffix)
        version = model.version((table.name, tenant, key))
        expect.append(Expect(table, tenant, key, max(0, version + error)))
    return writes, expect
