"""The cluster over the API: alone, and on a node that runs a server."""

import pytest

from phalanx.node.cluster._join_token import JoinToken
from phalanx.trust import Role


def test_a_node_that_is_alone_says_so(on_node):
    async def work(api):
        found = (await api.http.get("/v1/cluster")).raise_for_status().json()
        assert (found["process"], found["serves"], found["paths"], found["peers"]) == ("phalanx", False, [], [])
        answer = await api.http.post("/v1/cluster/invitations?name=lab")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "--cluster" in answer.json()["hint"]

    on_node(work)


@pytest.mark.requirement("MSG-7")
def test_invitations_are_made_listed_and_taken_back_by_admins_alone(on_node):
    pytest.importorskip("nats", reason="the extra `cluster` is not installed")

    async def work(api):
        root = "/v1/cluster"
        operator = await api.token(Role.OPERATOR)
        assert (await api.http.post(f"{root}/invitations?name=lab", headers=operator)).status_code == 403
        for wrong in ("Lab", "", "a/b", "x" * 64):
            assert (await api.http.post(f"{root}/invitations", params={"name": wrong})).status_code == 422
        made = (await api.http.post(f"{root}/invitations", params={"name": "lab", "days": 2})).raise_for_status().json()
        token = JoinToken.from_text(made["token"])
        found = (await api.http.get(root, headers=await api.token(Role.VIEWER))).raise_for_status().json()
        assert (token.name, token.host, list(token.urls)) == ("lab", found["process"], found["urls"])
        assert found["serves"]
        assert [(path["name"], path["connected"]) for path in found["paths"]] == [("primary", True), ("backup", True)]
        assert [(one["name"], one["joined"]) for one in found["invitations"]] == [("lab", "")]
        assert (found["peers"], found["strangers"]) == ([], [])
        (await api.http.post(f"{root}/invitations/remove", params={"name": "lab"})).raise_for_status()
        gone = await api.http.post(f"{root}/invitations/remove", params={"name": "lab"})
        assert (gone.status_code, gone.json()["code"]) == (404, "not-found")
        recorded = [(one.entry.action, one.entry.subject) for one in await api.node.ledger.entries(-1, 100)]
        assert ("cluster.invited", "lab") in recorded
        assert ("cluster.dismissed", "lab") in recorded
        assert made["token"] not in str(api.log)

    on_node(work, cluster={"serve": True})
