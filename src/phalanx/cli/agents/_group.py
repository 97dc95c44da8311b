"""`phalanx agents`: who is there, what each can do and keeps, and removing an agent from the swarm."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli.agents._foresights import foresee, foresights
from phalanx.cli.agents._missions import disown, missions, succession
from phalanx.cli.agents._roles import reports, roles
from phalanx.cli.agents._topology import topology

_MOST = 10_000
_ROLES = ("sentinel", "hunter", "guardian", "analyst", "deception", "admin", "canary", "specialist")
_CAPABILITIES = (
    "threat-detection", "response-coordination", "intelligence-aggregation", "prediction",
    "zero-trust-enforcement", "incident-response",
)  # fmt: skip


class _ListsByDefault(Group):
    """Without a subcommand it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListsByDefault, short_help="The swarm: who is there and what each is doing.")
def agents() -> None:
    """The swarm: who is there, what each can do and keeps, and removing an agent from it.

    Without a subcommand it lists the agents.
    """


agents.add_command(roles)
agents.add_command(reports)
agents.add_command(topology)
for _command in (missions, succession, disown, foresee, foresights):
    agents.add_command(_command)


def _text(name: str) -> Any:
    return lambda row: str(row.get(name, "")) or "–"


def _joined(name: str) -> Any:
    return lambda row: ", ".join(row[name]) or "–"


_COLUMNS: list[Column] = [
    ("role", _text("role")),
    ("agent", _text("id")),
    ("state", _text("state")),
    ("mission", _text("mission")),
    ("keeps", _joined("duties")),
    ("done", _text("done")),
    ("failed", _text("failed")),
    ("falls", _text("falls")),
    ("tenants", lambda row: ", ".join(row.get("tenants", "*"))),
    ("trust", lambda row: f"{row['trust']:.2f}"),
    ("identity", lambda row: row["identity"][:16]),
]


@agents.command("list")
@client_options
@json_option
def list_agents(client: NodeClient, as_json: bool) -> None:
    """Who is there, and what each is doing."""
    _show(list(client.pages("/v1/agents", limit=_MOST)), as_json=as_json, empty="no agents yet")


@agents.command("registry")
@click.option("--role", type=click.Choice(_ROLES), help="Only agents of this role.")
@click.option(
    "--capability", type=click.Choice(_CAPABILITIES), help="Only agents with a skill or duty of this capability."
)
@click.option("--skill", default="", help="Only agents with this skill.")
@click.option("--tenant", default="", help="Only agents that work for this tenant.")
@click.option("--locality", default="", help="Only agents on the node of this name.")
@click.option(
    "--min-trust", type=click.FloatRange(0, 1), default=0.0, help="Only agents trusted at least this much, 0 to 1."
)
@click.option("--able", is_flag=True, help="Only agents that may be given work now.")
@client_options
@json_option
def registry(
    role: str | None, capability: str | None, skill: str, tenant: str, locality: str, min_trust: float, able: bool,
    client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Look up agents by what you need from them, most trusted and least busy first."""
    wanted = {
        "role": role, "capability": capability, "skill": skill, "tenant": tenant, "locality": locality,
        "min_trust": min_trust or None, "able": "true" if able else "",
    }  # fmt: skip
    _show(client.get("/v1/agents", **wanted)["items"], as_json=as_json)


@agents.command("show")
@click.argument("agent")
@client_options
@json_option
def show(agent: str, client: NodeClient, as_json: bool) -> None:
    """Everything about AGENT."""
    row = client.get(f"/v1/agents/{quote(agent, safe='')}")
    if as_json:
        print_json(row)
        return
    heard = time_of("heard_ns")(row) if row["heard_ns"] else "not yet"
    shown = {name: value for name, value in row.items() if name not in ("heard_ns", "busy_s")}
    for name, value in {**shown, "heard": heard, "busy": f"{row['busy_s']:.1f} s"}.items():
        click.echo(f"{name:<14} {', '.join(value) if isinstance(value, list) else value}")


@agents.command("duties")
@client_options
@json_option
def duties(client: NodeClient, as_json: bool) -> None:
    """Continuous work: listeners, probes, watchers, and who keeps each."""
    rows = client.get("/v1/duties")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("duty", lambda row: f"{row['duty']} {row['partition'] + 1}/{row['partitions']}"),
        ("state", _text("state")),
        ("agent", _text("agent")),
        ("kept for", lambda row: f"{row['kept_s']:.0f} s"),
        ("heard", lambda row: f"{row['silent_s']:.0f} s ago"),
        ("term", _text("term")),
        ("done", _text("done")),
        ("note", _text("note")),
    ]
    print_table("Duties", rows, columns, empty="no plug-in brings a duty")


@agents.command("skills")
@click.option("--capability", type=click.Choice(_CAPABILITIES), help="Only skills that contribute to this.")
@client_options
@json_option
def skills(capability: str | None, client: NodeClient, as_json: bool) -> None:
    """What agents can be asked to do."""
    rows = client.get("/v1/skills", capability=capability)["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("role", _text("role")),
        ("skill", _text("name")),
        ("takes", _joined("inputs")),
        ("leaves", _joined("outputs")),
        ("capabilities", _joined("capabilities")),
        ("permissions", _joined("permissions")),
        ("cost", _text("cost")),
    ]
    print_table("Skills", rows, columns, empty="no plug-in brings a skill")


@agents.command("kill")
@click.argument("agent")
@click.option("--reason", default="on request", show_default=True, help="The reason; goes into the log.")
@client_options
@json_option
def kill(agent: str, reason: str, client: NodeClient, as_json: bool) -> None:
    """End AGENT; its successor takes over its place and its missions at once."""
    taken = _post(client, agent, "kill", reason)
    print_json(taken) if as_json else click.echo(f"{taken['agent']} is gone; {taken['successor']} has its place")


@agents.command("quarantine")
@click.argument("agent")
@click.option("--reason", default="on request", show_default=True, help="The reason; goes into the ledger.")
@client_options
@json_option
def quarantine(agent: str, reason: str, client: NodeClient, as_json: bool) -> None:
    """Isolate AGENT: it receives and delivers nothing more, its identity is revoked, and another takes its place."""
    taken = _post(client, agent, "quarantine", reason)
    if as_json:
        print_json(taken)
    else:
        click.echo(f"{taken['agent']} is set apart, its key revoked; {taken['successor']} has its place")


@agents.command("quarantined")
@client_options
@json_option
def quarantined(client: NodeClient, as_json: bool) -> None:
    """Agents isolated since the node started."""
    rows = client.get("/v1/agents/quarantined")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")), ("agent", _text("agent")), ("reason", _text("reason")), ("by", _text("by")),
        ("successor", _text("successor")), ("identity", lambda row: row["identity"][:16]),
    ]  # fmt: skip
    print_table("Quarantined", rows, columns, empty="nobody was set apart")


def _post(client: NodeClient, agent: str, what: str, reason: str) -> Mapping[str, Any]:
    taken: Mapping[str, Any] = client.post(f"/v1/agents/{quote(agent, safe='')}/{what}", reason=reason)
    return taken


def _show(rows: list[dict[str, Any]], *, as_json: bool, empty: str = "nobody fits") -> None:
    print_json(rows) if as_json else print_table("Agents", rows, _COLUMNS, empty=empty)
