"""Artefacts over the API: kept and given back whole, within bounds, to the tenant alone."""

import hashlib
import json

import pytest

from phalanx.core import TenantId
from phalanx.crypto.artefacts import CHUNK_BYTES
from phalanx.ledger.evidence import verify_bundle
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("CRY-4")

ROOT = "/v1/artefacts"
LARGE = b"a line of a capture\n" * (CHUNK_BYTES // 10)


async def put(api, content=LARGE, headers=None, **params):
    return await api.http.post(ROOT, params={"name": "capture", **params}, content=content, headers=headers)


def test_what_is_put_is_listed_and_comes_back_whole(on_node):
    async def work(api):
        made = await put(api, case="host:ws-1", media_type="application/vnd.tcpdump.pcap")
        assert made.status_code == 201, made.text
        found = made.json()
        assert (found["size"], found["sha256"]) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
        assert (await put(api, name="twice")).json() == found
        for params, n in (({}, 1), ({"case": "host:ws-1"}, 1), ({"case": "another"}, 0), ({"use": "upload"}, 1)):
            assert len((await api.http.get(ROOT, params=params)).json()["items"]) == n, params
        assert (await api.http.get(f"{ROOT}/{found['id']}")).json() == found
        content = await api.http.get(f"{ROOT}/{found['id']}/content")
        assert content.content == LARGE
        assert content.headers["content-type"] == "application/octet-stream"
        assert content.headers["content-disposition"].startswith("attachment")
        gone = await api.http.post(f"{ROOT}/{found['id']}/remove")
        assert gone.json() == found
        assert (await api.http.get(f"{ROOT}/{found['id']}/content")).status_code == 404
        told = (await api.http.get("/v1/ledger")).json()["items"]
        assert [(one["action"], one["actor"]) for one in told if one["action"].startswith("artefact")] == [
            ("artefact-kept", "admin"), ("artefact-removed", "admin"),
        ]  # fmt: skip

    on_node(work)


def test_a_tenant_sees_its_own_and_a_role_does_what_it_may(on_node):
    async def work(api):
        found = (await put(api)).json()
        other = await api.token(Role.ADMIN, TenantId("other"))
        for call in (
            api.http.get(f"{ROOT}/{found['id']}", headers=other),
            api.http.get(f"{ROOT}/{found['id']}/content", headers=other),
            api.http.post(f"{ROOT}/{found['id']}/remove", headers=other),
        ):
            assert (await call).status_code == 404
        assert (await api.http.get(ROOT, headers=other)).json()["items"] == []
        viewer, operator = await api.token(Role.VIEWER), await api.token(Role.OPERATOR)
        assert (await put(api, headers=viewer)).status_code == 403
        assert (await put(api, b"an operator's", headers=operator)).status_code == 201
        refused = await api.http.post(f"{ROOT}/{found['id']}/remove", headers=operator)
        assert refused.status_code == 403
        assert (await api.http.get(f"{ROOT}/{found['id']}/content", headers=viewer)).content == LARGE
        async with api.stranger() as nobody:
            assert (await nobody.get(ROOT)).status_code == 401

    on_node(work)


def test_what_is_too_large_or_damaged_or_shredded_is_a_problem_and_leaves_nothing(on_node):
    async def work(api):
        large = await put(api, bytes(1024 * 1024 + 1))
        assert (large.status_code, large.json()["code"]) == (413, "limit-exceeded")
        assert (await put(api, name="x" * 201)).status_code == 422
        assert (await put(api, headers={"Content-Encoding": "gzip"})).status_code == 415
        assert (await api.http.get(ROOT, params={"case": "a", "use": "b"})).json()["code"] == "invalid-input"
        folder = api.node.settings.node.data_dir / "artefacts"
        assert not [file for file in folder.iterdir() if file.name != ".lock"]
        found = (await put(api, b"small")).json()
        (file,) = [file for file in folder.iterdir() if file.name != ".lock"]
        file.write_bytes(file.read_bytes()[:-1] + b"x")
        damaged = await api.http.get(f"{ROOT}/{found['id']}/content")
        assert (damaged.status_code, damaged.json()["code"]) == (410, "damaged-artefact")
        acme = await api.token(Role.OPERATOR, TenantId("acme"))
        theirs = (await put(api, headers=acme)).json()
        await api.http.post("/v1/keys/vault/shred", params={"tenant": "acme", "confirm": "acme"})
        gone = await api.http.get(f"{ROOT}/{theirs['id']}/content", headers=acme)
        assert gone.status_code in (404, 410)

    on_node(work, artefacts={"max_mib": 1})


@pytest.mark.requirement("IRS-4")
def test_evidence_is_kept_as_it_was_exported(on_node):
    async def work(api):
        await put(api, case="host:ws-1")
        made = await api.http.post(f"{ROOT}/evidence", params={"case": "host:ws-1"})
        assert made.status_code == 201, made.text
        kept = made.json()
        assert (kept["use"], kept["case"], kept["media_type"]) == ("evidence", "host:ws-1", "application/json")
        content = (await api.http.get(f"{ROOT}/{kept['id']}/content")).content
        report = verify_bundle(content)
        assert (report.case, len(report.entries)) == ("host:ws-1", 1)
        # That it was kept is in the case's own record from now on.
        again = json.loads((await api.http.get("/v1/ledger/bundle", params={"case": "host:ws-1"})).content)
        assert len(again["entries"]) == 2
        none = await api.http.post(f"{ROOT}/evidence", params={"case": "nothing"})
        assert none.status_code == 404

    on_node(work)
