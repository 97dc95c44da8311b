"""`phalanx keys`: algorithms, and everything done with keys. Each subgroup is in its own module."""

from typing import Any

import click

from phalanx.cli._output import Column, Group, json_option, print_json, print_table
from phalanx.cli.keys._committee import committee
from phalanx.cli.keys._entropy import entropy
from phalanx.cli.keys._escrow import escrow
from phalanx.cli.keys._identity import identity
from phalanx.cli.keys._vault import migrate, vault
from phalanx.cli.node._settings import SettingsSource, settings_options


@click.group(cls=Group, short_help="Algorithms, identities, the vault, escrow, entropy.")
def keys() -> None:
    """Algorithms, identities, the vault, escrow, entropy."""


keys.add_command(committee)
keys.add_command(entropy)
keys.add_command(escrow)
keys.add_command(identity)
keys.add_command(vault)
keys.add_command(migrate)


@keys.command("algorithms")
@click.option("--no-speed", is_flag=True, help="List only; measuring takes about ten seconds.")
@settings_options()
@json_option
def list_algorithms(no_speed: bool, source: SettingsSource, as_json: bool) -> None:
    """Available algorithms: standard, library, security level, and how fast each is on this machine, measured now.

    Times are medians of single calls: sign and verify a message of 256 bytes, make and open an encapsulation, seal
    and open a frame of 256 bytes, hash 64 KiB, derive one key. The policy is what the settings forbid
    (crypto.forbidden).
    """
    from rich.console import Console
    from rich.progress import track

    from phalanx.bench import measure_algorithm
    from phalanx.core import Unavailable
    from phalanx.crypto import algorithms

    policy, rows = source.load().settings.crypto.policy, []
    known = algorithms()
    shown = track(known, "measuring", console=Console(stderr=True), transient=True, disable=no_speed or as_json)
    for one in shown:
        row: dict[str, Any] = {
            "name": one.name,
            "kind": one.kind.value,
            "standard": one.standard,
            "library": one.library,
            "level": one.level,
            "quantum_safe": one.quantum_safe,
            "experimental": one.experimental,
            "public_bytes": one.public_bytes,
            "output_bytes": one.output_bytes,
            "policy": policy.verdict(one.name) or "allowed",
        }
        try:
            row["speed"] = {} if no_speed else measure_algorithm(one.name)
        except Unavailable as missing:
            row |= {"speed": {}, "missing": missing.hint}
        rows.append(row)
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("algorithm", lambda row: row["name"]),
        ("kind", lambda row: row["kind"]),
        ("standard", lambda row: row["standard"]),
        ("library", lambda row: row["library"]),
        ("level", lambda row: str(row["level"] or "–")),
        ("quantum-safe", lambda row: "yes" if row["quantum_safe"] else "no"),
        ("speed", lambda row: row.get("missing") or _speeds(row["speed"])),
        ("policy", lambda row: "experimental" if row["experimental"] else row["policy"]),
    ]
    print_table("Algorithms", rows, columns, empty="there is none")


def _speeds(speed: dict[str, float]) -> str:
    return ", ".join(f"{name.removesuffix('_us_p50')} {_time(us)}" for name, us in speed.items())


def _time(us: float) -> str:
    if us >= 1_000_000:
        return f"{us / 1_000_000:.1f} s"
    return f"{us / 1_000:.1f} ms" if us >= 1_000 else f"{us:.1f} µs"
