"""What every ``intel.delivery.Source`` must do, wherever it draws from.

A check is an async function of a ``SourceLab``: how to open the source, and how to have more stand at its peer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from phalanx.intel.delivery import Source

_ROUNDS = 60
_WITHIN_S = 0.2
_BYTES = 100_000


class SourceLab(Protocol):
    """A source and its peer, which has nothing at first."""

    async def open(self) -> Source: ...

    async def feed(self, lines: Sequence[str]) -> None: ...


SourceCheck = Callable[[SourceLab], Awaitable[None]]


def lines_like(first: int, n: int) -> list[str]:
    """JSON, as most sources have it."""
    return [f'{{"EventID":4625,"n":{number}}}' for number in range(first, first + n)]


async def drawn(source: Source, position: str, n: int, *, max_bytes: int = _BYTES) -> tuple[list[str], str]:
    """Draw until there are ``n`` lines, and the position behind them."""
    lines: list[str] = []
    for _ in range(_ROUNDS):
        if len(lines) >= n:
            break
        found = await source.draw(position, until="", max_bytes=max_bytes, within_s=_WITHIN_S)
        lines += found.lines.decode().splitlines()
        position = found.position
        await source.settle(position)
    return lines, position


async def check_draws_everything_once(lab: SourceLab) -> None:
    source = await lab.open()
    await lab.feed(lines_like(0, 8))
    lines, position = await drawn(source, "", 8)
    assert sorted(lines) == sorted(lines_like(0, 8))
    await lab.feed(lines_like(8, 4))
    lines, _ = await drawn(source, position, 4)
    assert sorted(lines) == sorted(lines_like(8, 4)), "and what came later, without what was drawn before"
    await source.close()


async def check_goes_on_where_it_stood(lab: SourceLab) -> None:
    source = await lab.open()
    await lab.feed(lines_like(0, 5))
    _, position = await drawn(source, "", 5)
    await source.close()
    source = await lab.open()
    await lab.feed(lines_like(5, 3))
    lines, _ = await drawn(source, position, 3)
    assert sorted(lines) == sorted(lines_like(5, 3))
    await source.close()


async def check_gives_again_what_it_says_it_does(lab: SourceLab) -> None:
    source = await lab.open()
    await lab.feed(lines_like(0, 6))
    lines, position = await drawn(source, "", 6)
    if source.manifest.rereads:
        await lab.feed(lines_like(6, 6))
        await source.close()
        source = await lab.open()
        again = await source.draw("", until=position, max_bytes=_BYTES, within_s=_WITHIN_S)
        assert sorted(again.lines.decode().splitlines()) == sorted(lines), "exactly the same, whatever came since"
        assert again.position == position
    await source.close()


async def check_nothing_is_nothing(lab: SourceLab) -> None:
    source = await lab.open()
    await lab.feed(lines_like(0, 1))
    _, position = await drawn(source, "", 1)
    found = await source.draw(position, until="", max_bytes=_BYTES, within_s=_WITHIN_S)
    assert not found.lines.strip()
    await source.close()


async def check_knows_its_own_positions(lab: SourceLab) -> None:
    source = await lab.open()
    await lab.feed(lines_like(0, 2))
    _, position = await drawn(source, "", 2)
    source.check(position)
    await source.close()


SOURCE_CHECKS: tuple[SourceCheck, ...] = (
    check_draws_everything_once,
    check_goes_on_where_it_stood,
    check_gives_again_what_it_says_it_does,
    check_nothing_is_nothing,
    check_knows_its_own_positions,
)
