"""What is kept of others' signatures: any bit that changes in it is named."""

import pytest

from phalanx.core import DEFAULT_TENANT, Delete, Put
from phalanx.ledger import LedgerTampered
from phalanx.ledger._shelf import CHECKPOINTS, Shelf
from phalanx.ledger.witness import audit_vouched
from phalanx.ledger.witness._asking import COSIGNATURES

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
        await store.commit([Put(COSIGNATURES, DEFAULT_TENANT, row.key, row.value)])
        assert (await audit_vouched(store)).cosignatures == 3

    cosigned(main)


def test_a_cosignature_belongs_to_its_checkpoint_and_its_place(cosigned):
    async def main(store):
        first, second, _ = await store.scan(COSIGNATURES, DEFAULT_TENANT)
        await store.commit([Put(COSIGNATURES, DEFAULT_TENANT, second.key, first.value)])
        with pytest.raises(LedgerTampered, match="at cosignature 3"):
            await audit_vouched(store)
        await store.commit([Put(COSIGNATURES, DEFAULT_TENANT, second.key, second.value)])
        await store.commit([Delete(CHECKPOINTS, DEFAULT_TENANT, f"{4:019d}")])
        with pytest.raises(LedgerTampered, match="no checkpoint of this size"):
            await audit_vouched(store)

    cosigned(main)
