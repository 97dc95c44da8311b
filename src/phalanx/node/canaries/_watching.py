"""What canaries watch on the node, derived from its settings when it is built. A tool of the node."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from phalanx.intel import RuleSet
from phalanx.node.settings._settings import Settings

# Sections that decide what is found, who may do what, and what is done about it. The others say where things are.
_WATCHED = (
    "intake", "agents", "response", "crypto", "entropy", "identity", "at_rest", "ledger", "deception", "canary",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watching:
    """``configuration`` has a digest of each section of the settings that matters, and of the rules in force."""

    node: str
    tripwires: tuple[str, ...]
    rules_dir: str
    tls_cert: str
    configuration: Mapping[str, str]


def watching_of(settings: Settings, rules: RuleSet) -> Watching:
    """What is to be watched of a node with these settings and rules."""
    sections = {name: getattr(settings, name) for name in _WATCHED}
    digests = {name: _digest(section.model_dump_json()) for name, section in sections.items()}
    return Watching(
        node=settings.node.name,
        tripwires=tuple(str(path) for path in settings.canary.tripwires),
        rules_dir=str(settings.intake.rules_dir or ""),
        tls_cert=str(settings.api.tls_cert or ""),
        configuration={**digests, "rules": rules.digest},
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
