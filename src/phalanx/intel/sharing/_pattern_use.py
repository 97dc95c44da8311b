"""What a pattern is good for here: single values to look up, and a question to ask of observables.

A pattern becomes values only where one value alone is enough for it to hold; what is not is refused with the reason,
never made into something that finds more than its author meant.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from phalanx.intel.sharing._errors import UnsupportedPattern
from phalanx.intel.sharing._limits import MAX_PATTERN_VALUES, MAX_REGEX_CHARS, MAX_REGEX_VALUE_CHARS
from phalanx.intel.sharing._pattern import Combined, Comparison, Literal, Node, Observation, Qualified

Observable = Mapping[str, Any]

# (type, path without the last step of hashes) → what kind of value it is.
_KINDS: Final[Mapping[tuple[str, tuple[str | int, ...]], str]] = {
    ("ipv4-addr", ("value",)): "ip",
    ("ipv6-addr", ("value",)): "ip",
    ("domain-name", ("value",)): "domain",
    ("url", ("value",)): "url",
    ("email-addr", ("value",)): "email",
    ("email-message", ("from_ref", "value")): "email",
    ("email-message", ("sender_ref", "value")): "email",
    ("network-traffic", ("src_ref", "value")): "endpoint",
    ("network-traffic", ("dst_ref", "value")): "endpoint",
}
_HASHED: Final = frozenset({"file", "artifact", "x509-certificate"})


@dataclass(frozen=True, slots=True, order=True)
class PatternValue:
    """One value that is enough. ``kind`` is ip, domain, url, email or hash."""

    kind: str
    value: str


def pattern_values(tree: Node) -> tuple[PatternValue, ...]:
    """The values of which each alone is enough for the pattern. Raises ``UnsupportedPattern``."""
    found = tuple(dict.fromkeys(_values(tree)))
    if len(found) > MAX_PATTERN_VALUES:
        raise UnsupportedPattern("so many values", f"there are more than {MAX_PATTERN_VALUES}")
    return found


def _values(tree: Node) -> Iterator[PatternValue]:
    match tree:
        case Observation(test):
            yield from _values(test)
        case Combined("OR", parts):
            for part in parts:
                yield from _values(part)
        case Combined("AND", parts):
            yield from _identifying(parts)
        case Combined(operator, _):
            raise UnsupportedPattern(operator, "one event after another is no value to look up")
        case Qualified(_, qualifier, _):
            raise UnsupportedPattern(qualifier, "it asks when or how often, which a value does not say")
        case Comparison():
            yield from _of_comparison(tree)


def _identifying(parts: Sequence[Node]) -> Iterator[PatternValue]:
    """Of what must hold together the hash of the content: whoever has it, has the rest."""
    for part in parts:
        if isinstance(part, Comparison) and not part.negated and _kind(part) == "hash" and part.operator in ("=", "IN"):
            yield from _of_comparison(part)
            return
    raise UnsupportedPattern("AND", "no single value of it is enough")


def _of_comparison(one: Comparison) -> Iterator[PatternValue]:
    if one.negated or one.operator == "!=":
        raise UnsupportedPattern("NOT", "what is not there is no value to look up")
    kind = _kind(one)
    if not kind:
        raise UnsupportedPattern(
            f"{one.type}:{'.'.join(map(str, one.path))}", "it is no kind of value that is looked up"
        )
    ranges = one.operator in ("ISSUBSET", "ISSUPERSET") and kind == "ip"
    if one.operator not in ("=", "IN") and not (ranges and one.operator == "ISSUBSET"):
        raise UnsupportedPattern(one.operator, "only whole values are looked up")
    for value in one.values:
        if not isinstance(value, str) or not value:
            raise UnsupportedPattern(f"{one.type}:{one.path[0]}", f"{value!r} is no text")
        text = value.strip()
        if kind == "endpoint":
            yield PatternValue("ip" if _is_network(text) else "domain", text.lower())
        else:
            yield PatternValue(kind, text if kind == "url" else text.lower())


def _kind(one: Comparison) -> str:
    if one.type in _HASHED and one.path[0] == "hashes" and len(one.path) == 2:
        return "hash"
    if one.type == "process" and one.path[:-1] == ("image_ref", "hashes"):
        return "hash"
    return _KINDS.get((one.type, one.path), "")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def holds(tree: Node, observations: Sequence[Sequence[Observable]]) -> bool:
    """Whether a pattern holds for observations, each a group of observables seen together.

    Raises ``UnsupportedPattern`` for FOLLOWEDBY and qualifiers: what is given says nothing of order and time.
    """
    match tree:
        case Observation(test):
            return any(_matches(test, observables) for observables in observations)
        case Combined("AND", parts):
            return all(holds(part, observations) for part in parts)
        case Combined("OR", parts):
            return any(holds(part, observations) for part in parts)
        case Combined(operator, _):
            raise UnsupportedPattern(operator, "the order of observations is not known here")
        case Qualified(_, qualifier, _):
            raise UnsupportedPattern(qualifier, "when and how often is not known here")
        case _:
            raise AssertionError(tree)


def _matches(test: Node, observables: Sequence[Observable]) -> bool:
    match test:
        case Combined("AND", parts):
            return all(_matches(part, observables) for part in parts)
        case Combined(_, parts):
            return any(_matches(part, observables) for part in parts)
        case Comparison():
            # A negated test holds where the property is there and is another: section 9.6.1.
            return any(
                _compare(test, value)
                for one in observables
                if one.get("type") == test.type
                for value in _reached(one, test.path, {str(each.get("id", "")): each for each in observables})
            )
        case _:
            raise AssertionError(test)


def _reached(value: Any, path: Sequence[str | int], by_id: Mapping[str, Observable]) -> Iterator[Any]:
    """Every value that a path leads to. A reference leads on to what it names, when that is there."""
    if not path:
        yield value
        return
    step, rest = path[0], path[1:]
    if isinstance(step, int) or step == "*":
        if isinstance(value, list):
            chosen = value if step == "*" else value[int(step) : int(step) + 1]
            for one in chosen:
                yield from _reached(one, rest, by_id)
    elif isinstance(value, dict) and step in value:
        inner = value[step]
        if step.endswith("_ref") and rest and isinstance(inner, str):
            inner = by_id.get(inner, {})
        if step.endswith("_refs") and isinstance(inner, list) and len(rest) > 1:
            inner = [by_id.get(one, {}) if isinstance(one, str) else one for one in inner]
        yield from _reached(inner, rest, by_id)


def _compare(test: Comparison, value: Any) -> bool:
    if test.operator == "EXISTS":
        return not test.negated
    return _COMPARISONS[test.operator](value, test.values) is not test.negated


def _equal(value: Any, wanted: Literal) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted
    return isinstance(value, int | float) and isinstance(wanted, int | float) and value == wanted


def _ordered(holds_: Callable[[Any, Any], bool]) -> Callable[[Any, Sequence[Literal]], bool]:
    def compare(value: Any, wanted: Sequence[Literal]) -> bool:
        one = wanted[0]
        numbers = isinstance(value, int | float) and isinstance(one, int | float)
        return (numbers or (isinstance(value, str) and isinstance(one, str))) and holds_(value, one)

    return compare


def _like(value: Any, wanted: Sequence[Literal]) -> bool:
    pattern = re.escape(str(wanted[0])).replace("%", ".*").replace("_", ".")
    return isinstance(value, str) and len(value) <= MAX_REGEX_VALUE_CHARS and _full(pattern, value)


def _full(pattern: str, value: str) -> bool:
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _regex(value: Any, wanted: Sequence[Literal]) -> bool:
    pattern = str(wanted[0])
    if len(pattern) > MAX_REGEX_CHARS or _may_explode(pattern):
        raise UnsupportedPattern("MATCHES", "the expression is too long, or repeats what repeats")
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnsupportedPattern("MATCHES", f"the expression cannot be read here: {error}") from error
    return isinstance(value, str) and compiled.search(value[:MAX_REGEX_VALUE_CHARS]) is not None


def _may_explode(pattern: str) -> bool:
    """Whether a group that repeats holds something that repeats, or that has a choice: time without a bound."""
    return re.search(r"\((?:[^()\\]|\\.)*[*+}|](?:[^()\\]|\\.)*\)\s*(?:[*+]|\{\d*,?\d*\})", pattern) is not None


def _network(value: Any, wanted: Sequence[Literal], *, inside: bool) -> bool:
    try:
        here = ipaddress.ip_network(str(value), strict=False)
        there = ipaddress.ip_network(str(wanted[0]), strict=False)
    except ValueError:
        return False
    if isinstance(here, ipaddress.IPv4Network) and isinstance(there, ipaddress.IPv4Network):
        return here.subnet_of(there) if inside else here.supernet_of(there)
    if isinstance(here, ipaddress.IPv6Network) and isinstance(there, ipaddress.IPv6Network):
        return here.subnet_of(there) if inside else here.supernet_of(there)
    return False


_COMPARISONS: Final[Mapping[str, Callable[[Any, Sequence[Literal]], bool]]] = {
    "=": lambda value, wanted: _equal(value, wanted[0]),
    "!=": lambda value, wanted: not _equal(value, wanted[0]),
    "IN": lambda value, wanted: any(_equal(value, one) for one in wanted),
    "<": _ordered(lambda a, b: bool(a < b)),
    ">": _ordered(lambda a, b: bool(a > b)),
    "<=": _ordered(lambda a, b: bool(a <= b)),
    ">=": _ordered(lambda a, b: bool(a >= b)),
    "LIKE": _like,
    "MATCHES": _regex,
    "ISSUBSET": lambda value, wanted: _network(value, wanted, inside=True),
    "ISSUPERSET": lambda value, wanted: _network(value, wanted, inside=False),
}
