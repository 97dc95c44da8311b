"""`phalanx balancing`: how the node spreads work, and solving problems of your own."""

from typing import IO, Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._kernels import ensure_kernels
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, time_of

_KERNELS = ("balancing",)

file_argument = click.argument("file", type=click.File("rb"))


@click.group(cls=Group, short_help="How work is spread over resources, and problems of your own.")
def balancing() -> None:
    """How work is spread over resources, and problems of your own.

    `show` and `placements` ask a running node; `solve` and `capacity` work on a file, without a node.
    """


@balancing.command()
@click.argument("pool", required=False, default="")
@client_options
@json_option
def show(pool: str, client: NodeClient, as_json: bool) -> None:
    """Resources of each POOL: how busy they are against their target, what they hold, and how work is split."""
    path = f"/v1/balancing/{quote(pool, safe='')}" if pool else "/v1/balancing"
    found = client.get(path)
    pools = [found] if pool else found["items"]
    if as_json:
        print_json(pools)
        return
    for one in pools:
        print_table(one["title"], one["resources"], _RESOURCES, empty="no resources")
        click.echo(one["planning"])
        kinds = [kind for kind in one["kinds"] if any(kind["placed"]) or any(kind["planned"])]
        names = [resource["name"] for resource in one["resources"]]
        matrix: list[Column] = [("kind", lambda row: row["name"]), ("arrives", _rate)]
        matrix += [(name, _share(at)) for at, name in enumerate(names)]
        print_table("Distribution: placed (planned)", kinds, matrix, empty="nothing has been placed yet")


@balancing.command()
@click.argument("pool")
@client_options
@json_option
def placements(pool: str, client: NodeClient, as_json: bool) -> None:
    """What was placed in POOL recently, newest first, each with its reason."""
    rows = client.get(f"/v1/balancing/{quote(pool, safe='')}/placements")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("when", time_of("at_ns")),
        ("kind", lambda row: row["kind"]),
        ("resource", lambda row: row["resource"]),
        ("why", lambda row: row["reason"]),
        ("operation", lambda row: row["operation"]),
    ]
    print_table("Placements", rows, columns, empty="nothing has been placed yet")


@balancing.command()
@file_argument
@click.option("--method", default="", help="Solver; by default the one the file names, or prices.")
@click.option("--exact", is_flag=True, help="Also compute the minimal makespan, if that can be done in a minute.")
@json_option
def solve(file: IO[bytes], method: str, exact: bool, as_json: bool) -> None:
    """Distribute the operations of FILE (JSON, `-` reads standard input) and say how far from the best possible the
    result is.
    """
    import msgspec

    from phalanx.balancing import ProblemDocument, answer_document
    from phalanx.core import encode_json

    document = _read(file, ProblemDocument)
    ensure_kernels(_KERNELS)
    answer = answer_document(msgspec.structs.replace(document, method=method) if method else document)
    least = _least_makespan(document) if exact else None
    if as_json:
        print_json(msgspec.json.decode(encode_json(answer)) | ({"exact": least} if least else {}))
        return
    click.echo(
        f"{answer.chosen}: score {answer.score:.4f}, at most {answer.gap:.2%} above the best there can be; "
        f"done after {answer.makespan_s:.3g} s, {answer.efficiency:.1%} of which no answer avoids"
    )
    if least:
        proved = "the least there is" if least["optimal"] else f"none is below {least['bound_s']:.3g} s"
        click.echo(f"exact: done after {least['makespan_s']:.3g} s, {proved}")
    if answer.late:
        click.echo(f"{answer.late} miss their deadline, {answer.hopeless} of which could not keep it anywhere")
    kinds = [kind.name for kind in document.kinds]
    columns: list[Column] = [
        ("resource", lambda row: row["resource"]),
        ("load", lambda row: f"{row['load_s']:.3g} s"),
        ("price", lambda row: f"{row['price']:.3f}"),
        *((kind, _count(kind)) for kind in kinds),
    ]
    print_table("Given", [msgspec.structs.asdict(one) for one in answer.given], columns, empty="no resources")


@balancing.command()
@file_argument
@json_option
def capacity(file: IO[bytes], as_json: bool) -> None:
    """What to add to the resources in FILE (JSON, `-` reads standard input), when, and what it costs."""
    import msgspec

    from phalanx.balancing import CapacityDocument, capacity_document
    from phalanx.core import encode_json

    document = _read(file, CapacityDocument)
    ensure_kernels(_KERNELS)
    plan = capacity_document(document)
    if as_json:
        print_json(msgspec.json.decode(encode_json(plan)))
        return
    columns: list[Column] = [
        ("order on day", lambda row: f"{row['order_day']}" + (" (too late)" if row["late_days"] else "")),
        ("there on day", lambda row: str(row["day"])),
        ("what", lambda row: row["offer"]),
        ("cost", lambda row: f"{row['cost']:,.2f}"),
        ("why", lambda row: row["reason"]),
    ]
    rows = [msgspec.structs.asdict(one) for one in plan.additions]
    print_table("To add", rows, columns, empty="what there is will do")
    click.echo(f"cost over {document.horizon_days} days: {plan.cost:,.2f}")
    if plan.short_day >= 0:
        click.secho(f"from day {plan.short_day} on, nothing on offer keeps the target", fg="red")


def _least_makespan(document: Any) -> dict[str, Any]:
    """By HiGHS, in a separate process (extra `exact`)."""
    import numpy as np

    from phalanx.adapters.processes import solve_exactly
    from phalanx.balancing import problem_of

    problem, _ = problem_of(document)
    found = solve_exactly(problem)
    loads = problem.queue_s.copy()
    np.add.at(loads, found.choice, problem.times[found.choice, np.arange(len(found.choice))])
    makespan = float(loads.max()) if len(found.choice) else float("inf")
    return {"makespan_s": makespan, "bound_s": found.bound_s, "optimal": found.optimal}


def _read(file: IO[bytes], kind: Any) -> Any:
    import msgspec

    from phalanx.core import InvalidInput

    try:
        return msgspec.json.decode(file.read(), type=kind)
    except msgspec.DecodeError as error:
        raise InvalidInput(getattr(file, "name", "input"), str(error)) from error


def _rate(row: Any) -> str:
    return f"{row['arrivals_per_s']:.3g}/s"


def _share(at: int) -> Any:
    return lambda row: f"{row['placed'][at]:.0%} ({row['planned'][at]:.0%})"


def _count(kind: str) -> Any:
    return lambda row: str(row["operations"].get(kind, 0))


_RESOURCES: list[Column] = [
    ("resource", lambda row: row["name"]),
    ("state", lambda row: row["state"]),
    ("busy (target)", lambda row: f"{row['utilisation']:.0%} ({row['target']:.0%})"),
    ("holds", lambda row: f"{row['held']} of {row['limit']}"),
    ("free in", lambda row: f"{row['free_in_s']:.3g} s"),
    ("price", lambda row: f"{row['price']:.3f}"),
    ("slowness", lambda row: f"{row['slowness']:.2f}"),
    ("done", lambda row: str(row["done"])),
    ("failed", lambda row: str(row["failed"])),
]
