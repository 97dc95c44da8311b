"""The live stream: what happens is told as it happens, gaps are told, and it ends when it should."""

import asyncio
import contextlib
import json

import pytest

from phalanx.api import _live
from phalanx.core import DEFAULT_TENANT, Waypoint, derive_id
from phalanx.trust import Role

# A stream pulses on for ever: what has not come by then does not come.
MAX_MESSAGES = 500


class Reader:
    """An SSE client that speaks ASGI, so that it sees the stream as it is sent."""

    def __init__(self, app, headers):
        self.messages = asyncio.Queue()
        self.left = asyncio.Event()
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
                 "method": "GET", "path": "/v1/live", "raw_path": b"/v1/live", "root_path": "", "scheme": "http",
                 "query_string": b"", "headers": raw, "client": ("127.0.0.1", 1), "server": ("node", 80)}  # fmt: skip
        self.task = asyncio.create_task(app(scope, self._receive, self.messages.put))
        self.text = ""

    async def _receive(self):
        if not self.messages.empty() or not getattr(self, "asked", False):
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def status(self):
        return (await self.messages.get())["status"]

    async def event(self, *kinds):
        """The next event of one of ``kinds``: its kind, id and data."""
        for _ in range(MAX_MESSAGES):
            while "\n\n" in self.text:
                block, _, self.text = self.text.partition("\n\n")
                fields = dict(line.split(": ", 1) for line in block.splitlines())
                if fields.get("event") in kinds:
                    return fields["event"], fields.get("id", ""), json.loads(fields["data"])
            message = await asyncio.wait_for(self.messages.get(), 20)
            assert message.get("more_body", True), "the stream ended"
            self.text += message.get("body", b"").decode()
        raise AssertionError(f"none of {kinds} came")

    async def end(self):
        for _ in range(MAX_MESSAGES):
            if not (await asyncio.wait_for(self.messages.get(), 20)).get("more_body", True):
                return await self.task
        raise AssertionError("the stream did not end")

    async def leave(self):
        self.left.set()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


def made(number, *, tenant=DEFAULT_TENANT):
    return Waypoint(
        id=derive_id(number * 1_000_000, "waypoint", "test", str(number)), tenant=tenant, trace="t", at_ns=number,
        room="intel", stage="finding", subject=str(number), summary=f"number {number}",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _quick_pulse(monkeypatch):
    monkeypatch.setattr(_live, "PULSE_S", 0.01)


def test_what_happens_is_told_with_the_counters_beside_it(on_node):
    async def work(api):
        reader = Reader(api.app, await api.token(Role.VIEWER))
        assert await reader.status() == 200
        assert (await reader.event("pulse"))[2]["events"] == 0
        taken = await api.intrusion()
        stages, told = [], set()
        while stages.count("mission-done") < max(1, stages.count("mission")):
            _, name, waypoint = await reader.event("waypoint")
            assert name == waypoint["id"]
            assert waypoint["trace"] == taken["first_event"]
            assert name not in told
            told.add(name)
            stages.append(waypoint["stage"])
        assert stages[:2] == ["accepted", "finding"]
        pulse = (await reader.event("pulse"))[2]
        while pulse["events"] == 0:
            pulse = (await reader.event("pulse"))[2]
        assert pulse["findings"] == 1
        assert pulse["ledger_entries"] >= stages.count("ledger")
        assert pulse["detect_p99_ms"] > 0
        await reader.leave()

    on_node(work)


def test_a_reader_that_comes_back_gets_what_it_missed_and_is_told_so(on_node):
    async def work(api):
        await api.intrusion()
        token = await api.token(Role.VIEWER)
        points = (await api.http.get("/v1/traces/" + (await _any_trace(api)))).json()["waypoints"]
        seen = points[0]["id"]
        reader = Reader(api.app, token | {"Last-Event-ID": seen})
        missed = []
        while True:
            kind, _, data = await reader.event("waypoint", "resumed")
            if kind == "resumed":
                break
            missed.append(data["id"])
        assert data == {"sent": len(missed), "complete": True}
        assert set(missed) == {point["id"] for point in points} - {seen}
        await reader.leave()
        unknown = Reader(api.app, token | {"Last-Event-ID": derive_id(1, "never")})
        assert (await unknown.event("resumed"))[2] == {"sent": 0, "complete": False}
        await unknown.leave()
        refused = Reader(api.app, token | {"Last-Event-ID": "not an id"})
        assert await refused.status() == 422
        await refused.task

    on_node(work)


async def _any_trace(api):
    return (await api.http.get("/v1/findings")).json()["items"][0]["trace"]


def test_more_was_missed_than_is_kept_for_a_reader(on_node, monkeypatch):
    monkeypatch.setattr(_live, "MAX_RESUMED_WAYPOINTS", 3)

    async def work(api):
        await api.intrusion()
        points = (await api.http.get("/v1/traces/" + (await _any_trace(api)))).json()["waypoints"]
        reader = Reader(api.app, await api.token(Role.VIEWER) | {"Last-Event-ID": points[0]["id"]})
        assert (await reader.event("resumed"))[2] == {"sent": 3, "complete": False}
        await reader.leave()

    on_node(work)


def test_a_slow_reader_is_told_how_much_it_lost(on_node, monkeypatch):
    monkeypatch.setattr(_live, "LIVE_CAPACITY", 5)

    async def work(api):
        reader = Reader(api.app, await api.token(Role.VIEWER))
        await reader.event("pulse")
        await reader.event("pulse")
        for number in range(100):
            api.node.telemetry.feed.publish(made(number))
        got, lost = [], None
        while lost is None:
            kind, _, data = await reader.event("waypoint", "dropped")
            if kind == "dropped":
                lost = data["dropped"]
            else:
                got.append(data["summary"])
        assert got[-1] == "number 99"
        assert lost + len(got) == 100
        await reader.leave()

    on_node(work)


def test_a_stream_carries_nothing_of_another_tenant(on_node):
    async def work(api):
        reader = Reader(api.app, await api.token(Role.VIEWER))
        await reader.event("pulse")
        await reader.event("pulse")
        api.node.telemetry.feed.publish(made(1, tenant="other"))
        api.node.telemetry.feed.publish(made(2))
        assert (await reader.event("waypoint"))[2]["summary"] == "number 2"
        await reader.leave()

    on_node(work)


def test_a_stream_ends_when_its_token_is_revoked(on_node, monkeypatch):
    monkeypatch.setattr(_live, "RECHECK_S", 0)

    async def work(api):
        issued = await api.node.tokens.issue(DEFAULT_TENANT, "screen", Role.VIEWER)
        reader = Reader(api.app, {"Authorization": f"Bearer {issued.secret}"})
        await reader.event("pulse")
        await api.node.tokens.revoke(issued.record.id)
        await reader.end()

    on_node(work)


def test_streams_end_with_the_feed_and_leave_nothing_behind(on_node):
    async def work(api):
        feed = api.node.telemetry.feed
        readers = [Reader(api.app, await api.token(Role.VIEWER)) for _ in range(3)]
        for reader in readers:
            await reader.event("pulse")
        await readers[0].leave()
        assert len(feed._open) == 2
        feed.close()
        for reader in readers[1:]:
            await reader.end()
        assert feed._open == []

    on_node(work)
