"""What a store must do when there is no room left."""

import asyncio
from collections.abc import Awaitable, Callable

from phalanx.core import KIB, Put, Rng, StorageFull, Store
from phalanx.testing.contracts._notes import ACME, NOTES, OpenStore, keys_of, opened, put

_FILL_BYTES = 64 * KIB
_MAX_FILLS = 10_000


async def check_full(open_store: OpenStore, make_room: Callable[[], None]) -> None:
    """Without room a commit is refused and leaves nothing; reading goes on; with room so does writing."""
    async with opened(open_store) as store:
        written = await _fill(store)
        assert await keys_of(store, limit=_MAX_FILLS) == written, "what was acknowledged, and nothing else"
        assert [row.key for row in await store.find(NOTES, ACME, "tag", "fill", limit=_MAX_FILLS)] == written
        refused = await asyncio.gather(*(store.commit([_fill_put(i)]) for i in range(3)), return_exceptions=True)
        assert all(isinstance(outcome, int | StorageFull) for outcome in refused), refused
        make_room()
        await store.commit([put("after", b"x" * _FILL_BYTES)])
    async with opened(open_store) as store:
        keys = await keys_of(store, limit=_MAX_FILLS)
        assert set(written) | {"after"} <= set(keys)


STORE_FULL_CHECKS: tuple[Callable[[OpenStore, Callable[[], None]], Awaitable[None]], ...] = (check_full,)


async def _fill(store: Store) -> list[str]:
    """Write until there is no room; the keys that were acknowledged."""
    written: list[str] = []
    for i in range(_MAX_FILLS):
        try:
            await store.commit([_fill_put(i)])
        except StorageFull:
            assert written, "there was no room for a single row"
            return written
        written.append(_fill_put(i).key)
    raise AssertionError(f"{_MAX_FILLS} rows of {_FILL_BYTES} bytes fitted into a small store")


def _fill_put(i: int) -> Put:
    # Bytes that no compression shrinks: the room that is asked for is taken.
    return put(f"fill-{i:05d}", Rng(i).bytes(_FILL_BYTES), tag=["fill"])
