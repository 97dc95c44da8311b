"""The case index as it is stored: whatever is changed in it is named, by an audit and by whoever reads it."""

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, Put, TenantId
from phalanx.crypto import HybridSigner
from phalanx.ledger import LedgerTampered
from phalanx.ledger._case_pages import (
    CASE_HEAD,
    CASE_PAGES,
    CaseColumn,
    case_fingerprint,
    column_puts,
    delete_cases,
    read_column,
    stored_head,
)
from phalanx.ledger._leaf import Identity
from phalanx.ledger._limits import CASES_PER_PAGE
from phalanx.ledger._shelf import CHECKPOINTS, checkpoint_row
from phalanx.ledger._verify_cases import CaseAudit
from phalanx.testing import SimWorld

pytestmark = pytest.mark.requirement("IRS-4")

N = 2 * CASES_PER_PAGE + 100


def said(number):
    return Identity(f"id {number}", DEFAULT_TENANT, "actor", "action", "subject", f"case {number % 7}", "")


def fingerprints(start, end):
    return b"".join(case_fingerprint(one.tenant, one.case) for one in map(said, range(start, end)))


class Kept:
    """A store with a case index of ``size`` entries, and an audit of a log of ``N``."""

    def __init__(self, store, signer):
        self.store = store
        self.signer = signer
        self.key = signer.public

    async def fill(self, size):
        self.column, changed = CaseColumn().grown(fingerprints(0, size))
        await self.store.commit(column_puts(self.column, changed, self.signer, 1))

    async def audit(self, n=N):
        checked = CaseAudit(self.store, await stored_head(self.store, self.key))
        for start in range(0, n, 256):
            await checked.add([said(number) for number in range(start, min(start + 256, n))])
        await checked.finish(n)

    async def read(self):
        return await read_column(self.store, self.key)

    async def refused(self, position, reason):
        """By the audit, which says where it is; reading says no more than that it was changed."""
        with pytest.raises(LedgerTampered, match=reason) as caught:
            await self.audit()
        assert (caught.value.what, caught.value.position) == ("case index", position)
        assert "phalanx ledger reindex" in caught.value.hint
        with pytest.raises(LedgerTampered, match="case index"):
            await self.read()


@pytest.fixture(scope="module")
def signer():
    return HybridSigner.generate()


@pytest.fixture
def kept(signer):
    """Runs ``main(kept)``."""

    def run(main, size=N):
        async def on(world):
            kept = Kept(world.store("disk"), signer)
            await kept.fill(size)
            return await main(kept)

        return SimWorld(1).run(on)

    return run


@pytest.mark.parametrize("size", [0, 1, CASES_PER_PAGE - 1, CASES_PER_PAGE, CASES_PER_PAGE + 1, N])
def test_an_index_may_be_behind_the_log(kept, size):
    async def main(kept):
        await kept.audit()
        assert await kept.read() == kept.column
        assert kept.column.size == size

    kept(main, size)


def test_an_index_ahead_of_the_log_is_named(kept):
    async def main(kept):
        for n in (N - 1, CASES_PER_PAGE, 0):
            with pytest.raises(LedgerTampered, match=r"past the last entry|is behind its end"):
                await kept.audit(n)

    kept(main)


def test_every_byte_of_a_page_is_an_entrys(kept):
    async def main(kept):
        for row in await kept.store.scan(CASE_PAGES, DEFAULT_TENANT):
            for at in range(0, len(row.value), len(row.value) // 7):
                value = row.value[:at] + bytes([row.value[at] ^ 1]) + row.value[at + 1 :]
                await kept.store.commit([Put(CASE_PAGES, DEFAULT_TENANT, row.key, value)])
                await kept.refused(int(row.key) * CASES_PER_PAGE + at // 8, "another case there than the entry")
            await kept.store.commit([Put(CASE_PAGES, DEFAULT_TENANT, row.key, row.value)])
        await kept.audit()

    kept(main)


def test_every_byte_of_the_head_counts(kept):
    async def main(kept):
        (row,) = await kept.store.scan(CASE_HEAD, DEFAULT_TENANT)
        for at in range(0, len(row.value), 61):
            value = row.value[:at] + bytes([row.value[at] ^ 1]) + row.value[at + 1 :]
            await kept.store.commit([Put(CASE_HEAD, DEFAULT_TENANT, row.key, value)])
            await kept.refused(0, "its head")
        await kept.store.commit([Put(CASE_HEAD, DEFAULT_TENANT, row.key, row.value)])
        await kept.audit()

    kept(main)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda key, value: [Delete(CASE_PAGES, DEFAULT_TENANT, key)], "stands|is missing"),
        (lambda key, value: [Put(CASE_PAGES, DEFAULT_TENANT, key, value[:-8])], "has .* bytes"),
        (lambda key, value: [Put(CASE_PAGES, DEFAULT_TENANT, key, value + bytes(8))], "has .* bytes"),
        (lambda key, value: [Put(CASE_PAGES, DEFAULT_TENANT, f"{key}x", value)], "stands|behind its end"),
        (
            lambda key, value: [
                Delete(CASE_PAGES, DEFAULT_TENANT, key),
                Put(CASE_PAGES, DEFAULT_TENANT, f"{key[:-1]}x", value),
            ],
            "stands",
        ),
    ],
)
def test_pages_that_are_missing_misnamed_or_too_many(kept, number, change, reason):
    async def main(kept):
        row = (await kept.store.scan(CASE_PAGES, DEFAULT_TENANT))[number]
        await kept.store.commit(change(row.key, row.value))
        with pytest.raises(LedgerTampered, match=reason) as caught:
            await kept.audit()
        assert caught.value.what == "case index"
        with pytest.raises(LedgerTampered, match=reason):
            await kept.read()

    kept(main)


def test_swapped_pages(kept):
    async def main(kept):
        one, other, _ = await kept.store.scan(CASE_PAGES, DEFAULT_TENANT)
        await kept.store.commit(
            [
                Put(CASE_PAGES, DEFAULT_TENANT, one.key, other.value),
                Put(CASE_PAGES, DEFAULT_TENANT, other.key, one.value),
            ]
        )
        await kept.refused(0, "another case")

    kept(main)


def test_pages_without_a_head_and_a_head_without_pages(kept):
    async def main(kept):
        (head,) = await kept.store.scan(CASE_HEAD, DEFAULT_TENANT)
        await kept.store.commit([Delete(CASE_HEAD, DEFAULT_TENANT, head.key)])
        await kept.refused(0, "is behind its end")
        await delete_cases(kept.store)
        await kept.audit()
        assert await kept.read() == CaseColumn()
        await kept.store.commit([Put(CASE_HEAD, DEFAULT_TENANT, head.key, head.value)])
        await kept.refused(0, "is missing")
        await kept.store.commit([Put(CASE_HEAD, DEFAULT_TENANT, "more", head.value)])
        await kept.refused(0, "is stored beside its head")

    kept(main)


def test_an_index_that_somebody_else_made_and_signed(kept):
    """It is in itself as it should be: one case was left out, and everything that follows redone."""

    async def main(kept):
        forged = bytearray(fingerprints(0, N))
        forged[8 * 70 : 8 * 71] = bytes(8)
        column, changed = CaseColumn().grown(bytes(forged))
        await kept.store.commit(column_puts(column, changed, HybridSigner.generate(), 1))
        await kept.refused(0, "signature of the expected key is missing")
        # The pages alone, under the head that was there.
        puts = column_puts(column, changed, kept.signer, 1)
        await kept.fill(N)
        await kept.store.commit(puts[:-1])
        await kept.refused(70, "another case")
        # With the node's own key only the log itself tells.
        await kept.store.commit(puts)
        with pytest.raises(LedgerTampered, match="another case"):
            await kept.audit()

    kept(main)


def test_a_checkpoint_of_the_log_passes_for_no_head(kept):
    from phalanx.ledger import sign_checkpoint
    from phalanx.ledger._checkpoint import origin_of

    async def main(kept):
        log = sign_checkpoint(kept.signer, origin_of(kept.key), N, kept.column.digest, 1)
        await kept.store.commit([Put(CASE_HEAD, DEFAULT_TENANT, "head", checkpoint_row(log))])
        await kept.refused(0, "its head is not what was signed")
        assert await kept.store.scan(CHECKPOINTS, DEFAULT_TENANT) == []

    kept(main)


def test_tenants_are_kept_apart_where_cases_have_one_name():
    names = [("a", "b c"), ("a b", "c"), ("a", "b"), ("b", "a"), ("", "a b c"), ("ä", "b c")]
    assert len({case_fingerprint(TenantId(tenant), case) for tenant, case in names}) == len(names)
