"""Who may do what, and what each tenant can see."""

import pytest

from phalanx.core import StorageFull, TenantId
from phalanx.trust import SESSION_COOKIE, Principal, Role

READABLE = (
    "/v1/events",
    "/v1/events/quarantine",
    "/v1/findings",
    "/v1/missions",
    "/v1/assessments",
    "/v1/proposals",
    "/v1/decisions",
    "/v1/consensus",
    "/v1/consensus/misbehaviour",
    "/v1/agents",
    "/v1/devices",
    "/v1/ledger",
    "/v1/ledger/checkpoint",
    "/v1/ledger/witnesses",
    "/v1/ledger/witnessed",
    "/v1/ledger/split-views",
)
# About the node or its ledger as a whole: the same for every tenant.
SHARED = (
    "/v1/agents", "/v1/devices", "/v1/ledger/checkpoint", "/v1/ledger/witnesses", "/v1/ledger/witnessed",
    "/v1/ledger/split-views",
)  # fmt: skip
OPEN = ("/healthz", "/readyz", "/v1/problems", "/v1/problems/not-found", "/openapi.json", "/v1/witness")


@pytest.mark.requirement("API-3")
def test_each_role_reaches_what_it_may_and_nothing_else(on_node):
    async def work(api):
        allowed = {}
        for role in Role:
            async with api.stranger(headers=await api.token(role)) as http:
                reads = {(await http.get(path)).status_code for path in READABLE}
                post = await http.post("/v1/events", content=b"{}\n", headers={"Content-Type": "text/plain"})
                allowed[role] = (reads, post.status_code)
        assert allowed == {
            Role.ADMIN: ({200}, 202),
            Role.OPERATOR: ({200}, 202),
            Role.VIEWER: ({200}, 403),
            Role.INGEST: ({403}, 202),
            Role.PARTNER: ({403}, 403),
        }

    on_node(work)


STRANGERS = ("", "Bearer phx_wrong", "Bearer", "Basic YTpi", "phx_wrong")


def test_without_a_valid_token_nothing_is_told(on_node):
    async def work(api):
        for credentials in STRANGERS:
            async with api.stranger(headers={"Authorization": credentials} if credentials else {}) as http:
                for path in (*READABLE, "/v1/live", "/metrics", "/v1/traces/x", "/v1/cases/x"):
                    answer = await http.get(path)
                    assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), path
                    assert answer.headers["www-authenticate"].startswith("Bearer")
                assert [(await http.get(path)).status_code for path in OPEN] == [200] * len(OPEN)

    on_node(work)


def test_a_revoked_token_is_refused_from_the_next_request_on(on_node):
    async def work(api):
        issued = await api.node.tokens.issue(TenantId("default"), "sensor", Role.VIEWER)
        async with api.stranger(headers={"Authorization": f"Bearer {issued.secret}"}) as http:
            assert (await http.get("/v1/findings")).status_code == 200
            await api.node.tokens.revoke(issued.record.id)
            assert (await http.get("/v1/findings")).status_code == 401

    on_node(work)


def test_a_session_cookie_reads_but_never_writes(on_node):
    async def work(api):
        tokens = api.node.tokens
        session = tokens.redeem(tokens.login_code(Principal("operator", TenantId("default"), Role.ADMIN)))
        async with api.stranger(cookies={SESSION_COOKIE: session}) as http:
            assert (await http.get("/v1/findings")).status_code == 200
            post = await http.post("/v1/events", content=b"{}\n", headers={"Content-Type": "text/plain"})
            assert post.status_code == 401

    on_node(work)


def test_metrics_are_open_on_loopback_and_need_a_viewer_elsewhere(on_node):
    async def work(api):
        local = await api.http.get("/metrics", headers={"Authorization": ""})
        assert local.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
        assert 'phalanx_http_requests_total{method="GET",route="/metrics"' not in local.text
        assert local.text.endswith("# EOF\n")
        again = await api.http.get("/metrics", headers={"Authorization": ""})
        assert 'phalanx_http_requests_total{method="GET",route="/metrics",status="200"} 1' in again.text
        async with api.stranger(headers=await api.token(Role.VIEWER)) as http:
            assert (await http.get("/metrics")).status_code == 200
        async with api.stranger(headers=await api.token(Role.INGEST)) as http:
            assert (await http.get("/metrics")).status_code == 403

    on_node(work)


@pytest.mark.requirement("API-5")
def test_a_tenant_sees_nothing_of_another(on_node):
    async def work(api):
        taken = await api.intrusion()
        other = await api.token(Role.ADMIN, TenantId("other"))
        ours = {path: (await api.http.get(path)).json()["items"] for path in READABLE if path not in SHARED}
        async with api.stranger(headers=other) as http:
            for path, items in ours.items():
                if path in {"/v1/events/quarantine", "/v1/consensus", "/v1/consensus/misbehaviour"}:
                    continue  # nothing was rejected, and nothing voted on
                assert items, path
                assert (await http.get(path)).json()["items"] == [], path
                if path != "/v1/events":
                    assert (await http.get(f"{path}/{items[0]['id']}")).status_code == 404, path
            event = taken["first_event"]
            case = ours["/v1/findings"][0]["case"]
            entry = ours["/v1/ledger"][0]["id"]
            for path in (
                f"/v1/events/{event}",
                f"/v1/traces/{event}",
                f"/v1/cases/{case}",
                f"/v1/ledger/{entry}/proof",
            ):
                assert (await http.get(path)).status_code == 404, path

    on_node(work)


@pytest.mark.requirement("API-3")
def test_probes_are_answered_whoever_asks_and_tell_of_services_to_whoever_may_read(on_node):
    async def work(api):
        viewer = await api.token(Role.VIEWER)
        outdated = {"Authorization": "Bearer phx_gone"}
        for path in ("/healthz", "/readyz"):
            for headers in ({}, outdated, {"Authorization": "Basic eA=="}):
                async with api.stranger(headers=headers) as http:
                    answered = await http.get(path)
                assert (answered.status_code, answered.json()) == (200, {"ready": True})
            async with api.stranger(headers=viewer) as http:
                told = (await http.get(path)).json()
            assert told.keys() == {"ready", "read_only", "services"}
            assert told["services"]["swarm"]["ok"] is True
        api.node._space.full(StorageFull("the journal"))
        async with api.stranger() as http:
            answered = await http.get("/readyz")
        assert (answered.status_code, answered.json()) == (503, {"ready": False})

    on_node(work)
