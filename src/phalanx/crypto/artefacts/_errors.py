"""What this room raises."""

from phalanx.crypto._errors import CryptoError


class ArtefactError(CryptoError):
    """Root of this room's errors."""

    code = "artefact"


class DamagedArtefact(ArtefactError):
    """A stored artefact is not what was written. Attributes: ``artefact``, ``position`` (which chunk), ``reason``."""

    code = "damaged-artefact"
    artefact: str
    position: int
    reason: str

    def __init__(self, artefact: str, position: int, reason: str) -> None:
        super().__init__(
            f"artefact {artefact} is damaged at chunk {position}: {reason}",
            hint="nothing from there on is returned; restore its file from a backup",
            artefact=artefact,
            position=position,
            reason=reason,
        )
