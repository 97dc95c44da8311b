"""What is kept of others' signatures: any bit that changes in it is named."""

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, Put, TenantId, decode
from phalanx.ledger import LedgerTampered
from phalanx.ledger._shelf import CHECKPOINTS, Shelf
from phalanx.ledger.witness import audit_vouched
from phalanx.ledger.witness._asking import COSIGNATURES, Cosignature

pytestmark = pytest.mark.requirement("IRS-4")


@pytest.fixture
def cosigned(on_world, new_log, new_place, trusted, keys):
    """Runs ``main(store)``: a ledger's store with three cosigned checkpoints."""

    def run(main):
        async def on(world):
            log = new_log(world, 3)
            witness = new_place(world, "w", keys[1], [trusted(log)])
            witness.serve("http://w")
            place = new_place(world, "log", keys[0], own=log)
            asks = place.witnesses([witness.peer("http://w")])
            for _ in range(3):
                await Shelf(place.store).save_checkpoint(await log.checkpoint())
                await asks.round()
                log.append(b"more")
            return await main(place.store)

        return on_world(on)

    return run


def put(key, value, row, *, under=None):
    """The write of a row as it is found, or found under something else."""
    witness = decode(row.value, Cosignature).witness if under is None else under
    return Put(COSIGNATURES, DEFAULT_TENANT, key, value, {"witness": (witness,)} if witness else {})


def test_what_was_kept_holds(cosigned):
    async def main(store):
        report = await audit_vouched(store)
        assert (report.cosignatures, report.timestamps, report.unchecked) == (3, 0, 0)

    cosigned(main)


def test_every_bit_of_a_cosignature_matters(cosigned):
    async def main(store):
        (row, *_) = await store.scan(COSIGNATURES, DEFAULT_TENANT)
        for at in range(0, len(row.value), 13):
            changed = bytearray(row.value)
            changed[at] ^= 1 << (at % 8)
            await store.commit([Put(COSIGNATURES, DEFAULT_TENANT, row.key, bytes(changed))])
            with pytest.raises(LedgerTampered, match="cosignature"):
                await audit_vouched(store)
        await store.commit([put(row.key, row.value, row)])
        assert (await audit_vouched(store)).cosignatures == 3

    cosigned(main)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("under", ["", "phalanx-witness/another"])
def test_a_cosignature_is_found_under_its_witness(cosigned, number, under):
    async def main(store):
        rows = await store.scan(COSIGNATURES, DEFAULT_TENANT)
        row = rows[number]
        await store.commit([put(row.key, row.value, row, under=under)])
        with pytest.raises(LedgerTampered, match="found under"):
            await audit_vouched(store)

    cosigned(main)


class Unindexed:
    """A store whose index lost an entry, while its row says what it should be found under."""

    def __init__(self, store, key):
        self._store = store
        self._key = key

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def find(self, *args, **kwargs):
        return [row for row in await self._store.find(*args, **kwargs) if row.key != self._key]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_an_index_that_lost_an_entry(cosigned, number):
    async def main(store):
        key = (await store.scan(COSIGNATURES, DEFAULT_TENANT))[number].key
        with pytest.raises(LedgerTampered, match="it is not found under") as caught:
            await audit_vouched(Unindexed(store, key))
        assert (caught.value.what, caught.value.position) == ("cosignature", int(key[:19]))

    cosigned(main)


def test_rows_of_another_tenant_are_nobodys(cosigned):
    async def main(store):
        (row, *_) = await store.scan(COSIGNATURES, DEFAULT_TENANT)
        await store.commit([Put(COSIGNATURES, TenantId("other"), row.key, row.value)])
        with pytest.raises(LedgerTampered, match="rows of the tenant 'other'"):
            await audit_vouched(store)

    cosigned(main)


def test_a_cosignature_belongs_to_its_checkpoint_and_its_place(cosigned):
    async def main(store):
        first, second, _ = await store.scan(COSIGNATURES, DEFAULT_TENANT)
        await store.commit([Put(COSIGNATURES, DEFAULT_TENANT, second.key, first.value)])
        with pytest.raises(LedgerTampered, match="at cosignature 3"):
            await audit_vouched(store)
        await store.commit([put(second.key, second.value, second)])
        await store.commit([Delete(CHECKPOINTS, DEFAULT_TENANT, f"{4:019d}")])
        with pytest.raises(LedgerTampered, match="no checkpoint of this size"):
            await audit_vouched(store)

    cosigned(main)
