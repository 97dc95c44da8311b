"""`phalanx incidents`: what belongs together, why, who has it, and what people say about it."""

import sys
from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of
from phalanx.core import InvalidInput, counted


@click.group(cls=Group, short_help="Findings that belong together across hosts and days, and why.")
def incidents() -> None:
    """Findings that belong together across hosts and days, and why."""


@incidents.command(name="list")
@click.option(
    "--status", default="", type=click.Choice(["", "open", "closed", "merged"]), help="Only incidents with this status."
)
@click.option("--assignee", default="", help="Only incidents assigned to this person.")
@click.option("--unassigned", is_flag=True, help="Only incidents that nobody has.")
@client_options
@json_option
def list_incidents(client: NodeClient, status: str, assignee: str, unassigned: bool, as_json: bool) -> None:
    """Incidents, newest first."""
    if assignee and unassigned:
        raise InvalidInput("--unassigned", "goes without --assignee")
    narrowed = {name: value for name, value in (("status", status), ("assignee", assignee)) if value}
    found = list(client.pages("/v1/incidents", limit=100, **narrowed))
    if unassigned:
        found = [one for one in found if not one["assignee"]]
    # The node has them in order of the hour in which each began.
    found.sort(key=lambda row: row["first_seen_ns"], reverse=True)
    if as_json:
        print_json(found)
        return
    columns: list[Column] = [
        ("id", lambda row: row["id"]), ("first seen", time_of("first_seen_ns")), ("status", lambda row: row["status"]),
        ("with", lambda row: row["assignee"] or "–"), ("likely", lambda row: f"{row['probability']:.0%}"),
        ("findings", lambda row: str(len(row["members"]))),
        ("hosts", lambda row: str(len({case.rpartition("@")[0] for case in row["cases"]}))),
        ("what", lambda row: row["title"]),
    ]  # fmt: skip
    print_table("Incidents", found, columns, empty="no incidents yet")


@incidents.command()
@click.argument("incident")
@client_options
@json_option
def show(client: NodeClient, incident: str, as_json: bool) -> None:
    """One incident: its findings in order and why each is in it, techniques, what links them."""
    found = client.get(f"/v1/incidents/{incident}")
    if as_json:
        print_json(found)
        return
    one, findings = found["incident"], {finding["id"]: finding for finding in found["findings"]}
    click.secho(printable(f"{one['title']} ({one['status']}, {one['probability']:.0%} likely)"), bold=True)
    if one["reason"]:
        click.echo(printable(f"{one['outcome']}: {one['reason']} ({one['by']})"))
    click.echo(printable(f"with        {one['assignee'] or 'nobody'}"))
    columns: list[Column] = [
        ("first seen", lambda row: time_of("first_seen_ns")(findings[row["finding"]])),
        ("what", lambda row: findings[row["finding"]]["title"]),
        ("host", lambda row: findings[row["finding"]]["case"].rpartition("@")[0]),
        ("belongs by", lambda row: "; ".join(why["text"] for why in row["why"][:2]) or "it began here"),
        ("weight", lambda row: f"{row['weight']:.2f}"), ("id", lambda row: row["finding"]),
    ]  # fmt: skip
    print_table("Findings", one["members"], columns, empty="nothing is left in it")
    techniques = " → ".join(seen["technique"] for seen in one["techniques"])
    click.echo(printable(f"techniques  {techniques}"))
    links = ", ".join(f"{link['entity']['type']}:{link['entity']['value']}" for link in one["linked"][:12])
    click.echo(printable(f"linked by   {links}"))
    click.echo(printable(f"hunts       {one['hunts']}, which added {counted(len(one['expanded']), 'event')}"))
    if found["score"]:
        rates = ", ".join(f"{name} {rate:.0%}" for name, rate in found["score"]["rates"].items())
        click.echo(printable(f"score       {rates} ({found['score']['by']})"))


@incidents.command()
@click.argument("incident")
@click.option("--seed", type=click.IntRange(0), help="Seed of its steps: same seed, same results.")
@client_options
@json_option
def triage(client: NodeClient, incident: str, seed: int | None, as_json: bool) -> None:
    """Run the analysis incident-triage over all findings of INCIDENT: how likely it is a real one, beside classical
    answers.

    The result is stored as an assessment of the case of its worst finding, and nothing follows from it.
    """
    findings = client.get(f"/v1/incidents/{incident}")["findings"]
    if not findings:
        raise InvalidInput("INCIDENT", "no finding is left in it")
    worst = max(findings, key=lambda one: (one["severity"], one["confidence"]))
    inputs = {
        "case": worst["case"], "finding": worst["id"], "omitted": 0, "signs": [_sign(one) for one in findings],
    }  # fmt: skip
    state = client.post_json("/v1/runs", {"workflow": "incident-triage", "inputs": inputs, "seed": seed})
    if as_json:
        print_json(state)
        return
    click.echo(f"run {state['id']} is {state['status']}")
    click.echo(f"see what comes of it: phalanx workflows status {state['id']}")


def _sign(finding: dict[str, Any]) -> dict[str, Any]:
    """The part of a finding that triage uses."""
    sources = [one for one in finding["entities"] if one["type"] == "source"]
    return {
        "finding": finding["id"], "title": finding["title"], "severity": finding["severity"],
        "confidence": finding["confidence"], "tactics": finding["tactics"],
        "hosts": [one for one in finding["entities"] if one["type"] == "host"], "source": next(iter(sources), None),
    }  # fmt: skip


@incidents.command()
@click.argument("incident", nargs=-1, required=True)
@click.option("--reason", required=True, help="The reason; it is recorded.")
@client_options
def merge(client: NodeClient, incident: tuple[str, ...], reason: str) -> None:
    """Say that several incidents are one."""
    made = _post(client, "merge", {"incidents": list(incident), "reason": reason})
    click.echo(printable(f"one now: {made['id']} with {counted(len(made['members']), 'finding')}"))


@incidents.command()
@click.argument("incident")
@click.argument("finding", nargs=-1, required=True)
@click.option("--reason", required=True, help="The reason; it is recorded.")
@client_options
def split(client: NodeClient, incident: str, finding: tuple[str, ...], reason: str) -> None:
    """Say that findings do not belong to INCIDENT."""
    made = _post(client, f"{incident}/split", {"findings": list(finding), "reason": reason})
    click.echo(printable(f"{made['id']} has {counted(len(made['members']), 'finding')} left"))


@incidents.command()
@click.argument("incident")
@click.argument("outcome", type=click.Choice(["attack", "harmless", "test"]))
@click.option("--reason", required=True, help="The reason; it is recorded.")
@client_options
def close(client: NodeClient, incident: str, outcome: str, reason: str) -> None:
    """Close INCIDENT: what it turned out to be, and why."""
    made = _post(client, f"{incident}/close", {"outcome": outcome, "reason": reason})
    click.echo(printable(f"closed: {made['outcome']}"))


@incidents.command()
@click.argument("incident")
@click.argument("name", default="")
@click.option("--nobody", is_flag=True, help="Take it from whoever has it.")
@click.option("--instead-of", default="", help="Who has it now; by default, nobody.")
@click.option("--reason", default="", help="The reason; it is recorded.")
@client_options
def assign(client: NodeClient, incident: str, name: str, nobody: bool, instead_of: str, reason: str) -> None:
    """Assign INCIDENT to NAME, the name of a token with the role operator or admin.

    If somebody other than --instead-of has it by now, nothing changes and you are told who has it.
    """
    if bool(name) == nobody:
        raise InvalidInput("NAME", "give either a name or --nobody")
    made = _post(client, f"{incident}/assign", {"to": name, "instead_of": instead_of, "reason": reason})
    click.echo(printable(f"{made['assignee'] or 'nobody'} has it"))


@incidents.command()
@click.argument("incident")
@click.argument("text")
@client_options
def comment(client: NodeClient, incident: str, text: str) -> None:
    """Comment on INCIDENT; - reads TEXT from standard input. Comments are recorded and stay."""
    said = sys.stdin.read() if text == "-" else text
    made = _post(client, f"{incident}/comments", {"text": said})
    click.echo(printable(f"said: {made['id']}"))


@incidents.command()
@click.argument("incident")
@click.option("--people", is_flag=True, help="Only what people did, not the node.")
@client_options
@json_option
def timeline(client: NodeClient, incident: str, people: bool, as_json: bool) -> None:
    """What was done about INCIDENT, by people and by the node, oldest first."""
    found = client.get(f"/v1/incidents/{incident}/timeline")
    moments = [one for one in found["moments"] if one["person"] or not people]
    if as_json:
        print_json(found | {"moments": moments})
        return
    if found["omitted"]:
        click.echo(f"{counted(found['omitted'], 'earlier moment')} left out")
    columns: list[Column] = [
        ("when", time_of("at_ns")), ("by", lambda row: row["by"]), ("did", lambda row: row["act"]),
        ("what", lambda row: " / ".join(row["told"].splitlines())),
    ]  # fmt: skip
    print_table("Timeline", moments, columns, empty="nobody did anything yet")


def _post(client: NodeClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = client.post_json(f"/v1/incidents/{path}", body)
    return made
