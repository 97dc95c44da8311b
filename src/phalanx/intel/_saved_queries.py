"""Saved queries that come with the package: Sigma rules that would be too noisy to raise findings."""

from functools import cache
from importlib import resources

from phalanx.intel.sigma import Rule, parse_rule


@cache
def saved_queries() -> tuple[Rule, ...]:
    """The built-in saved queries, by name."""
    files = sorted(resources.files("phalanx.intel").joinpath("hunts").iterdir(), key=lambda file: file.name)
    return tuple(parse_rule(file.read_bytes(), where=file.name) for file in files if file.name.endswith(".yml"))
