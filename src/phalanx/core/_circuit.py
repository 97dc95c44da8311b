"""A quantum circuit as rooms exchange it: canonical OpenQASM 3 text and its content hash.

Canonical means: one statement per line, one register ``q``, one ``c``, numbers in Python's shortest round-trip
form. The room ``quantum`` writes it; equal circuits hash equally.
"""

import hashlib

import msgspec


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable circuit. ``digest`` names it in provenance, caches and the ledger."""

    qasm3: str
    n_qubits: int
    digest: str

    @classmethod
    def from_canonical(cls, qasm3: str, n_qubits: int) -> "Circuit":
        return cls(qasm3=qasm3, n_qubits=n_qubits, digest=hashlib.sha256(qasm3.encode()).hexdigest())
