"""Identities over the API: a key stays where it was made, a revocation is in force when the answer comes."""

import json

import pytest

from phalanx.core import TenantId
from phalanx.crypto import ED25519, CryptoPolicy, SigningKey
from phalanx.crypto.identity import (
    Chain,
    Identity,
    KeyRequest,
    Listed,
    NothingKnown,
    Request,
    RevocationList,
    Subject,
    Use,
    sign_certificate,
    validate,
)
from phalanx.trust import Role

ROOT = "/v1/keys/identities"
KIM = {"subject": "person:local/kim"}

pytestmark = pytest.mark.requirement("CRY-2", "ZTA-3")


def requested(key, subject=KIM["subject"]):
    return KeyRequest.make(Subject.parse(subject), key).to_bytes()


def test_a_person_is_issued_rotated_and_revoked(on_node):
    async def work(api):
        key = SigningKey.generate(ED25519)
        made = await api.http.post(ROOT, params={**KIM, "days": 30}, content=requested(key))
        assert made.status_code == 200, made.text
        chain = Chain.from_text(made.json()["chain"])
        Identity(key, chain)
        root = api.node.identities.root.fingerprint
        now_ns = api.node.clock.wall_ns()
        rules = {"use": Use.SIGN, "anchors": {root: chain.root.subject}, "policy": CryptoPolicy()}
        validate(chain, at_ns=now_ns, standing=NothingKnown(), **rules)
        again = await api.http.post(ROOT, params=KIM, content=requested(key))
        assert (again.status_code, again.json()["code"]) == (422, "invalid-input")
        other = SigningKey.generate(ED25519)
        rotated = await api.http.post(f"{ROOT}/rotate", params=KIM, content=requested(other))
        assert rotated.json()["identity"]["epoch"] == 2
        listed = (await api.http.get(ROOT, params={"kind": "person"})).json()["items"]
        assert sorted((one["epoch"], one["state"]) for one in listed) == [(1, "superseded"), (2, "valid")]
        revoked = await api.http.post(
            f"{ROOT}/revoke", params={"name": KIM["subject"], "why": "key-compromised", "note": "stolen"}
        )
        assert revoked.json()["since_ns"] == 0
        shown = (await api.http.get(f"{ROOT}/chain", params={"name": other.public.fingerprint})).json()
        assert (shown["identity"]["state"], "stolen" in shown["identity"]["reason"]) == ("revoked", True)
        carried = (await api.http.get(f"{ROOT}/revocations", params={"issuer": "organisation:local"})).json()
        import base64

        listed = RevocationList.from_bytes(base64.b64decode(carried["revocations"]))
        present = Chain.from_text(shown["chain"])
        with pytest.raises(Exception, match="stolen"):
            validate(present, at_ns=now_ns, standing=Listed(listed), **rules)
        known = await api.http.post(f"{ROOT}/revocations", content=json.dumps(carried))
        assert known.json() == {"news": False}
        actions = [one["action"] for one in (await api.http.get("/v1/ledger")).json()["items"]]
        assert [one for one in actions if one in ("identity.issued", "identity.rotated", "identity.revoked")] == [
            "identity.issued", "identity.rotated", "identity.revoked",
        ]  # fmt: skip

    on_node(work)


def test_the_nodes_own_identity_rotates_and_everything_beneath_follows(on_node):
    async def work(api):
        node = str(api.node.identities.node.subject)
        made = await api.http.post(f"{ROOT}/rotate", params={"subject": node, "algorithm": "ML-DSA-44"})
        assert (made.json()["identity"]["epoch"], made.json()["identity"]["algorithm"]) == (2, "ML-DSA-44")
        done = (await api.http.post(f"{ROOT}/reissue")).json()
        assert (done["actor"], done["forbidden"]) == ("admin", [])
        while (done := (await api.http.get(f"{ROOT}/reissue")).json())["state"] == "running":
            await api.node.clock.sleep(0.01)
        assert (done["state"], done["done"]) == ("done", done["total"])
        assert (await api.http.post(f"{ROOT}/reissue/stop")).json()["state"] == "done"
        agents = (await api.http.get("/v1/agents")).json()["items"]
        assert all(agent["identity"] for agent in agents)
        for agent in agents:
            chain = api.node.identities.seats.identity(agent["id"]).chain
            assert chain.certificates[1].epoch == 2

    on_node(work)


def test_who_may_not_change_identities_changes_none(on_node):
    async def work(api):
        for headers, status in (
            (await api.token(Role.VIEWER), 403),
            (await api.token(Role.OPERATOR), 403),
            (await api.token(Role.ADMIN, TenantId("other")), 403),
        ):
            async with api.stranger(headers=headers) as http:
                for path in ("", "/rotate", "/reissue", "/reissue/stop", "/revocations", "/trust", "/distrust"):
                    assert (await http.post(f"{ROOT}{path}", params=KIM)).status_code in (status, 422), path
                refused = await http.post(f"{ROOT}/revoke", params={"name": "node:local/phalanx", "why": "ceased"})
                assert refused.status_code == status
                refused = await http.post(f"{ROOT}/distrust", params={"fingerprint": "00" * 32})
                assert refused.status_code == status
        assert (await api.http.get(f"{ROOT}/chain", params={"name": "node:local/phalanx"})).json()["identity"][
            "state"
        ] == "valid"

    on_node(work)


def test_what_does_not_hold_is_a_problem_not_a_fault(on_node):
    async def work(api):
        for path, params, body, code in (
            ("", KIM, b"no request", "invalid-certificate"),
            ("", KIM, SigningKey.generate(ED25519).public.to_bytes(), "invalid-certificate"),
            ("", {"subject": "person:local/ada"}, requested(SigningKey.generate(ED25519)), "invalid-input"),
            ("/revocations", {}, b"{}", "invalid-certificate"),
            ("/trust", {"fingerprint": "00"}, b"", "invalid-certificate"),
            ("/rotate", {"subject": "person:local/nobody"}, b"", "invalid-input"),
            ("/revoke", {"name": "nobody", "why": "ceased"}, b"", "not-found"),
        ):
            answer = await api.http.post(f"{ROOT}{path}", params=params, content=body)
            assert answer.json()["code"] == code, (path, answer.text)
            assert 400 <= answer.status_code < 500
        root = (await api.http.get(f"{ROOT}/chain", params={"name": "organisation:local"})).json()
        trusted = await api.http.post(
            f"{ROOT}/trust", params={"fingerprint": root["identity"]["key"]}, content=root["chain"]
        )
        assert trusted.json() == {"news": False}
        own = await api.http.post(f"{ROOT}/distrust", params={"fingerprint": root["identity"]["key"]})
        assert (own.status_code, own.json()["code"]) == (422, "invalid-input")

    on_node(work)


def test_another_organisation_is_trusted_and_then_no_longer(on_node):
    async def work(api):
        key = SigningKey.generate(ED25519)
        now_ns = api.node.clock.wall_ns()
        root = sign_certificate(
            Request(
                Subject.parse("organisation:umbrella"), key.public, "00" * 16, epoch=1, uses=[Use.ISSUE],
                not_before_ns=now_ns - 1, not_after_ns=now_ns + 10**15,
            ),
            key,
        )  # fmt: skip
        named = {"fingerprint": key.public.fingerprint.upper()}
        for news in (True, False):
            trusted = await api.http.post(f"{ROOT}/trust", params=named, content=Chain((root,)).to_text())
            assert trusted.json() == {"news": news}
        for news in (True, False):
            assert (await api.http.post(f"{ROOT}/distrust", params=named)).json() == {"news": news}
        assert key.public.fingerprint not in api.node.identities.anchors

    on_node(work)
