"""`phalanx allocate route`: by a quantum or a classical way, and why."""

from typing import Any

import click

from phalanx.cli._client import CIRCUIT_TIMEOUT_S, NodeClient, client_options
from phalanx.cli._kernels import ensure_kernels
from phalanx.cli._numbers import FiniteRange
from phalanx.cli._output import Column, json_option, print_json, print_table
from phalanx.cli.quantum._circuits import circuit_argument

_SHOWN = 12


@click.command()
@circuit_argument
@click.option("--shots", type=click.IntRange(1), default=1_000, show_default=True, help="Number of shots.")
@click.option(
    "--worth", type=FiniteRange(0), default=0.0,
    help="What a right answer is worth: a way expected to lose more is ruled out. By default 1, and none is ruled "
        "out.",
)  # fmt: skip
@click.option("--hour", type=FiniteRange(0), default=0.1, show_default=True, help="What an hour of waiting costs.")
@click.option("--fidelity", type=FiniteRange(0, 1), default=0.0, help="Minimum useful fidelity.")
@click.option("--within", "within_s", type=FiniteRange(0), default=0.0, help="Seconds until its deadline; 0: none.")
@click.option("--budget", type=FiniteRange(0), default=0.0, help="Maximum cost; 0: no limit.")
@click.option("--currency", default="USD", show_default=True, help="Currency of worth, hour and budget.")
@click.option("--only", type=click.Choice(["quantum", "classical"]), help="Only ways of this kind.")
@click.option("--submit", is_flag=True, help="Submit it to a node, which routes it there.")
@click.option("--all", "show_all", is_flag=True, help="Show every way.")
@client_options
@json_option
def route(
    text: str, shots: int, only: str | None, submit: bool, show_all: bool, client: NodeClient, as_json: bool,
    **aims: Any,
) -> None:  # fmt: skip
    """Answer the circuit in FILE by a quantum or a classical way: by complexity, fidelity, deadline, cost and worth.

    Without --submit: over the devices of the installed plug-ins, without a node.
    """
    wanted = {**aims, "only": only or ""}
    if submit:
        asked = {"circuit": text, "shots": shots, "aims": wanted}
        made = client.post_json("/v1/routes/jobs", asked, timeout_s=CIRCUIT_TIMEOUT_S)
        if as_json:
            print_json(made)
            return
        _print_routed(made["routed"], show_all=show_all)
        click.echo(f"submitted as {made['job']['id']}")
        return
    found = _routed(text, shots, wanted)
    if as_json:
        print_json(found)
    else:
        _print_routed(found, show_all=show_all)


def _routed(text: str, shots: int, wanted: dict[str, Any]) -> Any:
    import msgspec

    from phalanx.allocation import warm_decisions
    from phalanx.allocation.routing import Aims, Router
    from phalanx.cli.devices._brought import brought_models
    from phalanx.core import encode_json
    from phalanx.quantum.circuits import read

    aims = Aims(**wanted)
    circuit = read(text)
    ensure_kernels(("allocation", "mapping", "simulators"))
    warm_decisions()
    return msgspec.json.decode(encode_json(Router().route(circuit, shots, aims, brought_models())))


def _print_routed(found: dict[str, Any], *, show_all: bool) -> None:
    rows: list[dict[str, Any]] = found["ways"]
    currency = found["aims"]["currency"]
    columns: list[Column] = [
        ("way", lambda row: row["way"]["name"]),
        ("kind", lambda row: row["way"]["kind"]),
        ("expected loss", lambda row: "" if row["way"]["why_not"] else f"{row['loss']:.4g} {currency}"),
        ("why", lambda row: row["reason"]),
        ("note", lambda row: row["way"]["note"]),
    ]
    print_table("Ways", rows if show_all else rows[:_SHOWN], columns, empty="there is no way")
    if len(rows) > _SHOWN and not show_all:
        click.echo(f"and {len(rows) - _SHOWN} more: --all")
    click.echo(found["reason"])
