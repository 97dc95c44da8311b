"""Artefacts: whole or not there, unreadable to others, gone with the tenant, moved when keys are."""

import asyncio

import pytest

from phalanx.core import DEFAULT_TENANT, LimitExceeded, NotFound, Rng, StorageFull, TenantId
from phalanx.crypto import CHACHA20_POLY1305, NotAuthentic
from phalanx.crypto.artefacts import ARTEFACTS, CHUNK_BYTES, ArtefactBounds, DamagedArtefact
from phalanx.crypto.artefacts._form import HEAD, LENGTH_BYTES, opened_chunk, sealed_frame
from phalanx.crypto.vault import Level, Shredded, looks_sealed

pytestmark = pytest.mark.requirement("CRY-4")

ACME, ZETA = TenantId("acme"), TenantId("zeta")
LARGE = Rng(5).bytes(2 * CHUNK_BYTES + 1_000)


async def pieces(content, size=70_000):
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def drain(stream, into):
    async for piece in stream:
        into += piece


async def kept(shelf, content=LARGE, tenant=ACME, name="capture.pcap", **more):
    return await shelf.artefacts.put(tenant, pieces(content), name=name, actor="kim", **more)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_content_of_any_size_comes_back_also_after_a_restart(in_place, size):
    async def main(place):
        shelf = await place.open()
        made = await kept(shelf, LARGE[:size], case="host:ws-1")
        assert (made.size, made.kept_by, made.case) == (size, "kim", "host:ws-1")
        again = await place.open()
        found = await again.artefacts.get(ACME, made.id)
        assert found == made
        assert await again.content(found) == LARGE[:size]
        assert await again.artefacts.sweep() == 0
        assert [(one.action, one.body["name"]) for one in place.told.kept] == [("artefact-kept", "capture.pcap")]

    in_place(main)


def test_neither_content_nor_name_nor_hash_is_on_the_disk(in_place):
    async def main(place):
        shelf = await place.open()
        made = await kept(shelf, b"the intruder's own words " * 20_000, case="host:ws-1")
        disk = place.world.disk("machine")
        stored = b"".join([await disk.read(f"artefacts/{file}") for file in await shelf.files()])
        assert len(stored) > 500_000
        for word in (b"intruder", b"capture", made.sha256.encode(), bytes.fromhex(made.sha256)):
            assert word not in stored
        row = await shelf.store.inner.get(ARTEFACTS, ACME, made.id)
        assert looks_sealed(row.value)
        assert await shelf.store.inner.find(ARTEFACTS, ACME, "case", "host:ws-1") == []
        assert [one.id for one in await shelf.artefacts.page(ACME, case="host:ws-1")] == [made.id]
        assert await shelf.artefacts.page(ACME, use="evidence") == []
        assert made.id not in made.sha256

    in_place(main)


def test_the_same_content_is_kept_once_for_each_tenant(in_place):
    async def main(place):
        shelf = await place.open()
        first, second = await asyncio.gather(kept(shelf), kept(shelf, name="another"))
        assert first == second
        other = await kept(shelf, tenant=ZETA)
        assert other.id != first.id, "ids of two tenants must not tell that they keep the same"
        assert len(await shelf.files()) == 2
        with pytest.raises(NotFound):
            await shelf.artefacts.get(ZETA, first.id)
        assert (await shelf.artefacts.usage(ACME)).bytes == len(LARGE)

    in_place(main)


def test_whoever_cuts_lengthens_swaps_or_changes_a_file_is_found(in_place):
    async def main(place):
        shelf = await place.open()
        made, other = await kept(shelf), await kept(shelf, LARGE[::-1])
        disk = place.world.disk("machine")
        path = f"artefacts/{made.file}"
        whole, another = await disk.read(path), await disk.read(f"artefacts/{other.file}")
        frame = (len(whole) - len(HEAD)) // 2
        first = len(HEAD) + 4 + int.from_bytes(whole[len(HEAD) : len(HEAD) + 4])
        second = first + 4 + int.from_bytes(whole[first : first + 4])
        for changed, where in (
            (whole[:-1], 2),
            (whole[:second], 2),  # cut at the border of a chunk
            (whole[:first], 1),
            (whole[: len(HEAD)], 0),
            (b"", 0),
            (whole + b"\0", 2),
            (whole[: len(HEAD)] + whole[first:second] + whole[len(HEAD) : first] + whole[second:], 0),  # two swapped
            (whole[:first] + whole[second:], 1),  # one left out
            (another, 0),  # another of the tenant's files in its place
            (whole[:frame] + bytes([whole[frame] ^ 1]) + whole[frame + 1 :], 1),
        ):
            await disk.remove(path)
            await disk.append(path, changed)
            given = bytearray()
            with pytest.raises(DamagedArtefact) as found:
                await drain(shelf.artefacts.stream(made), given)
            assert found.value.position == where
            assert LARGE.startswith(bytes(given)), "what was given out before was not changed"
        await disk.remove(path)
        with pytest.raises(DamagedArtefact, match="gone"):
            await shelf.content(made)

    in_place(main)


def test_a_chunk_opens_in_its_place_alone_and_says_whether_it_is_the_last(in_place):
    async def main(place):
        sealer = await (await place.open()).vault.sealer(ACME, "artefacts")
        sealed = sealed_frame(sealer, "file", 3, b"chunk", last=False)[LENGTH_BYTES:]
        assert opened_chunk(sealer, "file", 3, sealed, last=False) == b"chunk"
        for file, position, last in (("file", 3, True), ("file", 2, False), ("life", 3, False)):
            with pytest.raises(NotAuthentic):
                opened_chunk(sealer, file, position, sealed, last=last)

    in_place(main)


def test_a_shredded_tenant_s_artefacts_are_unreadable_at_once_and_erased(in_place):
    async def main(place):
        shelf = await place.open()
        made, other = await kept(shelf), await kept(shelf, tenant=ZETA)
        stream = shelf.artefacts.stream(made)
        await anext(stream)
        await shelf.vault.shred(ACME)
        with pytest.raises(Shredded):
            await anext(stream)
        with pytest.raises(Shredded):
            await shelf.content(made)
        with pytest.raises(Shredded):
            await kept(shelf, b"more")
        assert await shelf.artefacts.erase_shredded() == 1
        assert await shelf.files() == [other.file]
        assert await shelf.content(other) == LARGE

    in_place(main)


def test_rotation_moves_them_in_the_migration_and_after_they_were_read(in_place):
    async def main(place):
        shelf = await place.open()
        made, read = await kept(shelf), await kept(shelf, b"small")
        await shelf.vault.rotate(Level.DATA, ACME, "artefacts")
        tending = asyncio.create_task(shelf.artefacts.run())
        assert await shelf.content(read) == b"small"
        await place.world.clock.sleep(6)
        moved = await shelf.artefacts.get(ACME, read.id)
        assert moved.keys != read.keys
        assert (await shelf.artefacts.get(ACME, made.id)).keys == made.keys, "nobody read it"
        running = asyncio.create_task(shelf.job.run())
        await shelf.job.start()
        while (await shelf.job.status()).state.value == "running":
            await place.world.clock.sleep(0.1)
        status = await shelf.job.status()
        assert (status.state.value, status.rows >= 2, status.resealed >= 1) == ("done", True, True)
        found = await shelf.artefacts.get(ACME, made.id)
        assert found.keys == moved.keys
        assert await shelf.content(found) == LARGE
        assert sorted(await shelf.files()) == sorted((found.file, moved.file))
        for task in (tending, running):
            task.cancel()

    in_place(main)


def test_another_algorithm_in_the_settings_moves_them(in_place):
    async def main(place):
        made = await kept(await place.open())
        shelf = await place.open(seal_with=CHACHA20_POLY1305)
        assert [changed async for changed in shelf.artefacts.reseal()] == [True]
        assert [changed async for changed in shelf.artefacts.reseal()] == [False]
        disk = place.world.disk("machine")
        (file,) = await shelf.files()
        assert CHACHA20_POLY1305.encode() in await disk.read(f"artefacts/{file}")
        assert await shelf.content(await shelf.artefacts.get(ACME, made.id)) == LARGE

    in_place(main)


def test_who_reads_is_not_cut_off_by_removal_or_by_sealing_anew(in_place):
    async def main(place):
        shelf = await place.open()
        made = await kept(shelf)
        stream = shelf.artefacts.stream(made)
        parts = [await anext(stream)]
        await shelf.vault.rotate(Level.DATA, ACME, "artefacts")
        assert [changed async for changed in shelf.artefacts.reseal()] == [True]
        await shelf.artefacts.remove(ACME, made.id, actor="kim")
        parts += [piece async for piece in stream]
        assert b"".join(parts) == LARGE
        assert await shelf.files() == []
        with pytest.raises(NotFound):
            await shelf.artefacts.remove(ACME, made.id, actor="kim")
        assert (await shelf.artefacts.usage(ACME)).bytes == 0
        assert place.told.actions() == ["artefact-kept", "artefact-removed"]

    in_place(main)


def test_a_key_that_comes_to_its_bound_is_followed_by_the_next_in_one_file(in_place):
    async def main(place):
        shelf = await place.open(uses=(10, 5))
        made = await kept(shelf)
        assert len(made.keys) > 1
        assert await shelf.content(made) == LARGE

    in_place(main)


def test_bounds_hold_and_leave_nothing_behind(in_place):
    async def main(place):
        shelf = await place.open(bounds=ArtefactBounds(artefact_bytes=len(LARGE), tenant_bytes=len(LARGE) + 10))
        with pytest.raises(LimitExceeded, match="bytes of an artefact"):
            await kept(shelf, LARGE + b"1")
        await kept(shelf)
        with pytest.raises(LimitExceeded, match="bytes of a tenant"):
            await kept(shelf, b"eleven more")
        await kept(shelf, b"ten bytes!")
        assert len(await shelf.files()) == 2
        disk = place.world.disk("machine")
        disk.capacity_bytes = disk.used_bytes + CHUNK_BYTES
        shelf.artefacts.bounds = ArtefactBounds()
        with pytest.raises(StorageFull):
            await kept(shelf, LARGE[::-1])
        assert len(await shelf.files()) == 2

    in_place(main)


@pytest.mark.parametrize("seed", range(12))
def test_a_power_cut_at_any_moment_leaves_an_artefact_whole_or_not_there(in_place, seed):
    contents = [LARGE[n:] for n in range(4)]

    async def main(place):
        world, acknowledged = place.world, {}
        rng, node = world.rng.child("plan"), world.node("machine")

        async def life(node):
            shelf = await place.open(node)
            asyncio.get_running_loop().create_task(shelf.artefacts.run())
            while True:
                content = rng.choice(contents)
                made = await kept(shelf, content)
                acknowledged[made.id] = content
                if rng.chance(0.3):
                    acknowledged.pop(made.id)
                    await shelf.artefacts.remove(ACME, made.id, actor="kim")
                if rng.chance(0.3):
                    await shelf.vault.rotate(Level.DATA, ACME, "artefacts")
                    async for _ in shelf.artefacts.reseal():
                        pass

        for _ in range(4):
            node.start(life)
            await world.clock.sleep(rng.exponential(0.05))
            await node.crash(power_loss=rng.chance(0.7))
        shelf = await place.open()
        await shelf.artefacts.sweep()
        there = {one.id: one for one in await shelf.artefacts.page(ACME)}
        assert acknowledged.keys() <= there.keys()
        for one in there.values():
            content = await shelf.content(one)
            assert content in contents
            assert acknowledged.get(one.id, content) == content
        assert sorted(await shelf.files()) == sorted(one.file for one in there.values())

    in_place(main, seed)


def test_the_default_tenant_has_artefacts_like_any_other(in_place):
    async def main(place):
        shelf = await place.open()
        made = await kept(shelf, b"x", tenant=DEFAULT_TENANT)
        assert await shelf.content(made) == b"x"

    in_place(main)
