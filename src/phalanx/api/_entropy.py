"""Where the node's secret randomness comes from, and how its sources are doing."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from phalanx.api._auth import Gate, keeper
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.core import NO_TRACE, AuditEntry
from phalanx.crypto.entropy import SourceFailed, SourceStatus
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class NoiseSourceView(msgspec.Struct, frozen=True, kw_only=True):
    """One source. ``state`` is waiting, healthy or dropped; the cutoffs follow from the claimed ``min_entropy``.

    ``simulated`` sources are worth nothing as entropy; whatever a source delivers, every secret also contains fresh
    bytes from the operating system.
    """

    name: str
    state: str
    simulated: bool
    min_entropy: float
    repetition_cutoff: int
    proportion_cutoff: int
    samples: int
    failure: str
    since_ns: int


KINDS: tuple[type, ...] = (NoiseSourceView,)


def entropy_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/entropy``."""
    router = APIRouter(prefix="/v1/entropy", tags=["service"], default_response_class=Response)

    @router.get("", responses=answer(NoiseSourceView, many=True), dependencies=[Depends(gate.needs(Role.VIEWER))])
    async def list_sources() -> Response:
        """The noise sources and their health (SP 800-90B)."""
        return reply({"items": [_view(one) for one in node.noise.status()], "next": ""})

    @router.post("/readmit", responses=answer(NoiseSourceView))
    async def readmit(
        principal: Annotated[Principal, Depends(keeper(gate, Role.OPERATOR))],
        source: Annotated[str, Query(max_length=300, description="Name of the source.")],
    ) -> Response:
        """Put a source through its start-up test again; the answer says whether it passed. Recorded in the ledger."""
        try:
            status = await node.noise.readmit(source)
        except SourceFailed:
            status = node.noise.find(source)
        await node.ledger.record(
            AuditEntry(
                id=node.ids.new(), tenant=principal.tenant, trace=NO_TRACE, at_ns=node.clock.wall_ns(),
                actor=principal.name, action="entropy-source-tested", subject=source, case="",
                body={"state": status.state, "failure": status.failure},
            )
        )  # fmt: skip
        return reply(_view(status))

    return router


def _view(status: SourceStatus) -> NoiseSourceView:
    return NoiseSourceView(**{name: getattr(status, name) for name in NoiseSourceView.__struct_fields__})
