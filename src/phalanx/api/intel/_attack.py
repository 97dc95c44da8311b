"""ATT&CK over HTTP: which of its techniques the node's rules look for."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._replies import reply
from phalanx.api._schemas import answer
from phalanx.intel.sharing import Technique, attack
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node


class CoveredTechnique(msgspec.Struct, frozen=True, kw_only=True):
    """A technique and the rules that look for it; empty if none does."""

    id: str
    name: str
    tactics: tuple[str, ...]
    rules: tuple[str, ...]


class CoverageView(msgspec.Struct, frozen=True, kw_only=True):
    """Which ATT&CK techniques the node's rules look for."""

    source: str
    copyright: str
    covered: int
    techniques: tuple[CoveredTechnique, ...]
    unknown: tuple[str, ...]


KINDS: tuple[type, ...] = (CoveredTechnique, CoverageView, Technique)


def attack_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/attack``."""
    router = APIRouter(tags=["sharing"], default_response_class=Response)
    viewer = Depends(gate.needs(Role.VIEWER))

    @router.get("/v1/attack/coverage", responses=answer(CoverageView))
    async def coverage(_: Annotated[Principal, viewer]) -> Response:
        """Which ATT&CK techniques the node's rules look for."""
        return reply(await node.offload.run(coverage_of, node))

    @router.get("/v1/attack/techniques/{technique_id}", responses=answer(Technique))
    async def technique(technique_id: str, _: Annotated[Principal, viewer]) -> Response:
        """One ATT&CK technique; a replaced one leads to its successor."""
        return reply(attack().technique(technique_id))

    return router


def coverage_of(node: "Node") -> CoverageView:
    """The node's rules compared with ATT&CK."""
    book = attack()
    found = book.coverage((rule.title, rule.techniques) for rule in node.sentinel.rules.rules.values())
    techniques = tuple(
        CoveredTechnique(
            id=one.technique.id, name=book.name(one.technique.id), tactics=one.technique.tactics, rules=one.rules
        )
        for one in found.techniques
    )
    return CoverageView(
        source=book.index.source, copyright=book.index.copyright, covered=found.n_covered, techniques=techniques,
        unknown=found.unknown,
    )  # fmt: skip
