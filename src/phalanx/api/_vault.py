"""The vault over HTTP: which keys there are, and changing them.

Its keys are the node's: they are managed by admins of the default tenant. Changes are recorded in the ledger with
the name of the token that asked for them.
"""

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from phalanx.api._auth import Gate, keeper
from phalanx.api._replies import Page, page, reply, reply_page
from phalanx.api._schemas import answer
from phalanx.core import DEFAULT_TENANT, MAX_PAGE_ROWS, InvalidInput, TenantId
from phalanx.crypto.vault import KeyRecord, Level, Migration
from phalanx.trust import Principal

if TYPE_CHECKING:
    from phalanx.node import Node

_MAX_NAME_CHARS = 256


class VaultView(msgspec.Struct, frozen=True, kw_only=True):
    """How data at rest is sealed. ``keys`` counts them by level and state, for example ``data-active``.

    ``unsealed_tables`` may hold rows in the clear, from before they were sealed.
    """

    wrapper: str
    seal_with: str
    seals: bool
    forbidden: tuple[str, ...]
    keys: dict[str, int]
    unsealed_tables: tuple[str, ...]
    shredded_tenants: tuple[str, ...]
    outdated_keys: int


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret. ``algorithm`` is what it is used with, ``parent`` the key that wraps it."""

    id: str
    level: str
    tenant: str
    purpose: str
    parent: str
    algorithm: str
    state: str
    created_at_ns: int
    wrapper: str


class ShreddedView(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant whose keys are destroyed. ``had_keys`` is false if there was none, or none any more."""

    tenant: str
    had_keys: bool


class MigrationView(msgspec.Struct, frozen=True, kw_only=True):
    """The job that seals everything as the settings require, under way or as it ended.

    ``state`` is idle, running, stopped or done. ``rows`` of ``total_rows`` were looked at, ``resealed`` of them
    changed; ``rows_per_s`` is how fast it works while it works.
    """

    state: str
    actor: str
    seal_with: str
    started_at_ns: int
    ended_at_ns: int
    total_rows: int
    rows: int
    resealed: int
    rotated_keys: int
    rows_per_s: float


KINDS: tuple[type, ...] = (VaultView, KeyView, ShreddedView, MigrationView)

_Level = Annotated[Level, Query(description="Which level of the hierarchy.")]
_Purpose = Annotated[str, Query(max_length=_MAX_NAME_CHARS, description="For level `purpose` and `data`.")]
_Tenant = Annotated[str, Query(max_length=_MAX_NAME_CHARS, description="Whose key; not for level `root`.")]


def vault_routes(node: "Node", gate: Gate) -> APIRouter:
    """``/v1/keys/vault`` and ``/v1/keys/migration``."""
    router = APIRouter(prefix="/v1/keys", tags=["keys"], default_response_class=Response)
    admin = Depends(keeper(gate))

    @router.get("/vault", responses=answer(VaultView), dependencies=[admin])
    async def get_vault() -> Response:
        """How data at rest is sealed, and what keys there are."""
        return reply(await _vault_view(node))

    @router.get("/vault/keys", responses=answer(KeyView, many=True), dependencies=[admin])
    async def list_keys(request: Request, asked: Annotated[Page, Depends(page)]) -> Response:
        """All present and past keys, in the order they were created."""
        found = await node.vault.keys(after=asked.after, limit=asked.limit)
        return reply_page(request, [_key_view(key) for key in found], asked=asked, last=found[-1].id if found else "")

    @router.post("/vault/rotate", responses=answer(KeyView))
    async def rotate(
        principal: Annotated[Principal, admin],
        level: _Level,
        tenant: _Tenant = str(DEFAULT_TENANT),
        purpose: _Purpose = "",
    ) -> Response:
        """Put a new key in the place of the active one; what was sealed before stays readable, and is resealed."""
        made = await node.vault.rotate(level, TenantId(tenant), purpose, actor=principal.name)
        if level is Level.DATA:
            await node.migration.start(actor=principal.name)
        return reply(_key_view(made))

    @router.post("/vault/shred", responses=answer(ShreddedView))
    async def shred(
        principal: Annotated[Principal, admin],
        tenant: Annotated[
            str, Query(max_length=_MAX_NAME_CHARS, description="The tenant whose data is to be gone for good.")
        ],
        confirm: Annotated[str, Query(max_length=_MAX_NAME_CHARS, description="The tenant's name again.")],
    ) -> Response:
        """Destroy a tenant's keys, and so its data, for good and at once."""
        if confirm != tenant:
            raise InvalidInput("confirm", "is not the tenant's name; nothing was shredded")
        had_keys = await node.vault.shred(TenantId(tenant), actor=principal.name)
        return reply(ShreddedView(tenant=tenant, had_keys=had_keys))

    @router.get("/migration", responses=answer(MigrationView), dependencies=[admin])
    async def get_migration() -> Response:
        """How far the migration of data at rest is."""
        return reply(_migration_view(await node.migration.status()))

    @router.post("/migration/start", responses=answer(MigrationView))
    async def start_migration(principal: Annotated[Principal, admin]) -> Response:
        """Seal everything at rest as the settings require, in the background; resumes where it was stopped."""
        return reply(_migration_view(await node.migration.start(actor=principal.name)))

    @router.post("/migration/stop", responses=answer(MigrationView))
    async def stop_migration(principal: Annotated[Principal, admin]) -> Response:
        """Stop the migration after the current rows; what was migrated stays migrated."""
        return reply(_migration_view(await node.migration.stop(actor=principal.name)))

    return router


async def _vault_view(node: "Node") -> VaultView:
    counts: Counter[str] = Counter()
    after = ""
    while found := await node.vault.keys(after=after, limit=MAX_PAGE_ROWS):
        counts.update(f"{key.level.value}-{key.state.value}" for key in found)
        after = found[-1].id
    return VaultView(
        wrapper=node.vault.wrapper,
        seal_with=node.vault.seal_with,
        seals=node.store.seals,
        forbidden=node.settings.crypto.forbidden,
        keys=dict(sorted(counts.items())),
        unsealed_tables=tuple(sorted(node.store.unsealed_tables)),
        shredded_tenants=tuple(sorted(node.vault.shredded_tenants)),
        outdated_keys=len(await node.vault.outdated_keys()),
    )


def _key_view(key: KeyRecord) -> KeyView:
    return KeyView(
        id=key.id,
        level=key.level.value,
        tenant=key.tenant,
        purpose=key.purpose,
        parent=key.parent,
        algorithm=key.algorithm,
        state=key.state.value,
        created_at_ns=key.at_ns,
        wrapper=key.wrapper,
    )


def _migration_view(run: Migration) -> MigrationView:
    return MigrationView(
        state=run.state.value,
        actor=run.actor,
        seal_with=run.seal_with,
        started_at_ns=run.at_ns,
        ended_at_ns=run.ended_at_ns,
        total_rows=max(run.rows, run.total_rows),  # rows that were written meanwhile are looked at, too
        rows=run.rows,
        resealed=run.resealed,
        rotated_keys=run.rotated_keys,
        rows_per_s=round(run.rows_per_s, 1),
    )
