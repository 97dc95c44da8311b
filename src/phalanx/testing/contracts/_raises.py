"""The one assertion that ``assert`` cannot make."""

from collections.abc import Awaitable
from typing import TypeVar

from phalanx.core import PhalanxError

E = TypeVar("E", bound=PhalanxError)


async def raises(kind: type[E], call: Awaitable[object]) -> E:
    """The ``kind`` of error that ``call`` raises; fails when it raises none."""
    try:
        result = await call
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised, the call gave {result!r}")
