"""Rules and events of the benchmark of detection.

Public data, which is not ours to ship (``public``): the Sigma rules of SigmaHQ and the attacks recorded by the Open
Threat Research Forge. Throughput is taken on perturbed events: letters change their case, which no
rule but a cased one notices, and identifiers their digits, so that no two passes show a value twice.
"""

import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from phalanx.bench.public import public_data
from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, Rng
from phalanx.intel import MAX_READ_ROWS, InvalidRule, Rule, parse_rule, read_lines
from phalanx.intel.reading import slices, split_lines

BATCH = BatchId("0197a000-0000-7000-8000-000000000000")
ACCEPTED_NS = 1_772_445_600_000_000_000

# Fields whose digits tell one event from another and which no rule asks about, or asks about only whether they differ.
_IDENTIFIERS = (
    "ProcessGuid", "ParentProcessGuid", "SourceProcessGUID", "TargetProcessGUID", "LogonGuid", "ThreadID",
    "RecordNumber", "ExecutionProcessID", "EventReceivedTime", "UtcTime", "@timestamp", "EventTime", "Hostname",
)  # fmt: skip


class Corpus(NamedTuple):
    """Rules that compiled, each with its text, and those that did not, with the reason."""

    rules: list[Rule]
    texts: dict[str, str]
    refused: dict[str, str]


def corpus() -> Corpus:
    """The public rules. Raises ``NotFound`` when the test data is not there."""
    files = sorted(public_data("sigma").rglob("*.yml"))
    rules, texts, refused = [], {}, {}
    for file in files:
        text = file.read_text(encoding="utf-8")
        try:
            rule = parse_rule(text, where=file.name)
        except InvalidRule as error:
            refused[file.name] = error.message
            continue
        rules.append(rule)
        texts[rule.name] = text
    return Corpus(rules, texts, refused)


def recorded(*, every: int = 1) -> list[bytes]:
    """Lines of the recorded attacks that are JSON, each ``every``-th of them."""
    lines = []
    for archive in sorted(public_data("otrf").rglob("*.zip")):
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.endswith(".json"):
                    lines += split_lines(opened.read(name))
    return lines[::every]


def perturbed(lines: Sequence[bytes], rng: Rng) -> list[bytes]:
    """The lines with letters in another case and identifiers with other digits."""
    made = []
    for line in lines:
        try:
            event = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        if isinstance(event, dict):
            made.append(msgspec.json.encode({name: _otherwise(name, value, rng) for name, value in event.items()}))
    return made


def _otherwise(name: str, value: Any, rng: Rng) -> Any:
    if not isinstance(value, str) or name in ("Channel", "SourceName"):
        return value
    if name in _IDENTIFIERS:
        digits = rng.integer(0, 10**12)
        return "".join(letter if not letter.isdigit() else str(digits // 7**at % 10) for at, letter in enumerate(value))
    flips = rng.bits(64)
    return "".join(
        letter.swapcase() if letter.isascii() and flips >> (at % 64) & 1 else letter for at, letter in enumerate(value)
    )


def read(lines: Sequence[bytes], *, rows: int | None = None) -> list[EventBatch]:
    """Lines as batches: in slices as the sentinel takes them, or in runs of ``rows`` lines."""
    if rows is None:
        runs = list(slices(lines, most=MAX_READ_ROWS))
    else:
        runs = [(start, lines[start : start + rows]) for start in range(0, len(lines), rows)]
    return [
        batch
        for first_row, part in runs
        for batch in read_lines(
            part, first_row=first_row, tenant=DEFAULT_TENANT, batch=BATCH, accepted_at_ns=ACCEPTED_NS
        ).batches
    ]
