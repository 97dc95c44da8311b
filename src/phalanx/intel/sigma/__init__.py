"""Sigma rules, compiled: a rule becomes predicates over columns, and all rules a plan that evaluates few per event.

Pure. ``InvalidRule`` says what is wrong with a rule, ``UnsupportedRule`` what this compiler does not support.
"""

from phalanx.intel.sigma._correlation import CorrelationRule
from phalanx.intel.sigma._explaining import Reason, explain
from phalanx.intel.sigma._loading import load_rules, read_folder, rule_files
from phalanx.intel.sigma._matcher import HyperscanMatcher, Matcher, PlainMatcher, hyperscan
from phalanx.intel.sigma._predicates import (
    AllOf,
    AnyOf,
    Begins,
    Compares,
    Contains,
    Ends,
    Equals,
    InNetworks,
    Keyword,
    Matches,
    Not,
    OfTime,
    Predicate,
    Present,
    SameAs,
)
from phalanx.intel.sigma._rule import Filter, Rule, parse_file, parse_rule
from phalanx.intel.sigma._ruleset import Refused, RuleCost, RuleSet
from phalanx.intel.sigma._texts import as_text
from phalanx.intel.sigma._view import View
from phalanx.intel.sigma._waiting import Nearest
from phalanx.intel.sigma._witness import Atom, Place, witness

__all__ = [
    "AllOf",
    "AnyOf",
    "Atom",
    "Begins",
    "Compares",
    "Contains",
    "CorrelationRule",
    "Ends",
    "Equals",
    "Filter",
    "HyperscanMatcher",
    "InNetworks",
    "Keyword",
    "Matcher",
    "Matches",
    "Nearest",
    "Not",
    "OfTime",
    "Place",
    "PlainMatcher",
    "Predicate",
    "Present",
    "Reason",
    "Refused",
    "Rule",
    "RuleCost",
    "RuleSet",
    "SameAs",
    "View",
    "as_text",
    "explain",
    "hyperscan",
    "load_rules",
    "parse_file",
    "parse_rule",
    "read_folder",
    "rule_files",
    "witness",
]
