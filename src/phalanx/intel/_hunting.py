"""Looking through stored events for what belongs to a finding. Pure.

Two ways: by what the finding names (hosts, users, addresses, programs, files, domains), and by a saved
query, which is a Sigma rule that would be too noisy to raise findings. Lines are searched as bytes first,
and only those in which something was seen are read.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from phalanx.core import BatchId, Entity, Event, Finding
from phalanx.intel._limits import COMMON_PART, MAX_HUNT_ENTITIES, MAX_HUNT_HITS, MIN_NEEDLE_CHARS
from phalanx.intel._model import Chunk
from phalanx.intel._subjects import entities_of, host_of
from phalanx.intel.reading import read_lines
from phalanx.intel.sigma import Rule, RuleSet


@dataclass(slots=True)
class Quarry:
    """What a hunt has seen so far: events by what links them, and what else those name."""

    hits: list[tuple[Event, str]] = field(default_factory=list)
    links: Counter[str] = field(default_factory=Counter)
    entities: Counter[Entity] = field(default_factory=Counter)
    events: int = 0

    def add(self, event: Event, host: str, links: Sequence[str]) -> None:
        self.links.update(links)
        self.entities.update(entities_of(event, host))
        self.hits.append((event, ", ".join(links)))

    def linked(self) -> list[tuple[Event, str]]:
        """The hits, without those whose only links are to what is in everything."""
        common = {link for link, n in self.links.items() if n > COMMON_PART * max(self.events, MAX_HUNT_HITS)}
        kept = [(event, [one for one in links.split(", ") if one not in common]) for event, links in self.hits]
        return [(event, ", ".join(links)) for event, links in kept if links][:MAX_HUNT_HITS]

    def beside(self, finding: Finding) -> list[Entity]:
        """What the linked events name besides what the finding names, the most frequent first."""
        known = set(finding.entities)
        return [entity for entity, _ in self.entities.most_common() if entity not in known][:MAX_HUNT_ENTITIES]


def needles_of(finding: Finding) -> dict[str, tuple[bytes, ...]]:
    """How what a finding names is written in lines: by its name here, in lower case, plain and as in JSON."""
    needles = {}
    for entity in finding.entities:
        value = entity.value.lower()
        # A host's short name is what most lines have.
        word = value.partition(".")[0] if entity.type == "host" and not value[:1].isdigit() else value
        if len(word) >= MIN_NEEDLE_CHARS:
            needles[str(entity)] = tuple({word.encode(), json.dumps(word, ensure_ascii=False)[1:-1].encode()})
    return needles


def follow(
    quarry: Quarry, finding: Finding, chunk: Chunk, lines: Sequence[bytes], host_names: Mapping[str, str]
) -> None:
    """Add the lines of a chunk that name something the finding names; its own evidence is no news."""
    evidence, links = set(finding.evidence), lines_with(needles_of(finding), lines)
    quarry.events += len(lines)
    for row, event in events_in(chunk, lines, sorted(links)):
        if event.id not in evidence:
            quarry.add(event, host_of(event, host_names), links[row])


def lines_with(needles: Mapping[str, Sequence[bytes]], lines: Sequence[bytes]) -> dict[int, list[str]]:
    """Which lines, by row, have one of the words of which needles in them, whatever the case of their letters.

    All lines are searched at once: a line by itself costs more than looking through it.
    """
    text, ends = b"\n".join(lines).lower(), list(accumulate(len(line) + 1 for line in lines))
    found: dict[int, list[str]] = {}
    for name, words in needles.items():
        rows = set()
        for word in words:
            at = text.find(word)
            while at >= 0:
                row = bisect_right(ends, at)
                rows.add(row)
                at = text.find(word, ends[row])
        for row in rows:
            found.setdefault(row, []).append(name)
    return found


def ask(
    quarry: Quarry, finding: Finding, queries: RuleSet, chunk: Chunk, lines: Sequence[bytes],
    host_names: Mapping[str, str],
) -> None:  # fmt: skip
    """Add the lines of a chunk that a saved query is about."""
    evidence = set(finding.evidence)
    quarry.events += len(lines)
    out = read_lines(
        lines, reader=chunk.reader, tenant=chunk.tenant, batch=BatchId(chunk.id), accepted_at_ns=chunk.at_ns,
        about=lambda log_source: bool(queries.for_source(log_source)),
    )  # fmt: skip
    for batch in out.batches:
        for hit in queries.evaluate(batch):
            event = Event(batch, hit.place)
            if event.id not in evidence:
                quarry.add(event, host_of(event, host_names), [hit.rule.name])


def queries_for(finding: Finding, hunts: Sequence[Rule]) -> list[Rule]:
    """The saved queries for a finding: those of its techniques (also where one is part of the other), then tactics."""
    families = {one.partition(".")[0] for one in finding.techniques}
    by_technique = [rule for rule in hunts if families & {one.partition(".")[0] for one in rule.techniques}]
    by_tactic = [rule for rule in hunts if rule not in by_technique and set(finding.tactics) & set(rule.tactics)]
    return [*by_technique, *by_tactic]


def events_in(chunk: Chunk, lines: Sequence[bytes], rows: Sequence[int]) -> list[tuple[int, Event]]:
    """The events of some lines with their rows, in order."""
    out = read_lines(
        [lines[row] for row in rows], reader=chunk.reader, tenant=chunk.tenant, batch=BatchId(chunk.id),
        accepted_at_ns=chunk.at_ns,
    )  # fmt: skip
    placed = [replace(batch, rows=[rows[place] for place in batch.rows]) for batch in out.batches]
    return sorted(((batch.rows[at], Event(batch, at)) for batch in placed for at in range(len(batch))), key=_row)


def _row(found: tuple[int, Event]) -> int:
    return found[0]
