"""What every ``intel.delivery.Sink`` must do, whatever it tells.

A check is an async function of a ``SinkLab``: how to open the sink, and how to look at and trouble its peer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from phalanx.core import DEFAULT_TENANT, Entity, PhalanxError, Severity
from phalanx.intel.delivery import FINDING, PROBE, Answer, Item, Parcel, Sink, Unsendable, parcel_of

_HOSTILE = "tab\there\nnext\r\x00\x1b[31m \\ | = ^ ] } 'quote\" <x> &amp; ünïcødé \U0001f525 \u202e"
_PROBE_TRIES = 3


class SinkLab(Protocol):
    """A sink and its peer. ``secret`` must never be seen; ``kept`` are the ids that the peer has, in order.

    ``trouble(what)`` makes the next call go wrong: ``busy``, ``error``, ``cut``, ``silent``, ``after-effect`` or
    ``unauthorised``; it returns False for what cannot be done to this peer.
    """

    secret: str

    async def open(self) -> Sink: ...

    async def kept(self, at_least: int) -> Sequence[str]: ...

    def trouble(self, what: str) -> bool: ...


SinkCheck = Callable[[SinkLab], Awaitable[None]]


def item_like(number: int, *, title: str = "Encoded PowerShell", text: str = "It ran.", kind: str = FINDING) -> Item:
    """A finding as any other."""
    ident = f"0193a000-0000-7000-8000-{number:012d}"
    return Item(
        id=f"{ident}.1", kind=kind, subject=ident, revision=1, fresh=True, tenant=DEFAULT_TENANT, trace=ident,
        at_ns=1_790_000_000_000_000_000 + number, severity=Severity.HIGH, title=title, text=text,
        case=f"ws-{number % 3}@2026-09-21",
        entities=(Entity("host", "ws-07"), Entity("user", "kim"), Entity("ip", "10.0.0.7")),
        techniques=("T1059.001",), fields={"rule": "encoded-powershell", "hits": 1, "confidence": 0.8},
    )  # fmt: skip


def parcel_like(sink: Sink, *items: Item) -> Parcel:
    """A parcel for ``sink``."""
    return parcel_of(items, [sink.encode(item) for item in items], sink="contract")


async def tell(sink: Sink, *items: Item) -> list[Answer]:
    """Tell items in parcels as large as the peer takes."""
    n = min(len(items), sink.manifest.max_items)
    return [await sink.send(parcel_like(sink, *items[at : at + n])) for at in range(0, len(items), n)]


def is_taken(answers: Sequence[Answer]) -> bool:
    return all(answer == Answer() for answer in answers)


async def check_says_what_it_does(lab: SinkLab) -> None:
    sink = await lab.open()
    manifest = sink.manifest
    assert manifest.product
    assert manifest.effect in {"once", "at-least-once"}, manifest.effect
    assert manifest.known_by, "how a double is told from something new"
    assert manifest.max_items >= 1
    assert manifest.max_bytes >= 1_000
    await sink.close()


async def check_tells_in_order(lab: SinkLab) -> None:
    sink = await lab.open()
    items = [item_like(number) for number in range(7)]
    assert is_taken(await tell(sink, *items)), "a healthy peer takes everything"
    assert list(await lab.kept(7))[-7:] == [item.id for item in items]
    await sink.close()


async def check_forms_follow_from_items(lab: SinkLab) -> None:
    sink = await lab.open()
    for item in (item_like(1), item_like(2, text="x" * 100_000), item_like(3, kind=PROBE)):
        try:
            form = sink.encode(item)
        except Unsendable:
            continue
        assert form == sink.encode(item), "the same item has the same form"
        assert form
    await sink.close()


async def check_hostile_text_is_carried_or_refused(lab: SinkLab) -> None:
    sink = await lab.open()
    item = item_like(11, title=f"hostile {_HOSTILE}", text=_HOSTILE * 20)
    before = len(await lab.kept(0))
    assert is_taken(await tell(sink, item_like(10), item, item_like(12)))
    assert list(await lab.kept(before + 3))[-3:] == [item_like(10).id, item.id, item_like(12).id]
    await sink.close()


async def check_trouble_is_no_refusal(lab: SinkLab) -> None:
    """Whatever befalls the peer, nothing is said to be taken or refused for good that was not."""
    sink = await lab.open()
    for number, what in enumerate(("busy", "error", "cut", "silent", "unauthorised")):
        item = item_like(20 + number)
        if not lab.trouble(what):
            continue
        try:
            answer = await sink.send(parcel_like(sink, item))
        except PhalanxError as error:
            told = error.message
        else:
            told = answer.problem or answer.again.get(0, "")
            assert told, f"{what}: it was said to be taken or refused: {answer}"
            assert not answer.never, what
        assert lab.secret not in told, f"{what}: the secret is in what people read"
        for _ in range(_PROBE_TRIES):
            if await _went_well(sink, item):
                break
        assert item.id in await lab.kept(1), f"{what}: it is taken once the trouble is over"
    await sink.close()


async def check_told_twice(lab: SinkLab) -> None:
    """A peer that knows things again has what was told twice once, also when its answer was lost."""
    sink = await lab.open()
    item = item_like(40)
    if lab.trouble("after-effect"):
        await _went_well(sink, item)
    assert await _went_well(sink, item) or await _went_well(sink, item)
    assert await _went_well(sink, item)
    times = list(await lab.kept(1)).count(item.id)
    assert times >= 1
    if sink.manifest.effect == "once":
        assert times == 1, f"{times} times, though it is to be known again by {sink.manifest.known_by}"
    await sink.close()


async def check_shows_no_secret(lab: SinkLab) -> None:
    sink = await lab.open()
    assert lab.secret not in repr(sink)
    assert lab.secret.encode() not in sink.encode(item_like(50))
    await sink.close()


async def _went_well(sink: Sink, item: Item) -> bool:
    try:
        return is_taken([await sink.send(parcel_like(sink, item))])
    except PhalanxError:
        return False


SINK_CHECKS: tuple[SinkCheck, ...] = (
    check_says_what_it_does,
    check_tells_in_order,
    check_forms_follow_from_items,
    check_hostile_text_is_carried_or_refused,
    check_trouble_is_no_refusal,
    check_told_twice,
    check_shows_no_secret,
)
