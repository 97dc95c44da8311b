"""`phalanx agents topology`: how processes would best be connected."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._files import write_file
from phalanx.cli._output import Column, json_option, print_json, print_table
from phalanx.core import PhalanxError, Unavailable

if TYPE_CHECKING:
    from phalanx.messaging import Places, Survey

_OF_PLACES = ("nodes", "organisations")


@click.command("topology")
@click.option(
    "--of-node/--simulated", "of_node", default=None,
    help="Measure the cluster of a running node, or use simulated places. [default: the node's, where one runs in "
        "a cluster]",
)  # fmt: skip
@click.option("--nodes", default=200, show_default=True, type=click.IntRange(2, 2_000), help="Number of processes.")
@click.option("--organisations", type=click.IntRange(1), help="Number of organisations.  [default: 8, or one each]")
@click.option(
    "--degree", "degrees", multiple=True, type=click.IntRange(2, 64), help="Degree of a regular graph: 8, 10."
)
@click.option(
    "--silent", default=1 / 3, show_default="a third", type=click.FloatRange(0, 0.95), help="Share of silent processes."
)
@click.option(
    "--trials",
    default=20,
    show_default=True,
    type=click.IntRange(1, 200),
    help="How many random choices of who is silent.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of places and random choices.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the graphs into this SVG file.")
@client_options
@json_option
@click.pass_context
def topology(
    ctx: click.Context, of_node: bool | None, nodes: int, organisations: int | None, degrees: tuple[int, ...],
    silent: float, trials: int, seed: int, plot: Path | None, client: NodeClient, as_json: bool,
) -> None:  # fmt: skip
    """Compare graphs of processes: full mesh, tree of short paths, random regular graphs.

    Uses the cluster of a running node, whose processes measure how far apart they are; or simulated places, where
    there is no cluster or `--nodes` gives a number. Who is silent is drawn at random; coverage is the share of the
    others that an emergency reaches when the silent pass nothing on.
    """
    import msgspec

    from phalanx.core import Rng, encode_json
    from phalanx.messaging import drawn, drawn_places, graphs_over, measured

    if of_node is None and any(ctx.get_parameter_source(one) is not ParameterSource.DEFAULT for one in _OF_PLACES):
        of_node = False
    survey = None if of_node is False else _asked(client, must=bool(of_node))
    rng = Rng(seed).child("topology")
    n_organisations = min(8, nodes) if organisations is None else organisations
    places = drawn_places(nodes, n_organisations, rng.child("places")) if survey is None else _places(survey)
    if any(degree >= len(places.at) for degree in degrees):
        most = len(places.at) - 1
        raise click.BadParameter(f"of {len(places.at)} processes each has at most {most} others", param_hint="--degree")
    graphs = graphs_over(places, degrees or (8, 10))
    report = measured(places, graphs, rng.child("silence"), silent_share=silent, trials=trials, seed=seed)
    if plot is not None:
        write_file(plot, drawn(places, graphs, report).encode())
    if as_json:
        found = msgspec.json.decode(encode_json(report))
        print_json(found if survey is None else found | {"survey": msgspec.to_builtins(survey)})
        return
    source = "simulated" if survey is None else f"as {survey.asked_by} and the others measured"
    title = f"{report.processes} processes of {report.organisations} organisations, {silent:.0%} silent ({source})"
    columns: list[Column] = [
        ("graph", lambda row: row["graph"]),
        ("links", lambda row: f"{row['links']:,}"),
        ("degree", lambda row: f"{row['degree_mean']:.1f} (most {row['degree_most']})"),
        ("copies each", lambda row: f"{row['copies']:.1f}"),
        ("p50", lambda row: f"{row['path_ms_p50']:.1f} ms"),
        ("p99", lambda row: f"{row['path_ms_p99']:.1f} ms"),
        ("coverage", lambda row: f"{row['coverage_mean']:.2%} (least {row['coverage_least']:.2%})"),
        ("after repair", lambda row: _mended(row["repaired_coverage"], row["rewired"])),
    ]
    rows = [msgspec.structs.asdict(one) for one in report.graphs]
    print_table(title, rows, columns, empty="no graphs")
    if survey is not None:
        _show_survey(survey)
    if plot is not None:
        click.echo(f"drawn in {plot}")


def _asked(client: NodeClient, *, must: bool) -> "Survey | None":
    """What the node's cluster measured; None, with a note, where there is no cluster and none is required."""
    import msgspec

    from phalanx.messaging import Survey

    try:
        found: Any = client.get("/v1/messages/topology", trials=1)
    except PhalanxError as error:
        if must or error.code != Unavailable.code:
            raise
        click.echo(f"{error.message}; graphs at simulated places instead", err=True)
        return None
    return msgspec.convert(found["survey"], Survey)


def _places(survey: "Survey") -> "Places":
    from phalanx.messaging import surveyed_places

    return surveyed_places(survey)


def _show_survey(survey: "Survey") -> None:
    answered = sum(one.answered for one in survey.processes)
    silent = [one.process for one in survey.processes if not one.answered]
    times = sorted(way.round_trip_ms for way in survey.ways)
    took = f"{times[0]:.3g} ms" if len(times) == 1 else (
        f"{times[0]:.3g} to {times[-1]:.3g} ms, median {times[len(times) // 2]:.3g} ms"
    )  # fmt: skip
    click.echo(
        f"{len(times)} of {answered * (answered - 1) // 2} ways measured, round trip {took}"
        + (f"; no answer from {', '.join(silent)}" if silent else "")
    )


def _mended(coverage: float | None, rewired: int | None) -> str:
    return "–" if coverage is None else f"{coverage:.2%}, {rewired} links new"
