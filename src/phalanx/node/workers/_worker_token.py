"""What a node gives a worker so that it may work for it: a text that is a secret.

It holds a key for the server, with which a worker can take tickets and answer and nothing else, and the secret that
seals what node and worker exchange. It stays valid until the worker is removed.
"""

from typing import ClassVar

from phalanx.node._token_text import CarriedToken


class WorkerToken(CarriedToken, frozen=True, kw_only=True):
    """``name`` is what the worker is called, ``host`` the node that it works for."""

    PREFIX: ClassVar[str] = "phalanx-worker-1."
    FIELD: ClassVar[str] = "token"
    name: str
    host: str
    urls: tuple[str, ...]
    ca: str
    seed: str
    secret: bytes

    def __repr__(self) -> str:
        return f"WorkerToken({self.name} for {self.host})"
