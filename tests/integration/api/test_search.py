"""Searching through the API: questions, their pages, a rule, saved hunts, and what is refused."""

import pytest

from phalanx.intel import HYPOTHESES
from phalanx.trust import Role

LINE = b"<38>1 2026-01-01T00:00:00Z web-01 sshd 1 - - Failed password for root from 203.0.113.9 port %d ssh2"
RULE = """
title: Failed logon
id: 6f2a1c1e-0a6d-4f0e-9a55-5d8a9b6b7c11
logsource: {product: linux, service: sshd}
detection: {selection: {user: root, action: failed, src_port|endswith: '7'}, condition: selection}
level: low
"""


async def filled(api):
    body = b"\n".join(LINE % port for port in range(4000, 4050))
    headers = {"content-type": "text/plain"}
    (await api.http.post("/v1/events", content=body, headers=headers)).raise_for_status()
    await api.node.archive.archivist.drained()
    await api.node.archive.archivist.flush()


async def asked(api, **wanted):
    return (await api.http.post("/v1/events/search", json=wanted)).raise_for_status().json()


@pytest.mark.requirement("INT-1")
def test_a_question_is_answered_in_pages_with_bars_and_counts(on_node):
    async def work(api):
        await filled(api)
        found = await asked(api, query='host:web-01 AND "password for root"', limit=30, bars="1h")
        assert (found["total"], found["complete"], len(found["items"])) == (50, True, 30)
        assert found["bars"] == [{"start_ns": 1767225600000000000, "events": 50}]
        rest = await asked(api, query="host:web-01", limit=30, after=found["next"])
        ids = [one["id"] for one in (*found["items"], *rest["items"])]
        assert len(set(ids)) == 50
        (event,) = (await asked(api, query="src_port:4007"))["items"]
        shown = (await api.http.get(f"/v1/events/{event['id']}")).raise_for_status().json()
        assert shown["fields"] == event["fields"]
        counted = await asked(api, query="address:203.0.113.0/24 | count by user")
        assert counted["groups"] == [{"values": ["root"], "events": 50}]
        narrow = (await api.http.get("/v1/events/search", params={"query": "root", "last": "1s"})).json()
        assert narrow["total"] == 0

    on_node(work)


@pytest.mark.requirement("INT-2")
def test_a_rule_is_asked_of_what_is_kept(on_node):
    async def work(api):
        await filled(api)
        found = await asked(api, rule=RULE, limit=3)
        assert found["total"] == 5
        assert {one["fields"]["src_port"] % 10 for one in found["items"]} == {7}
        assert len(found["items"]) == 3

    on_node(work)


@pytest.mark.requirement("INT-1")
def test_what_is_not_understood_is_refused_with_the_column(on_node):
    async def work(api):
        for query, column in (
            ('host:"web', 6),
            ("a AND", 6),
            ("a | count of b", 11),
            ("x:/(a/", 4),
            ("x:/.*a.{250}/", 4),
        ):
            reply = await api.http.get("/v1/events/search", params={"query": query})
            assert reply.status_code == 422, query
            assert f"column {column}" in reply.text, (query, reply.text)
        for bad in ({"limit": 5000}, {"timeout_s": 0}, {"after": "x"}, {"last": "x"}, {"other": 1}):
            assert (await api.http.post("/v1/events/search", json=bad)).status_code == 422

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_a_hunt_is_saved_run_when_due_and_a_tenants_own(on_node):
    async def work(api):
        wanted = {"name": "root-logons", "query": "user:root AND action:failed", "every_s": 1}
        (await api.http.post("/v1/hunts/saved", json=wanted)).raise_for_status()
        await filled(api)
        ran = (await api.http.post("/v1/hunts/saved/root-logons/run")).raise_for_status().json()
        assert ran["total"] == 50
        (kept,) = (await api.http.get("/v1/hunts/saved")).json()["items"]
        assert (kept["total"], len(kept["events"])) == (50, 50)
        stranger = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.get("/v1/hunts/saved", headers=stranger)).json()["items"] == []
        assert (await api.http.post("/v1/hunts/saved/root-logons/run", headers=stranger)).status_code == 404
        found = (await api.http.get("/v1/events/search", headers=stranger)).raise_for_status().json()
        assert found["total"] == 0
        assert (await api.http.post("/v1/hunts/saved", json=wanted | {"query": "("})).status_code == 422
        assert (await api.http.delete("/v1/hunts/saved/root-logons")).status_code == 204
        assert await api.node.store.tenants(HYPOTHESES) == []

    on_node(work)


@pytest.mark.requirement("INT-1")
def test_a_name_that_no_event_has_is_told_with_those_that_are_like_it(on_node, monkeypatch):
    async def work(api):
        assert (await asked(api, query="hots:web-01"))["unknown"] == [], "where there is no event, nothing is known"
        await filled(api)
        found = await asked(api, query="hots:web-01 OR log_source:linux* OR user:root | count by action, src_prt")
        assert found["total"] == 50
        assert [one["name"] for one in found["unknown"]] == ["hots", "src_prt"]
        assert [one["near"][0] for one in found["unknown"]] == ["host", "src_port"]
        for known in (
            "host:x",
            "HostName:x",
            "NOT src_endpoint.ip:192.0.2.1",
            "address:192.0.2.1",
            "words",
            "src_port>5",
        ):
            assert (await asked(api, query=known))["unknown"] == [], known
        # Nothing was looked at.
        assert (await asked(api, query="hots:x before:2020-01-01"))["unknown"] == []
        told = await api.run(monkeypatch, "intel", "search", "hots:web-01")
        assert "no event that was looked at has a field hots; did you mean host" in told

    on_node(work)
