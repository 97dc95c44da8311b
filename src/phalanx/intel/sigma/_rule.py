"""A detection rule in Sigma, compiled to one predicate over columns.

What this compiler does not have (the old aggregations behind ``|``) is refused by name: a rule that is accepted means
what Sigma says it means.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import yaml

from phalanx.core import MAX_NAME_CHARS, EventBatch, LogSource, Severity
from phalanx.intel._detector import Pattern
from phalanx.intel._errors import InvalidRule, UnsupportedRule
from phalanx.intel._limits import MAX_PREDICATES, MAX_RULE_FILE_BYTES, MAX_RULES
from phalanx.intel.sigma._condition import parse_condition
from phalanx.intel.sigma._correlation import CorrelationRule, correlation_of
from phalanx.intel.sigma._predicates import Predicate, all_of, any_of
from phalanx.intel.sigma._sources import concerns
from phalanx.intel.sigma._values import Item
from phalanx.intel.sigma._view import View

_SEVERITIES: Final[Mapping[str, Severity]] = {
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# How far a hit is to be believed, by what Sigma's status says about the rule's testing.
_CONFIDENCES: Final[Mapping[str, float]] = {"stable": 0.9, "test": 0.75, "experimental": 0.5}
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_OTHER_TAG = re.compile(r"attack\.([gs]\d{4}|ds\d{4})", re.IGNORECASE)

# libyaml's parser where PyYAML was built with it: a tenth of the time.
# Both are safe loaders.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Pattern):
    """A compiled rule. ``name`` is Sigma's ``name``, or its ``id``; ``fields`` are those it looks at.

    ``tactics`` are in ATT&CK's spelling (``credential-access``), whatever the rule's tags write.
    ``digest`` is that of the text it was compiled from.
    """

    log_source: LogSource
    predicate: Predicate
    digest: str = ""
    # Other names it is called by: its id, when it has a name.
    also: tuple[str, ...] = ()

    def match(self, batch: EventBatch) -> Sequence[int]:
        """The places in ``batch`` of the events that the rule is about, in order."""
        return self.match_view(View(batch))

    def match_view(self, view: View) -> Sequence[int]:
        return self.predicate.match(view, range(len(view.batch)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What narrows rules that others wrote: a rule it names holds only where ``predicate`` does. None named: all of
    the log source."""

    name: str
    title: str
    rules: tuple[str, ...]
    log_source: LogSource
    predicate: Predicate
    digest: str = ""

    def narrows(self, rule: Rule) -> bool:
        """Whether it is about ``rule``."""
        named = not self.rules or not set(self.rules).isdisjoint((rule.name, *rule.also))
        return named and concerns(self.log_source, rule.log_source)


Part = Rule | CorrelationRule | Filter


def parse_rule(text: str | bytes, *, where: str) -> Rule:
    """Compile the one rule in ``text``; ``where`` names the file in errors.

    Raises ``InvalidRule``, and ``UnsupportedRule`` for valid Sigma beyond this compiler.
    """
    documents, digest = _documents(text, where)
    if len(documents) > 1:
        raise UnsupportedRule(where, "file", "more than one document in a file")
    made = _part(where, documents[0], digest)
    if not isinstance(made, Rule):
        raise UnsupportedRule(where, "file", "correlating and filtering rules by themselves")
    return made


def parse_file(text: str | bytes, *, where: str) -> list[Part]:
    """Compile all documents in ``text``: rules, correlations of rules, and filters. Raises as ``parse_rule`` does."""
    documents, digest = _documents(text, where)
    return [_part(where, document, digest) for document in documents]


def _documents(text: str | bytes, where: str) -> tuple[list[Any], str]:
    if len(text) > MAX_RULE_FILE_BYTES:
        raise InvalidRule(where, "file", f"longer than {MAX_RULE_FILE_BYTES} bytes")
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidRule(where, "file", f"not YAML: {_one_line(error)}") from error
    if len(documents) > MAX_RULES:
        raise InvalidRule(where, "file", f"more than {MAX_RULES} documents")
    return documents or [None], hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def _part(where: str, document: Any, digest: str) -> Part:
    if not isinstance(document, dict):
        raise InvalidRule(where, "file", "a rule is a mapping")
    if "correlation" in document:
        head, also = _head(where, document)
        return correlation_of(where, {**head, "also": also}, document["correlation"], digest)
    if "filter" in document:
        return _filter(where, document, digest)
    return replace(_compile(where, document), digest=digest)


def _compile(where: str, document: Mapping[Any, Any]) -> Rule:
    head, also = _head(where, document)
    predicate = _detection(where, document.get("detection"))
    listed = document.get("fields") or []
    if not isinstance(listed, list):
        raise InvalidRule(where, "fields", "must be a list of names")
    return Rule(
        **head,
        also=also,
        fields=tuple(dict.fromkeys((*map(str, listed), *predicate.fields))),
        log_source=_log_source(where, document.get("logsource")),
        predicate=predicate,
    )


def _head(where: str, document: Mapping[Any, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What every kind of rule says of itself, as the fields of a ``Pattern``, and other names it is called by."""
    title = _text(where, document, "title")
    names = (_text(where, document, "name"), _text(where, document, "id"), where)
    name = next(filter(None, names))
    if len(name) > MAX_NAME_CHARS:
        raise InvalidRule(where, "name", f"longer than {MAX_NAME_CHARS} characters")
    if not title:
        raise InvalidRule(where, "title", "is missing")
    level = _text(where, document, "level") or "medium"
    if level not in _SEVERITIES:
        raise InvalidRule(where, "level", f"{level!r} is none of {', '.join(_SEVERITIES)}")
    techniques, tactics = _attack(where, document.get("tags") or [])
    head = {
        "name": name,
        "title": title,
        "description": _one_line(_text(where, document, "description")),
        "severity": _SEVERITIES[level],
        "confidence": _CONFIDENCES.get(_text(where, document, "status"), _CONFIDENCES["experimental"]),
        "techniques": techniques,
        "tactics": tactics,
    }
    return head, tuple(other for other in names[:2] if other and other != name)


def _filter(where: str, document: Mapping[Any, Any], digest: str) -> Filter:
    section = document["filter"]
    if not isinstance(section, dict):
        raise InvalidRule(where, "filter", "must be a mapping")
    rules = section.get("rules", [])
    # The specification's word for all rules of the log source.
    rules = [] if rules == "any" else rules
    if not isinstance(rules, list) or not all(isinstance(name, str) for name in rules):
        raise InvalidRule(where, "filter.rules", "must be a list of names or ids, or any")
    body = {name: value for name, value in section.items() if name != "rules"}
    return Filter(
        name=_text(where, document, "name") or _text(where, document, "id") or where,
        title=_text(where, document, "title") or where,
        rules=tuple(rules),
        log_source=_log_source(where, document.get("logsource")),
        predicate=_detection(where, body),
        digest=digest,
    )


def _text(where: str, document: Mapping[Any, Any], field: str) -> str:
    value = document.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRule(where, field, "must be text")
    return value.strip()


def _log_source(where: str, section: Any) -> LogSource:
    if not isinstance(section, dict):
        raise InvalidRule(where, "logsource", "is missing")
    words = {word: str(section.get(word) or "").lower() for word in ("product", "category", "service")}
    if not any(words.values()):
        raise InvalidRule(where, "logsource", "needs a product, category or service")
    return LogSource(**words)


def _attack(where: str, tags: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The ATT&CK techniques and tactics among a rule's tags."""
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidRule(where, "tags", "must be a list of texts")
    techniques = [match[1].upper() for tag in tags if (match := _TECHNIQUE.fullmatch(tag))]
    tactics = [
        tag.removeprefix("attack.").replace("_", "-").lower()
        for tag in tags
        if tag.startswith("attack.") and not _TECHNIQUE.fullmatch(tag) and not _OTHER_TAG.fullmatch(tag)
    ]
    return tuple(dict.fromkeys(techniques)), tuple(dict.fromkeys(tactics))


def _detection(where: str, section: Any) -> Predicate:
    if not isinstance(section, dict):
        raise InvalidRule(where, "detection", "is missing")
    if "timeframe" in section:
        raise UnsupportedRule(where, "timeframe", "counting within a time")
    budget = _Budget(where)
    selections = {
        str(name): _selection(where, str(name), body, budget) for name, body in section.items() if name != "condition"
    }
    conditions = section.get("condition")
    conditions = conditions if isinstance(conditions, list) else [conditions]
    if not conditions or not all(isinstance(condition, str) for condition in conditions):
        raise InvalidRule(where, "condition", "is missing")
    return any_of([parse_condition(where, condition, selections) for condition in conditions])


class _Budget:
    """Counts what a rule unfolds to: YAML aliases can make a short file very long."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._left = MAX_PREDICATES

    def spend(self, values: Any) -> None:
        self._left -= len(values) if isinstance(values, list) else 1
        if self._left < 0:
            raise InvalidRule(self._where, "detection", f"unfolds to more than {MAX_PREDICATES} values")


def _selection(where: str, name: str, body: Any, budget: _Budget) -> Predicate:
    """A mapping is a conjunction, a list a disjunction of mappings or of bare keywords."""
    if isinstance(body, dict):
        if not body:
            raise InvalidRule(where, name, "is empty")
        parts = []
        for key, values in body.items():
            budget.spend(values)
            # The key "|all" holds keywords all of which must occur.
            parts.append(Item(where, name, str(key), values).predicate())
        return all_of(parts)
    if isinstance(body, list) and any(isinstance(part, dict | list) for part in body):
        return any_of([_selection(where, name, part, budget) for part in body])
    budget.spend(body)
    return Item(where, name, None, body).predicate()


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
