"""Asking Sigma rules of the archive.

What a rule needs to find is asked of the columns first: events of its log source in which one of its witnesses is.
Those come back as batches, and the compiled rules judge them as they judge new events, so the answer is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from phalanx.core import EventBatch, LogSource
from phalanx.intel.archive._asking import Both, Either, Leaf, Node, OfOrigin, OfTime
from phalanx.intel.archive._filters import hashes_of_literal
from phalanx.intel.archive._limits import MAX_QUERY_TERMS
from phalanx.intel.archive._values import Check, Equal, Flags, Test, Values, places_of
from phalanx.intel.sigma import Atom, Place, Rule, witness
from phalanx.intel.sigma._sources import concerns


@dataclass(frozen=True, slots=True)
class Inside(Test):
    """``text``, in lower case, is in the value."""

    text: bytes

    def needs(self) -> list[list[int]]:
        return [hashes_of_literal(self.text, starts=False, ends=False)] if len(self.text) > 2 else []

    def flags(self, values: Values, check: Check) -> Flags | None:
        places = places_of(values.lowered, self.text)
        check()
        if not places:
            return None
        flags = np.zeros(len(values), bool)
        flags[np.searchsorted(values.lowered_edges, places, side="right") - 1] = True
        return flags


def candidates_of(rules: Sequence[Rule], low_ns: int, high_ns: int) -> Node:
    """Events about which some of the rules have to be asked."""
    return Both((OfTime(low_ns, high_ns), Either(tuple(_of_rule(rule) for rule in rules))))


def _of_rule(rule: Rule) -> Node:
    wanted: LogSource = rule.log_source
    of_source = OfOrigin(lambda kind: concerns(wanted, kind.log_source))
    atoms = witness(rule.predicate)
    if atoms is None or len(atoms) > MAX_QUERY_TERMS:
        return of_source
    # Rules know fields by several names, so a witness is looked for in all of them.
    return Both((of_source, Either(tuple(Leaf(frozenset(), _test(atom)) for atom in atoms))))


def _test(atom: Atom) -> Test:
    text = atom.text.encode("utf-8", "surrogatepass")
    return Equal((text,)) if atom.place is Place.WHOLE else Inside(text)


@dataclass(frozen=True, slots=True)
class RuleHit:
    """An event for which a rule holds."""

    rule: str
    batch: EventBatch
    at: int
