"""`phalanx circuits`: circuits in and out of languages, compared, counted, mapped and run. No node is needed."""

from pathlib import Path
from typing import Any

import click

from phalanx.cli._exits import Exit
from phalanx.cli._files import read_file, write_file
from phalanx.cli._output import Column, Group, json_option, print_json, print_table
from phalanx.core import InvalidInput

_PATH = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_TEXTS = ("openqasm2", "openqasm3", "qir", "qsharp")

file_argument = click.argument("file", type=_PATH)
language_option = click.option(
    "--language", type=click.Choice(_TEXTS), help="Language of FILE; by default recognised from its text."
)
input_option = click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="A value for an input.")


@click.group(cls=Group, short_help="Circuits: read, converted, compared, counted, mapped and simulated.")
def circuits() -> None:
    """Circuits: read, converted, compared, counted, mapped and simulated.

    FILE is OpenQASM 2 or 3, QIR of the base profile (text or bitcode), or Q# (`Main()` of a `.qs` file); `-` reads
    standard input.
    """


@circuits.command("read")
@file_argument
@language_option
@input_option
@json_option
def read_command(file: Path, language: str | None, inputs: tuple[str, ...], as_json: bool) -> None:
    """Print FILE in canonical OpenQASM 3, or say by line and column why it cannot be read."""
    circuit = _read(file, language, inputs)
    if as_json:
        print_json({"digest": circuit.digest, "n_qubits": circuit.n_qubits, "qasm3": circuit.qasm3})
    else:
        click.echo(circuit.qasm3, nl=False)


@circuits.command("convert")
@file_argument
@click.option("--to", "to", type=click.Choice(["openqasm2", "openqasm3"]), required=True, help="The language.")
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this file.")
@language_option
@input_option
def convert_command(file: Path, to: str, output: Path | None, language: str | None, inputs: tuple[str, ...]) -> None:
    """Write FILE in another language; the output is compared with the input before it is written."""
    from phalanx.core import LimitExceeded
    from phalanx.quantum.circuits import convert, equivalent, read

    circuit = _read(file, language, inputs)
    text = str(convert(circuit, to))
    try:
        found = equivalent(circuit, read(text))
    except LimitExceeded as error:
        click.echo(f"not compared: {error}", err=True)
    else:
        click.echo(f"compared by {found.how}: {found.detail}", err=True)
        if not found.equal:
            raise InvalidInput(str(file), "the conversion does something else; please report it")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text.encode())


@circuits.command("check")
@click.argument("first", type=_PATH)
@click.argument("second", type=_PATH)
@json_option
def check_command(first: Path, second: Path, as_json: bool) -> None:
    """Say whether FIRST and SECOND do the same, up to a global phase; fails if they do not."""
    from phalanx.quantum.circuits import equivalent

    found = equivalent(_read(first, None, ()), _read(second, None, ()))
    if as_json:
        print_json({"equal": found.equal, "how": found.how, "detail": found.detail})
    else:
        click.echo(f"{'equal' if found.equal else 'not equal'}, by {found.how}: {found.detail}")
    if not found.equal:
        raise SystemExit(Exit.FAILED)


@circuits.command("features")
@file_argument
@language_option
@input_option
@json_option
def features_command(file: Path, language: str | None, inputs: tuple[str, ...], as_json: bool) -> None:
    """Count what FILE contains: qubits, depth, gates, pairs that interact, and whether it is Clifford."""
    from dataclasses import asdict

    from phalanx.quantum import features

    found: dict[str, Any] = asdict(features(_read(file, language, inputs)))
    found["pairs"] = found["pairs"].tolist()
    found["pair_counts"] = found["pair_counts"].tolist()
    if as_json:
        print_json(found)
        return
    found["pairs"] = len(found["pairs"])
    found["pair_counts"] = max(found["pair_counts"], default=0)
    names = {"pairs": "pairs that interact", "pair_counts": "most gates of a pair", "family": ""}
    rows = [{"what": names.get(name, name.replace("_", " ")), "value": value} for name, value in found.items()]
    columns: list[Column] = [("what", lambda row: row["what"]), ("value", lambda row: str(row["value"]))]
    print_table("Features", [row for row in rows if row["what"]], columns, empty="none")


@circuits.command("run")
@file_argument
@click.option("--shots", type=click.IntRange(1, 1_000_000), default=1_000, show_default=True, help="Number of shots.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random draw.")
@click.option(
    "--method",
    type=click.Choice(["stabiliser", "statevector", "mps"]),
    help="Simulator to use instead of the one chosen.",
)
@click.option("--bond", type=int, help="Largest bond of an mps; what it loses is reported.")
@click.option("--device", default="", help="Emulate this device by its published calibration: ibm.fake_lagos.")
@click.option("--mitigate", default="", metavar="NAMES", help="On a device, any of readout, dd and twirl: readout,dd.")
@language_option
@input_option
@json_option
def run_command(
    file: Path, shots: int, seed: int, method: str | None, bond: int | None, device: str, mitigate: str,
    language: str | None, inputs: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Simulate FILE on the simulator that fits it, and say which that was and why; or emulate a device."""
    from phalanx.core import Rng
    from phalanx.quantum.simulators import run

    if mitigate and not device:
        raise InvalidInput("--mitigate", "there is nothing to mitigate without --device")
    if device:
        if method or bond:
            raise InvalidInput("--method", "a device is emulated as it is, by density matrix or trajectories")
        _emulate(_read(file, language, inputs), device, mitigate, shots=shots, seed=seed, as_json=as_json)
        return
    found = run(_read(file, language, inputs), shots=shots, rng=Rng(seed), method=method, bond=bond)
    choice = found.choice
    if as_json:
        about = {"method": choice.method, "reason": choice.reason, "n_bytes": choice.n_bytes}
        print_json(about | {"truncation_error": found.truncation_error, "counts": found.counts})
        return
    click.echo(choice.reason)
    if choice.method == "mps":
        click.echo(f"weight thrown away: {found.truncation_error:.3g}")
    _print_counts(found.counts, shots)


def _emulate(circuit: Any, device: str, mitigate: str, *, shots: int, seed: int, as_json: bool) -> None:
    import msgspec

    from phalanx.allocation import published_machine
    from phalanx.quantum.mitigation import Mitigation, mitigated_counts

    found = mitigated_counts(
        published_machine(device), circuit, Mitigation.read(mitigate), shots=shots, seed=seed
    )  # fmt: skip
    if as_json:
        print_json({"provenance": msgspec.to_builtins(found.provenance), "counts": found.counts})
        return
    done = found.provenance.mitigation or "nothing"
    click.echo(f"{found.provenance.device}, {found.provenance.origin.value}; against its noise: {done}")
    _print_counts(found.counts, shots)


def _print_counts(counts: dict[str, int], shots: int) -> None:
    often = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    columns: list[Column] = [("bits", lambda row: row["bits"]), ("count", lambda row: str(row["count"]))]
    print_table(
        f"Outcomes of {shots} shots ({len(often)} different)",
        [{"bits": bits, "count": count} for bits, count in often[:20]],
        columns,
        empty="none",
    )


@circuits.command("photons")
@file_argument
@click.option("--device", default="", help="Run it there: local.photons, quandela.ascella.")
@click.option("--shots", type=click.IntRange(1, 1_000_000), default=100_000, show_default=True, help="Number of shots.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Seed of every random draw.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the photonic program to this file.")
@language_option
@input_option
@json_option
def photons_command(
    file: Path, device: str, shots: int, seed: int, output: Path | None, language: str | None, inputs: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Translate FILE to photons: what that takes, its probability of success, and which device accepts it; or run
    it so.

    Each qubit is one photon in one of two modes. A two-qubit gate works once in nine times, or twice in 27 if two
    more photons herald it; shots in which a gate failed are discarded.
    """
    from phalanx.cli.quantum._photons import explain_or_run

    explain_or_run(
        _read(file, language, inputs), device=device, shots=shots, seed=seed, output=output, as_json=as_json
    )  # fmt: skip


@circuits.command("map")
@file_argument
@click.option("--couplers", required=True, metavar="A-B,…", help="Pairs of the device's qubits: 0-1,1-2 or line:5.")
@click.option(
    "--basis",
    type=click.Choice(["cx", "cz", "ecr"]),
    default="cx",
    show_default=True,
    help="The two-qubit gate of the device.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of every random draw.")
@language_option
@json_option
def map_command(file: Path, couplers: str, basis: str, seed: int, language: str | None, as_json: bool) -> None:
    """Lay FILE out on a device's couplers, in rz, sx, x and one two-qubit gate."""
    from phalanx.core import Rng
    from phalanx.quantum.mapping import map_circuit

    pairs = _pairs(couplers)
    n_qubits = 1 + max(max(pair) for pair in pairs)
    found = map_circuit(_read(file, language, ()), pairs, n_qubits, basis=basis, rng=Rng(seed))
    if as_json:
        print_json(
            {"layout": found.layout, "final": found.final, "n_swaps": found.n_swaps, "n_two": found.n_two,
             "qasm3": found.circuit.qasm3}
        )  # fmt: skip
        return
    click.echo(found.circuit.qasm3, nl=False)
    click.echo(f"{found.n_swaps} swaps, {found.n_two} {basis}; begins on {list(found.layout)}", err=True)


def _pairs(text: str) -> list[tuple[int, int]]:
    try:
        if text.startswith("line:"):
            pairs = [(at, at + 1) for at in range(min(int(text[5:]), 4_096) - 1)]
        else:
            pairs = [(int(a), int(b)) for a, _, b in (one.partition("-") for one in text.split(","))]
    except ValueError:
        pairs = []
    if not pairs or any(not 0 <= q < 4_096 for pair in pairs for q in pair):
        raise InvalidInput("--couplers", "pairs like 0-1,1-2, or line:5")
    return pairs


def _standard_input() -> bytes:
    with click.open_file("-", "rb") as stream:
        return bytes(stream.read())


def in_qir(file: Path, content: bytes | str, language: str | None) -> tuple[bytes | str, str | None]:
    """The content and its language; Q# compiled to QIR. Q# is recognised by the file's name."""
    if language != "qsharp" and (language or file.suffix != ".qs"):
        return content, language
    from phalanx.adapters.processes import compile_qsharp

    return compile_qsharp(content if isinstance(content, str) else content.decode(errors="replace")), "qir"


def circuit_text(file: Path, language: str | None = None) -> tuple[str, str | None]:
    """The text of a circuit's file, or of standard input for `-`, and its language where that is known."""
    content, language = in_qir(file, _standard_input() if str(file) == "-" else read_file(file), language)
    try:
        text = content if isinstance(content, str) else content.decode()
    except UnicodeDecodeError as error:
        hint = "`phalanx circuits read` writes bitcode of QIR as OpenQASM 3"
        raise InvalidInput(str(file), "is not text", hint=hint) from error
    if not text.strip():
        raise InvalidInput("standard input" if str(file) == "-" else str(file), "is empty")
    return text, language


def is_program(text: str) -> bool:
    """Whether it is JSON, as programs of machines without gates are."""
    return text.lstrip().startswith("{")


def _text_of(ctx: click.Context, _: click.Parameter, file: Path) -> str:
    return "" if ctx.resilient_parsing else circuit_text(file)[0]


# A circuit's file, which the command is given as ``text``.
circuit_argument = click.argument(
    "text", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), callback=_text_of
)


def _read(file: Path, language: str | None, inputs: tuple[str, ...]) -> Any:
    from phalanx.quantum.circuits import read

    parameters: dict[str, float] = {}
    for one in inputs:
        name, _, value = one.partition("=")
        try:
            parameters[name] = float(value)
        except ValueError:
            raise InvalidInput("--input", f"{one!r} is not NAME=VALUE") from None
    content: bytes | str = _standard_input() if str(file) == "-" else read_file(file)
    content, language = in_qir(file, content, language)
    return read(content, language=language, parameters=parameters)
