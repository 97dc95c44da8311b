"""Who has an incident and what people say of it: through the API and the command, by several at once."""

import asyncio
import json

import pytest

from phalanx.core import DEFAULT_TENANT
from phalanx.demo import Intrusion, feed
from phalanx.intel import OpinionWanted, Verdict
from phalanx.trust import Role


async def intruded(api, story="web"):
    """The incidents of a demo's intrusion, the largest first."""
    await feed(Intrusion(3, story=story), api.node, speed=1e9)
    await api.node.settled()
    await api.node.incidents.regroup(DEFAULT_TENANT)
    found = (await api.http.get("/v1/incidents", params={"status": "open"})).raise_for_status().json()["items"]
    return sorted(found, key=lambda one: -len(one["members"]))


async def person(api, name, role=Role.OPERATOR):
    secret = (await api.node.tokens.issue(DEFAULT_TENANT, name, role)).secret
    return {"Authorization": f"Bearer {secret}"}


async def recorded(api, action):
    entries = [one.entry for one in await api.node.ledger.entries(0, 1_000)]
    return [dict(one.body) for one in entries if one.action == action]


async def moments(api, incident, **wanted):
    found = (await api.http.get(f"/v1/incidents/{incident}/timeline")).raise_for_status().json()["moments"]
    return [one for one in found if all(one[name] == value for name, value in wanted.items())]


@pytest.mark.requirement("AGT-1")
def test_what_people_do_about_an_incident_stands_beside_what_the_node_did_and_in_the_ledger(on_node):
    async def work(api):
        one, *_ = await intruded(api)
        path = f"/v1/incidents/{one['id']}"
        ana = await person(api, "ana")
        text = "called the owner:\n\n  he was on holiday"
        said = await api.http.post(f"{path}/comments", json={"text": f"  {text}\r\n"}, headers=ana)
        assert (said.status_code, said.json()["text"], said.json()["by"]) == (200, text, "ana")
        made = await api.http.post(f"{path}/assign", json={"to": "ana", "reason": "on duty"}, headers=ana)
        assert made.raise_for_status().json()["assignee"] == "ana"
        finding = one["members"][0]["finding"]
        wanted = OpinionWanted(verdict=Verdict.RIGHT, reason="seen it")
        await api.node.judgements.say(DEFAULT_TENANT, finding, wanted, by="ben")
        told = [(each["by"], each["act"], each["told"]) for each in await moments(api, one["id"], person=True)]
        assert told[:2] == [("ana", "commented", text), ("ana", "assigned", "ana has it (on duty)")]
        assert told[2][:2] == ("ben", "judged")
        by_node = {each["act"] for each in await moments(api, one["id"], person=False)}
        assert {"put together", "assessed", "decided", "hunted"} <= by_node
        times = [each["at_ns"] for each in await moments(api, one["id"])]
        assert times == sorted(times)
        assert [body["text"] for body in await recorded(api, "incident.comment")] == [text]
        assert await recorded(api, "incident.assign") == [{"to": "ana", "instead_of": "", "why": "on duty"}]
        of_ana = (await api.http.get("/v1/incidents", params={"assignee": "ana", "status": "open"})).json()["items"]
        assert [each["id"] for each in of_ana] == [one["id"]]
        assert (await api.http.get("/v1/incidents", params={"assignee": "ben"})).json()["items"] == []

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_of_two_who_take_an_incident_at_once_one_has_it_and_the_other_is_told_who(on_node):
    async def work(api):
        one, *_ = await intruded(api)
        path = f"/v1/incidents/{one['id']}/assign"
        ana, ben = await person(api, "ana"), await person(api, "ben")
        answers = await asyncio.gather(
            api.http.post(path, json={"to": "ana"}, headers=ana), api.http.post(path, json={"to": "ben"}, headers=ben)
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        [refused] = [answer.json() for answer in answers if answer.status_code == 409]
        has = (await api.http.get(f"/v1/incidents/{one['id']}")).json()["incident"]["assignee"]
        assert refused["code"] == "out-of-date"
        assert f"{has} has it, not nobody" in refused["detail"]
        other = {"ana": "ben", "ben": "ana"}[has]
        handed = await api.http.post(path, json={"to": other, "instead_of": has}, headers=ana)
        assert handed.raise_for_status().json()["assignee"] == other
        again = await api.http.post(path, json={"to": other, "instead_of": has}, headers=ana)
        assert again.status_code == 200
        assert [each["told"] for each in await moments(api, one["id"], act="assigned")] == [
            f"{has} has it", f"{other} has it, in place of {has}",
        ]  # fmt: skip
        freed = await api.http.post(path, json={"to": "", "instead_of": other}, headers=ana)
        assert freed.raise_for_status().json()["assignee"] == ""

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_comments_at_once_all_stay_and_one_that_is_sent_again_is_said_once(on_node):
    async def work(api):
        one, *_ = await intruded(api)
        path = f"/v1/incidents/{one['id']}/comments"
        await asyncio.gather(*(api.http.post(path, json={"text": f"comment {n}"}) for n in range(8)))
        assert {each["told"] for each in await moments(api, one["id"], act="commented")} == {
            f"comment {n}" for n in range(8)
        }  # fmt: skip
        again = {"text": "once", "key": api.node.ids.new()}
        sent = [(await api.http.post(path, json=again)).raise_for_status().json() for _ in range(3)]
        assert sent[0] == sent[1] == sent[2]
        assert len(await moments(api, one["id"], told="once")) == 1
        assert len([body for body in await recorded(api, "incident.comment") if body["text"] == "once"]) == 1

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_what_cannot_be_said_is_refused_and_says_why(on_node):
    async def work(api):
        one, *_ = await intruded(api)
        path = f"/v1/incidents/{one['id']}"
        ana = await person(api, "ana")
        viewer = await person(api, "vic", Role.VIEWER)
        gone = await api.node.tokens.issue(DEFAULT_TENANT, "gone", Role.OPERATOR)
        await api.node.tokens.revoke(gone.record.id)
        for bad in ({"text": " \n "}, {"text": "x" * 2_001}, {"text": "a\x1b[31m"}, {"text": "x", "key": "k"}, {}):
            assert (await api.http.post(f"{path}/comments", json=bad)).status_code == 422, bad
        for nobody in ("vic", "gone", "stranger"):
            refused = await api.http.post(f"{path}/assign", json={"to": nobody}, headers=ana)
            assert refused.status_code == 422
            assert "ana" in refused.json()["hint"]
            assert "vic" not in refused.json()["hint"]
        for deed, body in (("comments", {"text": "x"}), ("assign", {"to": "vic"})):
            assert (await api.http.post(f"{path}/{deed}", json=body, headers=viewer)).status_code == 403
            assert (await api.http.post(f"/v1/incidents/none/{deed}", json=body, headers=ana)).status_code in {404, 422}
            stranger = await api.token(Role.OPERATOR, "somebody else")
            assert (await api.http.post(f"{path}/{deed}", json=body, headers=stranger)).status_code in {404, 422}
        assert (await api.http.get(f"{path}/timeline", headers=viewer)).status_code == 200
        assert (await api.http.get(f"{path}/timeline", headers=stranger)).status_code == 404
        assert await moments(api, one["id"], person=True) == []
        assert await recorded(api, "incident.comment") == []

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_an_incident_is_not_closed_by_who_saw_it_before_it_changed(on_node):
    async def work(api):
        one, *_ = await intruded(api)
        path = f"/v1/incidents/{one['id']}"
        ana = await person(api, "ana")
        await api.http.post(f"{path}/assign", json={"to": "ana"}, headers=ana)
        stale = {"outcome": "harmless", "reason": "nothing", "seen_ns": one["changed_at_ns"]}
        refused = await api.http.post(f"{path}/close", json=stale)
        assert (refused.status_code, refused.json()["code"]) == (409, "out-of-date")
        now = (await api.http.get(path)).json()["incident"]
        assert now["status"] == "open"
        closed = await api.http.post(f"{path}/close", json=stale | {"seen_ns": now["changed_at_ns"]})
        assert closed.raise_for_status().json()["status"] == "closed"

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_who_had_an_incident_and_what_was_said_of_it_go_along_into_what_it_becomes_part_of(on_node):
    async def work(api):
        found = await intruded(api, "two")
        ids = sorted(one["id"] for one in found[:2])
        ana = await person(api, "ana")
        await api.http.post(f"/v1/incidents/{ids[1]}/assign", json={"to": "ana"}, headers=ana)
        await api.http.post(f"/v1/incidents/{ids[1]}/comments", json={"text": "of the younger"}, headers=ana)
        made = await api.http.post("/v1/incidents/merge", json={"incidents": ids, "reason": "the same people"})
        assert made.raise_for_status().json()["assignee"] == "ana"
        assert [each["incident"] for each in await moments(api, ids[0], told="of the younger")] == [ids[1]]
        [joined] = await moments(api, ids[0], act="joined")
        assert joined["told"] == f"incident {ids[1]} became part of it; ana, who had it, has this one"
        assert [each["told"] for each in await moments(api, ids[0], act="merged")] == ["the same people"]
        late = await api.http.post(f"/v1/incidents/{ids[1]}/comments", json={"text": "too late"})
        assert late.status_code == 422
        assert ids[0] in late.json()["detail"]
        # Once it is given back it is not handed on again, whenever incidents are put together anew.
        await api.http.post(f"/v1/incidents/{ids[0]}/assign", json={"to": "", "instead_of": "ana"})
        wanted = {"findings": [made.json()["members"][-1]["finding"]], "reason": "another matter"}
        left = await api.http.post(f"/v1/incidents/{ids[0]}/split", json=wanted)
        assert left.raise_for_status().json()["assignee"] == ""
        [gone] = await moments(api, ids[0], act="left")
        assert gone["told"].startswith("1 finding left: ")

    on_node(work)


@pytest.mark.requirement("AGT-1")
def test_the_command_assigns_comments_and_tells_the_timeline(on_node, monkeypatch):
    async def work(api):
        one, *_ = await intruded(api)
        await person(api, "ana")
        assert "ana has it" in await api.run(monkeypatch, "incidents", "assign", one["id"], "ana", "--reason", "duty")
        assert one["id"] in await api.run(monkeypatch, "incidents", "list", "--assignee", "ana")
        assert one["id"] not in await api.run(monkeypatch, "incidents", "list", "--unassigned")
        assert "said" in await api.run(monkeypatch, "incidents", "comment", one["id"], "asked the owner")
        assert "with        ana" in await api.run(monkeypatch, "incidents", "show", one["id"])
        told = await api.run(monkeypatch, "incidents", "timeline", one["id"], "--people")
        assert "ana has it (duty)" in told
        assert "asked the owner" in told
        assert "assessed" not in told
        whole = json.loads(await api.run(monkeypatch, "incidents", "timeline", one["id"], "--json"))
        assert "assessed" in {each["act"] for each in whole["moments"]}
        freed = await api.run(monkeypatch, "incidents", "assign", one["id"], "--nobody", "--instead-of", "ana")
        assert "nobody has it" in freed
        assert one["id"] in await api.run(monkeypatch, "incidents", "list", "--unassigned")

    on_node(work)
