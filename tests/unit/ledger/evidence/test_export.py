import asyncio
import json

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, LimitExceeded, NotFound, Put, Table, TenantId
from phalanx.ledger import LedgerTampered
from phalanx.ledger._case_pages import CASE_HEAD, CASE_PAGES, CaseColumn, column_puts
from phalanx.ledger._tree import TILES, tile_key
from phalanx.ledger.evidence import verify_bundle

pytestmark = pytest.mark.requirement("IRS-4")


def test_a_bundle_holds_one_case_of_one_tenant_and_proves_it(on_office):
    async def main(office):
        await office.record(*range(12))
        await office.witnesses.round()
        report = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1"))
        assert (report.case, report.tenant) == ("host-1", "default")
        assert [index for index, _ in report.entries] == [0, 3, 6, 9]
        assert [entry.subject for _, entry in report.entries] == [f"proposal-{n}" for n in (0, 3, 6, 9)]
        assert (report.origin, report.signer) == (office.ledger.origin, office.ledger.public_key.fingerprint)
        assert (report.size, report.undisclosed) == (12, 0)
        assert report.root == (await office.ledger.checkpoint()).root
        assert [name for name, _ in report.witnesses] == [office.cosigner.name]

    on_office(main)


def test_tenants_are_kept_apart_where_cases_have_one_name(on_office):
    async def main(office):
        await office.record(*range(12))
        theirs = await office.evidence.export(TenantId("other"), "host-1")
        assert [index for index, _ in verify_bundle(theirs).entries] == [2, 5, 8, 11]
        assert b'"default"' not in theirs
        with pytest.raises(NotFound):
            await office.evidence.export(TenantId("other"), "host-2")
        with pytest.raises(NotFound):
            await office.evidence.export(DEFAULT_TENANT, "host-3")

    on_office(main)


def test_after_shredding_payloads_are_gone_and_everything_else_verifies(on_office):
    async def main(office):
        await office.record(*range(12))
        before = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1"))
        office.sealers.shred(DEFAULT_TENANT)
        office = await office.open()
        report = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1"))
        assert (report.undisclosed, before.undisclosed) == (4, 0)
        assert report.leaf_hashes == before.leaf_hashes
        assert report.timeline.count("not disclosed") == 4
        assert "no heading" in before.timeline
        assert "no heading" not in report.timeline
        assert verify_bundle(await office.evidence.export(TenantId("other"), "host-1")).undisclosed == 0

    on_office(main)


def test_the_checkpoint_is_the_newest_that_was_cosigned_and_covers_the_case(on_office):
    async def main(office):
        await office.record(*range(12))
        assert verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1")).witnesses == ()
        await office.witnesses.round()
        await office.record(13)  # host-2 of the same tenant
        report = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1"))
        assert (report.size, len(report.witnesses)) == (12, 1)
        report = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-2"))
        assert (report.size, report.witnesses) == (13, ())

    on_office(main)


def test_the_index_of_cases_follows_the_ledger_also_after_a_restart(on_office):
    async def main(office):
        for _ in range(3):
            await office.record(*range(office.ledger.size, office.ledger.size + 300))
            office = await office.open()
            found = await office.evidence.cases.of(DEFAULT_TENANT, "host-1")
            assert found == list(range(0, office.ledger.size, 3))

    on_office(main)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("change", ["flip", "drop", "add", "rename", "head"])
def test_an_index_that_was_changed_is_refused_and_can_be_made_anew(on_office, change, restart):
    async def main(office):
        await office.record(*range(12))
        good = await office.evidence.export(DEFAULT_TENANT, "host-1")
        (page,) = await office.store.scan(CASE_PAGES, DEFAULT_TENANT)
        (head,) = await office.store.scan(CASE_HEAD, DEFAULT_TENANT)
        shorter = page.value[: 8 * 3] + bytes(8) + page.value[8 * 4 :]
        writes = {
            "flip": [Put(CASE_PAGES, DEFAULT_TENANT, page.key, shorter)],
            "drop": [Delete(CASE_PAGES, DEFAULT_TENANT, page.key)],
            "add": [Put(CASE_PAGES, DEFAULT_TENANT, f"{1:019d}", page.value)],
            "rename": [Put(CASE_PAGES, DEFAULT_TENANT, "x", page.value), Delete(CASE_PAGES, DEFAULT_TENANT, page.key)],
            "head": [Put(CASE_HEAD, DEFAULT_TENANT, head.key, head.value[:-9] + bytes(9))],
        }
        await office.store.commit(writes[change])
        if restart:
            office = await office.open()
        for _ in range(2):
            with pytest.raises(LedgerTampered, match="case index") as caught:
                await office.evidence.export(DEFAULT_TENANT, "host-1")
            assert "phalanx ledger reindex" in caught.value.hint
        with pytest.raises(LedgerTampered, match="case index"):
            await office.audit()
        assert (await office.reindex()).size == 12
        await office.audit()
        office = await office.open()
        assert verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1")).entries == (
            verify_bundle(good).entries
        )

    on_office(main)


def test_an_older_index_is_gone_on_with_after_a_restart_and_refused_under_a_running_node(on_office):
    async def main(office):
        await office.record(*range(6))
        await office.evidence.cases.catch_up()
        tables = (CASE_PAGES, CASE_HEAD)
        older = [(table, row) for table in tables for row in await office.store.scan(table, DEFAULT_TENANT)]
        await office.record(*range(6, 12))
        await office.evidence.export(DEFAULT_TENANT, "host-1")
        await office.store.commit([Put(table, DEFAULT_TENANT, row.key, row.value) for table, row in older])
        with pytest.raises(LedgerTampered, match="an older one was put in its place"):
            await office.evidence.export(DEFAULT_TENANT, "host-1")
        office = await office.open()
        found = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "host-1"))
        assert [index for index, _ in found.entries] == [0, 3, 6, 9]

    on_office(main)


def test_an_index_of_entries_that_the_ledger_no_longer_has_is_refused(on_office, signers):
    async def main(office):
        await office.record(*range(6))
        column, changed = CaseColumn().grown(bytes(8 * 7))
        await office.store.commit(column_puts(column, changed, signers[0], 1))
        with pytest.raises(LedgerTampered, match="past the last entry"):
            await office.evidence.export(DEFAULT_TENANT, "host-1")

    on_office(main)


def test_an_entry_that_was_changed_gets_into_no_index(on_office):
    """The index is signed: what it takes in is compared with the tree."""

    async def main(office):
        await office.record(*range(6))
        tile = await office.store.get(TILES, DEFAULT_TENANT, tile_key(0, 0))
        office = await office.open()
        await office.record(*range(6, 300))
        spoilt = await office.store.get(TILES, DEFAULT_TENANT, tile_key(0, 0))
        value = tile.value[:32] + spoilt.value[:32] + spoilt.value[64:]
        await office.store.commit([Put(TILES, DEFAULT_TENANT, tile_key(0, 0), value)])
        with pytest.raises(LedgerTampered, match="entry 1: its bytes are not"):
            await office.evidence.cases.catch_up()
        assert await office.store.scan(CASE_HEAD, DEFAULT_TENANT) == []

    on_office(main)


def test_what_the_index_was_before_is_dropped(on_office):
    async def main(office):
        former = Table("ledger_cases", indexes=("case",))
        for tenant in (DEFAULT_TENANT, TenantId("other")):
            await office.store.commit([Put(former, tenant, f"{n:019d}", b"", {"case": ("x",)}) for n in range(9)])
        service = asyncio.create_task(office.evidence.cases.run())
        await office.world.clock.sleep(1)
        service.cancel()
        assert await office.store.tenants(former) == []

    on_office(main)


def test_cases_that_share_a_long_beginning_are_told_apart(on_office):
    async def main(office):
        for number in range(4):
            await office.record(number, case="x" * 300 + str(number % 2), tenant=DEFAULT_TENANT)
        report = verify_bundle(await office.evidence.export(DEFAULT_TENANT, "x" * 300 + "1"))
        assert [index for index, _ in report.entries] == [1, 3]

    on_office(main)


def test_a_case_that_is_too_long_for_a_file_is_refused(on_office, monkeypatch):
    monkeypatch.setattr("phalanx.ledger.evidence._cases.MAX_BUNDLE_ENTRIES", 3)

    async def main(office):
        await office.record(*range(12))
        with pytest.raises(LimitExceeded, match="one bundle"):
            await office.evidence.export(DEFAULT_TENANT, "host-1")

    on_office(main)


def test_the_timeline_is_for_people_and_cannot_be_written_by_an_entry(bundle):
    document = json.loads(bundle)
    lines = document["timeline"].splitlines()
    assert lines[0] == "# Timeline"
    assert [line for line in lines if line.startswith("#")][1:] == [
        f"## 2026-01-01T00:00:00.000000Z · entry {index}" for index in (0, 3, 6, 9, 12)
    ]
    assert "    actor    policy" in lines
    assert lines.count("    custody  collector") == 5
    assert any(r'"text":"ä\u{202e}\n# no heading"' in line for line in lines)
    assert all(line.startswith(("#", "    ")) or not line for line in lines)
