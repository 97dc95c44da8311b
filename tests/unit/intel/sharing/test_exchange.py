"""Collections: what is kept, what is found, and who is let in; on a simulated store."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, InvalidInput, NotFound, TenantId, iso_from_ns
from phalanx.intel.sharing import (
    TLP_2,
    Audience,
    Exchange,
    Query,
    Reader,
    StixObject,
    read_query,
)
from phalanx.messaging import Marking
from phalanx.testing import MemoryAudit, SimWorld

pytestmark = pytest.mark.requirement("INT-4")

T = DEFAULT_TENANT
OWN = Reader("op", partner=False, may_write=True)
PARTNER = Reader("acme", partner=True)
STRANGER = Reader("evil", partner=True)


def indicator(n, version=0, marking=None, **more):
    stamp = f"2026-01-01T00:00:{version:02d}.000Z"
    marks = {} if marking is None else {"object_marking_refs": [TLP_2[marking]]}
    return StixObject({
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{n:012d}",
        "created": "2026-01-01T00:00:00.000Z", "modified": stamp, "pattern": "[url:value = 'x']",
        "pattern_type": "stix", "valid_from": "2026-01-01T00:00:00Z", **marks, **more,
    })  # fmt: skip


def envelope(*objects):
    return json.dumps({"objects": [one.raw for one in objects]}).encode()


def on_exchange(work, seed=1):
    async def main(world):
        log = MemoryAudit()
        return await work(Exchange(world.store("disk"), world.clock, world.ids, log), world, log)

    return SimWorld(seed).run(main)


async def made(exchange, alias="c", audience=Audience.PARTNER, **more):
    return await exchange.collections.make(T, alias, audience=audience, by="me", **more)


@settings(max_examples=30)
@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=5), max_size=6), st.integers(1, 4))
def test_whoever_asks_for_what_came_after_misses_nothing_and_sees_nothing_twice(rounds, limit):
    async def work(exchange, world, _):
        c = await made(exchange)
        seen, cursor, wanted = [], 0, []
        for one_round in rounds:
            for n, version in one_round:
                one = indicator(n, version)
                if (one.id, one.version) not in wanted:
                    wanted.append((one.id, one.version))
                await exchange.add(T, c, [one])
            while True:
                query = Query(added_after_ns=cursor, limit=limit, versions=frozenset({"all"}))
                found = await exchange.look(T, c, OWN, query)
                seen += [(row.object, row.version) for row in found.rows]
                cursor = found.rows[-1].at_ns if found.rows else cursor
                if not found.next:
                    break
        assert seen == wanted

    on_exchange(work)


class BackwardsClock:
    """A clock that somebody keeps setting back."""

    def __init__(self):
        self.now_ns = 1_800_000_000_000_000_000

    def wall_ns(self):
        self.now_ns -= 1_000_000_000
        return self.now_ns


def test_a_clock_that_goes_backwards_hides_nothing():
    async def work(exchange, world, _):
        exchange = Exchange(world.store("other"), BackwardsClock(), world.ids, MemoryAudit())
        c, cursor, seen = await made(exchange), 0, []
        for n in range(5):
            await exchange.add(T, c, [indicator(n)])
            found = await exchange.look(T, c, OWN, Query(added_after_ns=cursor))
            seen += [row.object for row in found.rows]
            cursor = found.rows[-1].at_ns
        assert seen == [indicator(n).id for n in range(5)]

    on_exchange(work)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=14), st.data())
def test_versions_are_those_of_a_plain_list(pairs, data):
    async def work(exchange, world, _):
        c = await made(exchange)
        model = []
        for n, version in pairs:
            if data.draw(st.booleans()) and model:
                gone = data.draw(st.sampled_from(model))
                stix_id = indicator(gone[0]).id
                stamp = indicator(*gone).version
                await exchange.delete(T, c, OWN, Query(ids=frozenset({stix_id}), versions=frozenset({stamp})))
                model.remove(gone)
            await exchange.add(T, c, [indicator(n, version)])
            if (n, version) not in model:
                model.append((n, version))
        for word, pick in (("last", max), ("first", min)):
            want = {(n, pick(v for m, v in model if m == n)) for n, _ in model}
            found = await exchange.look(T, c, OWN, Query(versions=frozenset({word})))
            assert {(row.object, row.version) for row in found.rows} == {
                (indicator(n).id, indicator(n, v).version) for n, v in want
            }
        count, _ = await exchange.shelf.count(T, c.id)
        assert count == len(model)

    on_exchange(work)


def test_adding_again_is_no_new_version_also_of_observables():
    async def work(exchange, world, _):
        c = await made(exchange, audience=Audience.OWN)
        url = StixObject(
            {"type": "url", "id": "url--00000000-0000-4000-8000-000000000000", "value": "http://x.example"}
        )
        first = await exchange.add(T, c, [url, indicator(1), indicator(1)])
        assert (len(first.kept), first.known) == (2, 1)
        again = await exchange.add(T, c, [indicator(1), url])
        assert (len(again.kept), again.known) == (0, 2)
        changed = await exchange.add(T, c, [StixObject(dict(url.raw) | {"defanged": True})])
        assert len(changed.kept) == 1
        (row,) = (await exchange.look(T, c, OWN, Query(ids=frozenset({url.id})))).rows
        assert row.version == iso_from_ns(row.at_ns)
        assert row.stix().raw["defanged"]

    on_exchange(work)


def test_who_is_not_named_does_not_even_learn_that_it_is_there():
    async def work(exchange, world, _):
        c = await made(exchange, readers=["acme"])
        own = await made(exchange, "inside", Audience.OWN)
        assert [one.id for one in await exchange.visible(T, PARTNER)] == [c.id]
        assert [one.id for one in await exchange.visible(T, OWN)] == [c.id, own.id]
        assert await exchange.visible(T, STRANGER) == []
        for reader, name in ((STRANGER, "c"), (PARTNER, "inside")):
            with pytest.raises(NotFound):
                await exchange.collection(T, name, reader)
        with pytest.raises(NotFound):
            await exchange.collection(TenantId("other"), c.id, OWN)
        with pytest.raises(NotFound):
            await exchange.take(T, c, PARTNER, envelope(indicator(1)))
        with pytest.raises(NotFound):
            await exchange.delete(T, c, PARTNER, Query(ids=frozenset({indicator(1).id})))

    on_exchange(work)


@pytest.mark.parametrize(("audience", "readers"), [(Audience.OWN, ["acme"]), (Audience.PARTNER, ["*"])])
def test_audiences_that_contradict_their_readers_are_refused(audience, readers):
    async def work(exchange, world, _):
        with pytest.raises(InvalidInput):
            await made(exchange, audience=audience, readers=readers)

    on_exchange(work)


def test_markings_are_held_to_when_it_comes_in_and_again_when_it_goes_out():
    async def work(exchange, world, log):
        c = await made(exchange, readers=["acme"])
        some = [indicator(n, 0, marking) for n, marking in enumerate(Marking)]
        added = await exchange.add(T, c, some)
        assert [one.id for one, _ in added.refused] == [some[3].id, some[4].id]
        assert len((await exchange.hand_over(T, c, PARTNER, Query())).rows) == 3
        # The collection becomes a community's: what is AMBER in it stays, and goes out to nobody of them.
        c = await made(exchange, audience=Audience.COMMUNITY, readers=["acme"])
        assert [row.object for row in (await exchange.hand_over(T, c, PARTNER, Query())).rows] == [
            some[0].id, some[1].id,
        ]  # fmt: skip
        assert len((await exchange.hand_over(T, c, OWN, Query())).rows) == 3

    on_exchange(work)


def test_an_unmarked_object_is_amber_unless_said_otherwise():
    async def work(exchange, world, _):
        c = await made(exchange, audience=Audience.COMMUNITY)
        assert len((await exchange.add(T, c, [indicator(1)])).refused) == 1
        open_ = Exchange(world.store("other"), world.clock, world.ids, MemoryAudit(), unmarked=Marking.CLEAR)
        c = await made(open_, audience=Audience.COMMUNITY)
        assert len((await open_.add(T, c, [indicator(1)])).kept) == 1

    on_exchange(work)


def test_every_hand_over_is_in_the_ledger_before_it_is_answered():
    async def work(exchange, world, log):
        c = await made(exchange, readers=["acme"])
        await exchange.add(T, c, [indicator(1), indicator(2)])
        await exchange.look(T, c, PARTNER, Query())
        assert log.entries == []
        await exchange.hand_over(T, c, PARTNER, Query())
        (entry,) = log.entries
        assert (entry.action, entry.actor, entry.subject, entry.body["objects"]) == ("sharing.exported", "acme", "c", 2)
        (export,) = await exchange.exports(T)
        assert (export.to, export.through, export.objects, export.digest) == ("acme", "c", 2, entry.body["digest"])
        await exchange.hand_over(T, c, PARTNER, Query(added_after_ns=world.clock.wall_ns() + 10**12))
        assert len(log.entries) == 1  # nothing was handed over

    on_exchange(work)


def test_a_status_tells_of_each_object_and_is_its_partners_own():
    async def work(exchange, world, _):
        c = await made(exchange, readers=["acme"], writers=["acme"])
        status = await exchange.take(
            T, c, PARTNER, envelope(indicator(1), StixObject({"type": "x"}), indicator(2, 0, Marking.RED))
        )
        assert (status.total, status.n_failures) == (3, 2)
        assert [one.id for one in status.successes] == [indicator(1).id]
        assert await exchange.status(T, status.id, PARTNER) == status
        with pytest.raises(NotFound):
            await exchange.status(T, status.id, STRANGER)
        with pytest.raises(InvalidInput):
            await exchange.take(T, c, PARTNER, b"{")

    on_exchange(work)


def test_the_oldest_statuses_give_way(monkeypatch):
    from phalanx.intel.sharing import _exchange

    monkeypatch.setattr(_exchange, "MAX_STATUSES", 3)

    async def work(exchange, world, _):
        c = await made(exchange, writers=["acme"])
        made_ = [await exchange.take(T, c, PARTNER, envelope(indicator(n))) for n in range(5)]
        assert [one.id for one in await exchange.statuses(T)] == [one.id for one in reversed(made_[2:])]
        with pytest.raises(NotFound):
            await exchange.status(T, made_[0].id, PARTNER)

    on_exchange(work)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ([("limit", "0")], "limit"),
        ([("limit", "x")], "limit"),
        ([("added_after", "yesterday")], "added_after"),
        ([("next", "x")], "next"),
        ([("match[id]", "x")], "match[id]"),
        ([("match[version]", "newest")], "match[version]"),
        ([("match[version]", "all,last")], "match[version]"),
        ([("match[colour]", "red")], "match[colour]"),
        ([("limit", "1"), ("limit", "2")], "limit"),
        ([("match[type]", ",".join(map(str, range(200))))], "match[type]"),
    ],
)
def test_a_filter_that_is_none_is_refused_by_name(params, field):
    with pytest.raises(InvalidInput) as caught:
        read_query(params, ceiling=Marking.AMBER)
    assert caught.value.field == field
