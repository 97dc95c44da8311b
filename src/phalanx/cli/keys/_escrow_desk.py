"""Where the steps of an escrow are recorded: the registrar of a stopped node, or of a running one over its API.

Both have the same methods. Nothing secret is sent to a node: it stores what people signed.
"""

import asyncio
import base64
import functools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import click
import msgspec

from phalanx.cli._client import NodeClient
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import TenantId, encode_json

if TYPE_CHECKING:
    from phalanx.core import Clock, EntropySource, IdSource
    from phalanx.crypto import PublicKey
    from phalanx.crypto.sharing import Ceremony, CeremonyStatus, Escrow, Escrows, Release

T = TypeVar("T")

_JSON = {"Content-Type": "application/json"}


class RemoteEscrows:
    """Hands documents to a node and takes documents from it. Nothing secret is sent."""

    def __init__(self, client: NodeClient) -> None:
        self._client = client

    def registrar(self) -> "tuple[PublicKey, TenantId]":
        from phalanx.crypto import PublicKey

        told = self._client.get("/v1/escrows/registrar")
        return PublicKey.from_bytes(base64.b64decode(told["public_key"])), TenantId(told["tenant"])

    async def add(self, escrow: "Escrow") -> None:
        self._client.post("/v1/escrows", content=encode_json(escrow), headers=_JSON)

    async def begin(self, ceremony: "Ceremony") -> "Ceremony":
        from phalanx.crypto.sharing import Ceremony

        return msgspec.convert(
            self._client.post("/v1/ceremonies", content=encode_json(ceremony), headers=_JSON), Ceremony
        )

    async def submit(self, release: "Release") -> None:
        self._client.post("/v1/releases", content=encode_json(release), headers=_JSON)

    async def collect(self, tenant: TenantId, ceremony_id: str) -> "list[Release]":
        del tenant  # the token has it
        from phalanx.crypto.sharing import Release

        path = f"/v1/ceremonies/{quote(ceremony_id, safe='')}/collect"
        found = self._client.post(path)["items"]
        return [msgspec.convert(one, Release) for one in found]

    async def close(self, tenant: TenantId, ceremony_id: str, *, opened: bool, lying: Sequence[str] = ()) -> None:
        del tenant  # the token has it
        told = {"opened": opened, "lying": list(lying)}
        self._client.post_json(f"/v1/ceremonies/{quote(ceremony_id, safe='')}/outcome", told)

    async def kept(self, tenant: TenantId) -> "list[Escrow]":
        del tenant  # the token has it
        from phalanx.crypto.sharing import Escrow

        return [msgspec.convert(one, Escrow) for one in self._client.get("/v1/escrows")["items"]]

    async def status(self, tenant: TenantId, escrow_id: str) -> "list[CeremonyStatus]":
        del tenant  # the token has it
        from phalanx.crypto.sharing import Ceremony, CeremonyStatus

        found = self._client.get(f"/v1/escrows/{quote(escrow_id, safe='')}/ceremonies")["items"]
        return [
            CeremonyStatus(
                msgspec.convert(one["ceremony"], Ceremony), tuple(one["released"]), one["needed"], one["state"]
            )
            for one in found
        ]


@dataclass(frozen=True, slots=True)
class Desk:
    """A registrar at work, and whatever else creating and opening escrows needs. A node's token names the tenant."""

    escrows: "Escrows | RemoteEscrows"
    registrar: "PublicKey"
    tenant: TenantId | None
    clock: "Clock"
    ids: "IdSource"
    entropy: "EntropySource"


@dataclass(frozen=True, slots=True)
class Registrar:
    """Where steps are recorded: a running node at ``url``, or the stopped one that ``source`` names."""

    source: SettingsSource
    url: str
    token: str


def registrar_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command that records a step; they arrive as one ``registrar``."""

    @functools.wraps(command)
    def wrapped(*args: Any, source: SettingsSource, url: str, token: str, **others: Any) -> None:
        command(*args, registrar=Registrar(source, url, token), **others)

    token_option = click.option("--token", envvar="PHALANX_TOKEN", show_envvar=True, default="", help="Access token.")
    url_option = click.option(
        "--url", envvar="PHALANX_URL", show_envvar=True, default="",
        help="A running node to record at; by default the stopped one in --data-dir.",
    )  # fmt: skip
    return settings_options()(url_option(token_option(wrapped)))


def at_desk(registrar: Registrar, work: Callable[[Desk], Awaitable[T]]) -> T:
    async def opened() -> T:
        if registrar.url:
            return await work(_remote(registrar))
        from phalanx.cli._ask import ask_person
        from phalanx.node import open_escrows

        async with open_escrows(registrar.source.load().settings, ask=ask_person) as desk:
            return await work(Desk(desk.escrows, desk.registrar, None, desk.clock, desk.ids, desk.entropy))

    return asyncio.run(opened())


def _remote(registrar: Registrar) -> Desk:
    from phalanx.adapters import OsEntropy, SystemClock
    from phalanx.core import Uuid7Source

    clock, entropy = SystemClock(), OsEntropy()
    escrows = RemoteEscrows(NodeClient(registrar.url, registrar.token))
    key, tenant = escrows.registrar()
    ids = Uuid7Source(clock, lambda bits: int.from_bytes(entropy.token(16)) >> (128 - bits))
    return Desk(escrows, key, tenant, clock, ids, entropy)
