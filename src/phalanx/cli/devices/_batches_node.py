"""`phalanx batches route|list|show|stop`: batch jobs that a node routes to itself, Slurm or Kubernetes."""

from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, json_option, print_json, print_table, time_of
from phalanx.cli._show import limit_option


@click.command()
@click.option(
    "--expect", "expected_s", type=FiniteRange(0, min_open=True), required=True, help="Expected run time, in seconds."
)
@click.option(
    "--worth", type=FiniteRange(0), default=0.0,
    help="What its answer is worth: a place expected to lose more is ruled out. By default 1, and none is ruled out.",
)  # fmt: skip
@click.option("--hour", type=FiniteRange(0), default=0.1, show_default=True, help="What an hour of waiting costs.")
@click.option("--within", "within_s", type=FiniteRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@click.option("--budget", type=FiniteRange(0), default=0.0, help="Maximum cost; 0: no limit.")
@click.option("--currency", default="USD", show_default=True, help="Currency of worth, hour and budget.")
@click.option("--image", default="", help="For Kubernetes; by default the one in the node's settings.")
@click.option("--cpus", type=click.IntRange(1), default=1, show_default=True, help="CPUs it needs.")
@click.option("--memory", "memory_mib", type=click.IntRange(1), default=512, show_default=True, help="Memory, in MiB.")
@click.option(
    "--limit-s", type=click.IntRange(1), default=3_600, show_default=True, help="Maximum run time, in seconds."
)
@click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="Environment variable; repeatable.")
@click.option("--submit", is_flag=True, help="Also submit it there.")
@click.argument("name")
@click.argument("command", nargs=-1, required=True, metavar="-- COMMAND...")
@client_options
@json_option
def route(
    name: str, command: tuple[str, ...], environment: tuple[str, ...], expected_s: float, image: str, cpus: int,
    memory_mib: int, limit_s: int, submit: bool, client: NodeClient, as_json: bool, **aims: Any,
) -> None:  # fmt: skip
    """Where a node would run COMMAND as job NAME: on its machine, on Slurm or on Kubernetes, and why."""
    for one in environment:
        if "=" not in one:
            raise click.BadParameter(f"{one!r} is no NAME=VALUE", param_hint="--env")
    job = {
        "name": name, "command": command, "image": image, "cpus": cpus, "memory_mib": memory_mib, "limit_s": limit_s,
        "environment": dict(one.partition("=")[::2] for one in environment),
    }  # fmt: skip
    found = client.post_json(
        "/v1/batches" if submit else "/v1/batches/route", {"job": job, "expected_s": expected_s, "aims": aims}
    )
    if as_json:
        print_json(found)
        return
    routed = found["routed"] if submit else found
    if routed is not None:
        columns: list[Column] = [
            ("place", lambda row: row["way"]["name"]),
            ("expected loss", lambda row: "" if row["way"]["why_not"] else f"{row['loss']:.4g} {aims['currency']}"),
            ("why", lambda row: row["reason"]),
            ("note", lambda row: row["way"]["note"]),
        ]
        print_table("Places", routed["ways"], columns, empty="the node has no place for batch jobs")
        click.echo(routed["reason"])
    if submit:
        _print(found["record"])


@click.command("list")
@client_options
@limit_option
@json_option
def list_batches(client: NodeClient, limit: int, as_json: bool) -> None:
    """Batch jobs of a node, newest first."""
    rows = client.get("/v1/batches", limit=min(limit, 1_000))["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("job", lambda row: row["job"]["name"]),
        ("place", lambda row: row["place"]),
        ("state", lambda row: row["state"]["state"]),
        ("why", lambda row: row["state"]["reason"] or row["reason"]),
    ]
    print_table("Batch jobs", rows, columns, empty="none was submitted: phalanx batches route --submit")


@click.command()
@click.argument("name")
@client_options
@json_option
def show(name: str, client: NodeClient, as_json: bool) -> None:
    """State of a node's job NAME."""
    found = client.get(f"/v1/batches/{quote(name, safe='')}")
    print_json(found) if as_json else _print(found)


@click.command()
@click.argument("name")
@client_options
@json_option
def stop(name: str, client: NodeClient, as_json: bool) -> None:
    """Cancel a node's job NAME, unless it has ended."""
    found = client.post(f"/v1/batches/{quote(name, safe='')}/cancel")
    print_json(found) if as_json else _print(found)


def _print(record: dict[str, Any]) -> None:
    state = record["state"]
    why = f": {state['reason']}" if state["reason"] else ""
    click.echo(f"{record['job']['name']}: {state['state']} on {record['place']}{why}")
