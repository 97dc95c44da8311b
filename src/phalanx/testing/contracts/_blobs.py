"""What every ``Blobs`` must do. A check is given a function that opens it anew on the same place."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from phalanx.core import Blobs, InvalidInput, NotFound
from phalanx.testing.contracts._raises import raises

OpenBlobs = Callable[[], Awaitable[Blobs]]


async def _pieces(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def check_what_was_written_is_read_in_parts_and_after_opening_again(open_blobs: OpenBlobs) -> None:
    blobs = await open_blobs()
    assert await blobs.write("one", _pieces(b"first ", b"", b"second")) == 12
    assert await blobs.write("none", _pieces()) == 0
    for found in (blobs, await open_blobs()):
        assert await found.read("one", 0, 100) == b"first second"
        assert await found.read("one", 6, 3) == b"sec"
        assert await found.read("one", 12, 3) == b""
        assert await found.read("none", 0, 1) == b""
        assert await found.names() == ["none", "one"]


async def check_a_name_is_used_once_and_what_is_removed_is_gone(open_blobs: OpenBlobs) -> None:
    blobs = await open_blobs()
    await blobs.write("one", _pieces(b"kept"))
    await raises(InvalidInput, blobs.write("one", _pieces(b"other")))
    assert await blobs.read("one", 0, 10) == b"kept"
    await blobs.remove("one")
    await blobs.remove("one")
    await raises(NotFound, blobs.read("one", 0, 1))
    assert await blobs.names() == []
    for name in ("", "../one", "a/b", "A", ".lock"):
        await raises(InvalidInput, blobs.read(name, 0, 1))


async def check_nothing_is_left_of_one_whose_pieces_fail(open_blobs: OpenBlobs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"begun"
        raise NotFound("the rest", "anywhere")

    blobs = await open_blobs()
    await raises(NotFound, blobs.write("one", broken()))
    assert await blobs.names() == []
    await blobs.write("one", _pieces(b"again"))


async def check_two_may_begin_at_once(open_blobs: OpenBlobs) -> None:
    blobs = await open_blobs()
    await asyncio.gather(blobs.names(), *(blobs.write(f"n{n}", _pieces(b"x")) for n in range(4)))
    assert await blobs.names() == ["n0", "n1", "n2", "n3"]


BLOB_CHECKS = (
    check_two_may_begin_at_once,
    check_what_was_written_is_read_in_parts_and_after_opening_again,
    check_a_name_is_used_once_and_what_is_removed_is_gone,
    check_nothing_is_left_of_one_whose_pieces_fail,
)
