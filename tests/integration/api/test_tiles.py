"""The ledger as a tiled log over HTTP, read by a client that knows the C2SP layout and nothing else."""

import asyncio
import base64
import hashlib

import pytest

from phalanx.core import DEFAULT_TENANT, NO_TRACE, AuditEntry, TenantId
from phalanx.crypto import VerifyingKey
from phalanx.ledger import Anchors, verify_anchor, verify_checkpoint
from phalanx.trust import Role

pytestmark = pytest.mark.requirement("IRS-4")

N = 300


def entry(number):
    return AuditEntry(
        id=f"entry {number}", tenant=DEFAULT_TENANT, trace=NO_TRACE, at_ns=number, actor="a", action="b",
        subject="c", case="d",
    )  # fmt: skip


def mth(hashes):
    """RFC 6962, written anew."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def test_a_tlog_client_recomputes_the_root(on_node):
    async def work(api):
        for number in range(N):
            await api.node.ledger.record(entry(number))
        answer = await api.http.get("/v1/ledger/checkpoint", headers={"Accept": "text/plain"})
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        checkpoint = verify_checkpoint(answer.text, api.node.ledger.public_key)
        assert (await api.http.get("/v1/ledger/checkpoint")).json()["size"] == checkpoint.size
        rest = checkpoint.size - 256
        hashes, leaves = b"", []
        for path in ("000", f"001.p/{rest}"):
            tile = await api.http.get(f"/v1/ledger/tile/0/{path}")
            assert tile.headers["content-type"] == "application/octet-stream"
            hashes += tile.content
            bundle = (await api.http.get(f"/v1/ledger/tile/entries/{path}")).content
            while bundle:
                n_bytes = int.from_bytes(bundle[:2])
                leaves.append(bundle[2 : 2 + n_bytes])
                bundle = bundle[2 + n_bytes :]
        hashes = [hashes[at : at + 32] for at in range(0, len(hashes), 32)]
        assert hashes == [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
        assert mth(hashes).hex() == checkpoint.root
        assert (await api.http.get("/v1/ledger/tile/1/000.p/1")).content == mth(hashes[:256])

    on_node(work)


@pytest.mark.parametrize(
    ("path", "status"),
    [("0/001", 404), ("0/000.p/200", 404), ("1/000", 404), ("0/0", 422), ("8/000", 422), ("entries/000", 404),
     ("entries/x000/000", 422)],
)  # fmt: skip
def test_tiles_that_are_not_there(on_node, path, status):
    async def work(api):
        await api.node.ledger.record(entry(0))
        assert (await api.http.get(f"/v1/ledger/tile/{path}")).status_code == status

    on_node(work)


def test_leaves_of_all_tenants_are_for_the_nodes_own_administrator(on_node):
    async def work(api):
        await api.node.ledger.record(entry(0))
        cases = [(Role.VIEWER, DEFAULT_TENANT, 200, 403), (Role.ADMIN, TenantId("other"), 200, 403),
                 (Role.INGEST, DEFAULT_TENANT, 403, 403)]  # fmt: skip
        for role, tenant, tile, bundle in cases:
            async with api.stranger(headers=await api.token(role, tenant)) as http:
                assert (await http.get("/v1/ledger/tile/0/000.p/1")).status_code == tile
                assert (await http.get("/v1/ledger/tile/entries/000.p/1")).status_code == bundle

    on_node(work)


def test_anchors_are_listed_with_the_key_that_the_ledger_remembers(on_node, monkeypatch):
    """The node's own service, in a hurry: it anchors once a day and not again."""
    anchored, due = asyncio.Event(), Anchors.due

    async def asked(self):
        day = await due(self)
        if day is None:
            anchored.set()
            await asyncio.Event().wait()
        return day

    monkeypatch.setattr(Anchors, "due", asked)
    monkeypatch.setattr("phalanx.node.custody._sealing.ANCHOR_CHECK_S", 0)

    async def work(api):
        ledger = api.node.ledger
        await ledger.record(entry(0))
        await anchored.wait()
        (item,) = (await api.http.get("/v1/ledger/anchors")).json()["items"]
        found = VerifyingKey.from_bytes(base64.b64decode(item["public_key"]))
        anchor = verify_anchor(item["note"], found)
        assert anchor.day == item["day"]
        announced = [one.entry for one in await ledger.entries(-1, 100) if one.entry.action.startswith("announce")]
        assert [one.subject for one in announced] == [found.fingerprint]
        assert 2 <= anchor.size <= ledger.size
        assert (await ledger.verify()).anchors == 1

    on_node(work)
