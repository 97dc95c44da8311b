"""Reading a question::

    query   = [ expr ] [ "|" stage ]
    expr    = all { "OR" all }
    all     = one { [ "AND" ] one }
    one     = "NOT" one | "(" expr ")" | term
    term    = name ":" values | name ("<"|"<="|">"|">=") number | value
    values  = value | "/" regular expression "/" | "(" value { "," value } ")"
    value   = { letters with "*" and "?" as wildcards | '"' text '"' }
    stage   = "count" [ "by" names ] | "top" [ number ] names | "timeline" [ span ]

``last:24h``, ``after:`` and ``before:`` with a time are about when it happened. A backslash is a letter; inside quotes
everything is, and ``""`` is one quote.
"""

import re

from phalanx.core import NS_PER_S, ns_from_iso
from phalanx.intel._limits import END_OF_TIME_NS
from phalanx.intel.archive._errors import InvalidQuery
from phalanx.intel.archive._limits import MAX_GROUPS, MAX_QUERY_CHARS, MAX_QUERY_DEPTH, MAX_QUERY_TERMS
from phalanx.intel.archive._query import (
    And,
    Compare,
    CountBy,
    Expr,
    Match,
    Not,
    Or,
    Part,
    Query,
    Regex,
    Sign,
    Stage,
    Text,
    Time,
    Timeline,
    Value,
    Wild,
)

_NAME = re.compile(r"@?[^\W\d][\w.@/-]*|_[\w.@/-]+")
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_ENDS = frozenset(' \t\r\n()|,"')
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_DEFAULT_TOP = 10
_DEFAULT_SPAN = "1h"
TIME_NAMES = ("last", "after", "before")


def parse(query: str, *, now_ns: int) -> Query:
    """The question that ``query`` writes. Raises ``InvalidQuery`` with the column it stumbles over."""
    if len(query) > MAX_QUERY_CHARS:
        raise InvalidQuery(query[:80], MAX_QUERY_CHARS, f"a question has at most {MAX_QUERY_CHARS} letters")
    return _Reader(query, now_ns).query()


def span_ns(text: str) -> int | None:
    """``15m`` in nanoseconds; None when it is not written so."""
    found = _SPAN.fullmatch(text)
    if found is None or int(found[1]) == 0:
        return None
    return int(found[1]) * _UNITS_S[found[2]] * NS_PER_S


class _Reader:
    def __init__(self, text: str, now_ns: int) -> None:
        self._text = text
        self._now_ns = now_ns
        self._at = 0
        self._terms = 0
        self._depth = 0

    def query(self) -> Query:
        where: Expr = And(())
        self._skip()
        if self._peek() not in ("", "|"):
            where = self._expr()
        stage = None
        if self._peek() == "|":
            self._at += 1
            stage = self._stage()
        if self._at < len(self._text):
            raise self._bad("this is not understood here" if self._peek() != ")" else "nothing was opened before this")
        return Query(where, stage)

    def _bad(self, reason: str, at: int | None = None) -> InvalidQuery:
        return InvalidQuery(self._text, (self._at if at is None else at) + 1, reason)

    def _skip(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _peek(self) -> str:
        return self._text[self._at] if self._at < len(self._text) else ""

    def _word(self) -> str:
        end = self._at
        while end < len(self._text) and self._text[end] not in _ENDS and not self._text[end].isspace():
            end += 1
        return self._text[self._at : end]

    def _expr(self) -> Expr:
        self._depth += 1
        if self._depth > MAX_QUERY_DEPTH:
            raise self._bad(f"it is nested deeper than {MAX_QUERY_DEPTH}")
        parts = [self._all()]
        while self._word() == "OR":
            self._at += 2
            self._skip()
            parts.append(self._all())
        self._depth -= 1
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Expr:
        parts = [self._one()]
        while True:
            if self._word() == "AND":
                self._at += 3
                self._skip()
            elif self._peek() in ("", "|", ")", ",") or self._word() == "OR":
                break
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Expr:
        if self._word() == "NOT":
            self._at += 3
            self._skip()
            self._depth += 1
            if self._depth > MAX_QUERY_DEPTH:
                raise self._bad(f"it is nested deeper than {MAX_QUERY_DEPTH}")
            part = self._one()
            self._depth -= 1
            return Not(part)
        if self._peek() == "(":
            opened = self._at
            self._at += 1
            self._skip()
            expr = self._expr()
            if self._peek() != ")":
                raise self._bad("this parenthesis is not closed", opened)
            self._at += 1
            self._skip()
            return expr
        return self._term()

    def _term(self) -> Expr:
        self._terms += 1
        if self._terms > MAX_QUERY_TERMS:
            raise self._bad(f"a question has at most {MAX_QUERY_TERMS} terms")
        if self._word() in ("AND", "OR") or self._peek() in ("", ")", "|", ","):
            raise self._bad("here a word, a phrase or a field with its value is missing")
        name = _NAME.match(self._text, self._at)
        if (
            name is not None
            and (after := self._text[name.end() : name.end() + 1])
            and after in ":<>"
            and not _is_path(name)
        ):
            self._at = name.end()
            expr = self._about(name[0]) if after == ":" else self._comparison(name[0])
            self._skip()
            return expr
        value = self._value()
        self._skip()
        if value == Value((Wild("*"),)):
            return And(())
        return Text(value)

    def _about(self, name: str) -> Expr:
        self._at += 1
        if name in TIME_NAMES:
            return self._time(name)
        if self._peek() == "/":
            return self._regex(name)
        if self._peek() != "(":
            return Match(name, (self._value(),))
        opened = self._at
        values = []
        while True:
            self._at += 1
            self._skip()
            values.append(self._value())
            self._skip()
            if len(values) > MAX_QUERY_TERMS:
                raise self._bad(f"a list has at most {MAX_QUERY_TERMS} values")
            if self._peek() == ")":
                self._at += 1
                return Match(name, tuple(values))
            if self._peek() != ",":
                raise self._bad("this list is not closed", opened)

    def _regex(self, name: str) -> Expr:
        opened = self._at
        end = opened + 1
        while end < len(self._text) and self._text[end] != "/":
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise self._bad("this regular expression is not closed with /", opened)
        self._at = end + 1
        pattern = self._text[opened + 1 : end].replace("\\/", "/")
        return Regex(name, pattern, opened + 1)

    def _comparison(self, name: str) -> Expr:
        sign = self._text[self._at]
        self._at += 1
        if self._peek() == "=":
            sign += "="
            self._at += 1
        number = _NUMBER.match(self._text, self._at)
        if number is None:
            raise self._bad("here a number is missing")
        self._at = number.end()
        return Compare(name, Sign(sign), float(number[0]))

    def _time(self, name: str) -> Expr:
        at, word = self._at, self._word()
        self._at += len(word)
        told = f"{name}:{word}"
        length = span_ns(word)
        if name == "last":
            if length is None:
                raise self._bad("this is no length of time such as 15m, 24h or 7d", at)
            return Time(max(0, self._now_ns - length), END_OF_TIME_NS, told)
        if length is not None:
            moment = max(0, self._now_ns - length)
        else:
            try:
                moment = ns_from_iso(word if "T" in word else f"{word}T00:00:00Z")
            except (ValueError, OverflowError):
                raise self._bad("this is no time such as 2026-01-31T12:00:00Z, 2026-01-31 or 24h", at) from None
        return Time(moment, END_OF_TIME_NS, told) if name == "after" else Time(0, moment, told)

    def _value(self) -> Value:
        parts: list[Part] = []
        quoted = False
        begin = self._at
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == '"':
                quoted = True
                parts.append(self._quote())
            elif letter.isspace() or letter in "()|,":
                break
            elif letter in "*?":
                parts.append(Wild(letter))
                self._at += 1
            else:
                parts.append(letter)
                self._at += 1
        if not parts:
            raise self._bad("here a value is missing", begin)
        return Value(_joined(parts), quoted and not any(isinstance(part, Wild) for part in parts))

    def _quote(self) -> str:
        opened = self._at
        end = opened + 1
        text = ""
        while True:
            close = self._text.find('"', end)
            if close < 0:
                raise self._bad("this quote is not closed", opened)
            text += self._text[end:close]
            if self._text[close + 1 : close + 2] != '"':
                self._at = close + 1
                return text
            text += '"'
            end = close + 2

    def _stage(self) -> Stage:
        self._skip()
        at, word = self._at, self._word()
        self._at += len(word)
        self._skip()
        match word:
            case "count":
                if self._word() == "by":
                    self._at += 2
                    return CountBy(self._names(), MAX_GROUPS)
                return CountBy((), 1)
            case "top":
                limit = self._word()
                if limit.isdecimal():
                    if not 0 < int(limit) <= MAX_GROUPS:
                        raise self._bad(f"a table has 1 to {MAX_GROUPS} rows")
                    self._at += len(limit)
                return CountBy(self._names(), int(limit) if limit.isdecimal() else _DEFAULT_TOP)
            case "timeline":
                told = self._word() or _DEFAULT_SPAN
                length = span_ns(told)
                if length is None:
                    raise self._bad("this is no length of time such as 15m, 1h or 1d")
                self._at += len(self._word())
                self._skip()
                return Timeline(length, told)
        raise self._bad("after | comes count by …, top 10 …, or timeline 1h", at)

    def _names(self) -> tuple[str, ...]:
        names: list[str] = []
        while True:
            self._skip()
            name = _NAME.match(self._text, self._at)
            if name is None:
                raise self._bad("here the name of a field is missing")
            names.append(name[0])
            self._at = name.end()
            self._skip()
            if self._peek() != ",":
                break
            self._at += 1
        if len(names) > 3:
            raise self._bad("events are counted by at most 3 fields")
        return tuple(names)


def _is_path(name: re.Match[str]) -> bool:
    """Whether it is not a field but the drive of a path such as ``C:\\Windows``."""
    return len(name[0]) == 1 and name.string[name.end() : name.end() + 2] == ":\\"


def _joined(parts: list[Part]) -> tuple[Part, ...]:
    """Letters that stand together as one text; empty texts only where there is nothing else."""
    made: list[Part] = []
    for part in parts:
        if isinstance(part, str) and made and isinstance(made[-1], str):
            made[-1] += part
        elif part == Wild("*") and made and made[-1] == part:
            continue
        else:
            made.append(part)
    kept = [part for part in made if part != ""]
    return tuple(kept) if kept else ("",)
