"""`phalanx agents topology`: how processes would best be joined."""

from pathlib import Path

import click

from phalanx.cli._files import write_file
from phalanx.cli._output import Column, json_option, print_json, print_table


@click.command("topology")
@click.option("--nodes", default=200, show_default=True, type=click.IntRange(2, 2_000), help="How many processes.")
@click.option("--organisations", default=8, show_default=True, type=click.IntRange(1), help="How many organisations.")
@click.option(
    "--degree", "degrees", multiple=True, type=click.IntRange(2, 64), help="Degree of a regular graph: 8, 10."
)
@click.option(
    "--silent", default=1 / 3, show_default="a third", type=click.FloatRange(0, 0.95), help="Share of silent."
)
@click.option("--trials", default=20, show_default=True, type=click.IntRange(1, 1_000), help="Who is silent: draws.")
@click.option("--seed", default=1, show_default=True, help="Seed of places and draws.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw the graphs into this SVG file.")
@json_option
def topology(
    nodes: int, organisations: int, degrees: tuple[int, ...], silent: float, trials: int, seed: int,
    plot: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare graphs of processes at simulated places: full mesh, tree of short ways, random regular graphs.

    Coverage is the share of the living that an emergency reaches when the silent pass nothing on.
    """
    import msgspec

    from phalanx.core import Rng, encode_json
    from phalanx.messaging import drawn, drawn_places, graphs_over, measured

    rng = Rng(seed).child("topology")
    places = drawn_places(nodes, organisations, rng.child("places"))
    graphs = graphs_over(places, degrees or (8, 10))
    report = measured(places, graphs, rng.child("silence"), silent_share=silent, trials=trials, seed=seed)
    if plot is not None:
        write_file(plot, drawn(places, graphs, report).encode())
    if as_json:
        print_json(msgspec.json.decode(encode_json(report)))
        return
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
    title = f"{nodes} processes of {report.organisations} organisations, {silent:.0%} silent (simulated)"
    print_table(title, rows, columns, empty="no graphs")
    if plot is not None:
        click.echo(f"drawn in {plot}")


def _mended(coverage: float | None, rewired: int | None) -> str:
    return "–" if coverage is None else f"{coverage:.2%}, {rewired} links new"
