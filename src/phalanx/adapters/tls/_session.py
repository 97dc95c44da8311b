"""What two ends of a TLS connection agreed on."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TlsSession:
    """What two ends agreed on. ``group`` is empty where the library does not tell."""

    version: str
    cipher: str
    group: str

    @property
    def quantum_safe(self) -> bool:
        """Whether the key exchange also rests on ML-KEM."""
        return "MLKEM" in self.group


def session_of(connection: Any) -> TlsSession:
    """What a pyOpenSSL connection agreed on."""
    return TlsSession(
        version=str(connection.get_protocol_version_name()),
        cipher=str(connection.get_cipher_name() or ""),
        group=str(connection.get_group_name() or "") if hasattr(connection, "get_group_name") else "",
    )
