"""What every ``crypto.vault.KeyWrapper`` must do, whatever holds its key.

A check is an async function of two arguments, both of which open a wrapper: the first always
with one key, the second with another of the same kind. What was wrapped before one was closed
must unwrap after it is opened again.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from phalanx.crypto.vault import KeyWrapper, WrongKey
from phalanx.testing.contracts._raises import raises

OpenWrapper = Callable[[], Awaitable[KeyWrapper]]
WrapperCheck = Callable[[OpenWrapper, OpenWrapper], Awaitable[None]]

_KEY = bytes(range(7, 39))
_CONTEXT = b"phalanx contract\x00root 1"
# Bits are flipped in every byte of so many, spread over the whole.
_FLIPPED_BYTES = 24


@contextlib.asynccontextmanager
async def _opened(open_wrapper: OpenWrapper) -> AsyncIterator[KeyWrapper]:
    wrapper = await open_wrapper()
    try:
        yield wrapper
    finally:
        await wrapper.close()


async def check_gives_back_what_it_was_given(open_wrapper: OpenWrapper, open_other: OpenWrapper) -> None:  # noqa: ARG001
    async with _opened(open_wrapper) as wrapper:
        wrapped = await wrapper.wrap(_KEY, _CONTEXT)
        assert await wrapper.unwrap(wrapped, _CONTEXT) == _KEY
        name = wrapper.name
    async with _opened(open_wrapper) as wrapper:
        assert await wrapper.unwrap(wrapped, _CONTEXT) == _KEY, "also when it is opened again"
        assert wrapper.name == name
        assert name


async def check_shows_nothing(open_wrapper: OpenWrapper, open_other: OpenWrapper) -> None:  # noqa: ARG001
    async with _opened(open_wrapper) as wrapper:
        first, second = [await wrapper.wrap(_KEY, _CONTEXT) for _ in range(2)]
        for hidden in (_KEY, _KEY[:16], _KEY[16:]):
            assert hidden not in first
        assert first != second, "one key wrapped twice looks different"
        assert _KEY.hex() not in repr(wrapper)
        assert [await wrapper.unwrap(wrapped, _CONTEXT) for wrapped in (first, second)] == [_KEY, _KEY]


async def check_holds_to_its_context(open_wrapper: OpenWrapper, open_other: OpenWrapper) -> None:  # noqa: ARG001
    async with _opened(open_wrapper) as wrapper:
        wrapped = await wrapper.wrap(_KEY, _CONTEXT)
        for context in (b"", _CONTEXT[:-1], _CONTEXT + b"\x00"):
            await raises(WrongKey, wrapper.unwrap(wrapped, context))


async def check_another_key_is_a_wrong_key(open_wrapper: OpenWrapper, open_other: OpenWrapper) -> None:
    async with _opened(open_wrapper) as wrapper, _opened(open_other) as other:
        wrapped = await wrapper.wrap(_KEY, _CONTEXT)
        await other.wrap(_KEY, _CONTEXT)
        error = await raises(WrongKey, other.unwrap(wrapped, _CONTEXT))
        assert error.hint, "it says what to do"


async def check_damage_is_noticed(open_wrapper: OpenWrapper, open_other: OpenWrapper) -> None:  # noqa: ARG001
    async with _opened(open_wrapper) as wrapper:
        wrapped = await wrapper.wrap(_KEY, _CONTEXT)
        step = max(1, len(wrapped) // _FLIPPED_BYTES)
        for at in range(0, len(wrapped), step):
            changed = bytearray(wrapped)
            changed[at] ^= 1 << at % 8
            await raises(WrongKey, wrapper.unwrap(bytes(changed), _CONTEXT))
        for junk in (b"", b"\x00", wrapped[:-1], wrapped + b"\x00"):
            await raises(WrongKey, wrapper.unwrap(junk, _CONTEXT))
        assert await wrapper.unwrap(wrapped, _CONTEXT) == _KEY


WRAPPER_CHECKS: tuple[WrapperCheck, ...] = (
    check_gives_back_what_it_was_given,
    check_shows_nothing,
    check_holds_to_its_context,
    check_another_key_is_a_wrong_key,
    check_damage_is_noticed,
)
