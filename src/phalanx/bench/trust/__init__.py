"""Benchmarks of cryptography, channels and the ledger, beside the bare libraries."""
