"""All rules of a node, routed by log source, and the built-in ones."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from phalanx.core import EventBatch, InvalidInput, LimitExceeded, LogSource
from phalanx.intel._detector import Hit
from phalanx.intel._errors import InvalidRule
from phalanx.intel._limits import MAX_RULE_FILE_BYTES, MAX_RULES
from phalanx.intel.sigma._matcher import matcher
from phalanx.intel.sigma._plan import Candidates, MakeMatcher, Stand, stands
from phalanx.intel.sigma._rule import Rule, parse_rule
from phalanx.intel.sigma._sources import concerns
from phalanx.intel.sigma._view import View

_SUFFIXES = (".yml", ".yaml")


class RuleSet:
    """Compiled rules under their names. Immutable but for a memo of which rules concern which source."""

    name = "sigma"

    def __init__(self, rules: Iterable[Rule], *, make: MakeMatcher = matcher) -> None:
        by_name: dict[str, Rule] = {}
        for rule in rules:
            if rule.name in by_name:
                raise InvalidRule(rule.name, "name", "is used by two rules", hint="give one of them another name")
            by_name[rule.name] = rule
        if len(by_name) > MAX_RULES:
            raise LimitExceeded("detection rules", maximum=MAX_RULES, seen=len(by_name))
        self.rules: Mapping[str, Rule] = by_name
        self._rules = tuple(by_name.values())
        self.stands = stands(self._rules, make)
        # Readers know a fixed number of log sources, which bounds this memo.
        self._routes: dict[LogSource, tuple[Stand, ...]] = {}

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def digest(self) -> str:
        """What tells these rules from others."""
        named = "".join(f"{name} {rule.digest}\n" for name, rule in sorted(self.rules.items()))
        return hashlib.sha256(named.encode()).hexdigest()

    def for_source(self, log_source: LogSource) -> tuple[Rule, ...]:
        """The rules to ask about events of ``log_source``."""
        return tuple(rule for rule in self._rules if concerns(rule.log_source, log_source))

    def evaluate(self, batch: EventBatch) -> list[Hit]:
        """Every hit of every rule, rules in their order, then events in order."""
        route = self._routes.get(batch.log_source)
        if route is None:
            route = tuple(stand for wanted, stand in self.stands.items() if concerns(wanted, batch.log_source))
            self._routes[batch.log_source] = route
        if not route:
            return []
        view = View(batch)
        candidates = Candidates(view)
        for stand in route:
            candidates.add(stand)
        hits = []
        for number, rows in candidates.ordered():
            rule = self._rules[number]
            hits += [Hit(rule, batch, (place,)) for place in rule.predicate.match(view, rows)]
        return hits


@cache
def _builtin() -> tuple[Rule, ...]:
    files = sorted(resources.files("phalanx.intel").joinpath("rules").iterdir(), key=lambda file: file.name)
    return tuple(parse_rule(file.read_bytes(), where=file.name) for file in files if file.name.endswith(_SUFFIXES))


def load_rules(folder: Path | None = None) -> RuleSet:
    """The built-in rules, and those of ``folder`` and the folders in it. Raises ``InvalidRule`` at the first bad file.

    A rule of the folder takes the place of a built-in one of the same name.
    """
    rules = {rule.name: rule for rule in _builtin()}
    if folder is not None:
        rules.update(RuleSet(_read_folder(folder)).rules)
    return RuleSet(rules[name] for name in sorted(rules))


def _read_folder(folder: Path) -> Sequence[Rule]:
    if not folder.is_dir():
        raise InvalidInput("rules folder", f"{folder} is not a folder")
    files = sorted(file for file in folder.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    if len(files) > MAX_RULES:
        raise LimitExceeded("rule files", maximum=MAX_RULES, seen=len(files))
    rules = []
    for file in files:
        if file.stat().st_size > MAX_RULE_FILE_BYTES:
            raise InvalidRule(file.name, "file", f"longer than {MAX_RULE_FILE_BYTES} bytes")
        rules.append(parse_rule(file.read_bytes(), where=str(file.relative_to(folder))))
    return rules
