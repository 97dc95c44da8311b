"""What the inventory needs from outside besides files: somebody who asks an endpoint what it agrees to."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TlsOffer:
    """What a TLS listener agreed on with the best that is known here, and the certificate (DER) that it showed.

    ``distrusted`` says why the certificate is not one to trust; empty where it is.
    """

    group: str
    cipher: str
    certificate: bytes
    distrusted: str = ""


@dataclass(frozen=True, slots=True)
class SshOffer:
    """What an SSH server says that it takes (RFC 4253, section 7.1), in its order."""

    version: str
    key_exchanges: tuple[str, ...]
    host_keys: tuple[str, ...]


class EndpointProbe(Protocol):
    """Asks and goes away: nothing is logged in to. Raises ``Unavailable`` for who does not answer as it should."""

    async def tls(self, host: str, port: int, /) -> TlsOffer: ...

    async def ssh(self, host: str, port: int, /) -> SshOffer: ...
