"""The vault in a node: it seals the ledger's payloads, and a wrong key stops the node before it begins."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, AuditEntry, InvalidInput, TenantId
from phalanx.crypto.vault import Level, Shredded, WrongKey
from phalanx.node import Settings, audit_ledger, build_node, open_ports

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

ACME = TenantId("acme")


def settings(folder, **at_rest):
    return Settings.model_validate({"node": {"data_dir": folder}, "at_rest": at_rest})


def in_node(given, main):
    async def run():
        async with open_ports(given) as ports, build_node(given, ports) as node:
            return await main(node)

    return asyncio.run(run())


def entry(n, tenant=ACME, secret="a very secret body"):
    return AuditEntry(
        id=f"0000000{n}-0000-7000-8000-000000000000", tenant=tenant, trace="", at_ns=n, actor="ada",
        action="act", subject="s", case="c", body={"text": secret},
    )  # fmt: skip


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def actions(node):
    return [one.entry.action for one in await node.ledger.entries(-1, 100)]


def test_payloads_are_sealed_and_shredding_one_tenant_leaves_the_ledger_true(tmp_path):
    given = settings(tmp_path)

    async def write(node):
        await node.ledger.record(entry(1))
        await node.ledger.record(entry(2, DEFAULT_TENANT, "another secret"))
        await node.vault.rotate(Level.ROOT)

    in_node(given, write)
    assert b"very secret" not in everything_in(tmp_path)

    async def shred(node):
        assert (await node.ledger.entry(entry(1).id)).entry.body == entry(1).body
        await node.vault.shred(ACME, actor="ada")
        with pytest.raises(Shredded):
            await node.ledger.record(entry(3))
        while "tenant shredded" not in await actions(node):
            await node.clock.sleep(0.01)

    in_node(given, shred)

    async def look(node):
        assert (await node.ledger.entry(entry(1).id)).payload_gone
        assert {one for one in await actions(node) if not one.startswith(("identity.", "posture."))} == {
            "act", "key rotated", "tenant shredded",
        }  # fmt: skip
        assert (await node.ledger.entry(entry(2).id)).entry.body == {"text": "another secret"}
        return await node.ledger.verify()

    report = in_node(given, look)
    assert report.payloads_gone == 1
    assert asyncio.run(audit_ledger(given)).payloads_gone == 1


def test_a_lost_key_file_stops_the_node_and_changes_nothing(tmp_path):
    given = settings(tmp_path)

    async def write(node):
        await node.ledger.record(entry(1))

    in_node(given, write)
    key = tmp_path / "keys" / "root.key"
    kept = key.read_bytes()
    for damage in (key.unlink, lambda: key.write_bytes(bytes(32))):
        damage()
        key.exists() and key.chmod(0o600)
        before = everything_in(tmp_path)
        with pytest.raises(WrongKey):
            in_node(given, write)
        assert everything_in(tmp_path) == before
    key.write_bytes(kept)
    in_node(given, write)


def test_what_was_written_before_sealing_stays_readable_and_after_it_too(tmp_path):
    async def write(node):
        await node.ledger.record(entry(1))

    async def read(node):
        assert (await node.ledger.entry(entry(1).id)).entry.body == entry(1).body

    in_node(settings(tmp_path, seal=False), write)
    assert b"very secret" in everything_in(tmp_path)
    in_node(settings(tmp_path), read)
    in_node(settings(tmp_path), lambda node: node.ledger.record(entry(2)))
    in_node(settings(tmp_path, seal=False), read)


def test_the_passphrase_comes_from_whoever_can_be_asked(tmp_path):
    given = settings(tmp_path, wrapper="passphrase", options={"memory_kib": "64", "passes": "1", "lanes": "1"})

    async def run(ask):
        async with open_ports(given, ask=ask) as ports, build_node(given, ports) as node:
            await node.ledger.record(entry(1))
            assert node.vault.wrapper == "passphrase"

    asyncio.run(run(lambda name: b"correct horse battery"))
    with pytest.raises(WrongKey, match="another key"):
        asyncio.run(run(lambda name: b"something else entirely"))


def test_a_passphrase_file_is_read_and_must_be_private(tmp_path):
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse battery\n")
    secret.chmod(0o600)
    given = settings(
        tmp_path / "data", wrapper="passphrase", options={"passphrase_file": str(secret), "memory_kib": "64"}
    )
    in_node(given, lambda node: node.ledger.record(entry(1)))
    secret.chmod(0o644)
    with pytest.raises(Exception, match="others may read"):
        in_node(given, lambda node: node.ledger.record(entry(2)))


def test_a_wrapper_that_is_not_there_is_a_wrong_setting(tmp_path):
    with pytest.raises(InvalidInput) as refused:
        in_node(settings(tmp_path, wrapper="sealing-wax"), lambda node: node.ledger.record(entry(1)))
    assert refused.value.field == "at_rest.wrapper"
