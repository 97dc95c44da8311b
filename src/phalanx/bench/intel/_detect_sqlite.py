"""An independent evaluator of Sigma rules: pySigma parses, its SQLite backend makes a query of it, SQLite answers.

Events of one log source are one table of texts that compares without regard to case, as Sigma does. Nothing of this
project's compiler is in the way from a rule's text to its hits; the log sources that a rule concerns are ours.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from phalanx.core import EventBatch, LogSource
from phalanx.intel import Rule
from phalanx.intel.sigma import View, as_text

_FULLTEXT = "every value of the event"
# A column in a query without its texts: quoted, before an operator, or compared with another column.
_NAMED = re.compile(r"`([^`]+)`|(?<!['\w`])([A-Za-z_]\w*)(?= ?(?:=|LIKE|REGEXP|GLOB|IS|<|>|AS REAL))|=([A-Za-z_]\w*)")


class Peer:
    """Rules as SQL. Raises ``ImportError`` where pySigma's SQLite backend is not installed."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        from sigma.backends.sqlite import sqliteBackend
        from sigma.collection import SigmaCollection
        from sigma.exceptions import SigmaError

        class Backend(sqliteBackend):  # type: ignore[misc]
            # Columns are texts, so that they compare as Sigma's values do; numbers have to be made of them.
            compare_op_expression = "CAST({field} AS REAL) {operator} {value}"

        backend = Backend(fulltext_field=_FULLTEXT)
        self.queries: dict[str, str] = {}
        self.refused: dict[str, str] = {}
        for name, text in texts.items():
            try:
                queries = backend.convert(SigmaCollection.from_yaml(text))
            except (SigmaError, NotImplementedError, ValueError) as error:
                self.refused[name] = f"{type(error).__name__}: {error}"[:160]
                continue
            conditions = [query.partition(" WHERE ")[2] for query in queries]
            self.queries[name] = " OR ".join(f"({condition})" for condition in conditions)

    def table(self, batches: Sequence[EventBatch], rules: Sequence[Rule]) -> "Table":
        """A table of the events of one log source, to ask ``rules`` about."""
        return Table(self, batches, [rule for rule in rules if rule.name in self.queries])


class Table:
    """Events in SQLite, numbered in the order of their batches."""

    def __init__(self, peer: Peer, batches: Sequence[EventBatch], rules: Sequence[Rule]) -> None:
        self._peer = peer
        self.failed: dict[str, str] = {}
        self._columns = _columns(peer, rules)
        self._connection = sqlite3.connect(":memory:")
        self._connection.create_function("REGEXP", 2, _found, deterministic=True)
        columns = ", ".join(f"{_quoted(name)} TEXT COLLATE NOCASE" for name in self._columns)
        self._connection.execute(f"CREATE TABLE logs ({columns})")
        marks = ", ".join("?" for _ in self._columns)
        for batch in batches:
            self._connection.executemany(f"INSERT INTO logs VALUES ({marks})", self._rows(batch))  # noqa: S608

    def hits(self, rule: Rule) -> list[int]:
        """The numbers of the events that the rule is about; none, and a reason, when SQLite refuses the query."""
        try:
            found = self._connection.execute(f"SELECT rowid FROM logs WHERE {self._peer.queries[rule.name]}")  # noqa: S608
            return sorted(row - 1 for (row,) in found)
        except sqlite3.Error as error:
            self.failed[rule.name] = str(error)[:160]
            return []

    def close(self) -> None:
        self._connection.close()

    def _rows(self, batch: EventBatch) -> list[list[str | None]]:
        view = View(batch)
        columns = [view.values(name) for name in self._columns[:-1]]
        everything = list(batch.columns.values())
        return [
            [
                *(None if column is None or column[row] is None else as_text(column[row]) for column in columns),
                "\n".join(as_text(column[row]) for column in everything if column[row] is not None),
            ]
            for row in range(len(batch))
        ]


def _columns(peer: Peer, rules: Sequence[Rule]) -> list[str]:
    """The columns that the rules' queries name, each once, whatever its case; the text of all last."""
    names: dict[str, str] = {}
    for rule in rules:
        for quoted, left, right in _NAMED.findall(_bare(peer.queries[rule.name])):
            name = quoted or left or right
            names.setdefault(name.lower(), name)
        for name in rule.fields:
            names.setdefault(name.lower(), name)
    names.pop(_FULLTEXT, None)
    return [*names.values(), _FULLTEXT]


def _bare(query: str) -> str:
    """A query without its texts."""
    return re.sub(r"'(?:[^']|'')*'", "''", query)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _found(pattern: str, value: Any) -> bool:
    return value is not None and _compiled(pattern).search(str(value)) is not None


@lru_cache(maxsize=4_096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def by_source(batches: Sequence[EventBatch]) -> dict[LogSource, list[EventBatch]]:
    """Batches by their log source."""
    made: dict[LogSource, list[EventBatch]] = {}
    for batch in batches:
        made.setdefault(batch.log_source, []).append(batch)
    return made
