"""A piece in progress, each try at it, and how it is reported afterwards."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec

from phalanx.core import NS_PER_S, PhalanxError, TenantId
from phalanx.workflows.workers._functions import Function
from phalanx.workflows.workers._limits import LOST_WEIGHT_S

HERE = "this node"


class WorkFailed(PhalanxError):
    """A function raised where it was done. Attributes: ``function``, ``worker``, ``reason``."""

    code = "work-failed"
    function: str
    worker: str
    reason: str

    def __init__(self, function: str, worker: str, reason: str) -> None:
        super().__init__(f"{function} at {worker}: {reason}", function=function, worker=worker, reason=reason)


class PieceDone(msgspec.Struct, frozen=True, kw_only=True):
    """Where a piece was done, and why there. ``given_out`` counts the places that it was given to.

    ``hedge`` is ``first`` or ``second`` where it was begun a second time, by which of the two was done first.
    """

    function: str
    place: str
    reason: str
    begun_ns: int
    ended_ns: int
    given_out: int = 1
    hedge: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceAsked:
    """A call of ``function``: for which step of which run. ``again``: it may have been done already.

    ``rest_s`` is how long its run still takes once it begins, as far as that is known.
    """

    id: str
    tenant: TenantId
    function: Function
    arguments: tuple[Any, ...]
    again: bool = False
    rest_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Try:
    """A place that a piece was given to. ``worker`` is empty until one has taken the ticket, and for this node."""

    fence: int
    reason: str
    put_ns: int
    begun_ns: int = 0
    begun_wall_ns: int = 0
    here: bool = False
    worker: str = ""
    not_on: str = ""
    second: bool = False

    @property
    def place(self) -> str:
        return HERE if self.here else self.worker


@dataclass(slots=True, kw_only=True, eq=False)
class Piece:
    """A piece until it is done. ``live`` are the tries whose results count, by fence."""

    asked: PieceAsked
    packed: bytes | None
    answer: asyncio.Future[tuple[Any, PieceDone]]
    asked_ns: int = 0
    live: dict[int, Try] = field(default_factory=dict)
    given_out: int = 0
    lost: int = 0
    hedged: bool = False
    why: str = ""
    hedge: asyncio.Task[None] | None = None

    @property
    def tenant(self) -> TenantId:
        return self.asked.tenant

    @property
    def name(self) -> str:
        return self.asked.function.name

    @property
    def weight(self) -> float:
        """What weighs more begins first: having been lost, a long rest, having waited."""
        return self.lost * LOST_WEIGHT_S + self.asked.rest_s - self.asked_ns / NS_PER_S
