"""Having a key certified: `phalanx keys identity issue`, `rotate`, `request` and `complete`.

A private key is durably on disk before anybody hears of its public part: an interrupted command leaves a key
without a certificate, which running the same command again completes, and never a certificate without a key.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import click

from phalanx.cli._client import NodeClient, Refused, client_options
from phalanx.cli._files import read_file, read_secret, replace_secret, require_new, write_new, write_secret
from phalanx.cli._output import json_option, print_json, printable, time_of
from phalanx.core import InvalidInput, NotFound, PhalanxError

if TYPE_CHECKING:
    from phalanx.crypto import SigningKey
    from phalanx.crypto.identity import Subject

IDENTITIES = "/v1/keys/identities"
_path = click.Path(path_type=Path, dir_okay=False)


@click.command("issue")
@click.argument("subject")
@click.option("--out", type=_path, help="Generate the key here, and write it with its chain to this new file (0600).")
@click.option("--request", "asked", type=_path, help="File written by `keys identity request`.")
@click.option("--algorithm", default="Ed25519+ML-DSA-65", show_default=True, help="Algorithm of the key, with --out.")
@click.option("--days", type=click.IntRange(1, 3_650), help="Validity; by default the usual one for its kind.")
@client_options
@json_option
def issue(
    subject: str,
    out: Path | None,
    asked: Path | None,
    algorithm: str,
    days: int | None,
    client: NodeClient,
    as_json: bool,
) -> None:
    """An identity for SUBJECT, for example `person:acme/kim`. The private key never leaves this machine.

    With --out the key is on disk before the node hears of it. If interrupted, the same command continues with that
    key.
    """
    from phalanx.crypto.identity import Subject

    path = f"{IDENTITIES}?subject={quote_plus(subject)}&days={days or 0}"
    _with_key(path, Subject.parse(subject), out, asked, algorithm, client, as_json=as_json)


@click.command("rotate")
@click.argument("subject")
@click.option(
    "--out", type=_path, help="Generate the new key here, and write it with its chain to this new file (0600)."
)
@click.option("--request", "asked", type=_path, help="File written by `keys identity request`, with a new key.")
@click.option("--algorithm", default="", help="Algorithm of the new key.")
@client_options
@json_option
def rotate(
    subject: str, out: Path | None, asked: Path | None, algorithm: str, client: NodeClient, as_json: bool
) -> None:
    """A new key for SUBJECT, as its next epoch; the previous key stays valid for another hour.

    Without --out and --request this applies to the node's own identities, and the node generates the key.
    """
    from phalanx.crypto.identity import Subject

    path = f"{IDENTITIES}/rotate?subject={quote_plus(subject)}"
    if out is None and asked is None:
        made = client.post(f"{path}&algorithm={quote_plus(algorithm)}")
        print_json(made) if as_json else print_identity(made["identity"])
    else:
        chosen = algorithm or "Ed25519+ML-DSA-65"
        _with_key(path, Subject.parse(subject), out, asked, chosen, client, as_json=as_json)


@click.command("request")
@click.argument("subject")
@click.option("--key", "key_file", type=_path, required=True, help="New file for the private key (0600).")
@click.option("--out", type=_path, required=True, help="New file for the request. Send it to the issuer.")
@click.option("--algorithm", default="Ed25519+ML-DSA-65", show_default=True, help="Algorithm of the key.")
@json_option
def request(subject: str, key_file: Path, out: Path, algorithm: str, as_json: bool) -> None:
    """Generate a key for SUBJECT, and a request to have it certified. Asks no node.

    The request proves that its sender has the private key. `issue --request` takes it; put the resulting chain
    beside the key with `complete`.
    """
    from phalanx.crypto import SigningKey
    from phalanx.crypto.identity import KeyRequest, Subject

    whose = Subject.parse(subject)
    require_new(out)
    made = SigningKey.generate(algorithm)
    write_secret(key_file, made.to_bytes())
    write_new(out, KeyRequest.make(whose, made).to_bytes())
    told = {"subject": str(whose), "fingerprint": made.public.fingerprint, "key": str(key_file), "request": str(out)}
    print_json(told) if as_json else click.echo(f"{whose}: fingerprint {made.public.fingerprint}")


@click.command("complete")
@click.argument("key_file", type=_path)
@click.argument("chain_file", type=_path)
def complete(key_file: Path, chain_file: Path) -> None:
    """Put the chain in CHAIN_FILE beside the private key in KEY_FILE, which is an identity from then on."""
    from phalanx.crypto import SigningKey
    from phalanx.crypto.identity import Chain, Identity

    key = SigningKey.from_bytes(read_secret(key_file))
    made = Identity(key, Chain.from_text(read_file(chain_file).decode("ascii", "replace")))
    replace_secret(key_file, made.to_bytes())
    click.echo(f"{key_file}: the identity of {made.subject}")


def print_identity(view: dict[str, Any]) -> None:
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


def _with_key(
    path: str, subject: "Subject", out: Path | None, asked: Path | None, algorithm: str, client: NodeClient,
    *, as_json: bool,
) -> None:  # fmt: skip
    """Have a key certified: one that is generated here, or one whose private part is elsewhere."""
    from phalanx.crypto.identity import Chain, Identity

    if (out is None) == (asked is None):
        raise InvalidInput("--out", "give either --out, for a key that is made here, or --request")
    if asked is not None:
        made = client.post(path, content=read_file(asked), headers={})
    else:
        assert out is not None
        key, made = _certified(path, subject, out, algorithm, client)
        replace_secret(out, Identity(key, Chain.from_text(made["chain"])).to_bytes())
    print_json(made) if as_json else print_identity(made["identity"])


def _certified(
    path: str, subject: "Subject", out: Path, algorithm: str, client: NodeClient
) -> "tuple[SigningKey, dict[str, Any]]":
    """A key that is in ``out`` before the node hears of it, and the node's answer about it.

    A key that is already there was left by an interrupted command: the node may have certified it, and the answer
    was lost.
    """
    from phalanx.crypto import SigningKey
    from phalanx.crypto.identity import KeyRequest

    if out.exists():
        key = _left_over(out)
        if key.algorithm != algorithm:
            raise InvalidInput("--algorithm", f"{out} holds a key of {key.algorithm}", hint="name a new file")
        if (known := _known(key, subject, client)) is not None:
            return key, known
    else:
        key = SigningKey.generate(algorithm)
        write_secret(out, key.to_bytes())
    try:
        return key, client.post(path, content=KeyRequest.make(subject, key).to_bytes(), headers={})
    except PhalanxError:
        click.echo(f"the private key stays in {out}: the same command goes on with it", err=True)
        raise


def _left_over(out: Path) -> "SigningKey":
    """The bare key of an interrupted command; anything else in its place stays as it is."""
    from phalanx.crypto import InvalidKey, SigningKey

    try:
        return SigningKey.from_bytes(read_secret(out))
    except InvalidKey:
        require_new(out)
        raise


def _known(key: "SigningKey", subject: "Subject", client: NodeClient) -> "dict[str, Any] | None":
    """What the node has already certified of this key."""
    try:
        found: dict[str, Any] = client.get(f"{IDENTITIES}/chain", name=key.public.fingerprint)
    except Refused as refused:
        if refused.code == NotFound.code:
            return None
        raise
    if found["identity"]["subject"] != str(subject):
        raise InvalidInput("--out", f"its key is certified as {printable(found['identity']['subject'])}")
    return found
