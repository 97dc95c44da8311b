"""Thresholds and what people said of findings, over the API and on the page of rules."""

import pytest

from phalanx.trust import Role


@pytest.mark.requirement("LRN-3")
def test_thresholds_are_shown_pinned_with_a_reason_and_never_below_their_floor(on_node):
    async def work(api):
        await api.intrusion()
        shown = {one["id"]: one for one in (await api.http.get("/v1/thresholds")).raise_for_status().json()["items"]}
        one = shown["odd-sequence"]
        assert (one["detector"], one["set_by"], one["value"]) == ("sequence", "floor", one["floor"])
        path = "/v1/thresholds/odd-sequence/pin"
        viewer = await api.token(Role.VIEWER)
        wanted = {"value": one["floor"] + 1.0, "reason": "noisy migration"}
        assert (await api.http.post(path, json=wanted, headers=viewer)).status_code == 403
        for bad in ({"value": one["floor"] - 0.1, "reason": "less"}, {"value": 6.0}, {"value": 6.0, "reason": " "}):
            assert (await api.http.post(path, json=bad)).status_code == 422
        assert (await api.http.post("/v1/thresholds/nothing/pin", json=wanted)).status_code == 404
        made = (await api.http.post(path, json=wanted)).raise_for_status().json()
        assert (made["value"], made["reason"]) == (one["floor"] + 1.0, "noisy migration")
        await api.intrusion()
        shown = {one["id"]: one for one in (await api.http.get("/v1/thresholds")).json()["items"]}
        assert shown["odd-sequence"]["set_by"] == "pinned"
        (move,) = (await api.http.get("/v1/thresholds/history")).json()["items"]
        assert (move["steps"][0]["before"], move["steps"][-1]["after"]) == (one["floor"], one["floor"] + 1.0)
        await api.node.detection.thresholds.look()
        actions = [entry.entry.action for entry in await api.node.ledger.entries(-1, 200)]
        assert {"threshold.pinned", "threshold.moved"} <= set(actions)
        (await api.http.post(path, json={"reason": "over"})).raise_for_status()

    on_node(work)


@pytest.mark.requirement("INT-2")
def test_the_part_of_findings_that_was_wrong_is_shown_by_rule(on_node):
    async def work(api):
        await api.intrusion()
        assert (await api.http.get("/v1/feedback")).json()["items"] == []
        (finding,) = (await api.http.get("/v1/findings")).json()["items"]
        path = f"/v1/findings/{finding['id']}/opinions"
        (await api.http.post(path, json={"verdict": "false", "reason": "a drill"})).raise_for_status()
        (told,) = (await api.http.get("/v1/feedback")).raise_for_status().json()["items"]
        assert (told["rule"], told["right"], told["wrong"], told["false_share"]) == (finding["rule"], 0, 1, 1.0)
        assert told["false_share_low"] < 0.5, "one opinion leaves doubt"

    on_node(work)
