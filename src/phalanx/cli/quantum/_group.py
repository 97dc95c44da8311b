"""`phalanx quantum`: routines for security questions, simulated, beside the classical answer. No node is needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._output import Group, json_option, print_json
from phalanx.cli.quantum._answers import read_lines, read_text, seed_option, show_answer
from phalanx.cli.quantum._coherence import coherence
from phalanx.cli.quantum._cut import cut
from phalanx.cli.quantum._models import classify, generate, novelty, segment
from phalanx.cli.quantum._noise import mitigate
from phalanx.core import InvalidInput, counted

if TYPE_CHECKING:
    from phalanx.core import Circuit
    from phalanx.quantum import ShotResult

_PATH = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Group, short_help="Quantum routines for security questions, simulated, beside classical answers.")
def quantum() -> None:
    """Quantum routines for security questions, simulated, with the classical answer beside each."""


quantum.add_command(classify)
quantum.add_command(coherence)
quantum.add_command(cut)
quantum.add_command(generate)
quantum.add_command(mitigate)
quantum.add_command(novelty)
quantum.add_command(segment)


@quantum.command("search")
@click.argument("values", type=_PATH)
@click.argument("wanted", type=_PATH)
@seed_option
@json_option
def search(values: Path, wanted: Path, seed: int, *, as_json: bool) -> None:
    """Which lines of VALUES are in WANTED: Grover's search, its queries counted."""
    from phalanx.quantum.routines import search_indicators

    answer = search_indicators(read_lines(values, "VALUES"), set(read_lines(wanted, "WANTED")), seed=seed)
    show_answer(answer, as_json=as_json, told=[("found", ", ".join(answer.found["values"][:20]) or "nothing")])


@quantum.command("respond")
@click.argument("plan", type=_PATH)
@click.option("--layers", default=4, show_default=True, help="Layers of the circuit.")
@seed_option
@json_option
def respond(plan: Path, layers: int, seed: int, *, as_json: bool) -> None:
    """Which actions of PLAN to take together within its budget: QAOA beside exact search and annealing.

    PLAN is JSON: {"budget": 9, "actions": [{"name": "isolate web-1", "worth": 5, "cost": 3}, …], "conflicts":
    [["isolate web-1", "patch web-1", 4]]}.
    """
    from phalanx.quantum.routines import Action, choose_responses

    read = _json(plan, "PLAN")
    try:
        actions = [
            Action(name=str(one["name"]), worth=float(one["worth"]), cost=float(one["cost"])) for one in read["actions"]
        ]
        conflicts = [(str(one), str(other), float(loss)) for one, other, loss in read.get("conflicts", [])]
        budget = float(read["budget"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput("PLAN", f"{plan} is not as described in --help: {error!r}") from error
    answer = choose_responses(actions, budget=budget, conflicts=conflicts, layers=layers, seed=seed)
    chosen = ", ".join(answer.found["actions"]) or "none"
    worth = f"{answer.found['worth']:g} of {answer.found['best_possible']:g} that is possible"
    show_answer(answer, as_json=as_json, told=[("take", chosen), ("worth", worth)])


@quantum.command("walk")
@click.argument("edges", type=_PATH)
@click.option("--from", "source", required=True, help="Where the intruder is.")
@click.option("--to", "goal", required=True, help="What is to be protected.")
@json_option
def walk(edges: Path, source: str, goal: str, *, as_json: bool) -> None:
    """How an intruder may get from one node of a graph to another; EDGES has two names on each line."""
    from phalanx.quantum.routines import walk_paths

    pairs = []
    for number, line in enumerate(read_lines(edges, "EDGES"), 1):
        names = line.replace(",", " ").split()
        if len(names) != 2:
            raise InvalidInput("EDGES", f"line {number} of {edges} has no two names: {line[:80]!r}")
        pairs.append((names[0], names[1]))
    answer = walk_paths(pairs, source=source, goal=goal)
    path = " → ".join(answer.found["path"]) or "there is none"
    ranked = ", ".join(f"{name} {chance:.3f}" for name, chance in answer.found["ranked"][:5])
    show_answer(answer, as_json=as_json, told=[("shortest path", path), ("most visited by the walk", ranked)])


@quantum.command("spread")
@click.argument("links", type=_PATH)
@click.option("--from", "source", required=True, help="Where the threat is.")
@click.option("--to", "goal", required=True, help="Where it must not get.")
@click.option("--epsilon", default=0.01, show_default=True, help="Half-width of the interval to reach.")
@seed_option
@json_option
def spread(links: Path, source: str, goal: str, epsilon: float, seed: int, *, as_json: bool) -> None:
    """How likely a threat spreads from one place to another; LINKS has two names and a probability on each line."""
    import asyncio

    from phalanx.quantum.routines import spread_threat

    read = []
    for number, line in enumerate(read_lines(links, "LINKS"), 1):
        words = line.replace(",", " ").split()
        try:
            one, other, chance = words[0], words[1], float(words[2])
        except (IndexError, ValueError) as error:
            raise InvalidInput("LINKS", f"line {number} of {links} is not two names and a probability") from error
        read.append((one, other, chance))
    answer = asyncio.run(spread_threat(read, source=source, goal=goal, run=_simulated, seed=seed, epsilon=epsilon))
    if answer is None:
        print_json(None) if as_json else click.echo(f"there is no way from {source} to {goal}")
        return
    low, high = answer.found["interval"]
    told = f"{answer.found['probability']:.4f}, between {low:.4f} and {high:.4f}"
    show_answer(answer, as_json=as_json, told=[("probability", told), ("over", ", ".join(answer.found["links"]))])


@quantum.command("estimate")
@click.argument("model", type=_PATH)
@click.option("--epsilon", default=0.01, show_default=True, help="Half-width of the interval to reach.")
@seed_option
@json_option
def estimate(model: Path, epsilon: float, seed: int, *, as_json: bool) -> None:
    """How likely an attack got through MODEL: iterative amplitude estimation beside Monte Carlo and the exact sum.

    MODEL is JSON: {"stages": {"phish": [0.3, 0.1], "admin": [0.5]}, "paths": [["phish", "admin"]]}; any risk of a
    stage makes it happen, any path of stages gets through.
    """
    import asyncio

    from phalanx.quantum import AttackModel, Stage
    from phalanx.quantum.routines import estimate_compromise

    read = _json(model, "MODEL")
    try:
        stages = tuple(Stage(str(name), tuple(float(one) for one in risks)) for name, risks in read["stages"].items())
        paths = tuple(tuple(str(name) for name in path) for path in read["paths"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput("MODEL", f"{model} is not as described in --help: {error!r}") from error
    made = AttackModel(stages, paths)
    answer = asyncio.run(estimate_compromise(made, run=_simulated, seed=seed, epsilon=epsilon))
    low, high = answer.found["interval"]
    told = f"{answer.found['probability']:.4f}, between {low:.4f} and {high:.4f}"
    show_answer(answer, as_json=as_json, told=[("probability", told)])


@quantum.command("forecast")
@click.argument("series", type=_PATH)
@seed_option
@json_option
def forecast(series: Path, seed: int, *, as_json: bool) -> None:
    """The next value of SERIES, one number per line: a quantum reservoir beside classical forecasts."""
    from phalanx.quantum.routines import forecast as forecasted

    try:
        values = [float(line) for line in read_lines(series, "SERIES")]
    except ValueError as error:
        raise InvalidInput("SERIES", f"{series} has a line that is no number: {error}") from error
    answer = forecasted(values, seed=seed)
    others = ", ".join(f"{name} {value:.4g}" for name, value in answer.found["next_by"].items())
    show_answer(
        answer, as_json=as_json, told=[("next", others), ("mean error judged on", f"{answer.found['judged']} values")]
    )


@quantum.command("factor")
@click.argument("number", type=int)
@seed_option
@json_option
def factor(number: int, seed: int, *, as_json: bool) -> None:
    """Factor a toy NUMBER by Shor's algorithm, all the way. `phalanx quantum resources` estimates real keys."""
    from phalanx.quantum.routines import factor as factored

    answer = factored(number, seed=seed)
    factors = " · ".join(str(one) for one in answer.found["factors"]) or "not found within the attempts"
    bases, circuits = counted(answer.found["attempts"], "base"), counted(answer.found["circuits_run"], "circuit")
    told = f"{bases}, {circuits} of {answer.found['width_qubits']}"
    show_answer(answer, as_json=as_json, told=[("factors", factors), ("tried", f"{told} qubits")])


@quantum.command("resources")
@click.argument("family", type=click.Choice(["RSA", "DSA", "DH", "EC"], case_sensitive=False))
@click.argument("bits", type=int)
@json_option
def resources(family: str, bits: int, *, as_json: bool) -> None:
    """What breaking a key of this many BITS takes: published gate counts, and a simple machine model."""
    from dataclasses import asdict

    from phalanx.quantum.resources import to_break

    try:
        made = to_break(family.upper(), bits)  # type: ignore[arg-type]  # click has checked it
    except ValueError as error:
        raise InvalidInput("BITS", str(error)) from error
    print_json(asdict(made)) if as_json else click.echo(f"{family.upper()}-{bits}: {made.told()} (as of {made.as_of})")


async def _simulated(circuit: "Circuit", /, *, shots: int, seed: int) -> "ShotResult":
    """The ideal simulator, in this process: the command needs no node and no device."""
    from phalanx.core import Origin, Provenance, Rng
    from phalanx.quantum import ShotResult, parse, simulate

    counts = simulate.sample(simulate.probabilities(parse(circuit)), shots, Rng(seed).child("shots"))
    made = Provenance(
        origin=Origin.SIMULATED, device="local.statevector", circuits=(circuit.digest,), shots=shots, seed=seed
    )
    return ShotResult(counts, made)


def _json(path: Path, field: str) -> dict[str, Any]:
    import json

    read = read_text(path, field, json.loads)
    if not isinstance(read, dict):
        raise InvalidInput(field, f"{path} is no JSON object")
    return read
