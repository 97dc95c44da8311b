"""`phalanx keys entropy`: noise sources, their health on a running node, and a test on this machine."""

from typing import Any

import click

from phalanx.cli._client import NodeClient, client_options
from phalanx.cli._exits import Exit
from phalanx.cli._output import Column, Group, json_option, print_json, print_table, printable, time_of


@click.group(cls=Group, short_help="Noise sources: their health on a node, and a test of them on this machine.")
def entropy() -> None:
    """Noise sources: their health on a node, and a test of them on this machine.

    Whatever a source delivers, every secret also contains fresh bytes from the operating system: a bad source
    weakens nothing. The setting `entropy.sources` says which are used.
    """


@entropy.command("status")
@client_options
@json_option
def status(client: NodeClient, as_json: bool) -> None:
    """The sources of a running node, and why one is dropped."""
    rows = client.get("/v1/entropy")["items"]
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("source", lambda row: row["name"] + (" (simulated)" if row["simulated"] else "")),
        ("state", lambda row: row["state"]),
        ("since", time_of("since_ns")),
        ("claimed", lambda row: f"{row['min_entropy']:g} bits"),
        ("cutoffs", lambda row: f"{row['repetition_cutoff']} in a row, {row['proportion_cutoff']} in a window"),
        ("samples", lambda row: str(row["samples"])),
        ("failure", lambda row: row["failure"] or "–"),
    ]
    print_table("Entropy sources", rows, columns, empty="the operating system's alone")


@entropy.command("readmit")
@click.argument("source")
@client_options
@json_option
@click.pass_context
def readmit(ctx: click.Context, source: str, client: NodeClient, as_json: bool) -> None:
    """Put SOURCE through its start-up test again, and use it if it passes. Recorded in the ledger."""
    row = client.post("/v1/entropy/readmit", source=source)
    if as_json:
        print_json(row)
    elif row["state"] == "healthy":
        click.secho(f"{printable(source)} is in use", fg="green")
    else:
        click.secho(f"{printable(row['failure'])}", fg="red")
    if row["state"] != "healthy":
        ctx.exit(Exit.FAILED)


@entropy.command("test")
@click.argument("sources", nargs=-1)
@click.option(
    "--samples", type=click.IntRange(1024, 1_000_000), default=4096, show_default=True, help="Number of samples."
)
@json_option
@click.pass_context
def test(ctx: click.Context, sources: tuple[str, ...], samples: int, as_json: bool) -> None:
    """Read SOURCES on this machine (`jitter`, `device:/dev/hwrng`, …) and test them; without names, `os` and
    `jitter`.

    Shown beside the claim is the most common value estimate of SP 800-90B §6.3.1. It assumes that samples are
    independent, and is low when they are few: take a million to judge a claim.
    """
    from phalanx.core import Rng
    from phalanx.crypto.entropy import HealthTest, SourceFailed, estimate_min_entropy
    from phalanx.node import open_sources

    found, left_out = open_sources([one for one in sources or ("jitter",) if one != "os"], Rng(0))
    rows: list[dict[str, Any]] = []
    for source in found:
        row = {"name": source.name, "simulated": source.simulated, "claimed": source.min_entropy, "failure": ""}
        try:
            read = source.read(samples)
            HealthTest(source.name, source.min_entropy, source.sample_bits).feed(read)
            row |= {"samples": len(read), "estimate": round(estimate_min_entropy(read), 3) if len(read) > 1 else 0.0}
        except SourceFailed as failed:
            row |= {"samples": 0, "estimate": 0.0, "failure": failed.message}
        rows.append(row)
    if as_json:
        print_json({"sources": rows, "left_out": left_out})
    else:
        columns: list[Column] = [
            ("source", lambda row: row["name"] + (" (simulated)" if row["simulated"] else "")),
            ("result", lambda row: row["failure"] or "passes"),
            ("claimed", lambda row: f"{row['claimed']:g} bits"),
            ("estimated", lambda row: f"{row['estimate']:g} bits"),
        ]
        print_table("Entropy sources", rows, columns, empty="none")
        for text in left_out:
            click.secho(printable(text), fg="red", err=True)
    if left_out or any(row["failure"] for row in rows):
        ctx.exit(Exit.FAILED)
