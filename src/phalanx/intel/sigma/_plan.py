"""All rules as one plan: which of them can hold for which events of a batch, found in one pass over each column.

Rules of one log source share a *stand*. For each field that its witnesses are in, the stand has a table of whole values
and a matcher of parts (``_matcher``). What they find are candidates, events with a rule each, and only these are asked
about; rules without a witness are asked about every event. Every rule answers for itself as it would alone, so the plan
decides how fast an answer comes and never which.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from phalanx.core import LogSource
from phalanx.intel.sigma._matcher import Matcher, matcher
from phalanx.intel.sigma._predicates import Rows
from phalanx.intel.sigma._rule import Rule
from phalanx.intel.sigma._texts import Texts
from phalanx.intel.sigma._view import View
from phalanx.intel.sigma._witness import ANY_FIELD, Atom, Place, witness

# Numbers of rules, by a literal of theirs.
Wanted = Sequence[int]
_IN_NUMBERS = re.compile(r"[-+.0-9e]+")
_WORDS_OF_NUMBERS = ("true", "false", "-inf", "nan")
MakeMatcher = Callable[[Sequence[Atom]], Matcher]


@dataclass(frozen=True, slots=True)
class _Column:
    """What is looked for in one field."""

    field: str
    whole: Mapping[str, Wanted]
    parts: Matcher | None
    wanted: Sequence[Wanted]
    # No part could be found in a number.
    words_only: bool


@dataclass(slots=True)
class Stand:
    """The rules of one log source."""

    columns: list[_Column] = field(default_factory=list)
    always: list[int] = field(default_factory=list)


def stands(rules: Sequence[Rule], make: MakeMatcher = matcher) -> dict[LogSource, Stand]:
    """The plan of ``rules``, which are told by their places in the list."""
    made: dict[LogSource, Stand] = defaultdict(Stand)
    atoms: dict[LogSource, dict[Atom, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, rule in enumerate(rules):
        found = witness(rule.predicate)
        if found is None:
            made[rule.log_source].always.append(number)
        for atom in found or ():
            atoms[rule.log_source][atom].append(number)
    for log_source, wanted in atoms.items():
        made[log_source].columns = _columns(wanted, make)
    return dict(made)


def _columns(wanted: Mapping[Atom, Wanted], make: MakeMatcher) -> list[_Column]:
    made = []
    for name in sorted({atom.field for atom in wanted}):
        whole = {atom.text: wanted[atom] for atom in wanted if atom.field == name and atom.place is Place.WHOLE}
        parts = [atom for atom in wanted if atom.field == name and atom.place is not Place.WHOLE]
        numbers = [wanted[atom] for atom in parts]
        words_only = not any(_may_be_in_number(atom.text) for atom in parts)
        made.append(_Column(name, whole, make(parts) if parts else None, numbers, words_only))
    return made


def _may_be_in_number(text: str) -> bool:
    """Whether it could be found in a number or a boolean, taken as text."""
    return _IN_NUMBERS.fullmatch(text) is not None or any(text in word for word in _WORDS_OF_NUMBERS)


class Candidates:
    """Which rules are to be asked about which events of a batch."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rows: dict[int, set[int]] = {}
        self._every: set[int] = set()

    def add(self, stand: Stand) -> None:
        """Those of one stand."""
        self._every.update(stand.always)
        for column in stand.columns:
            if column.whole:
                self._add_whole(column)
            if column.parts is not None:
                self._add_parts(column, column.parts)

    def ordered(self) -> Iterable[tuple[int, Rows]]:
        """Each candidate with the events to ask it about, in order."""
        everything = range(len(self._view.batch))
        for number in sorted(self._every | self._rows.keys()):
            yield number, everything if number in self._every else sorted(self._rows[number])

    def _add_whole(self, column: _Column) -> None:
        texts = self._view.texts(column.field)
        if texts is None:
            return
        values = texts.lowered()
        if column.whole.keys().isdisjoint(values):
            return
        for row, text in zip(texts.rows(), values, strict=True):
            for number in column.whole.get(text, ()):
                self._rows.setdefault(number, set()).add(row)

    def _add_parts(self, column: _Column, parts: Matcher) -> None:
        if column.field == ANY_FIELD:
            # A keyword may be in any field.
            looked_at = self._view.everything(words_only=column.words_only)
        else:
            texts = self._view.texts(column.field)
            looked_at = [] if texts is None else [texts]
        for texts in looked_at:
            self._add_found(column, parts, texts)

    def _add_found(self, column: _Column, parts: Matcher, texts: Texts) -> None:
        found = parts.find(texts)
        if found is None:
            self._every.update(number for wanted in column.wanted for number in wanted)
        elif found:
            rows = texts.rows_at([end for _, end in found])
            for (atom, _), row in zip(found, rows, strict=True):
                for number in column.wanted[atom]:
                    self._rows.setdefault(number, set()).add(row)
