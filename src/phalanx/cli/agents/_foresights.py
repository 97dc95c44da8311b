"""`phalanx agents foresee|foresights`: have agents look ahead and act on it, and what was foreseen so far."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option

_QUESTIONS = ("evolution", "paths", "risk", "vulnerability", "novelty")


@click.command("foresee")
@click.argument("question", type=click.Choice(_QUESTIONS))
@click.option("--only-tell", is_flag=True, help="Foresee, and decide nothing based on it.")
@client_options
@json_option
def foresee(question: str, only_tell: bool, client: NodeClient, as_json: bool) -> None:
    """Have agents answer QUESTION from the findings so far, and investigate what the answer names where that is
    approved.
    """
    wanted = "foresight" if only_tell or question == "evolution" else "precaution"
    asked = {
        "objective": f"foresee: {question}", "wanted": [f"{wanted}-{question}"], "subjects": ["tenant"],
        "given": "question",
    }  # fmt: skip
    order = client.post_json("/v1/orders", asked)
    if as_json:
        print_json(order)
        return
    click.echo("ordered: " + ", then ".join(step["skill"] for step in order["steps"]))
    click.echo(f"see what comes of it: phalanx orders show {order['id']}; phalanx agents foresights")


@click.command("foresights")
@client_options
@limit_option
@json_option
def foresights(client: NodeClient, limit: int, as_json: bool) -> None:
    """What agents foresaw, how well each method did on data it had not seen, and what was decided because of it."""
    rows = list(client.pages("/v1/foresights", limit=limit))
    said = {row["id"]: _decided(client, row) for row in rows}
    if as_json:
        print_json([row | {"decisions": said[row["id"]]} for row in rows])
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("question", lambda row: row["question"]),
        ("foremost", lambda row: ", ".join(one["subject"] for one in row["seen"]["told"][:3]) or "nothing"),
        ("means", _means),
        ("knowing nothing", lambda row: _number(row["seen"].get("floor"))),
        ("decided", lambda row: _told(said[row["id"]])),
        ("trace", lambda row: row["trace"]),
    ]
    rows.sort(key=lambda row: row["at_ns"])
    print_table(
        "Foresights; quantum means are simulated", rows, columns,
        empty="nothing was foreseen yet: phalanx agents foresee --help",
    )  # fmt: skip


def _decided(client: NodeClient, foresight: dict[str, Any]) -> list[dict[str, Any]]:
    """Decisions on what this foresight called for."""
    case = client.get(f"/v1/cases/{quote(foresight['case'], safe='')}")
    about = {one["id"]: one["target"] for one in case["proposals"] if one["assessment"] == foresight["id"]}
    return [one | {"target": about[one["about"]]} for one in case["decisions"] if one["about"] in about]


def _means(row: Mapping[str, Any]) -> str:
    seen = row["seen"]
    each = (f"{'quantum: ' if one['quantum'] else ''}{one['method']} {_number(one['score'])}" for one in seen["means"])
    return f"{seen['measure']}: {', '.join(each)}"


def _told(decisions: list[dict[str, Any]]) -> str:
    taken = [f"{one['target']['type']}:{one['target']['value']}" for one in decisions if one["outcome"] == "approved"]
    if taken:
        return f"look into {', '.join(taken)}"
    return "refused: " + "; ".join(decisions[0]["reasons"]) if decisions else "–"


def _number(value: float | None) -> str:
    return "not judged" if value is None else f"{value:.3g}"
