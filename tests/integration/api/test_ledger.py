"""Entries of the ledger are asked for by case, action and actor, over the API and by the command, in pages."""

import json

import pytest

import phalanx.ledger._looking as looking
from phalanx.core import DEFAULT_TENANT, NO_TRACE, PROBE_TENANT, AuditEntry, TenantId, derive_id
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("IRS-4")


async def record(api, place, *, tenant=DEFAULT_TENANT, actor="anna", action="rules.reloaded", case=""):
    await api.node.ledger.record(AuditEntry(
        id=derive_id(1, "audit", str(place), tenant), tenant=tenant, trace=NO_TRACE, at_ns=place, actor=actor,
        action=action, subject="one", case=case, body={"said": place},
    ))  # fmt: skip


async def filled(api):
    for place in range(40):
        await record(api, place, actor="anna" if place % 4 else "bert", case=f"host:ws-{place % 3}")
        await record(api, place, tenant=TenantId("others"), action="theirs")
        await record(api, place, tenant=PROBE_TENANT, action="canary.probe")


async def every(api, **asked):
    """All pages, put together."""
    after, found = "", []
    while True:
        page = (await api.http.get("/v1/ledger", params=asked | {"after": after, "limit": 3})).raise_for_status().json()
        assert len(page["items"]) <= 3
        found += page["items"]
        after = page["next"]
        if not after:
            return found


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_entries_are_asked_for_by_what_they_begin_with(on_node, order, monkeypatch):
    # Few at a time, so that there are pages of which nothing is meant.
    monkeypatch.setattr(looking, "LOOK_ENTRIES", 5)
    monkeypatch.setattr(looking, "LOOK_PART_ENTRIES", 2)

    async def work(api):
        await filled(api)
        whole = [one.entry for one in await api.node.ledger.entries(-1, 1_000)]
        own = [one for one in whole if one.tenant == DEFAULT_TENANT]
        for asked, meant in (
            ({}, own),
            ({"actor": "be"}, [one for one in own if one.actor == "bert"]),
            (
                {"case": "host:ws-1", "actor": "anna"},
                [one for one in own if (one.case, one.actor) == ("host:ws-1", "anna")],
            ),
            ({"action": "nothing"}, []),
            ({"action": "canary."}, []),
            ({"action": "canary.", "probes": "true"}, [one for one in whole if one.action == "canary.probe"]),
        ):  # fmt: skip
            found = await every(api, order=order, **asked)
            ids = [one.id for one in (meant if order == "oldest" else reversed(meant))]
            assert [one["id"] for one in found] == ids
            assert all(one["body"] == {} for one in found if one["tenant"] == PROBE_TENANT)
        stranger = await api.token(Role.VIEWER, TenantId("others"))
        page = await api.http.get("/v1/ledger", params={"probes": "true", "action": "canary"}, headers=stranger)
        assert page.json()["items"] == []

    on_node(work)


def test_the_command_asks_the_same_and_follows_pages_that_are_empty(on_node, monkeypatch):
    monkeypatch.setattr(looking, "LOOK_ENTRIES", 5)

    async def work(api):
        await filled(api)

        async def listed(*words):
            return json.loads(await api.run(monkeypatch, "ledger", "list", "--json", *words))

        bert = await listed("--actor", "bert")
        assert {one["actor"] for one in bert} == {"bert"}
        assert len(bert) == 10
        last = await listed("--actor", "bert", "--newest", "--limit", "2")
        assert [one["id"] for one in last] == [one["id"] for one in bert[-2:]]
        assert len(await listed("--action", "canary.probe", "--probes")) == 40
        told = await api.run(monkeypatch, "ledger", "list", "--case", "host:nowhere")
        assert "no entry is like that" in told

    on_node(work)
