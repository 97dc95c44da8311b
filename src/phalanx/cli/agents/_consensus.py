"""`phalanx consensus`: what agents agreed on, and certificates that prove it anywhere."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import read_file, write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option

if TYPE_CHECKING:
    from phalanx.consensus import Proven


@click.group(cls=Group, short_help="What agents agreed on, and certificates that prove it anywhere.")
def consensus() -> None:
    """What agents agreed on, and certificates that prove it anywhere."""


@consensus.command("list")
@client_options
@limit_option
@json_option
def list_agreements(client: NodeClient, limit: int, as_json: bool) -> None:
    """What agents agreed on, oldest first."""
    rows = list(client.pages("/v1/consensus", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("decision", lambda row: row["decision"]),
        ("about", lambda row: row["about"]),
        ("weight", lambda row: f"{row['weight']} of {row['total']}, {row['quorum']} needed"),
        ("epoch", lambda row: str(row["epoch_number"])),
        ("view", lambda row: str(row["view"])),
        ("id", lambda row: row["id"]),
    ]
    print_table("Agreements", rows, columns, empty="nothing was put to the agents; see the setting response.agreement")


@consensus.command("epochs")
@client_options
@limit_option
@json_option
def list_epochs(client: NodeClient, limit: int, as_json: bool) -> None:
    """Who took part when, who was left out and why, and what agents object to; oldest first."""
    rows = list(client.pages("/v1/consensus/epochs", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("epoch", lambda row: str(row["number"])),
        ("when", time_of("at_ns")),
        ("participants", lambda row: str(len(row["participants"]))),
        ("left out", lambda row: ", ".join(f"{one['name']}: {one['reason']}" for one in row["left_out"]) or "–"),
        ("accepted", lambda row: f"{row['accepted']} of {row['total']}"),
        ("objections", lambda row: "; ".join(map(_objection, row["objections"])) or "–"),
        ("refused", lambda row: row["refused"] or "–"),
    ]
    print_table("Epochs", rows, columns, empty="no epoch was fixed yet; see the setting response.agreement")


@consensus.command("show")
@click.argument("name")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the certificate to this file.")
@client_options
@json_option
def show(name: str, out: Path | None, client: NodeClient, as_json: bool) -> None:
    """Fetch the certificate of NAME (an agreement's id, or a decision's context hash) and verify it locally."""
    import json

    from phalanx.consensus import verify_document

    document = client.get(f"/v1/consensus/{quote(name, safe='')}/certificate")
    proven = verify_document(document)
    if out is not None:
        write_file(out, json.dumps(document).encode())
    if as_json:
        print_json(document)
        return
    _tell(proven)
    if out is not None:
        click.echo(f"written to {out}; check it anywhere: phalanx consensus verify {out}")


@consensus.command("verify")
@click.argument("certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--root", "roots", multiple=True, help="Fingerprint of an organisation's root that you trust.")
@click.option("--context", default="", help="SHA-256 of what the decision must be about.")
@json_option
def verify(certificate: Path, roots: tuple[str, ...], context: str, as_json: bool) -> None:
    """Check the file CERTIFICATE, without node or network: votes, quorum, epoch, and who fixed it."""
    from phalanx.consensus import verify_document
    from phalanx.core import InvalidInput

    try:
        wanted = bytes.fromhex(context) or None
    except ValueError as error:
        raise InvalidInput("--context", "is not hexadecimal") from error
    proven = verify_document(read_file(certificate), context=wanted, anchors=roots or None)
    if as_json:
        agreement = proven.agreement
        instance = agreement.instance
        print_json(
            {
                "verified": True, "decision": agreement.option, "about": instance.question.about,
                "context": instance.question.context.hex(), "voters": list(agreement.voters),
                "weight": agreement.weight, "total": instance.total, "quorum": instance.quorum,
                "tolerated": instance.tolerated, "epoch": instance.epoch.number, "epoch_id": instance.epoch.id.hex(),
                "fixed_by": proven.fixed_by, "root": proven.root, "root_trusted": bool(roots),
            }
        )  # fmt: skip
        return
    _tell(proven)
    if not roots:
        click.echo("compare this root with one that you have from elsewhere, or name it with --root")


def _objection(row: Mapping[str, Any]) -> str:
    about = "itself" if row["about"] == row["member"] else row["about"]
    return f"{row['member']}: {about} {row['wrong']}"


def _tell(proven: "Proven") -> None:
    instance = proven.agreement.instance
    click.secho(f"verified: {proven.in_words}", fg="green")
    click.echo(f"about      {instance.question.context.hex()}")
    tolerated = instance.tolerated
    click.echo(f"epoch      {instance.epoch.number}, {instance.n} participants, tolerates a weight of {tolerated}")
    for one in instance.epoch.left_out:
        click.echo(f"left out   {one.name}: {one.reason}")
    click.echo(f"fixed by   {proven.fixed_by}\nroot       {proven.root}")
