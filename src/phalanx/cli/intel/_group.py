"""`phalanx intel`: what is known about attackers, what is looked for, and what is shared with whom.

Each subcommand is in its own module and is imported when it is called.
"""

import importlib

import click

from phalanx.cli._output import Group

# name → where it is. In the order in which they are listed.
SUBCOMMANDS: dict[str, str] = {
    "read": "phalanx.cli.intel._read:read",
    "quarantine": "phalanx.cli.intel._quarantine:quarantine",
    "attack": "phalanx.cli.intel._attack:attack",
    "rules": "phalanx.cli.intel._rules:rules",
    "search": "phalanx.cli.intel._search:search",
    "hunts": "phalanx.cli.intel._hunts:hunts",
    "sinks": "phalanx.cli.intel._sinks:sinks",
    "sources": "phalanx.cli.intel._sinks:sources",
    "suppress": "phalanx.cli.intel._judging:suppress",
    "judge": "phalanx.cli.intel._judging:judge",
    "feedback": "phalanx.cli.intel._thresholds:feedback",
    "models": "phalanx.cli.intel._models:models",
    "thresholds": "phalanx.cli.intel._thresholds:thresholds",
    "indicators": "phalanx.cli.intel._indicators:indicators",
    "places": "phalanx.cli.intel._places:places",
    "signs": "phalanx.cli.intel._signs:signs",
    "stix": "phalanx.cli.intel._sharing:stix",
    "misp": "phalanx.cli.intel._misp:misp",
    "taxii": "phalanx.cli.intel._taxii:taxii",
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
