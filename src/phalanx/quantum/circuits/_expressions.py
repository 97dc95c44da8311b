"""Constant expressions of OpenQASM: read to trees once, evaluated under the parameters of a gate as often as needed.

A tree is a number, a name, or a tuple of an operator and trees. Integers stay integers, so that an index is one;
the quotient of two integers must be whole in OpenQASM 3, where it would truncate silently.
"""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from phalanx.quantum._limits import MAX_EXPRESSION_NESTING, MAX_EXPRESSION_TERMS, MAX_INTEGER, MAX_INTEGER_DIGITS
from phalanx.quantum.circuits._tokens import Tokens

Number: TypeAlias = "int | float | bool"
Tree: TypeAlias = Any

CONSTANTS: dict[str, float] = {
    "pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e,
    "true": True, "false": False,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "exp": math.exp, "ln": math.log, "log": math.log,
    "sqrt": math.sqrt, "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "asin": math.asin,
    "acos": math.acos, "atan": math.atan, "ceiling": math.ceil, "floor": math.floor, "mod": math.fmod, "pow": math.pow,
}  # fmt: skip
_TWO = {"mod", "pow"}
_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip
_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "<": operator.lt, ">": operator.gt, "<=": operator.le,
    ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "%": operator.mod, "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
}  # fmt: skip
_ON_ONE: dict[str, Callable[[Any], Any]] = {"neg": operator.neg, "!": operator.not_, "~": lambda a: ~int(a)}
_BITWISE: dict[str, Callable[[Any, Any], Any]] = {"|": operator.or_, "&": operator.and_, "xor": operator.xor}


class Expressions:
    """Reads expressions from ``tokens``; ``version`` 2 has no bits, and ``^`` is a power there."""

    def __init__(self, tokens: Tokens, version: int) -> None:
        self._tokens = tokens
        self._levels = tuple(level for level in _LEVELS if not (version < 3 and level == ("^",)))
        self._powers = ("**",) if version >= 3 else ("**", "^")
        self._whole = version >= 3
        self._depth = 0
        self._terms = 0

    def read(self) -> Tree:
        if not self._depth:
            self._terms = 0
        return self._level(0)

    def _level(self, level: int) -> Tree:
        if level == len(self._levels):
            return self._power()
        left = self._level(level + 1)
        length = 0
        while sign := self._tokens.maybe(*self._levels[level]):
            length += 1
            if length > MAX_EXPRESSION_NESTING:
                raise self._tokens.error(f"an expression has more than {MAX_EXPRESSION_NESTING} terms", sign.at)
            name = {"^": "xor", "/": "whole" if self._whole else "/"}.get(sign.text, sign.text)
            left = (name, sign.at, left, self._level(level + 1))
        return left

    def _power(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_EXPRESSION_NESTING:
            raise self._tokens.error(f"an expression is nested deeper than {MAX_EXPRESSION_NESTING}")
        try:
            if sign := self._tokens.maybe("-", "+", "!", "~"):
                inner = self._power()
                return inner if sign.text == "+" else ("neg" if sign.text == "-" else sign.text, sign.at, inner)
            base = self._atom()
            if sign := self._tokens.maybe(*self._powers):
                return ("power", sign.at, base, self._power())
            return base
        finally:
            self._depth -= 1

    def _atom(self) -> Tree:
        token = self._tokens.take()
        self._terms += 1
        if self._terms > MAX_EXPRESSION_TERMS:
            raise self._tokens.error(f"an expression has more than {MAX_EXPRESSION_TERMS} terms", token.at)
        if token.kind == "number":
            return self._number(token.text, token.at)
        if token.text == "(":
            inner = self.read()
            self._tokens.expect(")")
            return inner
        if token.kind != "word":
            raise self._tokens.error(f"expected a value, got {token.text[:40] or 'the end'!r}", token.at)
        if token.text in ("float", "int", "angle", "bool", "bit", "uint"):
            if self._tokens.maybe("["):
                self.read()
                self._tokens.expect("]")
            return ("cast", token.at, token.text, self._arguments(1)[0])
        if token.text in FUNCTIONS and self._tokens.peek().text == "(":
            return ("call", token.at, token.text, *self._arguments(2 if token.text in _TWO else 1))
        if self._tokens.maybe("["):
            index = self.read()
            self._tokens.expect("]")
            return ("index", token.at, token.text, index)
        return ("name", token.at, token.text)

    def _arguments(self, count: int) -> list[Tree]:
        self._tokens.expect("(")
        found = [self.read()]
        while self._tokens.maybe(","):
            found.append(self.read())
        self._tokens.expect(")")
        if len(found) != count:
            raise self._tokens.error(f"expected {count} arguments, got {len(found)}")
        return found

    def _number(self, text: str, at: int) -> Number:
        plain = text.replace("_", "")
        if plain.isdigit():
            if len(plain) > MAX_INTEGER_DIGITS:
                raise self._tokens.error(f"an integer has more than {MAX_INTEGER_DIGITS} digits", at)
            return int(plain)
        return float(plain)


def evaluate(tree: Tree, values: Mapping[str, Any], tokens: Tokens) -> Number:
    """The value of a tree; names are looked up in ``values``, then among the constants."""
    if not isinstance(tree, tuple):
        return tree  # type: ignore[no-any-return]
    kind, at = tree[0], tree[1]
    if kind == "name":
        return _value(tree[2], at, values, tokens)
    try:
        value = _apply(kind, tree, values, tokens)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise tokens.error(f"this cannot be calculated: {error}", at) from None
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise tokens.error("an integer does not fit 64 bits", at)
    if isinstance(value, complex):
        raise tokens.error("the value is not real", at)
    return value  # type: ignore[no-any-return]


def _value(name: str, at: int, values: Mapping[str, Any], tokens: Tokens) -> Number:
    found = values.get(name, CONSTANTS.get(name))
    if found is None:
        raise tokens.error(f"there is no value called {name[:40]!r}", at)
    if not isinstance(found, int | float):
        raise tokens.error(f"{name[:40]!r} is not known before the circuit runs", at)
    return found


def _apply(kind: str, tree: Tree, values: Mapping[str, Any], tokens: Tokens) -> Any:
    if kind == "index":
        raise tokens.error(f"{tree[2][:40]!r} is not known before the circuit runs", tree[1])
    if kind == "cast":
        value = evaluate(tree[3], values, tokens)
        return {"int": int, "uint": int, "bool": bool, "bit": int}.get(tree[2], float)(value)
    if kind == "call":
        return FUNCTIONS[tree[2]](*(evaluate(one, values, tokens) for one in tree[3:]))
    left = evaluate(tree[2], values, tokens)
    if kind in _ON_ONE:
        return _ON_ONE[kind](left)
    right = evaluate(tree[3], values, tokens)
    if kind in ("/", "whole"):
        if kind == "whole" and isinstance(left, int) and isinstance(right, int):
            if right == 0 or left % right:
                raise tokens.error(f"{left}/{right} truncates in OpenQASM 3; write {left}.0/{right}", tree[1])
            return left // right
        return left / right
    if kind == "power":
        return left**right if isinstance(left, int) and 0 <= right <= 64 else float(left) ** right
    return _BITWISE[kind](int(left), int(right)) if kind in _BITWISE else _OPERATIONS[kind](left, right)
