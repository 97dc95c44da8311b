"""Sigma's conditions: ``selection and not 1 of filter_*``.

    or      := and ("or" and)*
    and     := not ("and" not)*
    not     := "not"* factor
    factor  := "(" or ")" | ("1" | "any" | "all") "of" ("them" | pattern) | name

A pattern is a name with ``*`` for any run of characters; ``them`` is every selection whose name
does not begin with an underscore.
"""

import re
from collections.abc import Callable, Mapping

from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import MAX_CONDITION_DEPTH, MAX_CONDITION_TOKENS
from phalanx.intel.sigma._predicates import Not, Predicate, all_of, any_of

_TOKEN = re.compile(r"\s*([()|]|[^\s()|]+)")
_RESERVED = ("and", "or", "not", "of", "(", ")", "")
_QUANTIFIERS: Mapping[str, Callable[[list[Predicate]], Predicate]] = {"1": any_of, "any": any_of, "all": all_of}


def parse_condition(rule: str, text: str, selections: Mapping[str, Predicate]) -> Predicate:
    """Raises ``InvalidRule`` saying which word is wrong, ``UnsupportedRule`` for aggregations."""
    tokens = _TOKEN.findall(text)
    if len(tokens) > MAX_CONDITION_TOKENS:
        raise InvalidRule(rule, "condition", f"more than {MAX_CONDITION_TOKENS} words")
    if "|" in tokens:
        raise UnsupportedRule(rule, "condition", "aggregation with '|'")
    parser = _Parser(rule, tokens, selections)
    predicate = parser.any()
    if parser.word:
        raise InvalidRule(rule, "condition", f"{parser.word!r} is unexpected")
    return predicate


class _Parser:
    def __init__(self, rule: str, tokens: list[str], selections: Mapping[str, Predicate]) -> None:
        self._rule = rule
        self._tokens = tokens
        self._selections = selections
        self._at = 0
        self._depth = 0

    @property
    def word(self) -> str:
        """The word in hand, in lower case; empty at the end."""
        return self._tokens[self._at].lower() if self._at < len(self._tokens) else ""

    def any(self) -> Predicate:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return any_of(parts)

    def _all(self) -> Predicate:
        parts = [self._not()]
        while self._take("and"):
            parts.append(self._not())
        return all_of(parts)

    def _not(self) -> Predicate:
        negated = False
        while self._take("not"):
            negated = not negated
        factor = self._factor()
        return Not(factor) if negated else factor

    def _factor(self) -> Predicate:
        if self._take("("):
            self._depth += 1
            if self._depth > MAX_CONDITION_DEPTH:
                raise self._wrong(f"parentheses nest deeper than {MAX_CONDITION_DEPTH}")
            inner = self.any()
            self._depth -= 1
            if not self._take(")"):
                raise self._wrong("a parenthesis is not closed")
            return inner
        word = self.word
        if word in _RESERVED:
            raise self._wrong(f"a selection is missing before {word!r}" if word else "it ends too early")
        name = self._tokens[self._at]
        self._at += 1
        if self.word != "of":
            return self._selection(name)
        if word not in _QUANTIFIERS:
            raise UnsupportedRule(self._rule, "condition", f"{name!r} of")
        self._at += 1
        return _QUANTIFIERS[word](self._matching())

    def _matching(self) -> list[Predicate]:
        if self._at >= len(self._tokens) or self.word in _RESERVED:
            raise self._wrong("'of' needs 'them' or a pattern")
        pattern = self._tokens[self._at]
        self._at += 1
        if pattern.lower() == "them":
            names = [name for name in self._selections if not name.startswith("_")]
        else:
            like = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
            names = [name for name in self._selections if like.fullmatch(name)]
        if not names:
            raise self._wrong(f"no selection is called like {pattern!r}")
        return [self._selections[name] for name in names]

    def _selection(self, name: str) -> Predicate:
        if name not in self._selections:
            raise self._wrong(f"there is no selection {name!r}")
        return self._selections[name]

    def _take(self, word: str) -> bool:
        if self.word != word:
            return False
        self._at += 1
        return True

    def _wrong(self, reason: str) -> InvalidRule:
        return InvalidRule(self._rule, "condition", reason)
