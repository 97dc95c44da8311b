import asyncio
import itertools

import pytest

from phalanx.core import DEFAULT_TENANT, InvalidInput, LimitExceeded, NotFound, StorageFull, TenantId
from phalanx.crypto import CHACHA20_POLY1305, AlgorithmForbidden, CryptoPolicy, NotAuthentic
from phalanx.crypto.vault import (
    VAULT_KEYS,
    KeyExhausted,
    KeyState,
    KeyUses,
    Level,
    NotSealed,
    Shredded,
    WrongKey,
    parse,
)
from phalanx.testing import MemoryWrapper

pytestmark = pytest.mark.requirement("CRY-2", "CRY-4")

ACME, ZETA = TenantId("acme"), TenantId("zeta")


def test_what_was_sealed_opens_again_also_after_a_restart(in_vault):
    async def main(bench):
        sealer = await (await bench.open()).sealer(ACME, "ledger")
        sealed = sealer.seal(b"secret", b"row 7")
        assert b"secret" not in sealed
        assert sealer.open(sealed, b"row 7") == b"secret"
        again = await (await bench.open()).opener(ACME, "ledger")
        assert again.open(sealed, b"row 7") == b"secret"

    in_vault(main)


def test_sealed_bytes_say_what_they_need(in_vault):
    async def main(bench):
        vault = await bench.open()
        sealer = await vault.sealer(ACME, "ledger")
        envelope = parse(sealer.seal(b""))
        keys = {key.id: key for key in await vault.keys()}
        assert envelope.algorithm == vault.seal_with == keys[envelope.key_id].algorithm
        chain = [keys[envelope.key_id]]
        while chain[-1].parent:
            chain.append(keys[chain[-1].parent])
        assert [key.level for key in chain] == [Level.DATA, Level.PURPOSE, Level.TENANT, Level.ROOT]
        assert all(key.state is KeyState.ACTIVE for key in chain)

    in_vault(main)


def test_they_open_for_nothing_else(in_vault):
    async def main(bench):
        vault = await bench.open()
        sealer = await vault.sealer(ACME, "ledger")
        sealed = sealer.seal(b"secret", b"aad")
        for tenant, purpose in ((ZETA, "ledger"), (ACME, "store")):
            other = await vault.sealer(tenant, purpose)
            with pytest.raises(WrongKey):
                other.open(sealed, b"aad")
        with pytest.raises(NotAuthentic):
            sealer.open(sealed, b"other")
        for junk in (b"", b"\xc1PhV", sealed[:-17], b"plain"):
            with pytest.raises((NotSealed, NotAuthentic, WrongKey)):
                sealer.open(junk, b"aad")

    in_vault(main)


def test_another_wrapper_key_is_a_clear_error_and_nothing_is_touched(in_vault):
    async def main(bench):
        await (await bench.open()).sealer(ACME, "ledger")
        before = await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT)
        with pytest.raises(WrongKey, match="wrapped by another key"):
            await bench.open(wrapper=MemoryWrapper(bench.world.entropy))
        other_kind = MemoryWrapper(bench.world.entropy)
        other_kind.name = "passphrase"
        with pytest.raises(WrongKey, match="wrapped by memory, the settings say passphrase"):
            await bench.open(wrapper=other_kind)
        assert await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT) == before

    in_vault(main)


@pytest.mark.parametrize("level", Level)
def test_rotating_keeps_what_was_sealed_readable(in_vault, level):
    async def main(bench):
        vault = await bench.open()
        sealers = [await vault.sealer(tenant, p) for tenant in (ACME, ZETA) for p in ("ledger", "store")]
        sealed = [sealer.seal(b"old") for sealer in sealers]
        await vault.rotate(level, ACME, "ledger", actor="ada")
        newer = [sealer.seal(b"new") for sealer in sealers]
        for again in (vault, await bench.open()):
            for sealer, old, new in zip(sealers, sealed, newer, strict=True):
                opener = await again.opener(sealer.tenant, sealer.purpose)
                assert (opener.open(old), opener.open(new)) == (b"old", b"new")
        assert sealers[0].is_stale(sealed[0]) is (level is Level.DATA)
        assert not sealers[0].is_stale(newer[0])
        (event,) = await vault.outbox.pending()
        assert (event.actor, event.action, event.body["level"]) == ("ada", "key rotated", level.value)

    in_vault(main)


def test_rotating_the_root_rewraps_tenant_keys_alone_and_leaves_nothing_of_the_old_one(in_vault):
    async def main(bench):
        vault = await bench.open()
        for tenant in (ACME, ZETA):
            await vault.sealer(tenant, "ledger")
        before = {row.key: row.version for row in await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT)}
        levels = {key.id: key.level for key in await vault.keys()}
        await vault.rotate(Level.ROOT)
        after = {row.key: row.version for row in await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT)}
        changed = [levels.get(key) for key in after if after[key] != before.get(key)]
        assert sorted(level.value for level in changed if level) == ["root", "tenant", "tenant"]
        roots = [key for key in await vault.keys() if key.level is Level.ROOT]
        assert [key.state for key in roots] == [KeyState.DESTROYED, KeyState.ACTIVE]

    in_vault(main)


def test_there_must_be_something_to_rotate(in_vault):
    async def main(bench):
        vault = await bench.open()
        with pytest.raises(NotFound):
            await vault.rotate(Level.DATA, ACME, "ledger")

    in_vault(main)


def test_a_shredded_tenant_is_gone_at_once_and_for_good_and_others_are_not(in_vault):
    async def main(bench):
        vault = await bench.open()
        held, other = await vault.sealer(ACME, "ledger"), await vault.sealer(ZETA, "ledger")
        sealed, kept = held.seal(b"x"), other.seal(b"y")
        assert await vault.shred(ACME, actor="ada")
        assert not await vault.shred(ACME, actor="ada")
        for again in (vault, await bench.open()):
            assert again.is_shredded(ACME)
            for call in (again.sealer, again.opener):
                with pytest.raises(Shredded) as refused:
                    await call(ACME, "ledger")
                assert refused.value.tenant == ACME
            assert (await again.opener(ZETA, "ledger")).open(kept) == b"y"
            gone = [key for key in await again.keys() if key.tenant == ACME]
            assert len(gone) == 3
            assert {key.state for key in gone} == {KeyState.DESTROYED}
        for refuse in (lambda: held.seal(b"x"), lambda: held.open(sealed)):
            with pytest.raises(Shredded):
                refuse()
        rows = await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT)
        assert {key.id for key in gone} < {row.key for row in rows}, "the records stay"
        (event,) = await vault.outbox.pending()
        assert (event.action, event.actor, event.body) == ("tenant shredded", "ada", {"tenant": "acme"})
        await vault.outbox.confirm(event)
        assert await vault.outbox.pending() == []

    in_vault(main)


def test_a_tenant_without_keys_can_be_shredded_and_the_default_one_cannot(in_vault):
    async def main(bench):
        vault = await bench.open()
        await vault.shred(ACME)
        with pytest.raises(Shredded):
            await vault.sealer(ACME, "ledger")
        for own in (DEFAULT_TENANT, TenantId("node:identities")):
            with pytest.raises(InvalidInput):
                await vault.shred(own)

    in_vault(main)


def test_a_key_is_used_so_often_and_no_more_over_any_number_of_restarts(in_vault):
    async def main(bench):
        uses, seen = KeyUses(maximum=10, step=4), []
        for _ in range(5):
            sealer = await (await bench.open(uses=uses)).sealer(ACME, "ledger")
            seen.append(parse(sealer.seal(b"")).key_id)
        assert [len(list(group)) for _, group in itertools.groupby(seen)] == [2, 2, 1], "a step each, two fit"

    in_vault(main)


def test_a_sealer_that_is_held_refuses_at_the_end_of_its_step_and_goes_on_with_the_next_key(in_vault):
    async def main(bench):
        vault = await bench.open(uses=KeyUses(maximum=4, step=4))
        sealer = await vault.sealer(ACME, "ledger")
        first = [sealer.seal(b"") for _ in range(4)]
        with pytest.raises(KeyExhausted):
            sealer.seal(b"")
        assert await vault.sealer(ACME, "ledger") is sealer
        second = sealer.seal(b"")
        assert len({parse(one).key_id for one in first}) == 1
        assert parse(second).key_id != parse(first[0]).key_id
        assert all(sealer.open(one) == b"" for one in (*first, second))

    in_vault(main)


def test_a_sealer_that_is_held_is_renewed_by_the_vault_itself(in_vault):
    async def main(bench):
        vault = await bench.open(uses=KeyUses(maximum=8, step=8))
        sealer = await vault.sealer(ACME, "ledger")
        tending = bench.world.loop.create_task(vault.tend())
        for _ in range(30):
            sealer.seal(b"")
            await bench.world.clock.sleep(2)
        tending.cancel()

    in_vault(main)


def test_a_long_message_counts_for_more(in_vault):
    async def main(bench):
        vault = await bench.open(uses=KeyUses(maximum=100, step=10))
        sealer = await vault.sealer(ACME, "ledger")
        sealer.seal(bytes(5 * 65_536))
        assert sealer.uses_left == 4

    in_vault(main)


def test_too_long_and_nameless_is_refused(in_vault):
    async def main(bench):
        vault = await bench.open()
        sealer = await vault.sealer(ACME, "ledger")
        with pytest.raises(LimitExceeded):
            sealer.seal(bytes((16 << 20) + 1))
        for tenant, purpose in ((TenantId(""), "a"), (ACME, ""), (ACME, "a\x1f"), (ACME, "a" * 257)):
            with pytest.raises(InvalidInput):
                await vault.sealer(tenant, purpose)
        for n in range(63):
            await vault.sealer(ACME, f"purpose {n}")
        with pytest.raises(LimitExceeded, match="purposes"):
            await vault.sealer(ACME, "one too many")

    in_vault(main)


def test_the_algorithm_can_be_changed_and_the_policy_is_obeyed(in_vault):
    async def main(bench):
        old = (await (await bench.open()).sealer(ACME, "ledger")).seal(b"old")
        policy = CryptoPolicy(forbidden=frozenset({"AES-256-GCM"}))
        with pytest.raises(AlgorithmForbidden):
            await bench.open(policy=policy)
        vault = await bench.open(policy=policy, seal_with=CHACHA20_POLY1305)
        sealer = await vault.sealer(ACME, "ledger")
        new = sealer.seal(b"new")
        assert parse(new).algorithm == CHACHA20_POLY1305
        assert (sealer.open(old), sealer.open(new)) == (b"old", b"new")
        assert sealer.is_stale(old)
        assert not sealer.is_stale(new)

    in_vault(main)


def test_rewrapping_changes_who_opens_the_vault_and_nothing_else(in_vault):
    async def main(bench):
        vault = await bench.open()
        sealed = (await vault.sealer(ACME, "ledger")).seal(b"x")
        other = MemoryWrapper(bench.world.entropy)
        await vault.rewrap(other, actor="ada")
        with pytest.raises(WrongKey):
            await bench.open()
        again = await bench.open(wrapper=other)
        assert (await again.opener(ACME, "ledger")).open(sealed) == b"x"
        assert [event.action for event in await again.outbox.pending()] == ["root rewrapped"]

    in_vault(main)


def test_a_wrapper_that_loses_the_key_is_found_out_before_it_matters(in_vault):
    class Lossy(MemoryWrapper):
        async def unwrap(self, wrapped, context):
            return bytes(32)

    async def main(bench):
        vault = await bench.open()
        with pytest.raises(WrongKey, match="does not give back"):
            await vault.rewrap(Lossy(bench.world.entropy))
        await bench.open()

    in_vault(main)


def test_a_full_store_leaves_what_is_sealed_readable(in_vault):
    class Full:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        async def commit(self, writes, *, expect=()):
            raise StorageFull("the store")

    async def main(bench):
        sealed = (await (await bench.open()).sealer(ACME, "ledger")).seal(b"x")
        vault = await bench.open(store=Full(bench.store))
        assert (await vault.opener(ACME, "ledger")).open(sealed) == b"x"
        with pytest.raises(StorageFull):
            await vault.sealer(ACME, "ledger")

    in_vault(main)


def test_secrets_are_in_no_log_representation_or_row(in_vault):
    async def main(bench):
        made = []
        token = bench.world.entropy.token
        bench.world.entropy.token = lambda n: made.append(token(n)) or made[-1]
        bench.wrapper = MemoryWrapper(bench.world.entropy)
        vault = await bench.open()
        sealer = await vault.sealer(ACME, "ledger")
        held = [key for _, key in await vault._hierarchy.data_keys(ACME, "ledger")]
        sealer.seal(b"x")
        await vault.rotate(Level.ROOT)
        await vault.rotate(Level.DATA, ACME, "ledger")
        rows = await bench.store.scan(VAULT_KEYS, DEFAULT_TENANT)
        shown = "\n".join(map(repr, [vault, sealer, *held, *await vault.keys(), *bench.lines])).encode()
        secrets = [one for one in made if len(one) == 32]
        assert len(secrets) == 7, "the wrapper's, two roots, tenant, purpose and two data keys"
        for secret in secrets:
            for place in (shown, *(row.value for row in rows)):
                assert secret not in place
                assert repr(secret).encode() not in place
                assert secret.hex().encode() not in place

    in_vault(main)


def test_nonces_are_fresh_for_every_message(in_vault):
    async def main(bench):
        sealer = await (await bench.open()).sealer(ACME, "ledger")
        assert len({parse(sealer.seal(b"same")).nonce for _ in range(2_000)}) == 2_000

    in_vault(main)


class Choosy:
    """A store that has no room for the writes that ``refuses`` picks, and may be made to wait."""

    def __init__(self, inner):
        self.inner = inner
        self.refuses = lambda writes: False
        self.gate = None

    def __getattr__(self, name):
        return getattr(self.inner, name)

    async def commit(self, writes, *, expect=()):
        if self.gate is not None:
            await self.gate.wait()
        if self.refuses(writes):
            raise StorageFull("the store")
        return await self.inner.commit(writes, expect=expect)


def follows_a_change(writes):
    """The steps after a rotation or a shredding leave no event; the change itself does."""
    return all(write.table is VAULT_KEYS for write in writes)


@pytest.mark.parametrize("change", ["rotate", "shred"])
def test_what_follows_a_change_waits_for_room_and_the_change_stands(in_vault, change):
    async def main(bench):
        store = Choosy(bench.store)
        vault = await bench.open(store=store)
        sealer, other = await vault.sealer(ACME, "ledger"), await vault.sealer(ZETA, "ledger")
        sealed = other.seal(b"kept")
        told = []
        vault.outbox.on_event = lambda: told.append(change)
        store.refuses = follows_a_change
        if change == "rotate":
            await vault.rotate(Level.ROOT)
        else:
            await vault.shred(ACME)
            with pytest.raises(Shredded):
                sealer.seal(b"")
        assert told == [change], "the ledger hears of it at once"
        store.refuses = lambda writes: False
        # A change that leaves nothing to do does not make forgotten what another left.
        await vault.rotate(Level.DATA, ZETA, "ledger")
        keys = await vault.keys()
        assert len([key for key in keys if key.level is Level.ROOT and key.state is not KeyState.DESTROYED]) == 1
        assert all(key.state is KeyState.DESTROYED for key in keys if key.tenant == ACME) is (change == "shred")
        assert (await (await bench.open()).opener(ZETA, "ledger")).open(sealed) == b"kept"

    in_vault(main)


@pytest.mark.parametrize("level", [Level.PURPOSE, Level.TENANT])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_tenant_is_shredded_in_the_middle_of_its_rotation(in_vault, level, earlier):
    async def main(bench):
        store = Choosy(bench.store)
        vault = await bench.open(store=store)
        await vault.sealer(ACME, "ledger")
        kept = (await vault.sealer(ZETA, "ledger")).seal(b"kept")
        if earlier:  # so that the tenant's key is younger than the purpose's
            await vault.rotate(Level.TENANT, ACME)
        store.refuses = follows_a_change
        await vault.rotate(level, ACME, "ledger")
        store.refuses = lambda writes: False
        await vault.shred(ACME)
        again = await bench.open()
        assert all(key.state is KeyState.DESTROYED for key in await again.keys() if key.tenant == ACME)
        assert (await again.opener(ZETA, "ledger")).open(kept) == b"kept"

    in_vault(main)


def test_rotations_at_every_level_that_wait_for_room_are_all_finished(in_vault):
    async def main(bench):
        store = Choosy(bench.store)
        vault = await bench.open(store=store)
        sealed = (await vault.sealer(ACME, "ledger")).seal(b"kept")
        store.refuses = follows_a_change
        for level in (Level.PURPOSE, Level.TENANT, Level.ROOT):
            await vault.rotate(level, ACME, "ledger")
        store.refuses = lambda writes: False
        await vault.shred(ZETA)
        left = [key for key in await vault.keys() if key.state is not KeyState.DESTROYED]
        assert sorted(key.level.value for key in left) == ["data", "purpose", "root", "tenant"]
        assert (await (await bench.open()).opener(ACME, "ledger")).open(sealed) == b"kept"

    in_vault(main)


def test_a_key_that_is_renewed_while_its_tenant_is_shredded_harms_nobody(in_vault):
    async def main(bench):
        store = Choosy(bench.store)
        vault = await bench.open(store=store, uses=KeyUses(maximum=100, step=4))
        sealer = await vault.sealer(ACME, "ledger")
        sealer.seal(b"")
        sealer.seal(b"")
        store.gate = asyncio.Event()
        shredding = asyncio.create_task(vault.shred(ACME))
        await bench.world.clock.sleep(0.01)
        tending = asyncio.create_task(vault.tend())
        await bench.world.clock.sleep(0.01)
        store.gate.set()
        await shredding
        await bench.world.clock.sleep(10)
        assert not tending.done(), tending
        tending.cancel()

    in_vault(main)
