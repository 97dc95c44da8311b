"""Benchmarks of placing: how fast, how well, what is learned and forecast, and useful time."""
