"""Pulling a collection through power losses and a server that fails: each object once, and no value is lost."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phalanx.core import DEFAULT_TENANT, Unavailable, iso_from_ns
from phalanx.intel.sharing import (
    Audience,
    Credentials,
    Exchange,
    HttpReply,
    Pulling,
    Query,
    Reader,
    Source,
    TaxiiClient,
)
from phalanx.testing import MemoryAudit, SimWorld

TAXII = "application/taxii+json;version=2.1"
ROOT = "https://cti.example/api/"
PAGE = 3


class Server:
    """A collection that grows. It takes time to answer, and sometimes does not; its cursors live for a while only."""

    def __init__(self, world, rng, n):
        self._world, self._rng = world, rng
        self.objects = [
            {
                "type": "indicator", "spec_version": "2.1", "id": f"indicator--00000000-0000-4000-8000-{one:012d}",
                "created": "2026-01-01T00:00:00.000Z", "modified": "2026-01-01T00:00:00.000Z",
                "pattern": f"[ipv4-addr:value = '198.51.100.{one}']", "pattern_type": "stix",
                "valid_from": "2026-01-01T00:00:00Z",
            }
            for one in range(n)
        ]  # fmt: skip
        self.added = [iso_from_ns((1_700_000_000 + one) * 10**9) for one in range(n)]
        self.shown = n // 2

    async def ask(self, method, url, *, headers, body, max_bytes, within_s):
        await self._world.clock.sleep(0.1 + self._rng.random())
        if self._rng.random() < 0.2:
            raise Unavailable(url, "it does not answer")
        query = dict(part.partition("=")[::2] for part in url.partition("?")[2].split("&"))
        after = query.get("added_after", "").replace("%3A", ":")
        left = [place for place in range(self.shown) if self.added[place] > after]
        if "next" in query:
            if self._rng.random() < 0.2:
                return HttpReply(400, {"content-type": TAXII}, b"{}")
            left = [place for place in left if place >= int(query["next"])]
        page, more = left[:PAGE], len(left) > PAGE
        envelope = {"more": more, "objects": [self.objects[place] for place in page]}
        if more:
            envelope["next"] = str(left[PAGE])
        dates = {"x-taxii-date-added-last": self.added[page[-1]]} if page else {}
        return HttpReply(200, {"content-type": TAXII} | dates, json.dumps(envelope).encode())


class Sink:
    """Takes its time, and has nothing before it is done."""

    def __init__(self, world):
        self._world = world
        self.values = []

    async def take(self, tenant, origin, indicators, revoked):
        await self._world.clock.sleep(2.0)
        self.values += [one.value for one in indicators]
        return ()


def pulling_of(node, server, sink):
    ports = node.ports()
    exchange = Exchange(ports.store, ports.clock, ports.ids, MemoryAudit())
    client = TaxiiClient(server, ports.clock, ROOT, Credentials())
    source = Source("there", ROOT, "c1", client, 1.0, Audience.PARTNER)
    return exchange, Pulling(exchange, ports.store, ports.clock, [source], sink=sink)


async def keep_pulling(node, server, sink, opened):
    opened[:] = _, pulling = pulling_of(node, server, sink)
    while True:
        try:
            await pulling.pull(DEFAULT_TENANT, "there")
        except Exception as error:
            if not hasattr(error, "code"):
                raise
        await node.world.clock.sleep(1.0)


@pytest.mark.requirement("INT-4")
@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_each_object_is_there_once_whatever_fails(seed):
    async def main(world):
        rng = world.rng.child("test")
        server, sink, node = Server(world, rng, 20), Sink(world), world.node("machine")
        opened = []
        for _ in range(rng.integer(1, 6)):
            node.start(lambda one: keep_pulling(one, server, sink, opened))
            await world.clock.sleep(rng.random() * 20)
            server.shown = min(20, server.shown + rng.integer(0, 6))
            await node.crash(power_loss=rng.random() < 0.5)
        server.shown = 20
        node.start(lambda one: keep_pulling(one, server, sink, opened))
        await world.clock.sleep(1.0)
        exchange, pulling = opened
        async with asyncio.timeout(300):
            while (await pulling.state(DEFAULT_TENANT, "there")).last_added != server.added[-1]:
                await world.clock.sleep(1.0)
        made = await exchange.collections.get(DEFAULT_TENANT, "from-there")
        query = Query(limit=100, versions=frozenset({"all"}))
        found = await exchange.look(DEFAULT_TENANT, made, Reader("x", partner=False), query)
        assert sorted(row.object for row in found.rows) == [one["id"] for one in server.objects]
        assert set(sink.values) == {f"198.51.100.{one}" for one in range(20)}
        await node.crash()

    SimWorld(seed).run(main)
