"""What an entry says beyond its metadata: committed to, sealed, disclosed, and gone after shredding."""

import asyncio
import json

import pytest

from phalanx.core import InvalidInput, LimitExceeded, TenantId, WireError
from phalanx.crypto import CryptoError
from phalanx.crypto.vault import KeyExhausted
from phalanx.ledger import InvalidProof, LedgerTampered, Unsealed, decode_leaf, encode_leaf, leaf_hash
from phalanx.ledger._limits import MAX_CUSTODIANS
from phalanx.ledger._record import pack_record, split_record
from phalanx.telemetry import WAYPOINTS

pytestmark = pytest.mark.requirement("IRS-4")

V1_LEAF = (
    b'{"action":"approved","actor":"policy","at_ns":1767225600000000001,'
    b'"body":{"a":{"z":true},"b":[1,2.5,null],"number":1},"case":"host-1",'
    b'"id":"00000000-0000-7000-8000-000000000001","kind":"ledger-entry","subject":"proposal-1",'
    b'"tenant":"default","trace":"trace-1","v":1}'
)


def test_the_journal_holds_nothing_of_the_body_in_the_clear(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        await ledger.record(make_entry(0, body={"secret": "the password is swordfish"}))
        (record,) = bench.journal.records
        assert b"swordfish" not in record
        assert b"secret" not in record
        found = await ledger.entry(make_entry(0).id)
        assert json.loads(found.disclosure.payload) == {"secret": "the password is swordfish"}
        assert len(found.disclosure.salt) == 32
        found.disclosure.check(decode_leaf(found.leaf).commitment)

    bench(main)


def test_equal_bodies_have_unequal_commitments(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        for number in range(2):
            await ledger.record(make_entry(number, body={"x": 1}))
        one, other = await ledger.entries(-1, 2)
        assert one.disclosure.payload == other.disclosure.payload
        assert decode_leaf(one.leaf).commitment != decode_leaf(other.leaf).commitment

    bench(main)


def test_custody_is_in_the_leaf(bench, make_entry):
    async def main(bench):
        ledger = await bench.open()
        held = make_entry(0, custody=("sensor-7", "collector", "node"))
        await ledger.record(held)
        found = await ledger.entry(held.id)
        assert found.entry == held
        assert json.loads(found.leaf)["custody"] == ["sensor-7", "collector", "node"]
        with pytest.raises(LimitExceeded):
            await ledger.record(make_entry(1, custody=("x",) * (MAX_CUSTODIANS + 1)))

    bench(main)


@pytest.mark.parametrize("reopened", [False, True])
def test_after_shredding_everything_verifies_and_the_payload_is_gone(bench, make_entry, reopened):
    async def main(bench):
        ledger = await bench.open()
        for number in range(4):
            await ledger.record(make_entry(number, tenant=TenantId("acme" if number % 2 else "default")))
        signed = await ledger.checkpoint()
        bench.sealers.shred(TenantId("acme"))
        if reopened:
            ledger = await bench.open()
        report = await ledger.verify()
        assert (report.size, report.root, report.payloads, report.payloads_gone) == (4, signed.root, 2, 2)
        found = await ledger.entries(-1, 10)
        assert [one.payload_gone for one in found] == [False, True, False, True]
        assert found[1].entry == make_entry(1, tenant="acme", body={})
        assert found[1].disclosure is None
        assert found[2].entry == make_entry(2)
        for one in found:
            (await ledger.prove(one.index, signed.size)).verify(one.leaf, signed.root)
        # What was recorded is known still, and nothing more can be sealed for the tenant.
        assert (await ledger.record(make_entry(1, tenant="acme"))).index == 1
        with pytest.raises(CryptoError, match="shredded"):
            await ledger.record(make_entry(9, tenant="acme"))
        assert ledger.size == 4
        assert not [record for record in bench.records if record.event.startswith("ledger entry sent again")]

    bench(main)


@pytest.mark.parametrize("reopened", [False, True])
def test_a_tenant_shredded_between_append_and_commit_holds_up_nobody(bench, make_entry, reopened):
    """A store that seals waypoints cannot write those of a shredded tenant any more."""

    async def main(bench):
        ledger = await bench.open()
        write = bench.store._store.commit

        async def commit(writes, *, expect=()):
            for write_ in writes:
                bench.sealers.require(write_.tenant)
            return await write(writes, expect=expect)

        bench.store._store.commit = commit
        bench.store.full = True
        entries = [make_entry(n, tenant=TenantId("acme" if n % 2 else "default")) for n in range(4)]
        await asyncio.gather(*map(ledger.record, entries), return_exceptions=True)
        bench.store.full = False
        bench.sealers.shred(TenantId("acme"))
        ledger = await bench.open() if reopened else ledger
        await ledger.record(make_entry(8))
        assert ledger.size == 5
        assert len(await bench.store.scan(WAYPOINTS, "default")) == 3
        assert await bench.store.scan(WAYPOINTS, "acme") == []
        assert (await ledger.verify()).payloads_gone == 2

    bench(main)


def test_a_sealed_payload_that_was_changed_is_named(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(3)
        good = bench.journal.records[1]
        n_head = len(good) - len(split_record(good)[1])
        for at in (n_head, n_head + 20, len(good) - 1):
            bench.journal.records[1] = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
            for call in (ledger.verify, lambda: ledger.entry(make_entry(1).id)):
                with pytest.raises(LedgerTampered) as caught:
                    await call()
                assert (caught.value.what, caught.value.position) == ("payload", 1)

    bench(main)


def test_a_sealed_payload_of_another_entry_is_named(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(2)
        one, other = map(split_record, bench.journal.records)
        bench.journal.records[1] = pack_record(other[0], one[1])
        with pytest.raises(LedgerTampered) as caught:
            await ledger.verify()
        assert (caught.value.what, caught.value.position) == ("payload", 1)

    bench(main)


def test_a_payload_that_is_not_the_committed_one_is_named(bench, make_entry):
    """Where the seal itself tells nothing, the commitment does."""

    async def main(bench):
        bench.sealers = Unsealed()
        ledger = await bench.filled(2)
        bench.journal.records[1] = bench.journal.records[1].replace(b'"number":1', b'"number":7')
        for call in (ledger.verify, lambda: ledger.entry(make_entry(1).id)):
            with pytest.raises(LedgerTampered, match="its leaf commits to") as caught:
                await call()
            assert (caught.value.what, caught.value.position) == ("payload", 1)

    bench(main)


def test_records_of_version_1_are_read(bench, make_entry):
    async def main(bench):
        bench.journal.records.append(V1_LEAF)
        ledger = await bench.open()
        old = make_entry(1, id="00000000-0000-7000-8000-000000000001")
        found = await ledger.entry(old.id)
        assert (found.entry, found.leaf, found.disclosure, found.payload_gone) == (old, V1_LEAF, None, False)
        assert (await ledger.record(old)).leaf_hash == leaf_hash(V1_LEAF).hex()
        await ledger.record(make_entry(2))
        report = await ledger.verify()
        assert (report.size, report.payloads, report.payloads_gone) == (2, 1, 0)
        assert bench.records == []

    bench(main)


def test_a_leaf_says_its_body_or_commits_to_one(make_entry):
    leaf = encode_leaf(make_entry(0), bytes(32))
    assert decode_leaf(leaf).commitment == "00" * 32
    read = json.loads(leaf)
    for changed in (read | {"body": {}}, read | {"commitment": ""}, read | {"commitment": "0" * 63}):
        with pytest.raises(WireError):
            decode_leaf(json.dumps(changed).encode())
    with pytest.raises(InvalidInput):
        encode_leaf(make_entry(0, subject="\ud800"), bytes(32))


def test_a_sealed_record_does_not_pass_for_one_of_version_1(bench, make_entry):
    async def main(bench):
        ledger = await bench.filled(1)
        bench.journal.records[0] = split_record(bench.journal.records[0])[0]
        with pytest.raises(LedgerTampered, match="different versions"):
            await ledger.verify()
        bench.journal.records[0] = pack_record(V1_LEAF, b"sealed")
        with pytest.raises(LedgerTampered, match="different versions"):
            await ledger.verify()

    bench(main)


def test_a_sealer_is_asked_for_once(bench, make_entry):
    async def main(bench):
        asked = []
        give = bench.sealers.sealer

        async def counted(tenant, purpose):
            asked.append((tenant, purpose))
            return await give(tenant, purpose)

        bench.sealers.sealer = counted
        ledger = await bench.open()
        await ledger.record(make_entry(0))
        await asyncio.gather(*(ledger.record(make_entry(number)) for number in range(1, 5)))
        assert asked == [("default", "ledger")]

    bench(main)


def test_payload_and_salt_in_a_proof_document_are_checked(proof_document, make_entry):
    from phalanx.ledger import verify_proof_document

    assert verify_proof_document(proof_document).disclosed
    changed = proof_document["payload"].replace("2.5", "3.5")
    assert changed != proof_document["payload"]
    for change in ({"payload": changed}, {"salt": "00" * 32}, {"salt": None}, {"payload": None}, {"salt": "00"}):
        with pytest.raises(InvalidProof, match="its leaf commits to"):
            verify_proof_document(proof_document | change)
    with pytest.raises(InvalidInput, match="salt"):
        verify_proof_document(proof_document | {"salt": "zz"})
    undisclosed = verify_proof_document(proof_document | {"payload": None, "salt": None})
    assert not undisclosed.disclosed
    assert undisclosed.entry == make_entry(3, body={})


def test_a_key_that_has_served_its_time_is_renewed(bench, make_entry):
    """A sealer refuses when its key was used often enough; asking for it again gives it another."""

    async def main(bench):
        give, uses = bench.sealers.sealer, []

        class Tired:
            def __init__(self, sealer):
                self._sealer, self._left = sealer, 2
                self.open = sealer.open

            def seal(self, plaintext, aad=b""):
                if not self._left:
                    raise KeyExhausted("a key")
                self._left -= 1
                return self._sealer.seal(plaintext, aad)

        async def sealer(tenant, purpose):
            uses.append(tenant)
            return Tired(await give(tenant, purpose))

        bench.sealers.sealer = sealer
        ledger = await bench.filled(5)
        assert uses == ["default"] * 3
        assert (await ledger.verify()).payloads == 5

    bench(main)
