"""`phalanx ledger`: look at the record, and verify it without trusting the node."""

from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option
from phalanx.cli.ledger._evidence import compare, export, verify
from phalanx.cli.ledger._tiles import anchors, reindex, tiles


@click.group(cls=Group, short_help="The tamper-evident record: entries, checkpoint, proofs, verification.")
def ledger() -> None:
    """The tamper-evident record: entries, checkpoint, proofs, verification."""


ledger.add_command(tiles)
ledger.add_command(reindex)
ledger.add_command(anchors)


@ledger.command("list")
@client_options
@limit_option
@click.option("--case", default="", help="Only cases with this prefix.")
@click.option("--action", default="", help="Only actions with this prefix: `approved`, `sharing.`.")
@click.option(
    "--actor", default="", help="Only what was done by people, agents and nodes whose names have this prefix."
)
@click.option("--newest", is_flag=True, help="The newest instead of the first.")
@click.option("--probes", is_flag=True, help="Also what the node does to probe itself.")
@json_option
def list_entries(
    client: NodeClient, limit: int, case: str, action: str, actor: str, newest: bool, probes: bool, as_json: bool
) -> None:
    """Entries in order, from the first; with --newest the last ones, also in order."""
    asked = {"case": case, "action": action, "actor": actor, "order": "newest" if newest else "", "probes": probes}
    params = {name: value for name, value in asked.items() if value}
    rows = sorted(client.pages("/v1/ledger", limit=limit, **params), key=lambda row: row["index"])
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("index", lambda row: str(row["index"])),
        ("when", time_of("at_ns")),
        ("actor", lambda row: row["actor"]),
        ("action", lambda row: row["action"]),
        ("about", lambda row: row["subject"]),
        ("case", lambda row: row["case"]),
        ("leaf", lambda row: row["leaf_hash"][:16]),
        ("id", lambda row: row["id"]),
    ]
    said = "no entry is like that" if case or action or actor else "the ledger is empty"
    print_table("Ledger", rows, columns, empty=said)


@ledger.command("prove")
@click.argument("entry_id")
@client_options
@json_option
def prove(entry_id: str, client: NodeClient, as_json: bool) -> None:
    """Fetch the inclusion proof of ENTRY_ID and verify it locally, against the signed checkpoint."""
    from phalanx.ledger import verify_proof_document

    document = client.get(f"/v1/ledger/{quote(entry_id, safe='')}/proof")
    verified = verify_proof_document(document)
    if as_json:
        print_json(document)
        return
    click.secho(f"entry {entry_id} is number {verified.index} of {verified.size}: verified", fg="green")
    if not verified.disclosed:
        click.echo("its payload is gone: what it said beyond actor, action, subject and case cannot be read any more")
    click.echo(f"root {verified.root_hex}\nsigned by {verified.signer}")


@ledger.command("keys")
@client_options
@json_option
def keys(client: NodeClient, as_json: bool) -> None:
    """Verifier keys of a node, in the form used in the settings of its witnesses or of those it witnesses."""
    import json

    shown = client.get("/v1/witness")
    if as_json:
        print_json(shown)
        return
    click.echo(f"# fingerprint of the key that signs this ledger: {shown['fingerprint']}")
    for heading, section, address, names in (
        ("for the node that witnesses this ledger", "witness_for", client.url, shown["log_keys"]),
        (
            "for the node whose ledger this one witnesses",
            "witnesses",
            f"{client.url}/v1/witness",
            shown["witness_keys"],
        ),
    ):
        listed = ",\n".join(f"  {json.dumps(name)}" for name in names)
        click.echo(f"\n# {heading}\n[[ledger.{section}]]\nurl = {json.dumps(address)}\nkeys = [\n{listed},\n]")


@ledger.command("witnesses")
@client_options
@json_option
def witnesses(client: NodeClient, as_json: bool) -> None:
    """Who cosigned this ledger and how far behind each is, and the ledgers that this node cosigned."""
    own, others = client.get("/v1/ledger/witnesses"), client.get("/v1/ledger/witnessed")["items"]
    if as_json:
        print_json({"ledger": own, "witnessed": others})
        return
    columns: list[Column] = [
        ("witness", lambda row: row["name"]),
        ("cosigned", lambda row: str(row["size"])),
        ("behind", lambda row: str(row["behind"])),
        ("when", lambda row: _time(row["cosigned_at_s"])),
        ("problem", lambda row: row["problem"] or "–"),
    ]
    title = f"Witnesses of {own['size']} entries, {own['quorum']} needed"
    print_table(title, own["witnesses"], columns, empty="nobody witnesses this ledger (setting ledger.witnesses)")
    if own["degraded"]:
        click.secho("fewer than needed cosigned the last checkpoint", fg="yellow")
    columns = [
        ("ledger", lambda row: row["origin"]),
        ("cosigned", lambda row: str(row["size"])),
        ("when", time_of("cosigned_at_ns")),
        ("unproved", lambda row: str(row["open"])),
    ]
    print_table("Cosigned here", others, columns, empty="this node has cosigned no other ledger")


@ledger.command("split-views")
@client_options
@json_option
def split_views(client: NodeClient, as_json: bool) -> None:
    """Ledgers that were caught showing two histories. With --json, the evidence that convinces others."""
    found = client.get("/v1/ledger/split-views")["items"]
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("found", time_of("found_at_ns")),
        ("ledger", lambda row: row["origin"]),
        ("told by", lambda row: row["source"]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Split views", found, columns, empty="no ledger was caught showing two histories")


def _time(at_s: int) -> str:
    from phalanx.core import NS_PER_S, iso_from_ns

    return iso_from_ns(at_s * NS_PER_S)[:19].replace("T", " ") if at_s else "–"


ledger.add_command(export)
ledger.add_command(verify)
ledger.add_command(compare)
