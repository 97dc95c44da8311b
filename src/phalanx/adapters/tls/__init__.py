"""TLS with a key exchange that protects recorded traffic, and what other listeners negotiate."""

from phalanx.adapters._limits import TLS_GOODBYE_S, TLS_HANDSHAKE_S
from phalanx.adapters.tls._context import POST_QUANTUM_GROUP, PostQuantumContext, tls_server_context
from phalanx.adapters.tls._endpoints import NetworkProbe, ask_ssh
from phalanx.adapters.tls._files import self_signed_files
from phalanx.adapters.tls._probe import best_group, probe_tls
from phalanx.adapters.tls._session import TlsSession

__all__ = [
    "NetworkProbe",
    "POST_QUANTUM_GROUP",
    "PostQuantumContext",
    "TLS_GOODBYE_S",
    "TLS_HANDSHAKE_S",
    "TlsSession",
    "ask_ssh",
    "best_group",
    "probe_tls",
    "self_signed_files",
    "tls_server_context",
]
