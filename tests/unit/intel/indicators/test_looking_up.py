"""What is known of one value, also of its past, and how many values are looked for of each kind."""

import pytest

from phalanx.core import DEFAULT_TENANT, NS_PER_S, InvalidInput, TenantId, decode, encode
from phalanx.intel import Findings
from phalanx.intel.indicators import (
    EVERYBODY,
    ByHand,
    Indicator,
    Indicators,
    Kind,
    MemoryShelf,
    Note,
    State,
    Wanted,
    Warninglists,
    look_up,
)
from phalanx.intel.indicators import _levels as levels
from phalanx.intel.indicators._model import NoteRow
from phalanx.messaging import Marking
from phalanx.testing import InlineOffload, MemoryAudit, SimEntropy, SimWorld


def made(kind, value, source="feed", **more):
    return Indicator(kind=kind, value=value, source=source, **more)


def run(main):
    async def inside(world):
        store = world.store("disk")
        book = Indicators(
            store, MemoryShelf(), clock=world.clock, offload=InlineOffload(),
            entropy=SimEntropy(world.rng.child("e")), lists=Warninglists(),
        )  # fmt: skip
        await book.open()

        async def asked(value, kind=None):
            return await look_up(book, Findings(store), InlineOffload(), DEFAULT_TENANT, value, kind)

        await main(world, book, asked)

    SimWorld(3).run(inside)


def test_everything_that_covers_a_value_is_told_with_how_it_stands_and_since_when():
    async def main(world, book, asked):
        begun = world.clock.wall_ns()
        await book.put_many(DEFAULT_TENANT, [
            made(Kind.DOMAIN, "evil.com"), made(Kind.DOMAIN, "evil.com", "short", until_ns=begun + 5 * NS_PER_S),
            made(Kind.HOST, "www.evil.com", "later", from_ns=begun + 3600 * NS_PER_S),
        ])  # fmt: skip
        await world.clock.sleep(10)
        await book.put_many(EVERYBODY, [made(Kind.DOMAIN, "evil.com", "all")])
        found = await asked("hxxp://www[.]EVIL.com/x")
        assert (found.kind, found.value) == (Kind.URL, "http://www.evil.com/x")
        assert [(one.match.note.source, one.match.matched, one.state, one.match.scope) for one in found.known] == [
            ("later", "www.evil.com", State.LATER, DEFAULT_TENANT),
            ("short", "evil.com", State.OVER, DEFAULT_TENANT),
            ("feed", "evil.com", State.WANTED, DEFAULT_TENANT),
            ("all", "evil.com", State.WANTED, EVERYBODY),
        ]  # fmt: skip
        assert found.history.whole
        told = [((one.at_ns - begun) // NS_PER_S, one.value, one.source) for one in found.history.changes]
        assert told[0] == (10, "evil.com", "all")
        assert sorted(told[1:]) == [(0, "evil.com", "feed"), (0, "evil.com", "short"), (0, "www.evil.com", "later")]
        with pytest.raises(InvalidInput):
            await asked("ws-07")
        assert (await asked("good.org")).known == ()

    run(main)


def test_what_was_withdrawn_is_told_with_when_and_is_not_looked_for():
    async def main(world, book, asked):
        await book.put_many(DEFAULT_TENANT, [made(Kind.DOMAIN, "evil.com"), made(Kind.ADDRESS, "45.13.9.9", "bad")])
        await world.clock.sleep(1)
        await book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, "evil.com")])
        await book.remove_source(DEFAULT_TENANT, "bad")
        found = await asked("evil.com")
        assert [one for one in found.known if one.state is State.WANTED] == []
        assert [(one.removed, one.source) for one in found.history.changes] == [(True, ""), (False, "feed")]
        [known] = (await asked("45.13.9.9")).known
        assert known.state is State.WITHDRAWN
        await book.put_many(DEFAULT_TENANT, [made(Kind.DOMAIN, "evil.com", "again")])
        assert [one.state for one in (await asked("evil.com")).known] == [State.WANTED]

    run(main)


def test_values_are_counted_by_source_kind_and_marking_as_they_are_looked_for_now(monkeypatch):
    async def main(world, book, asked):
        until = world.clock.wall_ns() + 5 * NS_PER_S
        many = [made(Kind.DOMAIN, f"evil-{n}.com") for n in range(100)]
        await book.put_many(DEFAULT_TENANT, [
            *many, made(Kind.ADDRESS, "45.13.9.9", "hand", marking=Marking.RED),
            made(Kind.MD5, "a" * 32, "hand", until_ns=until),
        ])  # fmt: skip
        await book.put_many(DEFAULT_TENANT, many[:3])
        counted = book.census(DEFAULT_TENANT)
        assert (counted.values, counted.exact, counted.untold) == (102, True, 0)
        await book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, "evil-7.com")])
        await world.clock.sleep(6)
        counted = book.census(DEFAULT_TENANT)
        assert counted.sources == {"feed": 99, "hand": 1}
        assert counted.kinds == {Kind.DOMAIN: 99, Kind.ADDRESS: 1}
        assert counted.markings == {Marking.AMBER: 99, Marking.RED: 1}
        monkeypatch.setattr(levels, "MAX_COUNTED_VALUES", 50)
        assert not book.census(DEFAULT_TENANT).exact
        assert book.census(TenantId("nobody")).values == 0

    run(main)


def test_notes_of_a_time_without_kinds_are_read_and_counted_apart():
    row = NoteRow(id="0", tenant=DEFAULT_TENANT, trace="", at_ns=1, first=0, notes=(Note(source="feed"),))
    before = encode(row).replace(b"\xa1v\x02", b"\xa1v\x01")
    assert before != encode(row)
    assert decode(before, NoteRow).notes == (Note(source="feed", kind=None),)


def test_what_people_put_and_take_away_is_in_the_ledger_with_who_and_why():
    async def main(world, book, asked):
        audit = MemoryAudit()
        hand = ByHand(book, audit, world.clock, InlineOffload())
        begun = world.clock.wall_ns()
        wanted = Wanted(source="ticket 7", name="C2", days=2, marking=Marking.GREEN)
        taken = await hand.put(DEFAULT_TENANT, b"evil.com\n10.0.0.1\n", wanted, everybody=False, by="ana")
        assert (taken.taken, [one.value for one in taken.refused]) == (1, ["10.0.0.1"])
        [known] = (await asked("evil.com")).known
        assert known.match.note.until_ns - begun == 2 * 86_400 * NS_PER_S
        for source in ("", " "):
            with pytest.raises(InvalidInput):
                await hand.put(DEFAULT_TENANT, b"x.com", Wanted(source=source), everybody=False, by="ana")
        with pytest.raises(InvalidInput):
            await hand.put(DEFAULT_TENANT, b"\xff", wanted, everybody=False, by="ana")
        gone = await hand.withdraw(
            DEFAULT_TENANT, "Evil.COM.", None, everybody=False, reason=" a  mistake ", by="ben"
        )  # fmt: skip
        assert gone == (Kind.DOMAIN, "evil.com")
        await hand.put(DEFAULT_TENANT, "\n".join(f"e{n}.com" for n in range(11)).encode(), wanted,
                       everybody=True, by="ana")  # fmt: skip
        assert await hand.withdraw_source(DEFAULT_TENANT, "ticket 7", everybody=True, reason="", by="ana") == 1
        told = [(one.actor, one.action, one.subject, one.tenant) for one in audit.entries]
        assert told == [
            ("ana", "indicators.put", "ticket 7", DEFAULT_TENANT),
            ("ben", "indicators.withdrawn", "evil.com", DEFAULT_TENANT),
            ("ana", "indicators.put", "ticket 7", DEFAULT_TENANT),
            ("ana", "indicators.source-withdrawn", "ticket 7", DEFAULT_TENANT),
        ]  # fmt: skip
        bodies = [one.body for one in audit.entries]
        assert (bodies[0]["values"], bodies[0]["refused"], bodies[0]["marking"]) == (
            ["evil.com"], 1, "TLP:GREEN",
        )  # fmt: skip
        assert bodies[1]["why"] == "a mistake"
        assert (bodies[2]["values"], bodies[2]["taken"], bodies[2]["everybody"]) == ([], 11, True)

    run(main)
