"""`phalanx ledger export`, `verify` and `compare`: evidence as a file, and checking it with nothing else at hand."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._artefacts import ARTEFACTS
from phalanx.cli._ask import ask_person
from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._files import read_file, write_file
from phalanx.cli._output import json_option, print_json, printable
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.ledger.evidence import Comparison, EvidenceReport

_FILE = click.Path(path_type=Path)


@click.command("export")
@click.option("--case", required=True, help="The case, as `phalanx ledger list` shows it.")
@click.option("--out", type=_FILE, help="File to write (default: standard output).")
@click.option("--timeline", "timeline_out", type=_FILE, help="Also write the readable timeline (Markdown) here.")
@click.option("--keep", is_flag=True, help="Have the node store these bytes, sealed, as an artefact of the case.")
@client_options
def export(case: str, out: Path | None, timeline_out: Path | None, keep: bool, client: NodeClient) -> None:
    """Write the evidence of a case as one file that can be verified without this node. It is verified here first."""
    from phalanx.ledger.evidence import canonical, verify_bundle

    data = _kept(client, case) if keep else canonical(client.get("/v1/ledger/bundle", case=case))
    report = verify_bundle(data)
    if timeline_out is not None:
        write_file(timeline_out, report.timeline.encode())
    if out is None:
        sys.stdout.buffer.write(data)
        return
    write_file(out, data)
    click.echo(f"{out}: {len(report.entries)} entries under a checkpoint of {report.size}, signed by\n{report.signer}")
    if not report.witnesses:
        click.echo("no witness has cosigned it")


def _kept(client: NodeClient, case: str) -> bytes:
    """Export and store in one step, then fetch what is stored: what is handed over is what stays."""
    made = client.post(f"{ARTEFACTS}/evidence", case=case)
    click.echo(f"kept as artefact {made['id']}, sha256 {made['sha256']}", err=True)
    return b"".join(client.download(f"{ARTEFACTS}/{made['id']}/content"))


@click.command("verify")
@click.argument("bundle", type=_FILE, required=False)
@click.option("--key", default="", metavar="FINGERPRINT", help="Fingerprint that the signer must have.")
@click.option(
    "--tsa-ca", type=_FILE, help="Certificates (PEM) that timestamps must lead to, instead of the file's own."
)
@click.option("--timeline", is_flag=True, help="Print the timeline, once it is verified.")
@settings_options()
@json_option
def verify(
    bundle: Path | None, key: str, tsa_ca: Path | None, timeline: bool, source: SettingsSource, as_json: bool
) -> None:
    """Verify BUNDLE offline, a file from `ledger export` or a split view, and name the first broken link.

    Without BUNDLE: recompute the whole ledger of a stopped node from its stored bytes and check every signature.
    """
    if bundle is None:
        if key or tsa_ca or timeline:
            raise InvalidInput("bundle", "--key, --tsa-ca and --timeline are about a file: name it")
        _audit(source, as_json=as_json)
        return
    data = read_file(bundle)
    if b'"phalanx-split-view"' in data[:200_000] and b'"phalanx-evidence"' not in data:
        _verify_split_view(data, as_json=as_json)
        return
    from phalanx.ledger.evidence import verify_bundle

    report = verify_bundle(data, fingerprint=key, authority_pem=read_file(tsa_ca).decode() if tsa_ca else "")
    if as_json:
        print_json(_plain(report))
        return
    if timeline:
        click.echo(printable(report.timeline))
    _show(report, pinned=bool(key))


@click.command("compare")
@click.argument("first", type=_FILE)
@click.argument("second", type=_FILE)
@click.option("--ask", is_flag=True, help="Ask the ledger's node (--url) for a proof where the files show nothing.")
@client_options
@json_option
@click.pass_context
def compare(context: click.Context, first: Path, second: Path, ask: bool, client: NodeClient, as_json: bool) -> None:
    """Say whether two bundles are of one history or show a split view. Both are verified first.

    Exits with 0 for one history, 6 for a split view, and 1 if the files show neither.
    """
    from phalanx.ledger.evidence import Relation, verify_bundle
    from phalanx.ledger.evidence import compare as compared

    one, other = (verify_bundle(read_file(path)) for path in (first, second))
    found = compared(one, other)
    if found.relation is Relation.NOT_SHOWN and ask:
        found = _asked(client, one, other)
    if as_json:
        print_json({"relation": found.relation.value, "reason": found.reason})
    else:
        colour = {Relation.ONE_HISTORY: "green", Relation.SPLIT_VIEW: "red"}.get(found.relation, "yellow")
        click.secho(f"{found.relation.value.replace('-', ' ')}: {found.reason}", fg=colour)
    context.exit(
        {Relation.ONE_HISTORY: Exit.OK, Relation.SPLIT_VIEW: Exit.NOT_VERIFIED}.get(found.relation, Exit.FAILED)
    )


def _asked(client: NodeClient, one: "EvidenceReport", other: "EvidenceReport") -> "Comparison":
    import msgspec

    from phalanx.ledger.evidence import compare as compared
    from phalanx.ledger.witness import GOSSIP_PATH, GossipMessage, Question

    old, new = sorted((one.size, other.size))
    question = GossipMessage(questions=(Question(origin=one.origin, old=old, new=new),))
    answer = client.post(GOSSIP_PATH, content=question.to_bytes(), headers={"Content-Type": "application/json"})
    proofs = GossipMessage.from_bytes(msgspec.json.encode(answer)).proofs
    return compared(one, other, proofs[0] if proofs else None)


def _audit(source: SettingsSource, *, as_json: bool) -> None:
    import asyncio
    from dataclasses import asdict

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
    if report.untold:
        click.echo(f"{report.untold} records behind the last entry were appended and not acknowledged")
    if report.anchors:
        click.echo(f"{report.anchors} daily anchors hold")
    if report.cosignatures or report.timestamps:
        click.echo(f"{report.cosignatures} cosignatures of witnesses and {report.timestamps} timestamps hold")
    if report.unchecked:
        click.echo(f"{report.unchecked} timestamps not checked (pip install 'phalanx[timestamps]')")
    if report.payloads_gone:
        click.echo(f"{report.payloads_gone} payloads are gone with the keys of their tenants")
    if report.signed_size < report.size:
        click.echo(f"the last {report.size - report.signed_size} entries are not under a checkpoint yet")


def _verify_split_view(data: bytes, *, as_json: bool) -> None:
    import json

    from phalanx.ledger.witness import read_split_view

    try:
        document = json.loads(data)
    except ValueError as error:
        raise InvalidInput("split view", f"it is not JSON: {error}") from error
    # As `ledger split-views --json` prints it: a list, the evidence inside; or the evidence itself.
    found = document if isinstance(document, list) else [document]
    shown = []
    for one in found:
        evidence = read_split_view(one.get("evidence", one) if isinstance(one, dict) else {})
        first, second = evidence.verify()
        shown.append({"origin": evidence.origin, "first": first.size, "second": second.size})
    if as_json:
        print_json(shown)
        return
    for row in shown:
        click.secho(f"{row['origin']} signed two histories: sizes {row['first']} and {row['second']}", fg="red")
    click.echo("verified under the keys in the file: compare them with those that are known for the ledger")


def _show(report: "EvidenceReport", *, pinned: bool) -> None:
    click.secho(f"{len(report.entries)} entries of case {printable(report.case)}: verified", fg="green")
    click.echo(f"checkpoint of {report.size} entries, root {report.root}")
    click.echo(f"signed by {report.signer}" + ("" if pinned else " (compare it, or pin it with --key)"))
    for name, _ in report.witnesses:
        click.echo(f"cosigned by {name}")
    for stamp in report.timestamps:
        if stamp.at_s is None:
            click.echo(f"timestamp on {stamp.size} entries: not checked (pip install 'phalanx[timestamps]')")
        else:
            click.echo(f"timestamped at {stamp.size} entries, {_time(stamp.at_s)}, under {', '.join(stamp.roots)}")
    for anchor in report.anchors:
        tie = "which nothing in this file ties to the ledger (version 1: export it again)"
        if anchor.announced is not None:
            tie = f"announced by entry {anchor.announced}"
        click.echo(f"anchored at {anchor.size} entries, {anchor.day}, by {anchor.key},\n  {tie}")
    if report.undisclosed:
        click.echo(f"{report.undisclosed} payloads are not in the file: gone, or not disclosed")


def _plain(report: "EvidenceReport") -> dict[str, Any]:
    return {
        "case": report.case,
        "tenant": report.tenant,
        "origin": report.origin,
        "signer": report.signer,
        "size": report.size,
        "root": report.root,
        "signed_at_s": report.signed_at_s,
        "entries": [index for index, _ in report.entries],
        "undisclosed": report.undisclosed,
        "witnesses": [{"name": name, "cosigned_at_s": at_s} for name, at_s in report.witnesses],
        "anchors": [
            {"size": one.size, "day": one.day, "key": one.key, "announced": one.announced} for one in report.anchors
        ],
        "timestamps": [{"size": one.size, "at_s": one.at_s, "roots": list(one.roots)} for one in report.timestamps],
    }


def _time(at_s: int) -> str:
    from phalanx.core import NS_PER_S, iso_from_ns

    return iso_from_ns(at_s * NS_PER_S)[:19] + "Z"
