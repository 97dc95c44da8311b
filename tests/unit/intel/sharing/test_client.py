"""The TAXII client and the pulls against a scripted server: patience, bounds, secrets, and each object once."""

import json

import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, Unavailable
from phalanx.intel.sharing import (
    TLP_2,
    Audience,
    Credentials,
    Exchange,
    HttpReply,
    Pulling,
    Query,
    Reader,
    Source,
    TaxiiClient,
    TaxiiRefused,
    checked,
)
from phalanx.messaging import Marking
from phalanx.testing import MemoryAudit, SimWorld

pytestmark = pytest.mark.requirement("INT-4")

TAXII = "application/taxii+json;version=2.1"
ROOT = "https://cti.example/api/"
T = DEFAULT_TENANT


def indicator(n, **more):
    return {
        "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{n:012d}",
        "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
        "pattern": f"[ipv4-addr:value = '198.51.100.{n}']", "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def ok(value, **headers):
    return HttpReply(200, {"content-type": TAXII} | headers, json.dumps(value).encode())


class Script:
    """Answers with what it was told to, in order, and remembers what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def ask(self, method, url, *, headers, body, max_bytes, within_s):
        self.asked.append((method, url, headers, body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Sink:
    def __init__(self):
        self.taken = []

    async def take(self, tenant, origin, indicators, revoked):
        self.taken += [one.value for one in indicators]
        return ()


def on_client(script, work, **credentials):
    async def main(world):
        client = TaxiiClient(script, world.clock, f"{ROOT}taxii2/", Credentials(**credentials))
        return await work(client, world)

    return SimWorld(1).run(main)


def test_it_waits_as_long_as_it_is_asked_to():
    script = Script(
        HttpReply(429, {"retry-after": "40", "content-type": TAXII}, b"{}"),
        HttpReply(503, {"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, b""),
        Unavailable("x", "gone"),
        ok({"collections": [{"id": "c"}]}),
    )

    async def work(client, world):
        begun = world.clock.monotonic_ns()
        assert await client.collections(ROOT) == [{"id": "c"}]
        return (world.clock.monotonic_ns() - begun) / 1e9

    assert on_client(script, work) == 40 + 2 + 4


def test_it_gives_up_in_the_end_and_at_once_where_waiting_does_not_help():
    async def work(client, world):
        with pytest.raises(TaxiiRefused):
            await client.collections(ROOT)

    many = Script(*[HttpReply(503, {}, b"") for _ in range(9)])
    on_client(many, work)
    assert len(many.asked) == 5
    once = Script(HttpReply(403, {}, b'{"title": "no"}'))
    on_client(once, work)
    assert len(once.asked) == 1


def test_a_secret_goes_nowhere_else():
    script = Script(ok({"title": "t", "api_roots": ["https://evil.example/api/", "/api2/"]}))

    async def work(client, world):
        found = await client.discover()
        assert found["api_roots"] == ["https://evil.example/api/", "https://cti.example/api2/"]
        for root in ("https://evil.example/api/", "http://cti.example/api/", "https://cti.example:444/"):
            with pytest.raises(InvalidInput):
                await client.collections(root)

    on_client(script, work, secret="s")
    assert [headers["Authorization"] for _, _, headers, _ in script.asked] == ["Bearer s"]


@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(200, {"content-type": "text/html"}, b"<html>"),
        HttpReply(200, {"content-type": TAXII}, b"{"),
        HttpReply(200, {"content-type": TAXII}, b"[]"),
        ok({"collections": 5}),
        ok({"collections": [5]}),
    ],
)
def test_an_answer_that_is_none_is_refused(reply):
    async def work(client, world):
        with pytest.raises(Unavailable):
            await client.collections(ROOT)

    on_client(Script(reply), work)


def on_pulling(script, work, *, audience=Audience.PARTNER):
    async def main(world):
        store, ledger, sink = world.store("disk"), MemoryAudit(), Sink()
        exchange = Exchange(store, world.clock, world.ids, ledger)
        client = TaxiiClient(script, world.clock, ROOT, Credentials("u", "p"))
        source = Source("there", ROOT, "c1", client, 60.0, audience)
        pulling = Pulling(exchange, store, world.clock, [source], sink=sink)
        return await work(pulling, exchange, ledger, sink)

    return SimWorld(1).run(main)


def page(*numbers, after="", last="2026-03-01T00:00:00.000001Z"):
    more = {"more": True, "next": after} if after else {"more": False}
    return ok(more | {"objects": [indicator(n) for n in numbers]}, **{"x-taxii-date-added-last": last})


async def kept(exchange):
    collection = await exchange.collections.get(T, "from-there")
    found = await exchange.look(T, collection, Reader("x", partner=False), Query(limit=1_000))
    return [int(row.object[-12:]) for row in found.rows]


def test_a_pull_follows_pages_and_the_next_begins_behind_them():
    script = Script(page(1, 2, after="k"), page(3), page(), page(4, last="2026-03-02T00:00:00.000000Z"))

    async def work(pulling, exchange, ledger, sink):
        state = await pulling.pull(T, "there")
        assert (state.objects, state.indicators, state.problem) == (3, 3, "")
        await pulling.pull(T, "there")
        state = await pulling.pull(T, "there")
        assert state.added_after == "2026-03-02T00:00:00.000000Z"
        assert await kept(exchange) == [1, 2, 3, 4]
        assert sink.taken == [f"198.51.100.{n}" for n in (1, 2, 3, 4)]

    on_pulling(script, work)
    urls = [url for _, url, _, _ in script.asked]
    assert "next=k" in urls[1]
    assert all("added_after=2026-03-01T00%3A00%3A00.000001Z" in url for url in urls[2:])


def test_a_pull_that_is_cut_off_goes_on_behind_its_last_page():
    gone = [Unavailable("x", "gone")] * 5
    script = Script(page(1, 2, after="k"), *gone, page(3))

    async def work(pulling, exchange, ledger, sink):
        with pytest.raises(Unavailable):
            await pulling.pull(T, "there")
        assert (await pulling.state(T, "there")).problem
        assert await kept(exchange) == [1, 2]
        assert (await pulling.pull(T, "there")).problem == ""
        assert await kept(exchange) == [1, 2, 3]

    on_pulling(script, work)
    assert "next=k" in script.asked[-1][1]


def test_a_cursor_that_was_forgotten_begins_again_and_nothing_is_there_twice():
    forgotten = HttpReply(400, {"content-type": TAXII}, b'{"title": "next not valid"}')
    script = Script(page(1, 2, after="k"), forgotten, page(1, 2, 3))

    async def work(pulling, exchange, ledger, sink):
        with pytest.raises(TaxiiRefused):
            await pulling.pull(T, "there")
        await pulling.pull(T, "there")
        assert await kept(exchange) == [1, 2, 3]

    on_pulling(script, work)
    assert "next=" not in script.asked[-1][1]


def test_a_push_sends_what_the_audience_may_have_and_is_on_record_first():
    script = Script(ok({"id": "s", "status": "pending"}), ok({"id": "s", "status": "complete", "failure_count": 1}))

    async def work(pulling, exchange, ledger, sink):
        here = await exchange.collections.make(T, "mine", audience=Audience.OWN, by="me")
        marked = [
            checked(indicator(n, object_marking_refs=[TLP_2[marking]]), where="x")
            for n, marking in enumerate((Marking.GREEN, Marking.AMBER, Marking.AMBER_STRICT))
        ]
        await exchange.add(T, here, marked)
        assert await pulling.push(T, "there", "mine", by="op") == {"sent": 2, "failed": 1}
        assert [entry.body["objects"] for entry in ledger.entries] == [2]
        assert ledger.entries[0].action == "sharing.exported"

    on_pulling(script, work)
    method, url, headers, body = script.asked[0]
    assert (method, url) == ("POST", f"{ROOT}collections/c1/objects/")
    assert headers["Content-Type"] == TAXII
    assert headers["Authorization"].startswith("Basic ")
    assert [one["id"][-1] for one in json.loads(body)["objects"]] == ["0", "1"]
