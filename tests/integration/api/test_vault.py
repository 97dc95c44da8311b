import pytest

from phalanx.core import DEFAULT_TENANT, TenantId
from phalanx.crypto.vault import MigrationState
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

ACME = TenantId("acme")


def test_the_vault_is_shown_rotated_and_never_itself(on_node):
    async def main(it):
        await it.node.vault.sealer(ACME, "ledger")
        view = (await it.http.get("/v1/keys/vault")).json()
        assert (view["wrapper"], view["seals"], view["seal_with"]) == ("file", True, "AES-256-GCM")
        assert view["keys"]["root-active"] == 1
        for params in (
            {"level": "root"},
            {"level": "tenant", "tenant": ACME},
            {"level": "purpose", "tenant": ACME, "purpose": "ledger"},
            {"level": "data", "tenant": ACME, "purpose": "ledger"},
        ):
            made = await it.http.post("/v1/keys/vault/rotate", params=params)
            assert made.status_code == 200, made.text
            assert made.json()["level"] == params["level"]
        listed = (await it.http.get("/v1/keys/vault/keys", params={"limit": 3})).json()
        assert len(listed["items"]) == 3
        rest = (await it.http.get("/v1/keys/vault/keys", params={"after": listed["next"]})).json()["items"]
        states = [(key["level"], key["state"]) for key in (*listed["items"], *rest)]
        assert ("root", "destroyed") in states
        assert ("data", "retired") in states
        assert "wrapped" not in listed["items"][0]
        missing = await it.http.post("/v1/keys/vault/rotate", params={"level": "data", "purpose": "none"})
        assert missing.status_code == 404
        wrong = await it.http.post("/v1/keys/vault/rotate", params={"level": "other"})
        assert wrong.status_code == 422

    on_node(main)


def test_shredding_wants_the_name_twice_and_is_gone_afterwards(on_node):
    async def main(it):
        await it.node.vault.sealer(ACME, "ledger")
        viewer = await it.token(Role.VIEWER, ACME)
        assert (await it.http.get("/v1/findings", headers=viewer)).status_code == 200
        unsure = await it.http.post("/v1/keys/vault/shred", params={"tenant": ACME, "confirm": "acne"})
        assert unsure.status_code == 422
        done = await it.http.post("/v1/keys/vault/shred", params={"tenant": ACME, "confirm": ACME})
        assert done.json() == {"tenant": ACME, "had_keys": True}
        again = await it.http.post("/v1/keys/vault/shred", params={"tenant": ACME, "confirm": ACME})
        assert again.json() == {"tenant": ACME, "had_keys": False}
        gone = await it.http.get("/v1/findings", params={"case": "x"}, headers=viewer)
        assert (gone.status_code, gone.json()["code"]) == (410, "shredded")
        for path in ("/v1/findings", "/v1/missions", "/v1/assessments", "/v1/findings/0197a000-0000-7000-8000-0"):
            gone = await it.http.get(path, headers=viewer)
            assert (gone.status_code, gone.json()["code"]) == (410, "shredded"), path
            assert "was shredded" in gone.json()["detail"]
        ingest = await it.token(Role.INGEST, ACME)
        sent = await it.http.post("/v1/events", content=b"one line", headers={**ingest, "Content-Type": "text/plain"})
        assert (sent.status_code, sent.json()["code"]) == (410, "shredded")
        assert (await it.http.get("/v1/keys/vault")).json()["shredded_tenants"] == [ACME]
        default = await it.http.post(
            "/v1/keys/vault/shred", params={"tenant": DEFAULT_TENANT, "confirm": DEFAULT_TENANT}
        )  # fmt: skip
        assert default.status_code == 422
        told = []
        while not told:
            await it.node.clock.sleep(0.01)
            items = (await it.http.get("/v1/ledger")).json()["items"]
            told = [one["body"] for one in items if one["action"] == "tenant shredded"]
        assert told == [{"tenant": ACME}]

    on_node(main)


def test_only_an_admin_of_the_default_tenant_looks_after_keys(on_node):
    async def main(it):
        for token in (await it.token(Role.OPERATOR), await it.token(Role.ADMIN, ACME)):
            for path in ("/v1/keys/vault", "/v1/keys/vault/keys", "/v1/keys/migration"):
                assert (await it.http.get(path, headers=token)).status_code == 403
            for path in (
                "vault/rotate?level=root",
                "vault/shred?tenant=b&confirm=b",
                "migration/start",
                "migration/stop",
            ):
                assert (await it.http.post(f"/v1/keys/{path}", headers=token)).status_code == 403

    on_node(main)


def test_a_migration_is_started_watched_and_ends(on_node):
    async def main(it):
        assert (await it.http.get("/v1/keys/migration")).json()["state"] == "idle"
        started = (await it.http.post("/v1/keys/migration/start")).json()
        assert (started["state"], started["actor"]) == ("running", "admin")
        while (await it.node.migration.status()).state is MigrationState.RUNNING:
            await it.node.clock.sleep(0.01)
        assert (await it.http.get("/v1/keys/migration")).json()["state"] == "done"
        assert (await it.http.post("/v1/keys/migration/stop")).json()["state"] == "done"

    on_node(main)
