"""From an attribute of OCSF back to the fields that stand for it, for those who ask by its name."""

from functools import cache
from typing import NamedTuple

from phalanx.intel.reading._ocsf_tables import OTHERS, TABLES, basename


class OcsfSource(NamedTuple):
    """A field that an attribute comes from; ``service`` and ``code`` say of which events, and are empty for any.

    ``last_part`` says that the attribute is the last part of the field, which is a path.
    """

    field: str
    last_part: bool
    service: str
    code: str


def ocsf_sources(path: str) -> tuple[OcsfSource, ...]:
    """Where the attribute ``path`` comes from in the sources that tables name."""
    return _index().get(path.lower(), ())


@cache
def _index() -> dict[str, tuple[OcsfSource, ...]]:
    made: dict[str, dict[OcsfSource, None]] = {}
    for (_, service, code), (_, mapped) in TABLES.items():
        for path, field, convert in mapped:
            made.setdefault(path, {})[OcsfSource(field, convert is basename, service, str(code))] = None
    for mapped in OTHERS.values():
        for path, field, convert in mapped:
            made.setdefault(path, {})[OcsfSource(field, convert is basename, "", "")] = None
    return {path: tuple(found) for path, found in made.items()}
