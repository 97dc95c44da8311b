"""Benchmarks of intelligence: reading, detection, indicators, the archive, sharing and telling others."""
