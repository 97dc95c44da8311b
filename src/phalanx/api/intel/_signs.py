"""Signs of attacks on cryptography over HTTP: what somebody can prove becomes an event, with all that follows."""

from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate
from phalanx.api._bodies import read_body
from phalanx.api._replies import reply
from phalanx.api._schemas import answer, asked
from phalanx.core import InvalidInput, derive_id
from phalanx.intel import OwnEvents
from phalanx.intel.signs import SignTold, proven_fields
from phalanx.trust import Principal, Role

if TYPE_CHECKING:
    from phalanx.node import Node

_KIND = "crypto-sign"


class SignTaken(msgspec.Struct, frozen=True, kw_only=True):
    """The event made from a sign; ``beyond_published``: no published computation breaks a key of that length."""

    event: str
    sign: str
    key: str
    beyond_published: bool


KINDS: tuple[type, ...] = (SignTaken, SignTold)


def sign_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/signs``."""
    router = APIRouter(prefix="/v1/signs", tags=["keys"], default_response_class=Response)
    operator = Depends(gate.needs(Role.OPERATOR))

    @router.post("", responses=answer(SignTaken), openapi_extra=asked(SignTold))
    async def tell_sign(request: Request, principal: Annotated[Principal, operator]) -> Response:
        """Report a broken key, with its proof, which is checked. A finding follows, and a proposal to migrate."""
        try:
            told = msgspec.json.decode(await read_body(request, node.offload), type=SignTold)
        except msgspec.DecodeError as error:
            raise InvalidInput("body", str(error)) from error
        fields = await node.offload.run(proven_fields, told)
        now_ns = node.clock.wall_ns()
        event = await OwnEvents(node.intake, node.clock).submit(
            _KIND, {**fields, "host": node.settings.node.name, "told_by": principal.name}, tenant=principal.tenant,
            at_ns=now_ns, key=derive_id(now_ns, _KIND, str(fields["sign"]), str(fields["fingerprint"])),
        )  # fmt: skip
        return reply(SignTaken(
            event=event, sign=told.sign, key=str(fields["key"]), beyond_published=bool(fields["beyond_published"])
        ))  # fmt: skip

    return router
