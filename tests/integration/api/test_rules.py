"""Rules in force over the API: what they cost and brought, and reading them anew."""

import pytest

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
        assert (await api.http.get("/v1/rules", headers=viewer)).status_code == 200
        assert (await api.http.post("/v1/rules/reload", headers=viewer)).status_code == 403

    on_node(work)
