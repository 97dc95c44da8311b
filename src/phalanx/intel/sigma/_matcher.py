"""Many literals in one pass over a text: Hyperscan where it is installed, one search after another elsewhere.

Both find the same. Hyperscan (the extra ``matching``) reads a text once for thousands of literals; without it each
literal is looked for by itself, which is slower with thousands of rules and as fast with a hundred.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, Protocol

from phalanx.intel._limits import MAX_SCAN_MATCHES
from phalanx.intel.sigma._texts import Texts
from phalanx.intel.sigma._witness import Atom, Place

# So few are sooner looked for one after another.
_FEW: Final = 4

# A literal, by its number, and where in the text it ends.
Found = list[tuple[int, int]]


class Matcher(Protocol):
    """Finds atoms in the values of one column, a line each."""

    def find(self, texts: Texts) -> Found | None:
        """Every atom that occurs, with a place in ``texts.data`` where it ends; None if they are too many to tell. May
        tell of an atom that stands elsewhere in its value than it should."""
        ...


def matcher(atoms: Sequence[Atom]) -> Matcher:
    """A matcher of the atoms, which are told by their places in the list."""
    if len(atoms) > _FEW and hyperscan() is not None:
        return HyperscanMatcher(atoms)
    return PlainMatcher(atoms)


@cache
def hyperscan() -> Any:
    """The module, None where it is not installed."""
    try:
        import hyperscan as module
    except ImportError:
        return None
    return module


class HyperscanMatcher:
    """All atoms as one automaton of literals, which takes ASCII letters regardless of their case.

    Where a value begins and ends is a line end in the literal, not an anchor: Hyperscan 5.4 overlooks some matches of
    ``$`` at the end of its input, which a property test has shown.
    """

    def __init__(self, atoms: Sequence[Atom]) -> None:
        module = hyperscan()
        literals = [_literal(atom) for atom in atoms]
        self._database = module.Database(mode=module.HS_MODE_BLOCK)
        self._database.compile(
            expressions=literals,
            ids=list(range(len(literals))),
            elements=len(literals),
            flags=[module.HS_FLAG_CASELESS] * len(literals),
            literal=True,
        )
        # Room to work in, for one scan at a time each: threads that scan beside each other take one of their own.
        self._new_room: Callable[[], Any] = lambda: module.Scratch(self._database)
        self._rooms: list[Any] = []
        self._terminated: type[Exception] = module.ScanTerminated
        # From the end of a match to the end of the atom.
        self._shifts = [1 if atom.place in (Place.WHOLE, Place.END) else 0 for atom in atoms]

    def find(self, texts: Texts) -> Found | None:
        found: Found = []
        shifts = self._shifts

        def on_match(number: int, _: int, end: int, __: int, ___: object) -> bool:
            found.append((number, end - shifts[number]))
            return len(found) > MAX_SCAN_MATCHES

        try:
            try:
                room = self._rooms.pop()
            except IndexError:
                room = self._new_room()
            try:
                self._database.scan(texts.data, match_event_handler=on_match, scratch=room)
            finally:
                self._rooms.append(room)
        except self._terminated:
            return None
        return None if len(found) > MAX_SCAN_MATCHES else found


def _literal(atom: Atom) -> bytes:
    before = "\n" if atom.place in (Place.WHOLE, Place.START) else ""
    after = "\n" if atom.place in (Place.WHOLE, Place.END) else ""
    return f"{before}{atom.text}{after}".encode("utf-8", "surrogatepass")


class PlainMatcher:
    """One search for each atom."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self._texts = [atom.text for atom in atoms]

    def find(self, texts: Texts) -> Found | None:
        found: Found = []
        joined = texts.lower
        ascii_only = joined.isascii()
        for number, text in enumerate(self._texts):
            at = joined.find(text)
            while at >= 0:
                end = at + len(text)
                found.append((number, end if ascii_only else len(joined[:end].encode("utf-8", "surrogatepass"))))
                if len(found) > MAX_SCAN_MATCHES:
                    return None
                at = joined.find(text, at + 1)
        return found
