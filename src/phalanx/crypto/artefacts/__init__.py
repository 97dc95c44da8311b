"""Files stored for a tenant, sealed: evidence bundles, captures, whatever people attach to a case.

``Artefacts`` writes, reads, lists and removes them. They are sealed chunk by chunk under
the tenant's keys, resealed when the keys are rotated, and gone with the keys when the tenant is
shredded. The same content is stored once.

Errors::

    CryptoError
    └── ArtefactError
        └── DamagedArtefact     a stored file is not what was written; names the chunk
"""

from phalanx.crypto.artefacts._artefacts import Artefacts, Usage
from phalanx.crypto.artefacts._errors import ArtefactError, DamagedArtefact
from phalanx.crypto.artefacts._limits import (
    CHUNK_BYTES,
    MAX_ARTEFACTS,
    MAX_CASE_CHARS,
    MAX_MEDIA_TYPE_CHARS,
    MAX_NAME_CHARS,
    MAX_USE_CHARS,
)
from phalanx.crypto.artefacts._record import ARTEFACTS, Artefact, ArtefactBounds

__all__ = [
    "ARTEFACTS",
    "CHUNK_BYTES",
    "MAX_ARTEFACTS",
    "MAX_CASE_CHARS",
    "MAX_MEDIA_TYPE_CHARS",
    "MAX_NAME_CHARS",
    "MAX_USE_CHARS",
    "Artefact",
    "ArtefactBounds",
    "ArtefactError",
    "Artefacts",
    "DamagedArtefact",
    "Usage",
]
