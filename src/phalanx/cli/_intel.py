"""`phalanx intel`: what is known of attackers, what is looked for, and what is shared with whom.

Each sub-command is in a module of its own and is imported when it is called.
"""

import importlib

import click

from phalanx.cli._output import Group

# name → where it is. In the order in which they are listed.
SUBCOMMANDS: dict[str, str] = {
    "read": "phalanx.cli._intel_read:read",
    "quarantine": "phalanx.cli._intel_quarantine:quarantine",
    "attack": "phalanx.cli._intel_attack:attack",
    "rules": "phalanx.cli._intel_rules:rules",
    "search": "phalanx.cli._intel_search:search",
    "hunts": "phalanx.cli._intel_hunts:hunts",
    "sinks": "phalanx.cli._intel_sinks:sinks",
    "sources": "phalanx.cli._intel_sinks:sources",
    "suppress": "phalanx.cli._intel_judging:suppress",
    "judge": "phalanx.cli._intel_judging:judge",
    "feedback": "phalanx.cli._intel_thresholds:feedback",
    "models": "phalanx.cli._intel_models:models",
    "thresholds": "phalanx.cli._intel_thresholds:thresholds",
    "indicators": "phalanx.cli._intel_indicators:indicators",
    "places": "phalanx.cli._intel_places:places",
    "signs": "phalanx.cli._intel_signs:signs",
    "stix": "phalanx.cli._intel_sharing:stix",
    "misp": "phalanx.cli._intel_misp:misp",
    "taxii": "phalanx.cli._intel_taxii:taxii",
}


class _Intel(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in SUBCOMMANDS:
            return None
        module, _, attribute = SUBCOMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), cmd_name
        return command


@click.group(cls=_Intel, short_help="Intelligence: STIX, TAXII, ATT&CK and what is looked for.")
def intel() -> None:
    """Intelligence: STIX, TAXII, ATT&CK and what is looked for."""
