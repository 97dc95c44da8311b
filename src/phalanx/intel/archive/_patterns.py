"""What a value of a question asks of the values of a field: a test, from how the field is compared."""

import ipaddress

from phalanx.intel.archive._automaton import Automaton, BadPattern, Nfa, compiled
from phalanx.intel.archive._errors import InvalidQuery
from phalanx.intel.archive._filters import IS_WORD
from phalanx.intel.archive._names import How
from phalanx.intel.archive._query import Value, Wild
from phalanx.intel.archive._values import AnyValue, Equal, InNetwork, Like, Test, Words, lower

_ALL = frozenset(range(128))
_NO_SLASH = _ALL - frozenset(b"\\/")
_NO_WORD = frozenset(one for one in range(128) if not IS_WORD[one])


def pattern_of(value: Value, how: How, query: str) -> Test:
    literal = value.literal
    if value.parts == (Wild("*"),) and how is not How.WORDS:
        return AnyValue()
    if literal is not None:
        if how is How.WHOLE or how is How.HOST or how is How.USER:
            network = None if value.quoted else _network(literal)
            if network is not None:
                return InNetwork(network)
        if how is How.WORDS:
            return Words(lower(literal))
        if how is How.WHOLE or not literal:
            return Equal((lower(literal),))
    if how is How.WORDS:
        inner = value.parts[value.parts[0] == Wild("*") : len(value.parts) - (value.parts[-1] == Wild("*"))]
        if len(inner) == 1 and isinstance(inner[0], str):
            return Words(lower(inner[0]), value.parts[0] == Wild("*"), value.parts[-1] == Wild("*"))
    longest = max((lower(part) for part in value.parts if isinstance(part, str)), key=len, default=b"")
    # A part in lower case is in the whole in lower case where letters are ASCII.
    return Like(automaton_of(value, how, query), longest if longest.isascii() else b"")


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def automaton_of(value: Value, how: How, query: str) -> Automaton:
    """What matches the value, or a part of it where ``how`` says so."""
    nfa = Nfa()
    start = nfa.state()
    begin = nfa.state()
    try:
        if how is How.WORDS:
            first = value.parts[0]
            if isinstance(first, str) and IS_WORD[lower(first)[0]]:
                # At the start of the value, or behind what belongs to no word.
                nfa.free[start].append(begin)
                edge = nfa.letter(nfa.anything(start), _NO_WORD, beyond=False)
                nfa.free[edge].append(begin)
            else:
                nfa.free[nfa.anything(start)].append(begin)
        else:
            nfa.free[start].append(begin)
            if how in (How.PATH, How.USER):
                nfa.free[nfa.letter(nfa.anything(start), frozenset(b"\\/"), beyond=False)].append(begin)
        at = begin
        for part in value.parts:
            if isinstance(part, str):
                at = nfa.text(at, part)
            elif how is How.PATH:
                at = _wild(nfa, at, part, _NO_SLASH)
            else:
                at = _wild(nfa, at, part, _ALL)
        final = nfa.state()
        nfa.free[at].append(final)
        last = value.parts[-1]
        if how is How.WORDS:
            if isinstance(last, str) and IS_WORD[lower(last)[-1]]:
                nfa.free[nfa.anything(nfa.letter(at, _NO_WORD, beyond=False))].append(final)
            else:
                nfa.free[nfa.anything(at)].append(final)
        elif how is How.HOST:
            nfa.free[nfa.anything(nfa.letter(at, frozenset(b"."), beyond=False))].append(final)
        elif how is How.USER:
            nfa.free[nfa.anything(nfa.letter(at, frozenset(b"@"), beyond=False))].append(final)
        return compiled(nfa, start, final)
    except BadPattern as error:
        raise InvalidQuery(query, 1, error.reason) from None


def _wild(nfa: Nfa, at: int, part: Wild, letters: frozenset[int]) -> int:
    if part.sign == "?":
        return nfa.letter(at, letters, beyond=True)
    loop = nfa.state()
    nfa.free[at].append(loop)
    nfa.free[nfa.letter(loop, letters, beyond=True)].append(loop)
    return loop


def certain_of(pattern: str) -> bytes:
    """The longest text that every match has, as far as is easily seen: letters outside of any group or choice."""
    if any(sign in pattern for sign in "|([{") or not pattern.isascii():
        return b""
    best, run, at = "", "", 0
    while at < len(pattern):
        letter = pattern[at]
        width = 2 if letter == "\\" else 1
        plain = pattern[at + 1 : at + 2] if width == 2 else letter
        known = not plain.isalnum() if width == 2 else letter not in ".^$*+?"
        after = pattern[at + width : at + width + 1]
        if known and after not in ("*", "?"):
            run += plain
        if not known or after in ("*", "?", "+"):
            best, run = max(best, run, key=len), ""
        at += width
    return lower(max(best, run, key=len))
