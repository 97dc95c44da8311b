"""The bus of a node over the API: routes, members, and dead letters that are replayed."""

import asyncio
import json

import pytest

from phalanx.core import TenantId
from phalanx.messaging import Kind, Member, Survey, SurveyedProcess, Way
from phalanx.trust import Role


@pytest.mark.requirement("MSG-1")
def test_routes_and_members_are_shown(on_node):
    async def work(api):
        found = (await api.http.get("/v1/messages")).raise_for_status().json()
        routes = {route["kind"]: route for route in found["routes"]}
        assert routes["alert"]["recipients"] == "everyone"
        assert (routes["alert"]["paths"], routes["alert"]["yields"]) == (2, False)
        assert found["streams"] == []
        box = api.node.bus.join(Member("visitor", tags=frozenset({"role:visitor"}), tenants=frozenset({"default"})))
        listed = (await api.http.get("/v1/messages/members", params={"limit": 1000})).raise_for_status().json()["items"]
        (one,) = [member for member in listed if member["address"] == box.address]
        assert (one["tags"], one["waiting"]) == (["role:visitor"], 0)
        stranger = await api.token(Role.VIEWER, TenantId("somebody-else"))
        theirs = (await api.http.get("/v1/messages/members", params={"limit": 1000}, headers=stranger)).json()["items"]
        assert box.address not in {member["address"] for member in theirs}

    on_node(work)


@pytest.mark.requirement("MSG-5")
def test_a_dead_letter_is_looked_at_replayed_and_discarded(on_node):
    async def work(api):
        bus, dead = api.node.bus, "/v1/messages/dead-letters"
        a, b = bus.join(Member("a")), bus.join(Member("b"))
        for body in (b"first", b"second"):
            a.send_nowait(Kind.COORDINATION, b.address, body)
        b.leave()
        await bus.dead_letters.flush()
        letters = (await api.http.get(dead)).raise_for_status().json()["items"]
        assert [(one["recipient"], one["outcome"], one["kind"]) for one in letters] == [
            (b.address, "unknown-recipient", "coordination")
        ] * 2
        # Both may be of one millisecond: then either may be listed first.
        letters.sort(key=lambda one: one["body_bytes"])
        first, second = (f"{dead}/{one['id']}" for one in letters)
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post(f"{first}/replay", headers=viewer)).status_code == 403
        assert (await api.http.get(first, headers=await api.token(Role.ADMIN, TenantId("t")))).status_code == 404
        b = bus.join(Member("b"))
        replaying = asyncio.create_task(api.http.post(f"{first}/replay"))
        assert (await b.receive()).body == b"first"
        assert (await replaying).raise_for_status().json() == {"id": letters[0]["id"], "taken": 1}
        b.leave()
        gone = await api.http.post(f"{second}/replay")
        assert (gone.status_code, gone.json()["code"]) == (409, "unknown-recipient")
        (await api.http.post(f"{second}/discard")).raise_for_status()
        assert (await api.http.get(dead)).json()["items"] == []

    on_node(work)


@pytest.mark.requirement("MSG-4")
def test_an_emergency_is_reported_and_recorded(on_node):
    async def work(api):
        bus = api.node.bus
        box = bus.join(Member("last"))
        sending = asyncio.create_task(
            api.http.post("/v1/messages/broadcast", json={"text": "isolate fs-01", "within_s": 60})
        )
        assert json.loads((await box.receive()).body) == {"text": "isolate fs-01", "by": "admin"}
        report = (await sending).raise_for_status().json()
        assert report["open_count"] == 0
        assert report["taken"] >= 1
        entries = (await api.http.get("/v1/ledger", params={"limit": 1000})).json()["items"]
        assert "messaging.broadcast" in {entry["action"] for entry in entries}
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.post("/v1/messages/broadcast", json={"text": "x"}, headers=viewer)).status_code == 403
        for bad in ({"text": ""}, {"text": "x", "within_s": 1e9}, {}):
            assert (await api.http.post("/v1/messages/broadcast", json=bad)).status_code == 422

    on_node(work)


@pytest.mark.requirement("MSG-6")
def test_graphs_over_the_cluster_as_it_measured_itself(on_node, monkeypatch):
    names = ("a", "b", "c", "d")
    survey = Survey(
        asked_by="a", at_ns=1,
        processes=tuple(SurveyedProcess(process=one, organisation="acme", answered=True) for one in names),
        ways=tuple(
            Way(here=here, there=there, round_trip_ms=4.0 if here == "a" else 50.0)
            for at, here in enumerate(names) for there in names[at + 1 :]
        ),
    )  # fmt: skip

    async def work(api):
        alone = await api.http.get("/v1/messages/topology")
        assert (alone.status_code, alone.json()["code"]) == (503, "unavailable")

        async def measured_so(_, within_s):
            assert within_s == 2.0
            return survey

        monkeypatch.setattr("phalanx.api._messages.surveyed", measured_so)
        asked = {"degree": ["2", "3"], "within_s": "2", "silent": "0.5", "trials": "4"}
        found = (await api.http.get("/v1/messages/topology", params=asked)).raise_for_status().json()
        assert [one["graph"] for one in found["report"]["graphs"]] == ["mesh", "tree", "regular-2", "regular-3"]
        assert found["report"]["measured"] is True
        tree = found["report"]["graphs"][1]
        assert (tree["links"], tree["path_ms_p99"]) == (3, 4.0)  # a star around the one that is near to all
        assert len(found["survey"]["ways"]) == 6
        picture = await api.http.get("/v1/messages/topology.svg", params=asked)
        assert picture.headers["content-type"].startswith("image/svg+xml")
        assert ">regular-2</text>" in picture.text
        for bad in ({"degree": "1"}, {"silent": "1"}, {"trials": "0"}, {"within_s": "1e9"}):
            assert (await api.http.get("/v1/messages/topology", params=bad)).status_code == 422

    on_node(work)
