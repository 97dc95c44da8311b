"""What follows a rotation or a shredding: the keys below are moved, or erased, in bounded commits.

A key that was replaced stays readable until nothing is under it any more, and each step names
what is next in the store. So this can stop anywhere, a crash included, and be taken up again;
what is sealed stays readable all the while, and what was shredded stays gone.
"""

from phalanx.core import Expect, Write
from phalanx.crypto.vault._hierarchy import Hierarchy
from phalanx.crypto.vault._keys import Key, destroyed
from phalanx.crypto.vault._model import KeyState, Level, StoredKey, key_put


async def settle(hierarchy: Hierarchy) -> int:
    """Finish every rotation and shredding that was begun; how many keys were moved or erased.

    What was shredded goes first, so that nothing is looked for under it, and then upwards: a key
    whose own children are still to be moved is not moved itself.
    """
    n_done = 0
    for begun in sorted(await hierarchy.shelf.settling(), key=_order):
        key = await hierarchy.shelf.key(begun.record.id)
        if key is None or key.record.state is not begun.record.state:
            continue  # erased with what it lay under
        if key.record.state is KeyState.DESTROYED:
            n_done += await _erase_below(hierarchy, key)
            await hierarchy.shelf.store.commit([key_put(key.record)], expect=[key.expect()])
        else:
            n_done += await _move_below(hierarchy, key)
            await hierarchy.shelf.store.commit([key_put(destroyed(key.record))], expect=[key.expect()])
            if key.record.level is Level.ROOT:
                hierarchy.drop_root(key.record.id)
    return n_done


def _order(key: StoredKey) -> tuple[bool, int]:
    return key.record.state is not KeyState.DESTROYED, -list(Level).index(key.record.level)


async def _move_below(hierarchy: Hierarchy, old: StoredKey) -> int:
    parent = await _successor(hierarchy, old)
    n_moved = 0
    while children := await hierarchy.shelf.children(old.record.id):
        writes: list[Write] = []
        expect: list[Expect] = []
        for child in children:
            writes.append(key_put(await hierarchy.move(child, parent)))
            expect.append(child.expect())
        await hierarchy.shelf.store.commit(writes, expect=expect)
        n_moved += len(children)
    return n_moved


async def _successor(hierarchy: Hierarchy, old: StoredKey) -> Key:
    record = old.record
    if record.level is Level.ROOT:
        return hierarchy.root
    stored = await hierarchy.active(record.tenant, record.purpose, record.level)
    assert stored is not None, "a key is replaced in the commit that makes the next"
    return await hierarchy.open(stored)


async def _erase_below(hierarchy: Hierarchy, above: StoredKey) -> int:
    n_erased = 0
    while children := await hierarchy.shelf.children(above.record.id):
        for child in children:
            if child.record.level is Level.PURPOSE:
                n_erased += await _erase_below(hierarchy, child)
        await hierarchy.shelf.store.commit(
            [key_put(destroyed(child.record)) for child in children], expect=[child.expect() for child in children]
        )
        n_erased += len(children)
    return n_erased
