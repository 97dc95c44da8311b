"""Phalanx: security events in; findings, hybrid analyses, decisions and a verifiable record out.

The rooms of the house and what each may touch are drawn in ARCHITECTURE.md.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
