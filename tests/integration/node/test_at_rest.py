"""A node at rest: what a thief of the disk sees, and what is left of a tenant that was shredded."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, AuditEntry, TenantId
from phalanx.crypto.vault import Level, MigrationState, Shredded
from phalanx.intel.archive import parse
from phalanx.node import Settings, build_node, open_ports

pytestmark = pytest.mark.requirement("CRY-4")

ACME = TenantId("acme")
# Enough failures from one address for a finding, an assessment and a decision about this host.
HOST = "payroll-db-7"
LINES = [
    b"<38>1 2026-01-01T00:00:%02dZ %s sshd %d - - Failed password for root from 203.0.113.9 port %d ssh2"
    % (n, HOST.encode(), n, 4000 + n)
    for n in range(40)
]


def settings(folder, **at_rest):
    return Settings.model_validate({"node": {"data_dir": folder}, "at_rest": at_rest})


def in_node(given, main):
    async def run():
        async with open_ports(given) as ports, build_node(given, ports) as node:
            return await main(node)

    return asyncio.run(run())


def everything_in(folder):
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def send(node, tenant):
    accepted = await node.intake.accept(b"\n".join(LINES), tenant=tenant, idempotency_key=f"once for {tenant}")
    await asyncio.wait_for(node.settled(), 60)
    return accepted


async def seen(node, tenant):
    findings = await node.findings.list(tenant)
    events = await node.events.recent(tenant)
    return [finding.case for finding in findings], len(events)


def test_what_was_sent_and_what_follows_of_it_cannot_be_read_from_the_disk(tmp_path):
    for sealed in (False, True):
        given = settings(tmp_path / str(sealed), seal=sealed)

        async def main(node):
            await send(node, ACME)
            cases, events = await seen(node, ACME)
            assert cases
            assert all(HOST in case for case in cases)
            assert events == len(LINES)
            assert await node.findings.list(ACME, case=cases[0])
            story = await node.story(ACME, (await node.findings.list(ACME))[0].trace)
            assert story

        in_node(given, main)
        stored = everything_in(tmp_path / str(sealed))
        for secret in (HOST.encode(), b"203.0.113.9", b"Failed password"):
            assert (secret in stored) is not sealed, secret

    in_node(given, lambda node: _again(node))


async def _again(node):
    """After a restart everything is there, and what was sent once is not taken twice."""
    assert (await seen(node, ACME))[0]
    assert (await send(node, ACME)).duplicate


def test_a_node_from_before_goes_on_with_sealing(tmp_path):
    in_node(settings(tmp_path, seal=False), lambda node: send(node, ACME))

    async def main(node):
        before = await seen(node, ACME)
        assert before[0]
        assert (await send(node, ACME)).duplicate
        await node.intake.accept(LINES[0], tenant=ACME)
        await asyncio.wait_for(node.settled(), 60)
        assert (await seen(node, ACME))[1] == before[1] + 1

    in_node(settings(tmp_path), main)


def test_a_shredded_tenant_is_refused_everywhere_and_the_others_go_on(tmp_path):
    async def main(node):
        await send(node, ACME)
        await send(node, DEFAULT_TENANT)
        await node.ledger.record(
            AuditEntry(id=node.ids.new(), tenant=ACME, trace="", at_ns=0, actor="a", action="b", subject="c", case="")
        )
        await node.vault.shred(ACME, actor="ada")
        for call in (
            node.intake.accept(LINES[0], tenant=ACME),
            node.findings.list(ACME),
            node.events.recent(ACME),
            node.events.batches(ACME),
        ):
            with pytest.raises(Shredded):
                await call
        await node.intake.accept(LINES[0], tenant=DEFAULT_TENANT)
        await asyncio.wait_for(node.settled(), 60)
        assert (await seen(node, DEFAULT_TENANT))[1] == len(LINES) + 1
        # What is yet to be archived is kept in the journal.
        await node.archive.archivist.drained()
        await node.archive.archivist.flush()
        assert await node.events.retain(0) >= 1
        while ACME in [t for table in node.store.tables for t in await node.store.inner.tenants(table)]:
            await node.clock.sleep(0.01)
        report = await node.ledger.verify()
        assert report.payloads_gone == 1

    in_node(settings(tmp_path), main)
    in_node(settings(tmp_path), lambda node: node.ledger.verify())


def test_what_a_shredded_tenant_left_unread_is_passed_over(tmp_path):
    async def main(node):
        await node.intake.accept(LINES[0], tenant=ACME)
        await node.vault.shred(ACME, actor="ada")
        await send(node, DEFAULT_TENANT)
        assert (await seen(node, DEFAULT_TENANT))[1] == len(LINES)
        assert await node.events.quarantine(DEFAULT_TENANT) == []

    in_node(settings(tmp_path), main)


def test_segments_of_the_archive_are_sealed_anew_with_the_current_key(tmp_path):
    """After a migration nothing in them needs the key before, and what they hold is found as ever."""

    async def main(node):
        archive = node.archive.archive
        await send(node, ACME)
        await node.archive.archivist.drained()
        await node.archive.archivist.flush()
        (before,) = archive.segments(ACME)
        assert len(before.keys) == 1
        await node.vault.rotate(Level.DATA, ACME, "archive")
        assert await archive.files.needs_resealing(before)

        async def ask():
            return (await node.archive.searches.search(ACME, parse("host:payroll* | count", now_ns=0))).total

        assert await ask() == len(LINES)
        await node.migration.start(actor="ada")
        while (await node.migration.status()).state is not MigrationState.DONE:
            assert await ask() == len(LINES)
            await node.clock.sleep(0.01)
        (after,) = archive.segments(ACME)
        assert not set(after.keys) & set(before.keys)
        assert (after.events, after.low_ns, after.high_ns) == (before.events, before.low_ns, before.high_ns)
        assert not await archive.files.needs_resealing(after)
        assert await archive.files.names() == [after.file]
        assert await ask() == len(LINES)
        assert [changed async for changed in archive.reseal()] == [False]

    in_node(settings(tmp_path), main)

    async def again(node):
        await node.archive.archivist.drained()
        assert len(node.archive.archive.segments(ACME)) == 1
        (event,) = (await node.archive.searches.search(ACME, parse("src_port:4007", now_ns=0))).events
        assert event[0].columns["hostname"] == [HOST]

    in_node(settings(tmp_path), again)
