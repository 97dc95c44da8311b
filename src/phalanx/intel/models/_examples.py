"""Labelled events out of what people said of findings, to train models with.

The evidence of a finding that was right is an attack, that of a wrong one is none. Beside each stand other lines of the
same batch, which nobody found anything in: presumed to be no attack, and marked so.
"""

from collections.abc import Mapping

import msgspec

from phalanx.core import DEFAULT_TENANT, BatchId, EventBatch, InvalidInput, NotFound, Store, TenantId, event_id
from phalanx.intel._model import FINDINGS
from phalanx.intel._queries import EventLog, Findings
from phalanx.intel.models._limits import MAX_EXAMPLE_FINDINGS, PRESUMED_EACH
from phalanx.intel.reading import read_lines


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A line, how it is read, and whether it is an attack; ``presumed`` when nobody said so."""

    attack: bool
    presumed: bool
    reader: str
    at_ns: int
    line: str


async def labelled_examples(
    store: Store, events: EventLog, tenant: TenantId, labels: Mapping[str, bool]
) -> list[Example]:  # fmt: skip
    """Examples from findings that somebody called right or wrong, the newest findings first."""
    findings, found, seen = Findings(store), list[Example](), set[str]()
    for ident in sorted(labels, reverse=True)[:MAX_EXAMPLE_FINDINGS]:
        try:
            about = await findings.get(tenant, ident)
        except NotFound:
            continue
        for event in about.evidence:
            try:
                one = await events.get(tenant, event)
            except NotFound:
                continue
            if event in seen or not one.raw:
                continue
            seen.add(event)
            batch = one.batch
            found.append(_example(one.raw, batch.reader, batch.accepted_at_ns, attack=labels[ident], presumed=False))
            lines = await events.lines(tenant, batch.batch) or ()
            step = max(1, len(lines) // PRESUMED_EACH)
            for row in range(0, len(lines), step):
                other = event_id(batch.batch, row)
                if other in seen or await store.find(FINDINGS, tenant, "trace", other, limit=1):
                    continue
                seen.add(other)
                found.append(_example(lines[row], batch.reader, batch.accepted_at_ns, attack=False, presumed=True))
    return found


def example_batches(examples: list[Example]) -> list[EventBatch]:
    """The events as a node reads them, each with a column ``_attack``."""
    batches = []
    for number, example in enumerate(examples):
        out = read_lines(
            [example.line.encode()], reader=example.reader, tenant=DEFAULT_TENANT, first_row=number,
            batch=BatchId("0197a000-0000-7000-8000-000000000000"), accepted_at_ns=example.at_ns,
        )  # fmt: skip
        said = ("true" if example.attack else "false",)
        batches += [
            EventBatch(
                one.tenant, one.batch, one.log_source, one.reader, one.accepted_at_ns, one.rows, one.times_ns, one.raw,
                {**one.columns, "_attack": said},
            )
            for one in out.batches
        ]  # fmt: skip
    return sorted(batches, key=lambda one: one.times_ns[0])


def read_examples(data: bytes) -> list[Example]:
    """One JSON document a line. Raises ``InvalidInput``."""
    try:
        return [msgspec.json.decode(line, type=Example) for line in data.splitlines() if line.strip()]
    except msgspec.DecodeError as error:
        raise InvalidInput("examples", str(error)) from error


def _example(line: bytes, reader: str, at_ns: int, *, attack: bool, presumed: bool) -> Example:
    text = line.decode("utf-8", "replace")
    return Example(attack=attack, presumed=presumed, reader=reader, at_ns=at_ns, line=text)
