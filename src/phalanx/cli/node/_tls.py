"""TLS of the listener as the settings ask for it, and what is said about it at the start."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.adapters.tls import TlsSession
    from phalanx.node import Settings
    from phalanx.telemetry import Telemetry


# Where a certificate of one's own lies in the data folder, with its key beside it.
_KEYS = "keys"


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """A context to listen with."""

    context: ssl.SSLContext

    def count_in(self, telemetry: "Telemetry") -> None:
        """Count what clients negotiate. A context of the standard library does not tell."""
        from phalanx.adapters.tls import PostQuantumContext

        if not isinstance(self.context, PostQuantumContext):
            return
        sessions = telemetry.metrics.counter(
            "phalanx_tls_sessions_total", "TLS connections accepted, by version and key exchange.", ("version", "group")
        )

        def agreed(session: "TlsSession") -> None:
            sessions.labels(session.version, session.group or "unknown").inc()

        self.context.on_session = agreed


def listener_tls(settings: "Settings") -> ListenerTls | None:
    """The TLS that ``settings`` ask for; None for plain HTTP. Raises ``InvalidInput`` for unusable files."""
    from phalanx.adapters.tls import self_signed_files, tls_server_context

    api = settings.api
    if (api.tls_cert is None) != (api.tls_key is None):
        raise InvalidInput(
            "api.tls_key" if api.tls_key is None else "api.tls_cert", "a certificate and its key are set together"
        )
    if api.tls_cert is not None and api.tls_key is not None:
        return ListenerTls(tls_server_context(api.tls_cert, api.tls_key))
    if not api.tls_self_signed:
        return None
    certificate, key = self_signed_files(settings.node.data_dir / _KEYS, [api.host])
    return ListenerTls(tls_server_context(certificate, key))


def tls_summary() -> str:
    """What a listener here offers, in one line."""
    from phalanx.adapters.tls import POST_QUANTUM_GROUP, best_group

    if (group := best_group()) == POST_QUANTUM_GROUP:
        return f"TLS 1.3, key exchange {group} preferred"
    return f"TLS 1.3, classical key exchange: the OpenSSL of `cryptography` here has no {POST_QUANTUM_GROUP}"


def own_certificate(settings: "Settings") -> Path | None:
    """The certificate that clients must be given, if it is one that no authority vouches for."""
    return settings.node.data_dir / _KEYS / "tls.crt" if settings.api.tls_cert is None else None
