"""`phalanx intel signs`: keys that are broken or weak, and graded canary keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._files import list_files, read_file, write_new
from phalanx.cli._output import Column, Group, json_option, print_json, print_table

if TYPE_CHECKING:
    from phalanx.intel.signs import CanaryKey

_FILE = click.Path(path_type=Path, dir_okay=False)
_HOW_SURE = {"proven": "proven: the factor is the proof", "pattern": "a pattern, which may have other reasons"}


@click.group(cls=Group, short_help="Keys that are broken or weak, and canary keys of graded strength.")
def signs() -> None:
    """Signs of attacks on cryptography, reported with how certain they are."""


@signs.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check the public keys in FILES and folders against each other: certificates, PEM, SSH key lines."""
    from phalanx.intel.signs import keys_in, weaknesses

    named = [one for file in files for one in (list_files(file, "*") if file.is_dir() else [file])]
    keys = [key for file in named for key in keys_in(read_file(file), str(file))]
    found = weaknesses(keys)
    rows: list[dict[str, Any]] = [
        {"sign": sign.kind, "certainty": sign.certainty.value, "where": sign.key.where,
         "key": f"{sign.key.algorithm} {sign.key.bits}", "fingerprint": sign.key.fingerprint, "told": sign.told,
         "proof": sign.proof}
        for sign in found
    ]  # fmt: skip
    if as_json:
        print_json({"keys": len(keys), "signs": rows})
    else:
        columns: list[Column] = [
            ("where", lambda row: row["where"]), ("key", lambda row: row["key"]), ("sign", lambda row: row["sign"]),
            ("how sure", lambda row: _HOW_SURE[row["certainty"]]), ("what", lambda row: row["told"]),
        ]  # fmt: skip
        print_table("Signs", rows, columns, empty="no key is weak in a way that is looked for")
        click.echo(f"{len(keys)} keys of {len(named)} files")
    if any(row["certainty"] == "proven" for row in rows):
        raise SystemExit(Exit.FAILED)


@signs.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@client_options
@json_option
def tell(files: tuple[Path, ...], client: NodeClient, as_json: bool) -> None:
    """Report keys in FILES that are proven broken to the node: a finding follows, and a proposal to migrate."""
    from phalanx.intel.signs import Certainty, keys_in, weaknesses

    named = [one for file in files for one in (list_files(file, "*") if file.is_dir() else [file])]
    found = weaknesses([key for file in named for key in keys_in(read_file(file), str(file))])
    proven = [sign for sign in found if sign.certainty is Certainty.PROVEN]
    _show_told(
        [
            _told(client, {
                "sign": sign.kind, "modulus": f"{sign.key.modulus:x}", "exponent": sign.key.exponent,
                "proof": sign.proof, "where": sign.key.where,
            })
            for sign in proven
        ],
        as_json=as_json,
    )  # fmt: skip


def _told(client: NodeClient, sign: dict[str, Any]) -> dict[str, Any]:
    taken: dict[str, Any] = client.post_json("/v1/signs", sign)
    return taken


def _show_told(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("sign", lambda row: row["sign"]), ("key", lambda row: row["key"]), ("event", lambda row: row["event"]),
    ]  # fmt: skip
    print_table("Told", rows, columns, empty="nothing is proven, so nothing was told")


@signs.group(cls=Group, short_help="Graded keys whose private half nobody has.")
def canaries() -> None:
    """Graded keys whose private half nobody has: whoever answers for one has broken it."""


@canaries.command()
@click.argument("file", type=_FILE)
@click.option("--of", "node", required=True, help="Whose they are: a name that is part of every challenge.")
@json_option
def make(file: Path, node: str, as_json: bool) -> None:
    """Generate a key of each grade, discard the private halves, and write the public ones to FILE, a new file."""
    import json

    from phalanx.intel.signs import make_canaries

    rows = [
        {"name": key.name, "grade": key.grade, "modulus": f"{key.modulus:x}", "exponent": key.exponent,
         "challenge": key.challenge(node).decode()}
        for key in make_canaries()
    ]  # fmt: skip
    write_new(file, json.dumps({"node": node, "keys": rows}, indent=2).encode() + b"\n")
    if as_json:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['challenge']}")


@canaries.command()
@click.argument("file", type=_FILE)
@click.argument("name")
@click.argument("signature", type=_FILE)
@json_option
def answer(file: Path, name: str, signature: Path, as_json: bool) -> None:
    """Check that the file SIGNATURE (PKCS #1 v1.5, SHA-256) answers the challenge of the key NAME of FILE."""
    from phalanx.intel.signs import CLASSICAL_BITS, verify_answer

    node, key = _canary(file, name)
    verify_answer(key, node, read_file(signature))
    bits = key.modulus.bit_length()
    told = (
        f"no published computation factors more than {CLASSICAL_BITS} bits: migrate (phalanx keys migrate --help)"
        if bits > CLASSICAL_BITS
        else "ordinary computers factor keys of this length"
    )
    if as_json:
        print_json({"name": name, "bits": bits, "broken": True, "beyond_published": bits > CLASSICAL_BITS})
    else:
        click.echo(f"{name} is broken: somebody signed its challenge; {told}")


@canaries.command("tell")
@click.argument("file", type=_FILE)
@click.argument("name")
@click.argument("signature", type=_FILE)
@client_options
@json_option
def tell_answer(file: Path, name: str, signature: Path, client: NodeClient, as_json: bool) -> None:
    """Report to the node that the file SIGNATURE answers the challenge of the key NAME of FILE; the node checks it."""
    from phalanx.intel.signs import CANARY_ANSWERED

    node, key = _canary(file, name)
    sign = {
        "sign": CANARY_ANSWERED, "modulus": f"{key.modulus:x}", "exponent": key.exponent, "of": node,
        "proof": read_file(signature).hex(),
    }  # fmt: skip
    _show_told([_told(client, sign)], as_json=as_json)


def _canary(file: Path, name: str) -> "tuple[str, CanaryKey]":
    """Whose the keys of the file are, and the one of this name."""
    import json

    from phalanx.core import InvalidInput, NotFound
    from phalanx.intel.signs import CanaryKey

    try:
        book = json.loads(read_file(file))
        keys = [CanaryKey(int(row["grade"]), int(row["modulus"], 16), int(row["exponent"])) for row in book["keys"]]
        node = str(book["node"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(str(file), f"it is no file of canary keys: {error}") from error
    key = next((one for one in keys if one.name == name), None)
    if key is None:
        raise NotFound("canary key", name)
    return node, key


@signs.command("list")
@json_option
def list_signs(as_json: bool) -> None:
    """Which signs are looked for, where, and what each proves."""
    rows = [
        {"sign": sign, "where": where, "certainty": sure, "proves": proves}
        for sign, where, sure, proves in (
            (
                "shared-factor",
                "keys checked together, certificates in events",
                "proven",
                "both keys are broken; too little randomness",
            ),
            ("small-factor", "keys, certificates in events", "proven", "the key is broken"),
            (
                "close-factors",
                "keys, certificates in events",
                "proven",
                "the key is broken; its factors were badly chosen",
            ),
            ("roca", "keys", "pattern", "the key is of a broken library, or one of a hundred million others"),
            ("short", "keys", "pattern", "the key is within or near the reach of ordinary computers"),
            ("small-exponent", "keys", "pattern", "the key needs sound padding"),
            ("canary answered", "canary keys", "proven", "somebody has a private half that nobody was given"),
            ("downgrade", "TLS and SSH in events", "pattern", "post-quantum key exchange was given up; why, is open"),
            (
                "traffic mirrored outward",
                "flows in events",
                "pattern",
                "a mirror tunnel leaves the house; for whom, is open",
            ),
            (
                "ciphertext copied",
                "flows in events",
                "pattern",
                "a peer outside is sent the volumes of other encrypted sessions; by whose order, is open",
            ),
            (
                "ciphertext collected",
                "flows and handshakes in events",
                "pattern",
                "a new peer gets bulk of many hosts without post-quantum key exchange; what for, is open",
            ),
        )
    ]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("sign", lambda row: row["sign"]), ("in", lambda row: row["where"]),
        ("certainty", lambda row: row["certainty"]), ("what it says", lambda row: row["proves"]),
    ]  # fmt: skip
    print_table("Signs that are looked for", rows, columns, empty="none")
