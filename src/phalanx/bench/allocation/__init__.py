"""Benchmarks of placement: how fast, how good, what is learned and forecast, and useful time."""
