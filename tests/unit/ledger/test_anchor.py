"""A day's newest checkpoint under a signature that is nothing but hashes."""

import base64

import pytest

from phalanx.core import DEFAULT_TENANT, Conflict, Delete, Put, TenantId
from phalanx.crypto import SLH_DSA_SHA2_128F, SLH_DSA_SHA2_128S, SigningKey, VerifyingKey
from phalanx.ledger import Anchors, InvalidCheckpoint, LedgerTampered, verify_anchor, verify_checkpoint
from phalanx.ledger._anchor import ANCHORS, sign_anchor

pytestmark = pytest.mark.requirement("IRS-4")


class OneDay:
    """A clock that stands at noon of a day of January 2026, counted from 0."""

    def __init__(self, day):
        self.day = day

    def wall_ns(self):
        return (1_767_225_600 + (self.day * 24 + 12) * 3_600) * 10**9


@pytest.fixture(scope="module")
def key():
    return SigningKey.generate(SLH_DSA_SHA2_128F)


def test_an_anchor_says_what_the_checkpoint_said(bench, key):
    async def main(bench):
        ledger = await bench.filled(3)
        checkpoint = await ledger.checkpoint()
        anchors = Anchors(bench.store, bench.world.offload, OneDay(0))
        assert await anchors.due() == "2026-01-01"
        await anchors.announce(key.public, ledger)
        made = await anchors.sign(key, checkpoint, "2026-01-01")
        assert (made.origin, made.size, made.root, made.day) == (ledger.origin, 3, checkpoint.root, "2026-01-01")
        assert verify_anchor(made.note, key.public) == made
        assert made.note.startswith(checkpoint.note.split("\n\n")[0] + "\nanchor 2026-01-01\n\n")
        assert await anchors.due() is None
        assert await Anchors(bench.store, bench.world.offload, OneDay(1)).due() == "2026-01-02"
        with pytest.raises(Conflict):
            await anchors.sign(key, checkpoint, "2026-01-01")
        (stored,) = await anchors.all()
        assert stored.checked(key.public) == made
        assert VerifyingKey.from_bytes(stored.public_key) == key.public
        assert await anchors.all(after="2026-01-01") == []
        # An anchor passes for no checkpoint, nor a checkpoint for an anchor.
        with pytest.raises(InvalidCheckpoint):
            verify_checkpoint(made.note, bench.signer.public)
        with pytest.raises(InvalidCheckpoint, match="of which day"):
            verify_anchor(checkpoint.note, key.public)

    bench(main)


def test_the_log_remembers_the_key_once(bench, key):
    async def main(bench):
        ledger = await bench.open()
        anchors = Anchors(bench.store, bench.world.offload, OneDay(0))
        for _ in range(2):
            await anchors.announce(key.public, ledger)
        (entry,) = await ledger.entries(-1, 10)
        assert (entry.entry.action, entry.entry.subject) == ("announce anchor key", key.public.fingerprint)
        assert base64.b64decode(entry.entry.body["public_key"]) == key.public.to_bytes()
        assert bench.records == []

    bench(main)


def test_an_audit_checks_the_anchors(bench, key):
    async def main(bench):
        ledger = await bench.filled(3)
        anchors = Anchors(bench.store, bench.world.offload, OneDay(0))
        await anchors.announce(key.public, ledger)
        for day in ("2026-01-01", "2026-01-02"):
            await anchors.sign(key, await ledger.checkpoint(), day)
        assert (await ledger.verify()).anchors == 2
        row = await bench.store.get(ANCHORS, DEFAULT_TENANT, "2026-01-02")
        for at in range(0, len(row.value), 311):
            flipped = row.value[:at] + bytes([row.value[at] ^ 4]) + row.value[at + 1 :]
            await bench.store.commit([Put(ANCHORS, DEFAULT_TENANT, "2026-01-02", flipped)])
            with pytest.raises(LedgerTampered) as caught:
                await ledger.verify()
            assert caught.value.what == "anchor of 2026-01-02"
        await bench.store.commit([Put(ANCHORS, DEFAULT_TENANT, "2026-01-02", row.value)])
        await bench.store.commit([Put(ANCHORS, DEFAULT_TENANT, "2026-01-03", row.value)])
        with pytest.raises(LedgerTampered, match="it is of 2026-01-02"):
            await ledger.verify()

    bench(main)


def test_an_anchor_counts_only_under_a_key_that_the_log_announced_before(bench, key, make_entry):
    stranger = SigningKey.generate(SLH_DSA_SHA2_128F)

    async def main(bench):
        ledger = await bench.filled(3)
        anchors = Anchors(bench.store, bench.world.offload, OneDay(0))
        await anchors.announce(key.public, ledger)
        # Others than the node say the same of a key of theirs.
        words = {"action": "announce anchor key", "subject": stranger.public.fingerprint}
        await ledger.record(make_entry(3, **words))
        await ledger.record(make_entry(4, **words, actor="node", tenant=TenantId("other")))
        await anchors.sign(key, await ledger.checkpoint(), "2026-01-01")
        assert (await ledger.verify()).anchors == 1
        await anchors.sign(stranger, await ledger.checkpoint(), "2026-01-02")
        for _ in range(2):
            with pytest.raises(LedgerTampered, match="none that the entries under it announce") as caught:
                await ledger.verify()
            assert (caught.value.what, caught.value.position) == ("anchor of 2026-01-02", 6)
            # Too late: this anchor does not cover it.
            await anchors.announce(stranger.public, ledger)
        # A key may follow another: from where it is announced on.
        await bench.store.commit([Delete(ANCHORS, DEFAULT_TENANT, "2026-01-02")])
        await anchors.sign(stranger, await ledger.checkpoint(), "2026-01-02")
        assert (await ledger.verify()).anchors == 2

    bench(main)


def test_an_anchor_of_what_was_never_signed_is_named(bench, key):
    from dataclasses import replace

    async def main(bench):
        ledger = await bench.filled(3)
        await Anchors(bench.store, bench.world.offload, OneDay(0)).announce(key.public, ledger)
        checkpoint = await ledger.checkpoint()
        anchors = Anchors(bench.store, bench.world.offload, OneDay(0))
        await anchors.sign(key, replace(checkpoint, root="00" * 32), "2026-01-01")
        with pytest.raises(LedgerTampered, match="no checkpoint of this log") as caught:
            await ledger.verify()
        assert caught.value.what == "anchor of 2026-01-01"

    bench(main)


def test_the_small_signatures_that_a_node_uses_hold_too(bench):
    small = SigningKey.generate(SLH_DSA_SHA2_128S)

    async def main(bench):
        ledger = await bench.filled(1)
        anchor = sign_anchor(small, await ledger.checkpoint(), "2026-01-01")
        assert verify_anchor(anchor.note, small.public) == anchor
        assert len(anchor.note) < 12_000

    bench(main)
