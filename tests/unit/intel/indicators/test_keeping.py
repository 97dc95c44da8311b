"""What is kept of indicators: what ended stays ended, nothing grows without end, no failure leaves a book behind."""

import pytest

from phalanx.adapters.storage import FolderShelf
from phalanx.core import DEFAULT_TENANT, NS_PER_S, Conflict, StorageFull, TenantId
from phalanx.crypto.vault import Shredded
from phalanx.intel.indicators import VALUES, Indicator, Indicators, Kind, MemoryShelf, Warninglists
from phalanx.intel.indicators._model import NOTES
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

pytestmark = pytest.mark.requirement("INT-2")


class Kept:
    """Indicators of one store and shelf, opened anew as often as wanted."""

    def __init__(self, world, shelf=None):
        self.world, self.store = world, world.store("disk")
        self.shelf = MemoryShelf() if shelf is None else shelf
        self.entropy = SimEntropy(world.rng.child("e"))

    async def opened(self, store=None):
        self.book = Indicators(
            store or self.store, self.shelf, clock=self.world.clock, offload=InlineOffload(), entropy=self.entropy,
            lists=Warninglists(),
        )  # fmt: skip
        await self.book.open()
        return self.book

    async def put(self, *names, source="feed", **more):
        made = [Indicator(kind=Kind.DOMAIN, value=name, source=source, **more) for name in names]
        await self.book.put_many(DEFAULT_TENANT, made)

    def found(self, *names):
        return {one.matched for one in self.book.match(DEFAULT_TENANT, [(Kind.HOST, name) for name in names])}

    async def rows(self, table=VALUES):
        return len(await self.store.scan(table, DEFAULT_TENANT))

    def lose_files(self):
        for name in self.shelf.names():
            self.shelf.remove(name)

    def now_ns(self):
        return self.world.clock.wall_ns()


def kept(work, shelf=None, seed=3):
    async def main(world):
        it = Kept(world, shelf)
        await it.opened()
        await work(it)

    SimWorld(seed).run(main)


MANY = [f"n{number}.net" for number in range(200)]


def test_what_its_source_ended_does_not_come_back_from_what_that_said_before():
    async def work(it):
        await it.put("bad.net", *MANY)
        await it.book.flush()
        await it.put("bad.net", until_ns=it.now_ns() + 5 * NS_PER_S)
        assert it.found("bad.net") == {"bad.net"}
        await it.world.clock.sleep(6)
        for number in range(3):
            await it.put(f"more{number}.net")
            assert it.found("bad.net") == set(), number
        for step in (it.book.flush, it.opened, it.book.tidy, it.opened):
            await step()
            assert it.found("bad.net") == set()
        it.lose_files()
        await it.opened()
        assert it.found("bad.net", "n7.net", "more1.net") == {"n7.net", "more1.net"}

    kept(work)


def test_what_is_put_again_and_again_takes_no_more_room_than_once():
    async def work(it):
        for number in range(20):
            await it.put(*MANY, confidence=0.5 if number % 2 else 0.6)
        await it.book.tidy()
        assert await it.rows() == 1
        await it.opened()
        assert len(it.found(*MANY)) == len(MANY)

    kept(work)


def test_rows_of_which_little_is_left_are_made_smaller():
    async def work(it):
        await it.put(*MANY)
        before = sum(len(row.value) for row in await it.store.scan(VALUES, DEFAULT_TENANT))
        await it.put(*MANY[5:])
        await it.put("other.net")
        await it.book.tidy()
        assert await it.rows() == 3
        after = [len(row.value) for row in await it.store.scan(VALUES, DEFAULT_TENANT)]
        assert after[0] < before // 4
        it.lose_files()
        await it.opened()
        assert it.found(*MANY, "other.net") == {*MANY, "other.net"}
        listed, _ = await it.book.listed(DEFAULT_TENANT, limit=1_000)
        assert sorted(one.value for one in listed) == sorted({*MANY, "other.net"})

    kept(work)


def test_removals_go_once_nothing_is_left_that_they_are_about():
    async def work(it):
        await it.put(*MANY)
        for name in MANY[:50]:
            await it.book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, name)])
        assert await it.rows() == 51
        await it.book.tidy()
        assert await it.rows() == 1
        it.lose_files()
        await it.opened()
        assert it.found(*MANY) == set(MANY[50:]), "also where all is made anew of rows"

    kept(work)


def test_a_crash_while_tidying_brings_nothing_back(monkeypatch):
    class Dies:
        def __init__(self, store, after):
            self.store, self.left = store, after

        def __getattr__(self, name):
            return getattr(self.store, name)

        async def commit(self, writes, **more):
            self.left -= 1
            if self.left < 0:
                raise ConnectionError("the machine is off")
            return await self.store.commit(writes, **more)

    async def work(it):
        for after in range(12):
            await it.opened()
            await it.put("bad.net", "worse.net", *MANY)
            await it.put("worse.net", until_ns=it.now_ns() + NS_PER_S)
            await it.book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, "bad.net")])
            await it.put(*MANY)
            await it.world.clock.sleep(2)
            await it.opened(Dies(it.store, after))
            try:
                await it.book.tidy()
            except ConnectionError:
                it.lose_files()
            await it.opened()
            assert it.found("bad.net", "worse.net", "n3.net") == {"n3.net"}, after

    kept(work)


def test_notes_that_nothing_is_left_of_make_room_for_others(monkeypatch):
    monkeypatch.setattr("phalanx.intel.indicators._book.MAX_NOTES", 20)

    async def work(it):
        for number in range(30):
            names = [f"x{number}-{place}.net" for place in range(5)]
            for name in names:
                await it.put(name, reference=f"indicator--{name}", until_ns=it.now_ns() + 15 * NS_PER_S)
            assert it.found(*names) == set(names)
            await it.world.clock.sleep(6)
            await it.book.tidy()
            if number % 7 == 0:
                it.lose_files()
            await it.opened()
            earlier = [f"x{which}-{place}.net" for which in range(max(0, number - 5), number + 1) for place in range(5)]
            assert it.found(*earlier) == {f"x{which}-{place}.net" for which in range(max(0, number - 1), number + 1)
                                          for place in range(5)}, number  # fmt: skip
        for match in it.book.match(DEFAULT_TENANT, [(Kind.HOST, name) for name in earlier]):
            assert match.note.reference == f"indicator--{match.matched}"
        assert await it.rows(NOTES) <= 20

    kept(work)


class Failing:
    """A store one commit of which fails, before or after it went through."""

    def __init__(self, store, *, goes_through):
        self.store, self.fails, self.goes_through = store, False, goes_through

    def __getattr__(self, name):
        return getattr(self.store, name)

    async def commit(self, writes, **more):
        if self.fails:
            self.fails = False
            if self.goes_through:
                await self.store.commit(writes, **more)
            raise ConnectionError("the line is cut")
        return await self.store.commit(writes, **more)


@pytest.mark.parametrize("goes_through", [False, True])
@pytest.mark.parametrize("change", ["put", "remove", "revoke", "flush", "tidy"])
def test_a_commit_of_which_nobody_knows_leaves_no_book_that_takes_nothing_more(change, goes_through):
    async def work(it):
        store = Failing(it.store, goes_through=goes_through)
        await it.opened(store)
        await it.put("first.net", reference="r1")
        store.fails = True
        changes = {
            "put": lambda: it.put("second.net"), "flush": it.book.flush, "tidy": it.book.tidy,
            "remove": lambda: it.book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, "first.net")]),
            "revoke": lambda: it.book.revoke(DEFAULT_TENANT, ["r1"]),
        }  # fmt: skip
        with pytest.raises(ConnectionError):
            await changes[change]()
        await it.put("third.net")
        names = ("first.net", "second.net", "third.net")
        wanted = {"third.net"} | ({"second.net"} if change == "put" and goes_through else set())
        wanted |= set() if change in ("remove", "revoke") and goes_through else {"first.net"}
        assert it.found(*names) == wanted, "what went through counts, and nothing else"
        await it.opened()
        assert it.found(*names) == wanted

    kept(work)


def test_what_replaces_a_source_comes_with_what_it_replaces_or_not_at_all():
    async def work(it):
        await it.put("old.net", "stays.net")
        await it.put("other.net", source="second")
        store = Failing(it.store, goes_through=False)
        await it.opened(store)
        wanted = [Indicator(kind=Kind.DOMAIN, value=name, source="feed") for name in ("stays.net", "new.net")]
        names = ("old.net", "stays.net", "new.net", "other.net")
        store.fails = True
        with pytest.raises(ConnectionError):
            await it.book.put_many(DEFAULT_TENANT, wanted, replacing="feed")
        assert it.found(*names) == {"old.net", "stays.net", "other.net"}
        for replaced in (1, 1):
            report = await it.book.put_many(DEFAULT_TENANT, wanted, replacing="feed")
            assert report.replaced == replaced
            assert it.found(*names) == {"stays.net", "new.net", "other.net"}
            await it.book.tidy()
            it.lose_files()
            await it.opened(store)
            assert it.found(*names) == {"stays.net", "new.net", "other.net"}
        assert (await it.book.put_many(DEFAULT_TENANT, [], replacing="feed")).replaced == 1
        assert it.found(*names) == {"other.net"}

    kept(work)


def test_a_second_writer_is_noticed_and_nothing_of_it_is_lost():
    async def work(it):
        first = it.book
        await it.put("first.net")
        second = await it.opened()
        await it.put("second.net")
        it.book = first
        with pytest.raises(Conflict):
            await it.put("third.net")
        await it.put("third.net")
        assert it.found("first.net", "second.net", "third.net") == {"first.net", "second.net", "third.net"}
        assert second is not first

    kept(work)


def test_without_room_for_files_what_was_put_is_looked_for_and_nobody_is_told_otherwise(monkeypatch):
    monkeypatch.setattr("phalanx.intel.indicators._levels.FLUSH_VALUES", 10)

    class Full(MemoryShelf):
        full = True

        def write(self, name, pieces):
            if self.full:
                raise StorageFull("indicators")
            return super().write(name, pieces)

    async def work(it):
        for number in range(4):
            await it.put(*(f"x{number}-{place}.net" for place in range(20)))
        assert it.found("x0-1.net", "x3-7.net") == {"x0-1.net", "x3-7.net"}
        assert await it.rows() == 4
        it.shelf.full = False
        await it.put("last.net")
        assert it.shelf.names()
        await it.opened()
        assert it.found("x0-1.net", "last.net") == {"x0-1.net", "last.net"}

    kept(work, Full())


def test_tenants_whose_long_names_begin_alike_have_files_of_their_own():
    async def work(it):
        tenants = [TenantId("organisation " * 5 + end) for end in ("north", "south", "")]
        for number, tenant in enumerate(tenants):
            await it.book.put_many(tenant, [Indicator(kind=Kind.DOMAIN, value=f"x{number}.net", source="feed")])
            await it.book.flush()
        assert len(it.shelf.names()) == 3
        await it.opened()
        for number, tenant in enumerate(tenants):
            assert it.book.match(tenant, [(Kind.HOST, f"x{number}.net")])
        assert len(it.shelf.names()) == 3

    kept(work)


def test_a_file_that_a_kill_left_half_written_is_removed(tmp_path):
    shelf = FolderShelf(tmp_path)

    async def work(it):
        await it.put(*MANY)
        await it.book.flush()
        [name] = shelf.names()
        (tmp_path / f"{name.rpartition('-')[0]}-00000099.new").write_bytes(b"half")
        await it.opened()
        assert [file.name for file in tmp_path.iterdir()] == [name]
        assert it.found("n3.net")

    kept(work, shelf)


def test_a_shredded_tenant_holds_up_nobody_and_leaves_no_file():
    class Shreds:
        tenant = None

        def __init__(self, store):
            self.store = store

        def __getattr__(self, name):
            return getattr(self.store, name)

        async def tenants(self, table):
            return [one for one in await self.store.tenants(table) if one != self.tenant]

        async def commit(self, writes, **more):
            if any(write.tenant == self.tenant for write in writes):
                raise Shredded(self.tenant)
            return await self.store.commit(writes, **more)

    async def work(it):
        store = Shreds(it.store)
        await it.opened(store)
        gone, last = TenantId("a"), TenantId("z")
        for tenant in (gone, DEFAULT_TENANT, last):
            await it.book.put_many(tenant, [Indicator(kind=Kind.DOMAIN, value="bad.net", source="feed")])
            await it.book.put_many(tenant, [Indicator(kind=Kind.DOMAIN, value="bad.net", source="feed")])
            await it.book.flush()
        assert len(it.shelf.names()) == 3
        store.tenant = gone
        for again in (False, True):
            if again:
                it.shelf.write("61-00000009", [b"what a kill left of it"])
                await it.opened(store)
            assert await it.book.tidy() == (0 if again else 2)
            assert len(it.shelf.names()) == 2
            assert not it.book.match(gone, [(Kind.HOST, "bad.net")])
            assert it.book.match(last, [(Kind.HOST, "bad.net")])

    kept(work)


class Model:
    """The same, of a list that is gone through."""

    def __init__(self):
        self.said = []

    def put(self, name, source, reference, until_ns):
        self.said.append([name, source, reference, until_ns])

    def drop(self, about):
        self.said = [one for one in self.said if not about(one)]

    def found(self, name, now_ns):
        latest = {(source, reference): until_ns for one, source, reference, until_ns in self.said if one == name}
        return any(not until_ns or until_ns > now_ns for until_ns in latest.values())


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_done_what_is_found_is_what_a_list_would_say(seed, monkeypatch):
    monkeypatch.setattr("phalanx.intel.indicators._levels.FLUSH_VALUES", 12)
    monkeypatch.setattr("phalanx.intel.indicators._book.NOTES_PER_ROW", 3)
    monkeypatch.setattr("phalanx.intel.indicators._rows.CHUNK_VALUES", 5)
    names = [f"v{number}.net" for number in range(12)]

    async def work(it):
        rng, model = it.world.rng.child("ops"), Model()

        async def put():
            some = sorted({names[rng.integer(0, len(names))] for _ in range(rng.integer(1, 9))})
            source, reference = f"s{rng.integer(0, 2)}", f"r{rng.integer(0, 2)}"
            until_ns = it.now_ns() + rng.integer(1, 9) * NS_PER_S if rng.integer(0, 2) else 0
            await it.put(*some, source=source, reference=reference, until_ns=until_ns)
            for name in some:
                model.put(name, source, reference, until_ns)

        async def remove():
            name = names[rng.integer(0, len(names))]
            await it.book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, name)])
            model.drop(lambda one: one[0] == name)

        async def revoke():
            await it.book.revoke(DEFAULT_TENANT, ["r1"])
            model.drop(lambda one: one[2] == "r1")

        async def forget():
            await it.book.remove_source(DEFAULT_TENANT, "s1")
            model.drop(lambda one: one[1] == "s1")

        async def wait():
            await it.world.clock.sleep(rng.integer(1, 4))

        async def rebuild():
            it.lose_files()
            await it.opened()

        steps = [put, put, put, put, remove, revoke, forget, wait, wait, it.opened, rebuild]
        for number in range(80):
            if (step := rng.integer(0, len(steps) + 2)) >= len(steps):
                await (it.book.flush() if step == len(steps) else it.book.tidy())
            else:
                await steps[step]()
            wanted = {name for name in names if model.found(name, it.now_ns())}
            assert it.found(*names) == wanted, number
            listed, _ = await it.book.listed(DEFAULT_TENANT)
            assert {one.value for one in listed} == wanted, number

    kept(work, seed=seed)
