"""Phalanx: security events in; findings, hybrid analyses, decisions and a verifiable record out.

ARCHITECTURE.md draws the rooms and what each may import.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
