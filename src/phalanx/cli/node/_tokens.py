"""`phalanx tokens`: works on the node's data, not over the API, so that a lost token can be replaced."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import DEFAULT_TENANT, TenantId

if TYPE_CHECKING:
    from phalanx.trust import Tokens

T = TypeVar("T")

tenant_option = click.option(
    "--tenant", default=str(DEFAULT_TENANT), show_default=True, help="Tenant the token is for."
)


@click.group(cls=Group, short_help="Create, list and revoke access tokens (on the node's own machine).")
def tokens() -> None:
    """Create, list and revoke access tokens (on the node's own machine).

    Works on the node's stored data, so it needs the rights of the node's user and no token.
    """


def _with_tokens(source: SettingsSource, work: "Callable[[Tokens], Awaitable[T]]") -> T:
    from phalanx.node import open_ports
    from phalanx.trust import Tokens

    settings = source.load().settings

    async def opened() -> T:
        async with open_ports(settings, alone=False, existing=True) as ports:
            return await work(Tokens(ports.store, ports.entropy, ports.clock))

    return asyncio.run(opened())


@tokens.command("create")
@click.argument("name")
@click.option("--role", default="viewer", show_default=True, help="admin, operator, viewer, ingest or partner.")
@click.option("--days", type=click.IntRange(1, 36_500), help="Expires after this many days; by default never.")
@tenant_option
@settings_options()
@json_option
def create(
    name: str, role: str, days: int | None, tenant: str,
    source: SettingsSource, as_json: bool,
) -> None:  # fmt: skip
    """Create a token called NAME. It is shown once and stored only as a hash."""
    from phalanx.core import InvalidInput
    from phalanx.trust import Role

    try:
        chosen = Role(role)
    except ValueError as error:
        raise InvalidInput("role", f"{role!r} is none of {', '.join(r.value for r in Role)}") from error
    lifetime_s = days * 86_400 if days else None
    issued = _with_tokens(source, lambda t: t.issue(TenantId(tenant), name, chosen, expires_in_s=lifetime_s))
    if as_json:
        print_json({"id": issued.record.id, "name": name, "role": role, "token": issued.secret})
    else:
        click.echo(issued.secret)


@tokens.command("list")
@tenant_option
@settings_options()
@json_option
def list_tokens(
    tenant: str,
    source: SettingsSource,
    as_json: bool,
) -> None:
    """Existing tokens; their secrets are not stored."""
    found = _with_tokens(source, lambda t: t.list(TenantId(tenant)))
    rows = [
        {
            "id": t.id, "name": t.name, "role": t.role.value, "at_ns": t.at_ns,
            "expires_at_ns": t.expires_at_ns, "revoked_at_ns": t.revoked_at_ns,
        }
        for t in found
    ]  # fmt: skip
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("name", lambda row: row["name"]),
        ("role", lambda row: row["role"]),
        ("made", time_of("at_ns")),
        ("expires", time_of("expires_at_ns")),
        ("revoked", time_of("revoked_at_ns")),
        ("id", lambda row: row["id"]),
    ]
    print_table("Tokens", rows, columns, empty="no tokens yet")


@tokens.command("revoke")
@click.argument("token_id")
@settings_options()
def revoke(
    token_id: str,
    source: SettingsSource,
) -> None:
    """Revoke the token with this id; a running node refuses it from its next request on."""
    _with_tokens(source, lambda t: t.revoke(token_id))
    click.echo(f"revoked {token_id}")
