"""`phalanx orders`: what agents are to achieve, the plan, and what came of it."""

from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option


@click.group(cls=Group, short_help="What agents are to achieve, the plan, and what came of it.")
def orders() -> None:
    """What agents are to achieve, the plan, and what came of it."""


@orders.command("list")
@client_options
@limit_option
@json_option
def list_orders(client: NodeClient, limit: int, as_json: bool) -> None:
    """Orders, newest first."""
    rows = client.get("/v1/orders", limit=limit)["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("objective", lambda row: row["objective"]),
        ("wanted", lambda row: ", ".join(row["wanted"])),
        ("steps", lambda row: str(len(row["steps"]))),
        ("status", lambda row: row["status"]),
        ("note", lambda row: row["note"]),
        ("id", lambda row: row["id"]),
    ]
    print_table("Orders", rows, columns, empty="no order was placed yet: phalanx orders place --help")


@orders.command("place")
@click.argument("objective")
@click.option("--want", "wanted", multiple=True, required=True, help="Kind of record to produce, such as assessment.")
@click.option("--subject", "subjects", multiple=True, required=True, help="Id of what it is about; repeatable.")
@click.option("--given", default="finding", show_default=True, help="Kind of record of the subjects.")
@click.option("--case", default="", help="The case it belongs to.")
@click.option("--role", "roles", multiple=True, help="Only agents of this role take part.")
@click.option("--min-trust", type=click.FloatRange(0, 1), default=0.0, help="Only agents trusted at least this much.")
@click.option("--within", type=click.FloatRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@client_options
@json_option
def place(
    objective: str, wanted: tuple[str, ...], subjects: tuple[str, ...], given: str, case: str,
    roles: tuple[str, ...], min_trust: float, within: float, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Have the agents achieve OBJECTIVE: plan it from the inputs and outputs of their skills, and begin."""
    asked = {
        "objective": objective, "wanted": wanted, "subjects": subjects, "given": given, "case": case,
        "roles": roles, "min_trust": min_trust, "within_s": within,
    }  # fmt: skip
    order = client.post_json("/v1/orders", asked)
    if as_json:
        print_json(order)
        return
    _steps(order, [])
    click.echo(f"see what comes of it: phalanx orders show {order['id']}")


@orders.command("show")
@click.argument("order")
@client_options
@json_option
def show(order: str, client: NodeClient, as_json: bool) -> None:
    """The plan of ORDER, and for each step who did it, under which key, and the outcome."""
    result = client.get(f"/v1/orders/{quote(order, safe='')}")
    if as_json:
        print_json(result)
        return
    found = result["order"]
    click.echo(f"{found['objective']}: {found['status']}" + (f", {found['note']}" if found["note"] else ""))
    _steps(found, result["missions"])


def _steps(order: dict[str, Any], missions: list[dict[str, Any]]) -> None:
    by_id = {one["id"]: one for one in missions}
    rows = [{**step, **by_id.get(step["mission"], {}), "at": at} for at, step in enumerate(order["steps"])]
    columns: list[Column] = [
        ("step", lambda row: str(row["at"] + 1)),
        ("skill", lambda row: row["skill"]),
        ("role", lambda row: row["role"]),
        ("about", lambda row: row["subject"]),
        ("after", lambda row: ", ".join(str(need + 1) for need in row["needs"]) or "–"),
        ("status", lambda row: row.get("status", "to come")),
        ("agent", lambda row: row.get("agent") or "–"),
        ("key", lambda row: row.get("identity", "")[:16] or "–"),
        ("outcome", lambda row: row.get("note") or "–"),
    ]
    print_table("Plan", rows, columns, empty="nothing to do")
