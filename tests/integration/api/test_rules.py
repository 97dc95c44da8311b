"""Rules in force over the API: what they cost and brought, reading them anew, and what people say of findings."""

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, Put, encode
from phalanx.intel import OPINIONS, Opinion, Verdict
from phalanx.trust import Role


@pytest.mark.requirement("INT-2")
def test_rules_show_what_they_brought_and_operators_read_them_anew(on_node):
    async def work(api):
        await api.intrusion()
        shown = (await api.http.get("/v1/rules")).raise_for_status().json()
        assert shown["compiled"] == len(shown["rules"]) > 20
        assert shown["refused"] == []
        (row,) = [one for one in shown["rules"] if one["name"] == "event-log-cleared"]
        assert row["hits"] == 1
        assert row["asked"] >= 1
        assert row["spent_ns"] > 0
        done = (await api.http.post("/v1/rules/reload")).raise_for_status().json()
        assert (done["rules"], done["added"], done["changed"], done["removed"]) == (shown["compiled"], [], [], [])
        viewer = await api.token(Role.VIEWER)
        assert (await api.http.get("/v1/rules", headers=viewer)).json()["rules"][0].keys() == row.keys()
        stranger = (await api.http.get("/v1/rules", headers=await api.token(Role.VIEWER, "somebody else"))).json()
        assert {one["hits"] for one in stranger["rules"]} == {0}
        assert (await api.http.post("/v1/rules/reload", headers=viewer)).status_code == 403

    on_node(work)


@pytest.mark.requirement("INT-2")
def test_a_suppression_swallows_findings_and_says_how_many_until_it_is_ended(on_node):
    async def work(api):
        wanted = {"rule": "event-log-cleared", "host": "FS-01.corp.example", "reason": "backup clears it nightly"}
        for bad in ({"reason": "x"}, {"rule": "x", "reason": " "}, {"rule": "x", "reason": "y", "for_s": -1}):
            assert (await api.http.post("/v1/suppressions", json=bad)).status_code == 422
        for misspelt in ("event-log-clear", "windows event log cleared"):
            refused = await api.http.post("/v1/suppressions", json=wanted | {"rule": misspelt})
            assert refused.status_code == 422
            assert "did you mean event-log-cleared" in refused.text
            assert "among the newest 1,000 findings" in refused.text
        said = Opinion(
            id="1", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=1, finding="long ago", rule="of-a-plugin",
            verdict=Verdict.WRONG, reason="", by="ann",
        )  # fmt: skip
        put = Put(OPINIONS, DEFAULT_TENANT, said.id, encode(said), {"finding": (said.finding,), "rule": (said.rule,)})
        await api.node.store.commit([put])
        for known in ("beaconing", "indicator address 192.0.2.1", "model-logons", "of-a-plugin"):
            other = {"rule": known, "host": "elsewhere", "reason": "known without a finding of it"}
            (await api.http.post("/v1/suppressions", json=other)).raise_for_status()
        made = (await api.http.post("/v1/suppressions", json=wanted)).raise_for_status().json()
        await api.intrusion()
        assert (await api.http.get("/v1/findings")).json()["items"] == []
        *_, shown = (await api.http.get("/v1/suppressions")).json()["items"]
        assert (shown["findings"], shown["hits"], shown["reason"]) == (1, 1, "backup clears it nightly")
        (await api.http.post(f"/v1/suppressions/{made['id']}/end")).raise_for_status()
        await api.intrusion()
        (finding,) = (await api.http.get("/v1/findings")).json()["items"]
        assert finding["rule"] == "event-log-cleared"
        assert (await api.http.post("/v1/suppressions/nothing/end")).status_code == 404
        stranger = await api.token(Role.OPERATOR, "somebody else")
        assert (await api.http.get("/v1/suppressions", headers=stranger)).json()["items"] == []
        actions = [one.entry.action for one in await api.node.ledger.entries(-1, 100)]
        assert {"finding.suppressed", "suppression.ended"} <= set(actions)

    on_node(work)


def test_what_somebody_says_of_a_finding_is_kept_and_may_change(on_node):
    async def work(api):
        await api.intrusion()
        (finding,) = (await api.http.get("/v1/findings")).json()["items"]
        path = f"/v1/findings/{finding['id']}/opinions"
        for verdict in ("true", "false"):
            body = {"verdict": verdict, "reason": "a drill"}
            assert (await api.http.post(path, json=body)).raise_for_status().json()["verdict"] == verdict
        (said,) = (await api.http.get(path)).json()["items"]
        assert (said["verdict"], said["rule"], said["reason"]) == ("false", "event-log-cleared", "a drill")
        assert (await api.http.post(path, json={"verdict": "perhaps"})).status_code == 422
        assert (await api.http.post("/v1/findings/none/opinions", json={"verdict": "true"})).status_code == 404

    on_node(work)
