"""`phalanx keys vault` and `phalanx keys migrate`: the keys of data at rest."""

import asyncio

import click

from phalanx.cli._ask import ask_person
from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._job import Job, job_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import DEFAULT_TENANT, InvalidInput

_LEVELS = ("root", "tenant", "purpose", "data")


@click.group(
    cls=Group, short_help="Keys of data at rest: inspect, rotate, shred a tenant, change what guards the root."
)
def vault() -> None:
    """Keys of data at rest: inspect, rotate, shred a tenant, change what guards the root.

    All but `rewrap` ask a running node, with a token of an admin of the default tenant.
    """


@vault.command("status")
@client_options
@json_option
def status(client: NodeClient, as_json: bool) -> None:
    """How data at rest is sealed, and how many keys there are."""
    view = client.get("/v1/keys/vault")
    if as_json:
        print_json(view)
        return
    click.echo(f"root       wrapped by {view['wrapper']}")
    click.echo(f"sealing    {'on' if view['seals'] else 'off'}, with {view['seal_with']}")
    click.echo(f"keys       {', '.join(f'{name} {n}' for name, n in view['keys'].items())}")
    if view["outdated_keys"]:
        click.echo(f"outdated   {view['outdated_keys']} keys are for another algorithm; `phalanx keys migrate`")
    if view["unsealed_tables"]:
        click.echo(f"in clear   there may be rows in {', '.join(view['unsealed_tables'])}; `phalanx keys migrate`")
    if view["shredded_tenants"]:
        click.echo(f"shredded   {printable(', '.join(view['shredded_tenants']))}")


@vault.command("list")
@client_options
@limit_option
@json_option
def list_keys(client: NodeClient, limit: int, as_json: bool) -> None:
    """Present and past keys, in the order they were created. The keys themselves are never shown."""
    rows = list(client.pages("/v1/keys/vault/keys", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("level", lambda row: row["level"]),
        ("tenant", lambda row: row["tenant"] if row["level"] != "root" else "–"),
        ("purpose", lambda row: row["purpose"] or "–"),
        ("state", lambda row: row["state"]),
        ("algorithm", lambda row: row["algorithm"]),
        ("made", time_of("created_at_ns")),
        ("id", lambda row: row["id"]),
    ]
    print_table("Keys", rows, columns, empty="there is none")


@vault.command("rotate")
@click.argument("level", type=click.Choice(_LEVELS))
@click.option("--tenant", default="", help=f"Whose key; not for the root. Without it, {DEFAULT_TENANT}'s.")
@click.option("--purpose", default="", help="What the key is for (store, intake, ledger); for purpose and data keys.")
@client_options
@json_option
def rotate(level: str, tenant: str, purpose: str, client: NodeClient, as_json: bool) -> None:
    """Put a new key in the place of the active one of LEVEL; what was sealed before stays readable.

    Rotating a data key starts a migration, which reseals what is under the old one.
    """
    if tenant and level == "root":
        raise InvalidInput("--tenant", "the root is of all tenants")
    if bool(purpose) != (level in {"purpose", "data"}):
        needed = "is missing: which of the tenant's keys is it" if not purpose else f"there is one {level} key for all"
        raise InvalidInput("--purpose", needed, hint="`phalanx keys vault list` shows the keys with their purposes")
    made = client.post("/v1/keys/vault/rotate", level=level, tenant=tenant or str(DEFAULT_TENANT), purpose=purpose)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{level} key {made['id']} is active")


@vault.command("shred")
@click.argument("tenant")
@click.option("--confirm", default="", help="The tenant's name again, instead of being asked for it.")
@client_options
@json_option
def shred(tenant: str, confirm: str, client: NodeClient, as_json: bool) -> None:
    """Destroy the keys of TENANT: its events, findings and ledger payloads are gone for good, at once.

    The ledger still verifies, and says who did it. Copies of the store made before stay readable to anyone who can
    unwrap their root key: see the how-to on keys.
    """
    if not confirm:
        confirm = click.prompt(f"This cannot be undone. Type {printable(tenant)} to shred it", err=True)
    if confirm != tenant:
        raise InvalidInput("--confirm", "is not the tenant's name; nothing was shredded")
    gone = client.post("/v1/keys/vault/shred", tenant=tenant, confirm=confirm)
    if as_json:
        print_json(gone)
    else:
        click.echo(f"tenant {printable(tenant)} is shredded")
        if not gone["had_keys"]:
            click.secho("it had no key to destroy: was it shredded before, or is its name another?", fg="yellow")


@vault.command("rewrap")
@click.option("--from", "former", default="", help="The previous wrapper, if the settings already name another.")
@click.option("--from-option", "former_options", multiple=True, metavar="NAME=VALUE", help="An option of that wrapper.")
@settings_options()
@json_option
def rewrap(former: str, former_options: tuple[str, ...], source: SettingsSource, as_json: bool) -> None:
    """Wrap the root of a stopped node's vault as the settings now say.

    Change at_rest.wrapper and at_rest.options first, then run this once with --from. To change a passphrase leave
    the settings alone: both are asked for, or read from PHALANX_PASSPHRASE and PHALANX_NEW_PASSPHRASE.
    """
    from phalanx.node import rewrap_vault

    settings = source.load().settings
    options = dict(settings.at_rest.options)
    if former or former_options:
        pairs = [text.partition("=") for text in former_options]
        if not all(equals for _, equals, _ in pairs):
            raise InvalidInput("--from-option", "is not NAME=VALUE")
        options = {name.strip(): value.strip() for name, _, value in pairs}
    former = former or settings.at_rest.wrapper
    name = asyncio.run(rewrap_vault(settings, former=former, former_options=options, ask=ask_person))
    if as_json:
        print_json({"from": former, "to": name})
    else:
        click.echo(f"the root is wrapped by {name}")


@click.command("migrate", short_help="Seal everything at rest as the settings require, in the background.")
@job_options
@client_options
@json_option
def migrate(only_status: bool, stop: bool, watch: bool, client: NodeClient, as_json: bool) -> None:
    """Seal everything at rest as the settings require, in the background of a running node.

    It begins by itself at start, after settings were changed (crypto.seal_with, at_rest.seal), and resumes where it
    was interrupted. It checks row by row what has to be done, so starting it again costs only reading.
    """
    path = "/v1/keys/migration"
    job = Job(client, status=path, start=f"{path}/start", stop=f"{path}/stop")
    view = job.asked(only_status=only_status, stop=stop)
    if watch:
        view = job.watched(view, "sealing", done="rows", total="total_rows", shown=not as_json)
    if as_json:
        print_json(view)
        return
    click.echo(
        f"{view['state']}: {view['rows']} of {view['total_rows']} rows looked at, {view['resealed']} sealed anew, "
        f"{view['rotated_keys']} keys rotated, {view['rows_per_s']:.0f} rows/s while at work"
    )
