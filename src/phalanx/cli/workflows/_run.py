"""How `phalanx workflows` shows one run: its state, its steps, and its circuits' time at devices."""

from typing import Any
from urllib.parse import quote

import click

from phalanx.cli._client import NodeClient
from phalanx.cli._output import Column, print_json, print_table
from phalanx.cli.workflows._found import print_found
from phalanx.core import NS_PER_MS


def run_status(row: Any) -> str:
    return str(row["status"]) if row["wanted"] == "go" else f"{row['status']}, to {row['wanted']}"


def print_run(client: NodeClient, run: str, as_json: bool) -> None:
    """The run's state and why, how long each step took on what, and what is known about its circuits."""
    path = f"/v1/runs/{quote(run, safe='')}"
    found = client.get(path)
    if as_json:
        print_json(found)
        return
    state = found["state"]
    at = "".join(f", {what} {state[what]}" for what in ("step", "field") if state[what])
    click.echo(f"{state['template']}: {run_status(state)}{at}" + (f": {state['reason']}" if state["reason"] else ""))
    click.echo(f"seed {found['seed']}")
    chart = client.get(f"{path}/gantt")
    columns: list[Column] = [
        ("step", lambda row: row["step"]),
        ("status", lambda row: row["status"]),
        ("from", lambda row: _ms(row["start_ns"]) if row["end_ns"] or row["now"] or row["start_ns"] else "–"),
        ("took", lambda row: _ms(row["end_ns"] - row["start_ns"]) if row["end_ns"] else "–"),
        ("hand-over", lambda row: _ms(row["handover_ns"]) if row["handover_ns"] >= 0 else "–"),
        ("on", lambda row: ", ".join(row["windows"]) or ("classical" if row["way"] == "fallback" else row["kind"])),
        ("critical", lambda row: "yes" if row["critical"] else "–"),
        (
            "why",
            lambda row: row["why"] or row["decided"] or "; ".join(one["reason"] for one in row["placed"]) or _now(row),
        ),
    ]
    print_table("Steps", chart["bars"], columns, empty="it has no steps")
    stays = [{"step": bar["step"], **one} for bar in chart["bars"] for one in bar["placed"]]
    if stays:
        print_table("Circuits at devices", stays, _STAYS, empty="")
    needed = {need for bar in chart["bars"] for need in bar["needs"]}
    for step in found["steps"]:
        print_found(step, last=step["step"] not in needed)


def _now(row: Any) -> str:
    return "; ".join(f"{one['stage']}, {one['device']}: {one['reason']}" for one in row["now"]) or "–"


def _ms(ns: int) -> str:
    return f"{ns / NS_PER_MS:.2f} ms"


def _booked(row: Any) -> str:
    if not row["booking"]:
        return "–"
    return f"{_ms(row['booked_from_ns'])} to {_ms(row['booked_until_ns'])}, priority {row['priority']}"


def _survival(row: Any) -> str:
    if row["survival"] is None or not row["bound"]:
        return "–"
    return f"{row['survival']:.1%} of at best {row['bound']:.1%}"


def _treated(row: Any) -> str:
    if not row["mitigation"]:
        return "–"
    return str(row["mitigation"]) + ("" if row["benefit"] is None else f", nearer to ideal by {row['benefit']:+.3f}")


def _waited(row: Any) -> str:
    if row["booking"]:
        by = f" ({row['forecast_by']})" if row["forecast_by"] else ""
        return f"{row['waited_s']:.3g} s, {row['forecast_s']:.3g} s foreseen{by}"
    return f"{row['waited_s']:.3g} s for room" if row["waited_s"] else "–"


_STAYS: list[Column] = [
    ("step", lambda row: row["step"]),
    ("device", lambda row: row["device"]),
    ("circuits", lambda row: str(row["circuits"])),
    ("calibration", lambda row: row["calibration"][:8] or "–"),
    ("booked", _booked),
    ("waited", _waited),
    ("kept by", lambda row: row["coherence"] or "–"),
    ("survives", _survival),
    ("treated", _treated),
    ("cost", lambda row: f"{row['cost']:,.4g} {row['currency']}" if row["cost"] else "–"),
    ("decision", lambda row: row["decision"] or "–"),
]
