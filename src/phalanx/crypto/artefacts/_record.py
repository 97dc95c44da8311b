"""What is stored of an artefact beside its file."""

import hashlib
from dataclasses import dataclass

from phalanx.core import GIB, MIB, Put, Record, Table, TenantId, encode

ARTEFACTS = Table("artefacts", indexes=("case", "use"), sealed=True)
# What its files are sealed for.
PURPOSE = "artefacts"


class Artefact(Record, frozen=True, kw_only=True, tag="artefact"):
    """One artefact. Its id follows from its content and tells nothing of it to whoever has not the tenant's keys.

    ``use`` says what it is for (``evidence``, ``upload``), ``file`` where its bytes are, ``keys``
    which data keys they are sealed under. ``at_ns`` is when it was kept, ``kept_by`` by whom.
    """

    name: str
    media_type: str
    use: str
    case: str
    size: int
    sha256: str
    kept_by: str
    file: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArtefactBounds:
    """How large one may be, and all of a tenant together."""

    artefact_bytes: int = 256 * MIB
    tenant_bytes: int = 16 * GIB


def artefact_put(record: Artefact) -> Put:
    index = {"use": [record.use], "case": [record.case] if record.case else []}
    return Put(ARTEFACTS, record.tenant, record.id, encode(record), index)


def prefix_of(tenant: TenantId) -> str:
    """How the names of a tenant's files begin, so that they are found when nothing else of it is left."""
    return hashlib.sha256(tenant.encode()).hexdigest()[:24]
