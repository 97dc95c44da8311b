"""Phalanx: security agents, quantum and classical resources, and private federation, orchestrated.

The rooms of the house and what each may touch are drawn in ARCHITECTURE.md.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
