"""`phalanx agents roles`: each role, its skills and duties, and what it did last."""

from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table

_CAPABILITIES = (
    "threat-detection", "response-coordination", "intelligence-aggregation", "prediction",
    "zero-trust-enforcement", "incident-response",
)  # fmt: skip


@click.command("roles")
@click.option("--capability", type=click.Choice(_CAPABILITIES), help="Only roles that contribute to it.")
@client_options
@json_option
def roles(capability: str | None, client: NodeClient, as_json: bool) -> None:
    """Each role with its skills and duties, how much they did, and what came last."""
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


def _failed(skill: dict[str, Any]) -> str:
    return f", {skill['failed']} failed" if skill["failed"] else ""


def _duty(duty: dict[str, Any]) -> str:
    stands = duty["state"] if duty["state"] != "kept" else duty["note"] or "kept"
    return f"{duty['name']}: {duty['done']} done, {stands}"
