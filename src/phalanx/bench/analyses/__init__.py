"""Benchmarks of analyses: quantum routines, mitigation and assessments, beside classical answers."""
