"""Markings of TLP 2.0, from open to closed: https://www.first.org/tlp/ (version 2.0)."""

from enum import IntEnum

ALL_TENANTS = frozenset({"*"})


class Marking(IntEnum):
    """TLP 2.0, from open to closed. Its number is what stands on the wire."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """As TLP 2.0 writes it."""
        return "TLP:" + ("AMBER+STRICT" if self is Marking.AMBER_STRICT else self.name)
