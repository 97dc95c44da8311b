"""What commands of quantum routines share: how files are read and how an answer is shown."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._output import Column, print_json, print_table
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.quantum.routines import Answer

_MAX_FILE_BYTES = 64 << 20

seed_option = click.option(
    "--seed", default=1, show_default=True, help="Seed of every random draw: same seed, same answer."
)


def show_answer(answer: "Answer", *, as_json: bool, told: list[tuple[str, str]]) -> None:
    import msgspec

    if as_json:
        print_json(msgspec.to_builtins(answer))
        return
    for name, text in told:
        click.echo(f"{name}: {text}")
    ours = f"quantum, {answer.provenance.origin.value}"
    rows: list[Mapping[str, Any]] = [
        {"kind": kind, "side": side}
        for kind, sides in (
            (ours, (answer.quantum,)),
            ("classical", answer.classical),
        )
        for side in sides
    ]
    columns: list[Column] = [
        ("how", lambda row: row["kind"]),
        ("method", lambda row: row["side"].method),
        ("gives", lambda row: f"{row['side'].value:g}"),
        ("costs", lambda row: f"{row['side'].cost:,} {row['side'].cost_unit}"),
    ]
    print_table(answer.routine, rows, columns, empty="nothing")
    click.echo(f"claim: {answer.claim}")


def read_text(path: Path, field: str, parse: Callable[[str], Any]) -> Any:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InvalidInput(field, f"{path} is larger than {_MAX_FILE_BYTES >> 20} MiB")
        return parse(path.read_text())
    except OSError as error:
        raise InvalidInput(field, f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(field, f"{path} cannot be read: {error}") from error


def read_lines(path: Path, field: str) -> list[str]:
    lines: list[str] = read_text(path, field, lambda text: [line.strip() for line in text.splitlines() if line.strip()])
    return lines
