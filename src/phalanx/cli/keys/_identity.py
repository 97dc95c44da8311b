"""`phalanx keys identity`: who has an identity, issuing and revoking them, and verifying one without any node."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_file, write_file
from phalanx.cli._job import Job, job_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.keys._certify import IDENTITIES, complete, issue, print_identity, request, rotate
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.crypto.identity import Chain, RevocationList

_KINDS = ("organisation", "node", "agent", "person")
_WHYS = ("key-compromised", "superseded", "ceased")
_path = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group, short_help="Who has a signing identity: issue, rotate, revoke, export, verify.")
def identity() -> None:
    """Who has a signing identity: the organisation, its nodes, their agents, its people.

    NAME is a serial, the fingerprint of a key, or a subject such as `node:acme/hq`. All but `verify` ask a running
    node; changes take an admin token.
    """


@identity.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only of this kind.")
@client_options
@limit_option
@json_option
def list_identities(kind: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """Certificates the node has issued, and the standing of each."""
    rows = list(client.pages(IDENTITIES, limit=limit, kind=kind))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("subject", lambda row: row["subject"]),
        ("epoch", lambda row: str(row["epoch"])),
        ("state", lambda row: row["reason"] or row["state"]),
        ("algorithm", lambda row: row["algorithm"]),
        ("until", time_of("not_after_ns")),
        ("key", lambda row: row["key"][:16]),
        ("id", lambda row: row["serial"]),
    ]
    rows.sort(key=lambda row: (row["subject"].count("/"), row["subject"], row["epoch"]))
    print_table("Identities", rows, columns, empty="there is none")


@identity.command("show")
@click.argument("name")
@client_options
@json_option
def show(name: str, client: NodeClient, as_json: bool) -> None:
    """One identity: what its certificate says, and its standing."""
    found = client.get(f"{IDENTITIES}/chain", name=name)
    print_json(found) if as_json else print_identity(found["identity"])


for command in (issue, rotate, request, complete):
    identity.add_command(command)


@identity.command("revoke")
@click.argument("name")
@click.option(
    "--why", type=click.Choice(_WHYS), required=True, help="After key-compromised, the key counts as never valid."
)
@click.option("--note", default="", help="For those who read it later.")
@client_options
@json_option
def revoke(name: str, why: str, note: str, client: NodeClient, as_json: bool) -> None:
    """Revoke NAME: one certificate by its serial, or all valid ones of a key or a subject.

    It is in force when this returns; a revoked agent is out of the swarm.
    """
    done = client.post(f"{IDENTITIES}/revoke", name=name, why=why, note=note)
    print_json(done) if as_json else click.echo(f"revoked {printable(done['subject'])}, serial {done['serial']}")


@identity.command("reissue")
@job_options
@client_options
@json_option
def reissue(only_status: bool, stop: bool, watch: bool, client: NodeClient, as_json: bool) -> None:
    """Sign again what stands under an earlier key, in the background of a running node.

    Resumes where it was stopped or interrupted, even after a restart. What rests on an algorithm that the settings
    now forbid (crypto.forbidden) is listed.
    """
    job = Job(client, status=f"{IDENTITIES}/reissue", start=f"{IDENTITIES}/reissue", stop=f"{IDENTITIES}/reissue/stop")
    view = job.asked(only_status=only_status, stop=stop)
    if watch:
        view = job.watched(view, "signing", done="done", total="total", shown=not as_json)
    if as_json:
        print_json(view)
        return
    click.echo(f"{view['state']}: {view['done']} of {view['total']} stand under the present key")
    for one in view["forbidden"]:
        what = "its own key, rotate it" if one["own_key"] else "the signature above it"
        click.secho(f"{printable(one['subject'])} rests on {one['algorithm']}: {what}", fg="yellow")


@identity.command("export")
@click.argument("name")
@click.option("--out", type=_path, help="File to write; by default standard output.")
@click.option("--revocations", is_flag=True, help="Instead, export the list of what NAME, an issuer, has revoked.")
@client_options
def export(name: str, out: Path | None, revocations: bool, client: NodeClient) -> None:
    """The chain of NAME as text, or with --revocations the list it has signed. Neither is secret."""
    import json

    if revocations:
        text = json.dumps(client.get(f"{IDENTITIES}/revocations", issuer=name), indent=1)
    else:
        text = client.get(f"{IDENTITIES}/chain", name=name)["chain"]
    if out is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        write_file(out, text.encode())
        click.echo(f"{out}: the {'revocations' if revocations else 'chain'} of {printable(name)}")


@identity.command("accept")
@click.argument("file", type=_path)
@client_options
@json_option
def accept(file: Path, client: NodeClient, as_json: bool) -> None:
    """Import a list of revocations that another node has exported to FILE."""
    done = client.post(
        f"{IDENTITIES}/revocations", content=read_file(file), headers={"Content-Type": "application/json"}
    )
    print_json(done) if as_json else click.echo("in force" if done["news"] else "known already")


@identity.command("trust")
@click.argument("file", type=_path)
@click.option(
    "--fingerprint", required=True, help="Fingerprint of the root's key, as its owner told you by another route."
)
@client_options
@json_option
def trust(file: Path, fingerprint: str, client: NodeClient, as_json: bool) -> None:
    """Trust the organisation whose chain is in FILE."""
    done = client.post(f"{IDENTITIES}/trust", content=read_file(file), headers={}, fingerprint=fingerprint)
    print_json(done) if as_json else click.echo("trusted" if done["news"] else "trusted already")


@identity.command("distrust")
@click.argument("fingerprint")
@client_options
@json_option
def distrust(fingerprint: str, client: NodeClient, as_json: bool) -> None:
    """Stop trusting the organisation whose root key has FINGERPRINT."""
    done = client.post(f"{IDENTITIES}/distrust", fingerprint=fingerprint)
    print_json(done) if as_json else click.echo("no longer trusted" if done["news"] else "it was not trusted")


@identity.command("verify")
@click.argument("file", type=_path)
@click.option("--root", required=True, help="Fingerprint of the organisation's root key, from elsewhere.")
@click.option(
    "--use",
    type=click.Choice(("issue", "sign", "channel")),
    default="sign",
    show_default=True,
    help="What the identity must be allowed to do.",
)
@click.option("--at", default="", help="When it must be valid, as 2026-01-31T12:00:00Z; by default now.")
@click.option("--revocations", type=_path, multiple=True, help="A list that an issuer has exported.")
@json_option
def verify(file: Path, root: str, use: str, at: str, revocations: tuple[Path, ...], as_json: bool) -> None:
    """Verify the chain in FILE without any node; on failure names the broken link.

    Nobody is asked what was revoked since: give the lists you have with --revocations.
    """
    from phalanx.adapters import SystemClock
    from phalanx.core import iso_from_ns, ns_from_iso
    from phalanx.crypto import CryptoPolicy
    from phalanx.crypto.identity import Chain, Listed, Use, validate

    chain = Chain.from_text(read_file(file).decode("ascii", "replace"))
    try:
        at_ns = ns_from_iso(at) if at else SystemClock().wall_ns()
    except ValueError as error:
        raise InvalidInput("--at", f"{at!r} is no time such as 2026-01-31T12:00:00Z") from error
    lists = [_listed(path, chain) for path in revocations]
    held = validate(
        chain, at_ns=at_ns, use=Use(use), anchors={root.lower(): chain.root.subject}, standing=Listed(*lists),
        policy=CryptoPolicy(),
    )  # fmt: skip
    links = [f"{link.subject} (epoch {link.epoch}, serial {link.serial})" for link in held.links]
    said = {
        "subject": str(held.subject), "key": held.fingerprint, "algorithm": held.key.algorithm, "epoch": held.epoch,
        "at_ns": at_ns, "until_ns": held.until_ns, "links": links, "revocation_lists": len(lists),
    }  # fmt: skip
    if as_json:
        print_json(said)
        return
    click.secho(f"{held.subject} holds at {iso_from_ns(at_ns)[:19]}", fg="green")
    click.echo("\n".join(f"  {link}" for link in links))
    click.echo(f"key {held.fingerprint}, {held.key.algorithm}, until {iso_from_ns(held.until_ns)[:19]}")


def _listed(path: Path, chain: "Chain") -> "RevocationList":
    """A list from a file; one that no link of ``chain`` has signed says nothing about the chain."""
    import base64
    import json

    from phalanx.crypto.identity import RevocationList

    try:
        listed = RevocationList.from_bytes(base64.b64decode(json.loads(read_file(path))["revocations"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput("--revocations", f"{path} is no exported list") from error
    signers = [
        link
        for link in chain.certificates
        if (link.subject, link.key_fingerprint) == (listed.issuer, listed.issuer_key)
    ]
    if not signers:
        raise InvalidInput("--revocations", f"{path} is a list of {listed.issuer}, which is not in this chain")
    listed.require_signature_of(signers[0].key)
    return listed
