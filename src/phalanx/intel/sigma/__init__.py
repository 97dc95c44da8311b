"""Sigma rules, compiled: one rule becomes predicates over columns, all of them a set routed by log source.

Pure. ``InvalidRule`` says what is wrong with a rule, ``UnsupportedRule`` what this compiler does not do.
"""

from phalanx.intel.sigma._rule import Rule, parse_rule
from phalanx.intel.sigma._ruleset import RuleSet, load_rules
from phalanx.intel.sigma._view import as_text

__all__ = ["Rule", "RuleSet", "as_text", "load_rules", "parse_rule"]
