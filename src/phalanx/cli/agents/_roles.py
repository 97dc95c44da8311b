"""`phalanx agents roles`: each role, its skills and duties, and what it did last."""

from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of, time_of_id

_CAPABILITIES = (
    "threat-detection", "response-coordination", "intelligence-aggregation", "prediction",
    "zero-trust-enforcement", "incident-response",
)  # fmt: skip


@click.command("roles")
@click.option("--capability", type=click.Choice(_CAPABILITIES), help="Only roles that contribute to it.")
@client_options
@json_option
def roles(capability: str | None, client: NodeClient, as_json: bool) -> None:
    """Each role with its skills and duties, how much they did, and what they did last."""
    rows = client.get("/v1/roles")["items"]
    rows = [row for row in rows if capability is None or capability in row["capabilities"]]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("role", lambda row: row["role"]),
        ("agents", lambda row: str(row["agents"])),
        ("replaced", lambda row: str(row["falls"])),
        ("skills", lambda row: "\n".join(f"{one['name']}: {one['done']} done{_failed(one)}" for one in row["skills"])),
        ("duties", lambda row: "\n".join(map(_duty, row["duties"]))),
        ("did last", lambda row: row["deeds"][0]["what"] if row["deeds"] else "nothing yet"),
    ]
    print_table("Roles", rows, columns, empty="no role has a skill or a duty")


@click.command("reports")
@click.option("--case", default="", help="Only reports of this case.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Show at most this many.")
@client_options
@json_option
def reports(case: str, limit: int, client: NodeClient, as_json: bool) -> None:
    """What agents found out, by the time of what led to it, newest first.

    Sentinels, deception agents, admins, specialists and guardians file reports.
    """
    rows = list(client.pages("/v1/agent-reports", limit=limit, case=case, order="newest"))
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("led to it", time_of_id("id")),
        ("since", time_of("at_ns")),
        ("role", lambda row: row["role"]),
        ("skill", lambda row: row["skill"]),
        ("case", lambda row: row["case"]),
        ("found", lambda row: row["summary"]),
        ("to look at", lambda row: "\n".join(row["concerns"]) or "–"),
    ]
    print_table("Reports", rows, columns, empty="nothing was reported yet")


def _failed(skill: dict[str, Any]) -> str:
    return f", {skill['failed']} failed" if skill["failed"] else ""


def _duty(duty: dict[str, Any]) -> str:
    stands = duty["state"] if duty["state"] != "kept" else duty["note"] or "kept"
    return f"{duty['name']}: {duty['done']} done, {stands}"
