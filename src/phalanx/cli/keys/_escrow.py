"""`phalanx keys escrow`: a secret in the hands of custodians, and the ceremony that opens it.

Creating an escrow, beginning a ceremony and opening it are recorded in the ledger of a node: the running one at
`--url`, or the stopped one in `--data-dir`. Custodians need no node: a release is made from two documents and the
custodian's own key file.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._files import read_file, require_new, write_new, write_secret
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli.keys._escrow_desk import Desk, Registrar, at_desk, registrar_options
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import DEFAULT_TENANT, InvalidInput, TenantId, encode_json, iso_from_ns

if TYPE_CHECKING:
    from phalanx.crypto.sharing import Ceremony, Escrow, Keyholder, Release

_FILE = click.Path(path_type=Path, dir_okay=False)
_TENANT = click.option("--tenant", default=str(DEFAULT_TENANT), show_default=True, help="Tenant that owns the secret.")


def _key_option(whose: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--key", "key_file", type=_FILE, required=True, help=f"Key file of {whose}.")


def _out_option(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--out", type=_FILE, required=True, help=f"New file for {what}.")


@click.group(cls=Group, short_help="Put a secret into the hands of custodians, and open it with a quorum of them.")
def escrow() -> None:
    """Put a secret into the hands of custodians, and open it with a quorum of them.

    enrol each custodian, create the escrow, and when it must be opened: begin a ceremony, let each custodian
    release a share for it, and open. Every step is in the node's ledger; neither secrets nor private keys are sent
    to it.
    """


@escrow.command("enrol")
@click.argument("name")
@click.option("--key", "key_file", type=_FILE, required=True, help="New file for the private keys. It stays here.")
@click.option("--card", "card_file", type=_FILE, required=True, help="New file for the public keys. Send it on.")
@settings_options()
@json_option
def enrol(name: str, key_file: Path, card_file: Path, source: SettingsSource, as_json: bool) -> None:
    """Generate the keys of a person called NAME, who creates, keeps or opens escrows.

    Compare the fingerprint with the person, by voice, before you trust a card you received. Algorithms that the
    settings forbid (crypto.forbidden) are not used.
    """
    import msgspec

    from phalanx.crypto.sharing import Keyholder

    holder = Keyholder.generate(_bounded(name), policy=source.load().settings.crypto.policy)
    write_secret(key_file, holder.to_bytes())
    write_new(card_file, msgspec.json.encode(holder.card))
    told = {"name": name, "fingerprint": holder.card.fingerprint, "key": str(key_file), "card": str(card_file)}
    if as_json:
        print_json(told)
    else:
        click.echo(f"{printable(name)}: fingerprint {holder.card.fingerprint}")


@escrow.command("create")
@click.argument("secret_file", type=_FILE)
@click.option("--custodian", "cards", type=_FILE, multiple=True, required=True, help="A custodian's card; repeatable.")
@click.option("--threshold", type=click.IntRange(1), required=True, help="How many custodians it takes to open it.")
@click.option("--label", required=True, help="What the secret is, for people; it is recorded.")
@_key_option("the person who makes the escrow")
@_out_option("the escrow; it may be kept anywhere, by anybody")
@_TENANT
@registrar_options
@json_option
def create(
    secret_file: Path, cards: Sequence[Path], threshold: int, label: str, key_file: Path, out: Path, tenant: str,
    registrar: Registrar, as_json: bool,
) -> None:  # fmt: skip
    """Seal the content of SECRET_FILE so that a quorum of custodians can recover it.

    SECRET_FILE itself is left where it is; destroy it by your own means.
    """
    from phalanx.crypto.sharing import make_escrow, read_card

    secret, maker = read_file(secret_file), _keyholder(key_file)
    custodians = [read_card(read_file(card)) for card in cards]
    require_new(out)

    async def work(desk: Desk) -> "Escrow":
        made = make_escrow(
            secret, escrow_id=desk.ids.new(), tenant=desk.tenant or TenantId(tenant), at_ns=desk.clock.wall_ns(),
            label=label, threshold=threshold, custodians=custodians, registrar=desk.registrar, maker=maker,
            entropy=desk.entropy,
        )  # fmt: skip
        await desk.escrows.add(made)
        return made

    made = at_desk(registrar, work)
    write_new(out, encode_json(made))
    names = [card.name for card in custodians]
    told = {"escrow": made.id, "threshold": threshold, "custodians": names, "digest": made.digest(), "file": str(out)}
    if as_json:
        print_json(told)
    else:
        click.echo(f"escrow {made.id}: any {threshold} of {printable(', '.join(names))} open it")


@escrow.command("check")
@click.argument("escrow_file", type=_FILE)
@_key_option("the custodian")
@json_option
def check(escrow_file: Path, key_file: Path, as_json: bool) -> None:
    """Verify ESCROW_FILE and that it holds a valid share for the custodian. Do this when you receive it."""
    from phalanx.crypto.sharing import own_share

    found, holder = _document(escrow_file, "Escrow"), _keyholder(key_file)
    found.verify()
    share = own_share(found, holder)
    told = {"escrow": found.id, "label": found.label, "share": share.index, "made_by": found.made_by.fingerprint}
    if as_json:
        print_json(told | {"threshold": found.threshold, "custodians": [card.name for card in found.custodians]})
        return
    click.secho(f"share {share.index} of escrow {found.id} is true", fg="green")
    click.echo(f"{printable(found.label)}; made by {printable(found.made_by.name)}, {found.made_by.fingerprint}")


@escrow.command("begin")
@click.argument("escrow_file", type=_FILE)
@click.option("--purpose", required=True, help="Why it must be opened; custodians read it and it is recorded.")
@click.option("--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="How long releases count.")
@_key_option("the person who opens it, and alone can read the releases")
@_out_option("the ceremony; send it to the custodians")
@registrar_options
@json_option
def begin(
    escrow_file: Path, purpose: str, hours: int, key_file: Path, out: Path, registrar: Registrar, as_json: bool
) -> None:
    """Ask for ESCROW_FILE to be opened: record who asks and why, and write the ceremony's document."""
    from phalanx.crypto.sharing import begin_ceremony

    found, opener = _document(escrow_file, "Escrow"), _keyholder(key_file)
    require_new(out)

    async def work(desk: Desk) -> "Ceremony":
        asked = begin_ceremony(
            found, opener, ceremony_id=desk.ids.new(), purpose=purpose, now_ns=desk.clock.wall_ns(),
            lasts_s=hours * 3_600,
        )  # fmt: skip
        return await desk.escrows.begin(asked)

    ceremony = at_desk(registrar, work)
    write_new(out, encode_json(ceremony))
    told = {"ceremony": ceremony.id, "escrow": found.id, "expires_at_ns": ceremony.expires_at_ns, "file": str(out)}
    if as_json:
        print_json(told)
    else:
        click.echo(f"ceremony {ceremony.id} until {iso_from_ns(ceremony.expires_at_ns)[:16]}Z")


@escrow.command("release")
@click.argument("escrow_file", type=_FILE)
@click.argument("ceremony_file", type=_FILE)
@_key_option("the custodian")
@_out_option("the release; send it to the opener")
@click.option("--yes", is_flag=True, help="Do not ask; you have read the purpose and know the opener.")
@click.option(
    "--even-unregistered",
    is_flag=True,
    help="Release although the ceremony is in no ledger, and say so in the release.",
)
@json_option
def release(
    escrow_file: Path, ceremony_file: Path, key_file: Path, out: Path, yes: bool, even_unregistered: bool, as_json: bool
) -> None:
    """Consent to a ceremony: release the custodian's share to its opener, for that ceremony alone.

    Works anywhere, from the two documents and the custodian's key file.
    """
    from phalanx.adapters import SystemClock
    from phalanx.crypto.sharing import release_share

    found, ceremony = _document(escrow_file, "Escrow"), _document(ceremony_file, "Ceremony")
    holder, now_ns = _keyholder(key_file), SystemClock().wall_ns()
    require_new(out)
    made = release_share(found, ceremony, holder, now_ns=now_ns, even_unregistered=even_unregistered)
    opener = ceremony.opener
    click.echo(f"{printable(opener.name)} ({opener.fingerprint}) asks to open", err=True)
    click.echo(f"  {printable(found.label)}\nbecause\n  {printable(ceremony.purpose)}", err=True)
    if not yes:
        click.confirm("Release your share?", abort=True, err=True)
    write_new(out, encode_json(made))
    if as_json:
        print_json({"ceremony": ceremony.id, "custodian": holder.card.name, "file": str(out)})
    else:
        click.echo(f"released for ceremony {ceremony.id}")


@escrow.command("open")
@click.argument("escrow_file", type=_FILE)
@click.argument("ceremony_file", type=_FILE)
@click.argument("release_files", type=_FILE, nargs=-1)
@_key_option("the opener")
@_out_option("the secret")
@registrar_options
@json_option
def open_escrow(
    escrow_file: Path, ceremony_file: Path, release_files: Sequence[Path], key_file: Path, out: Path,
    registrar: Registrar, as_json: bool,
) -> None:  # fmt: skip
    """Submit RELEASE_FILES and, with a quorum, write the secret. A custodian that lied is named.

    Releases submitted earlier count too, so they may come one by one, or all again. The outcome is in the ledger
    before the secret is on disk, and a ceremony opens once.
    """
    from phalanx.crypto.sharing import NotEnoughShares, Opened, reconstruct

    found, ceremony = _document(escrow_file, "Escrow"), _document(ceremony_file, "Ceremony")
    releases: list[Release] = [_document(file, "Release") for file in release_files]
    for one in releases:
        one.verify(found, ceremony)
    opener = _keyholder(key_file)
    require_new(out)

    async def work(desk: Desk) -> Opened:
        for one in releases:
            await desk.escrows.submit(one)
        tenant = ceremony.tenant
        held = await desk.escrows.collect(tenant, ceremony.id)
        try:
            opened = reconstruct(found, ceremony, held, opener, now_ns=desk.clock.wall_ns())
        except NotEnoughShares as short:
            await desk.escrows.close(tenant, ceremony.id, opened=False, lying=short.wrong)
            raise
        await desk.escrows.close(tenant, ceremony.id, opened=True, lying=opened.lying)
        return opened

    opened = at_desk(registrar, work)
    write_secret(out, opened.secret)
    if as_json:
        print_json({"ceremony": ceremony.id, "used": opened.used, "lying": opened.lying, "file": str(out)})
        return
    click.secho(f"opened with the shares of {printable(', '.join(opened.used))}", fg="green")
    for name in opened.lying:
        click.secho(f"{printable(name)} released something else than the share of the escrow", fg="red")


@escrow.command("status")
@click.argument("escrow_id", required=False)
@_TENANT
@registrar_options
@json_option
def status(escrow_id: str | None, tenant: str, registrar: Registrar, as_json: bool) -> None:
    """The escrows that the node keeps, or the ceremonies of ESCROW_ID."""

    async def work(desk: Desk) -> list[dict[str, Any]]:
        if escrow_id is None:
            return [
                {"id": one.id, "label": one.label, "threshold": one.threshold, "at_ns": one.at_ns,
                 "custodians": [card.name for card in one.custodians], "made_by": one.made_by.name}
                for one in await desk.escrows.kept(TenantId(tenant))
            ]  # fmt: skip
        return [
            {"id": one.ceremony.id, "state": one.state, "opener": one.ceremony.opener.name, "needed": one.needed,
             "released": one.released, "purpose": one.ceremony.purpose, "expires_at_ns": one.ceremony.expires_at_ns}
            for one in await desk.escrows.status(TenantId(tenant), escrow_id)
        ]  # fmt: skip

    rows = at_desk(registrar, work)
    if as_json:
        print_json(rows)
    elif escrow_id is None:
        escrows: list[Column] = [
            ("label", lambda row: row["label"]),
            ("opened by", lambda row: f"{row['threshold']} of {', '.join(row['custodians'])}"),
            ("made by", lambda row: row["made_by"]),
            ("when", time_of("at_ns")),
            ("id", lambda row: row["id"]),
        ]
        print_table("Escrows", rows, escrows, empty="this node keeps no escrow")
    else:
        ceremonies: list[Column] = [
            ("state", lambda row: row["state"]),
            ("opener", lambda row: row["opener"]),
            ("released", lambda row: f"{len(row['released'])} of {row['needed']}: {', '.join(row['released']) or '–'}"),
            ("purpose", lambda row: row["purpose"]),
            ("until", time_of("expires_at_ns")),
            ("id", lambda row: row["id"]),
        ]
        print_table("Ceremonies", rows, ceremonies, empty="nobody has asked to open it")


def _document(path: Path, kind: str) -> Any:
    from phalanx.crypto import sharing

    return sharing.read_signed(read_file(path), getattr(sharing, kind))


def _keyholder(path: Path) -> "Keyholder":
    """The person whose key file this is; one that others may read is refused, as ssh does."""
    from phalanx.adapters.keys import load_or_create
    from phalanx.crypto.sharing import Keyholder

    data = read_file(path)
    return Keyholder.from_bytes(load_or_create(path, lambda: data))


def _bounded(name: str) -> str:
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise InvalidInput("name", "has 1 to 100 printable characters")
    return name
