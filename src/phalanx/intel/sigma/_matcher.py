"""Many literals in one pass over a text: Hyperscan where it is installed, one search after another elsewhere.

Both find the same. Hyperscan (the extra ``matching``) reads a text once for thousands of literals; without it each
literal is looked for by itself, which is slower with thousands of rules and as fast with a hundred.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Protocol

from phalanx.intel._limits import MAX_SCAN_MATCHES
from phalanx.intel.sigma._witness import Atom, Place

# So few are sooner looked for one after another.
_FEW: Final = 4

# A literal, by its number, and where in the text it ends.
Found = list[tuple[int, int]]


class Matcher(Protocol):
    """Finds atoms in the values of one column, a line each."""

    def find(self, joined: str) -> Found | None:
        """Every atom that occurs, with a place in the bytes of ``joined`` (UTF-8) where it ends; None if they are
        too many to tell. May tell of an atom that stands elsewhere in its value than it should."""
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
    """All atoms as one automaton."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        module = hyperscan()
        self._database = module.Database(mode=module.HS_MODE_BLOCK)
        self._database.compile(
            expressions=[_expression(atom) for atom in atoms],
            ids=list(range(len(atoms))),
            elements=len(atoms),
            flags=[module.HS_FLAG_MULTILINE] * len(atoms),
        )
        self._terminated: type[Exception] = module.ScanTerminated

    def find(self, joined: str) -> Found | None:
        found: Found = []

        def on_match(number: int, _: int, end: int, __: int, ___: object) -> bool:
            found.append((number, end))
            return len(found) > MAX_SCAN_MATCHES

        try:
            self._database.scan(joined.encode("utf-8", "surrogatepass"), match_event_handler=on_match)
        except self._terminated:
            return None
        return None if len(found) > MAX_SCAN_MATCHES else found


def _expression(atom: Atom) -> bytes:
    literal = b"".join(
        bytes((byte,)) if bytes((byte,)).isalnum() else b"\\x%02x" % byte
        for byte in atom.text.encode("utf-8", "surrogatepass")
    )
    before = b"^" if atom.place in (Place.WHOLE, Place.START) else b""
    after = b"$" if atom.place in (Place.WHOLE, Place.END) else b""
    return before + literal + after


class PlainMatcher:
    """One search for each atom."""

    def __init__(self, atoms: Sequence[Atom]) -> None:
        self._texts = [atom.text for atom in atoms]

    def find(self, joined: str) -> Found | None:
        found: Found = []
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
