"""`phalanx ledger`: look at the record, and check it without trusting the node."""

from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of
from phalanx.cli._settings import SettingsSource, settings_options
from phalanx.cli._show import limit_option


@click.group(short_help="The tamper-evident record: entries, checkpoint, proofs, verification.")
def ledger() -> None:
    """The tamper-evident record: entries, checkpoint, proofs, verification."""


@ledger.command("list")
@client_options
@limit_option
@json_option
def list_entries(client: NodeClient, limit: int, as_json: bool) -> None:
    """Entries in order, from the first."""
    rows = list(client.pages("/v1/ledger", limit=limit))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("index", lambda row: str(row["index"])),
        ("when", time_of("at_ns")),
        ("actor", lambda row: row["actor"]),
        ("action", lambda row: row["action"]),
        ("case", lambda row: row["case"]),
        ("leaf", lambda row: row["leaf_hash"][:16]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Ledger", rows, columns, empty="the ledger is empty")


@ledger.command("prove")
@click.argument("entry_id")
@client_options
@json_option
def prove(entry_id: str, client: NodeClient, as_json: bool) -> None:
    """Fetch the inclusion proof of ENTRY_ID and verify it here, against the signed checkpoint."""
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


@ledger.command("verify")
@settings_options()
@json_option
def verify(source: SettingsSource, as_json: bool) -> None:
    """Recompute the whole ledger of a stopped node from its stored bytes and check every signature."""
    import asyncio
    from dataclasses import asdict

    from phalanx.cli._ask import ask_person
    from phalanx.node import audit_ledger

    report = asyncio.run(audit_ledger(source.load().settings, ask=ask_person))
    if as_json:
        print_json(asdict(report))
        return
    if not report.checkpoints:
        click.echo(f"{report.size} entries recomputed and equal to their stored hashes; none is under a signature yet")
        return
    click.secho(f"{report.size} entries recomputed, {report.checkpoints} signed checkpoints: verified", fg="green")
    click.echo(f"root {report.root}")
    if report.payloads_gone:
        click.echo(f"{report.payloads_gone} payloads are gone with the keys of their tenants")
    if report.signed_size < report.size:
        click.echo(f"the last {report.size - report.signed_size} entries are not under a checkpoint yet")
