"""What the steps of a run found, for people: the verdict and what led to it, quantum answers beside classical ones."""

import json
from collections.abc import Mapping
from typing import Any

import click

from phalanx.cli._output import Column, print_table, printable
from phalanx.core import counted

_MAX_TURNS = 3
_MAX_SHOWN_CHARS = 400
_FALLBACK = "fallback"


def print_found(result: Mapping[str, Any], *, last: bool = False) -> None:
    """What one step found: an assessment, an answer with classical ones beside it; for the ``last`` step, anything."""
    found = result["output"]
    if isinstance(found, Mapping) and _told(result, found):
        return
    if isinstance(found, Mapping) and isinstance(found.get("value"), float) and found.get("method"):
        classically = ", classically" if result["way"] == _FALLBACK else ""
        click.echo(f"{result['step']}: {found['value']:g}{classically} by {found['method']}")
    elif last:
        text = json.dumps(found, ensure_ascii=False)
        click.echo(
            f"{result['step']}: {printable(text[:_MAX_SHOWN_CHARS])}{' …: --json' * (len(text) > _MAX_SHOWN_CHARS)}"
        )


def _told(result: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether it was something with its own presentation."""
    if isinstance(fused := found.get("fused"), Mapping):
        _assessed(str(found["about"]), fused)
    elif {"verdict", "probability", "interval", "confidence", "contributions"} <= set(found):
        _of_case(found)
    elif isinstance(found.get("quantum"), Mapping) and found.get("classical"):
        _compared(result, found)
        if found.get("mitigation") and found.get("benefit") is not None:
            _mitigated(found)
    elif {"told", "overhead", "circuits", "shots"} <= set(found):
        spent = f"{counted(found['circuits'], 'circuit')}, {counted(found['shots'], 'shot')}"
        click.echo(f"{result['step']}: {found['told']} ({spent})")
    else:
        return False
    return True


def _verdict(about: str, found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    text = f"{about}: {found['verdict']}, probability {found['probability']:.2f} [{low:.2f}, {high:.2f}]"
    return f"{text}, confidence {found['confidence']:.2f}"


def _assessed(about: str, fused: Mapping[str, Any]) -> None:
    click.echo(_verdict(about, fused) + ("" if fused["calibrated"] else ", not calibrated"))
    if fused["degraded"]:
        click.echo(f"less sure, since {fused['degraded']}")
    columns: list[Column] = [
        ("signal", lambda row: row["name"]),
        ("says", lambda row: f"{row['probability']:.2f}"),
        ("added log odds", lambda row: f"{row['log_odds']:+.2f}"),
        ("because", lambda row: row["summary"]),
    ]
    print_table("What it rests on", fused["parts"], columns, empty="nothing")
    for turn in fused["turns"][:_MAX_TURNS]:
        click.echo(f"would change it: {turn['text']}")


def _of_case(found: Mapping[str, Any]) -> None:
    subject = found.get("subject") or {}
    click.echo(_verdict(f"{subject.get('type', '')} {subject.get('value', '')}".strip() or "the case", found))
    if found.get("degraded"):
        click.echo(f"less sure, since {found['degraded']}")
    columns: list[Column] = [
        ("step", lambda row: row["step"]),
        ("added", lambda row: f"{row['value']:+.2f}"),
        ("because", lambda row: row["summary"]),
    ]
    print_table("What it rests on", found["contributions"], columns, empty="nothing")


def _mitigated(found: Mapping[str, Any]) -> None:
    nearer = found["benefit"]
    came = f"{abs(nearer):.3g} {'nearer to' if nearer >= 0 else 'further from'}"
    click.echo(
        f"mitigation: {found['plain']:.4g} without it, {found['value']:.4g} ± {found['error']:.2g} with it, {came} "
        f"what an ideal machine gives; it took {counted(found['circuits'], 'circuit')} and "
        f"{counted(found['shots'], 'shot')}"
    )


def _compared(result: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    origins = ", ".join(dict.fromkeys(str(one["origin"]) for one in result["provenance"]))
    sides = [("quantum, " + origins, found["quantum"]), *(("classical", one) for one in found["classical"])]
    rows = [{"how": how, **side} for how, side in sides]
    columns: list[Column] = [
        ("how", lambda row: row["how"]),
        ("method", lambda row: row["method"]),
        ("gives", lambda row: f"{row['value']:g}"),
        ("costs", lambda row: f"{row['cost']:,} {row['cost_unit']}"),
    ]
    print_table(result["step"], rows, columns, empty="nothing")
    click.echo(f"claim: {found['claim']}")
