"""`phalanx keys identity`: who has an identity, issuing and revoking them, and verifying one without any node."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_file, require_new, write_file, write_secret
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.cli._show import limit_option
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.crypto.identity import Chain, RevocationList

_KINDS = ("organisation", "node", "agent", "person")
_WHYS = ("key-compromised", "superseded", "ceased")
_ROOT = "/v1/keys/identities"
_path = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group, short_help="Who has a signing identity: issue, rotate, revoke, export, verify.")
def identity() -> None:
    """Who has a signing identity: the organisation, its nodes, their agents, its persons.

    NAME is a serial, the fingerprint of a key, or a subject such as `node:acme/hq`. All but
    `verify` ask a running node; changes take an admin's token.
    """


@identity.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only of this kind.")
@client_options
@limit_option
@json_option
def list_identities(kind: str | None, client: NodeClient, limit: int, as_json: bool) -> None:
    """Certificates the node has issued, and how each stands."""
    rows = list(client.pages(_ROOT, limit=limit, kind=kind))
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
    """One identity: what its certificate says, and how it stands."""
    found = client.get(f"{_ROOT}/chain", name=name)
    print_json(found) if as_json else _print_identity(found["identity"])


@identity.command("issue")
@click.argument("subject")
@click.option("--out", type=_path, help="Make the key here, and write it with its chain to this new file (0600).")
@click.option("--key", type=_path, help="The public key of somebody who keeps the private one.")
@click.option("--algorithm", default="Ed25519+ML-DSA-65", show_default=True, help="Of the key, with --out.")
@click.option("--days", type=click.IntRange(1, 3_650), help="Good for so long; without it, as usual for its kind.")
@client_options
@json_option
def issue(
    subject: str,
    out: Path | None,
    key: Path | None,
    algorithm: str,
    days: int | None,
    client: NodeClient,
    as_json: bool,
) -> None:
    """An identity for SUBJECT, `person:acme/kim` for instance. The private key never leaves this machine."""
    _with_key(f"{_ROOT}?subject={quote_plus(subject)}&days={days or 0}", out, key, algorithm, client, as_json=as_json)


@identity.command("rotate")
@click.argument("subject")
@click.option("--out", type=_path, help="Make the new key here, and write it with its chain to this new file (0600).")
@click.option("--key", type=_path, help="The new public key of somebody who keeps the private one.")
@click.option("--algorithm", default="", help="Of the new key.")
@client_options
@json_option
def rotate(subject: str, out: Path | None, key: Path | None, algorithm: str, client: NodeClient, as_json: bool) -> None:
    """A new key for SUBJECT, as its next epoch; the one before counts for another hour.

    Without --out and --key it is of the node's own identities, and the node makes the key.
    """
    path = f"{_ROOT}/rotate?subject={quote_plus(subject)}"
    if out is None and key is None:
        made = client.post(f"{path}&algorithm={quote_plus(algorithm)}", content=b"", headers={})
        print_json(made) if as_json else _print_identity(made["identity"])
    else:
        _with_key(path, out, key, algorithm or "Ed25519+ML-DSA-65", client, as_json=as_json)


@identity.command("revoke")
@click.argument("name")
@click.option("--why", type=click.Choice(_WHYS), required=True, help="A compromised key never counted.")
@click.option("--note", default="", help="For those who read it later.")
@client_options
@json_option
def revoke(name: str, why: str, note: str, client: NodeClient, as_json: bool) -> None:
    """Revoke NAME: one certificate by its serial, or all that count of a key or a subject.

    It is in force when this returns; an agent is out of the swarm.
    """
    done = client.post(f"{_ROOT}/revoke", content=b"", headers={}, name=name, why=why, note=note)
    print_json(done) if as_json else click.echo(f"revoked {printable(done['subject'])}, serial {done['serial']}")


@identity.command("reissue")
@client_options
@json_option
def reissue(client: NodeClient, as_json: bool) -> None:
    """Sign again what stands under an earlier key. Goes on where a call before was cut off."""
    done = client.post(f"{_ROOT}/reissue", content=b"", headers={})
    print_json(done) if as_json else click.echo(f"{done['done']} of {done['total']} stand under the present key")


@identity.command("export")
@click.argument("name")
@click.option("--out", type=_path, help="File to write; without it, standard output.")
@click.option("--revocations", is_flag=True, help="Export the list of what NAME, an issuer, has revoked instead.")
@client_options
def export(name: str, out: Path | None, revocations: bool, client: NodeClient) -> None:
    """The chain of NAME as text, or with --revocations the list that it has signed. Neither is secret."""
    import json

    if revocations:
        text = json.dumps(client.get(f"{_ROOT}/revocations", issuer=name), indent=1)
    else:
        text = client.get(f"{_ROOT}/chain", name=name)["chain"]
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
    """Take over a list of revocations that another node has exported to FILE."""
    done = client.post(f"{_ROOT}/revocations", content=read_file(file), headers={"Content-Type": "application/json"})
    print_json(done) if as_json else click.echo("in force" if done["news"] else "known already")


@identity.command("trust")
@click.argument("file", type=_path)
@click.option("--fingerprint", required=True, help="Of the root's key, as its owner told you some other way.")
@client_options
@json_option
def trust(file: Path, fingerprint: str, client: NodeClient, as_json: bool) -> None:
    """Trust the organisation whose chain is in FILE."""
    done = client.post(f"{_ROOT}/trust", content=read_file(file), headers={}, fingerprint=fingerprint)
    print_json(done) if as_json else click.echo("trusted" if done["news"] else "trusted already")


@identity.command("distrust")
@click.argument("fingerprint")
@client_options
@json_option
def distrust(fingerprint: str, client: NodeClient, as_json: bool) -> None:
    """Trust the organisation whose root key has FINGERPRINT no longer."""
    done = client.post(f"{_ROOT}/distrust", content=b"", headers={}, fingerprint=fingerprint)
    print_json(done) if as_json else click.echo("no longer trusted" if done["news"] else "it was not trusted")


@identity.command("verify")
@click.argument("file", type=_path)
@click.option("--root", required=True, help="Fingerprint of the organisation's root key, from elsewhere.")
@click.option(
    "--use",
    type=click.Choice(("issue", "sign", "channel")),
    default="sign",
    show_default=True,
    help="What the identity has to be allowed to do.",
)
@click.option("--at", default="", help="When it has to hold, as 2026-01-31T12:00:00Z; without it, now.")
@click.option("--revocations", type=_path, multiple=True, help="A list that an issuer has exported.")
@json_option
def verify(file: Path, root: str, use: str, at: str, revocations: tuple[Path, ...], as_json: bool) -> None:
    """Verify the chain in FILE without any node; fails naming the broken link.

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


def _with_key(
    path: str, out: Path | None, key: Path | None, algorithm: str, client: NodeClient, *, as_json: bool
) -> None:
    """Have a key certified: one that is made here, or one whose private part is elsewhere."""
    from phalanx.crypto import SigningKey
    from phalanx.crypto.identity import Chain, Identity

    if (out is None) == (key is None):
        raise InvalidInput("--out", "give either --out, for a key that is made here, or --key")
    if key is not None:
        made = client.post(path, content=read_file(key), headers={})
    else:
        assert out is not None
        require_new(out)
        secret = SigningKey.generate(algorithm)
        made = client.post(path, content=secret.public.to_bytes(), headers={})
        write_secret(out, Identity(secret, Chain.from_text(made["chain"])).to_bytes())
    print_json(made) if as_json else _print_identity(made["identity"])


def _listed(path: Path, chain: "Chain") -> "RevocationList":
    """A list from a file; one that no link of ``chain`` has signed says nothing about it."""
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


def _print_identity(view: dict[str, Any]) -> None:
    lines = {
        "subject": view["subject"],
        "state": view["reason"] or view["state"],
        "key": view["key"],
        "algorithm": view["algorithm"],
        "issued by": f"{view['issuer']}, with {view['signed_with']}",
        "epoch": view["epoch"],
        "uses": ", ".join(view["uses"]),
        "from": time_of("not_before_ns")(view),
        "until": time_of("not_after_ns")(view),
        "serial": view["serial"],
    }
    for name, value in lines.items():
        click.echo(f"{name:<10} {printable(str(value))}")
