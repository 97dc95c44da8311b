"""The root command. Subcommands are imported when they are called, not before."""

import importlib

import click

from phalanx import __version__
from phalanx.cli._exits import run_guarded

# heading → name → (where it is, what it says in the list). A test holds the texts equal to the commands' own.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start": {
        "up": ("phalanx.cli.node._up:up", "Start a node: API, dashboard and agents."),
        "demo": ("phalanx.cli.node._demo:demo", "Start a node on a replayed intrusion and show the path of an event."),
        "doctor": (
            "phalanx.cli.node._doctor:doctor",
            "Say what works on this machine, what is missing, and exactly how to fix it.",
        ),
        "config": ("phalanx.cli.node._config:config", "Show the settings in force and where each came from."),
        "tokens": (
            "phalanx.cli.node._tokens:tokens",
            "Create, list and revoke access tokens (on the node's own machine).",
        ),
        "backup": (
            "phalanx.cli.node._backup:backup",
            "Copy a running node's data, verify the copy, and restore it (on the node's own machine).",
        ),
        "cluster": (
            "phalanx.cli.node._cluster:cluster",
            "The node among others: who is there, and inviting another node.",
        ),
        "worker": ("phalanx.cli.workflows._worker:worker", "Work for a node, here or on another machine."),
        "completion": ("phalanx.cli._completion:completion", "Print the shell completion script."),
    },
    "Events in, findings out": {
        "events": ("phalanx.cli._events:events", "Send events, and look at what was accepted."),
        "findings": ("phalanx.cli._show:findings", "What the detectors found."),
        "incidents": (
            "phalanx.cli._incidents:incidents",
            "Findings that belong together across hosts and days, and why.",
        ),
        "trace": ("phalanx.cli._show:trace", "The whole path of one event, from intake to ledger."),
        "intel": ("phalanx.cli.intel._group:intel", "Intelligence: STIX, TAXII, ATT&CK and what is looked for."),
        "alerts": ("phalanx.cli._show:alerts", "What the node has to tell a person about itself."),
    },
    "Who works and who decides": {
        "agents": ("phalanx.cli.agents._group:agents", "The swarm: who is there and what each is doing."),
        "missions": ("phalanx.cli._show:missions", "What the agents were asked to do, and how it went."),
        "orders": ("phalanx.cli.agents._orders:orders", "What agents are to achieve, the plan, and what came of it."),
        "workflows": (
            "phalanx.cli.workflows._group:workflows",
            "Workflows that can be run, their runs, and the chart of each.",
        ),
        "assessments": ("phalanx.cli._show:assessments", "What the analyses concluded, with interval and provenance."),
        "decisions": ("phalanx.cli._show:decisions", "Which actions were approved or refused, by what policy and why."),
        "consensus": (
            "phalanx.cli.agents._consensus:consensus",
            "What agents agreed on, and certificates that prove it anywhere.",
        ),
        "messages": (
            "phalanx.cli.agents._messages:messages",
            "What agents say to each other: routes, streams, dead letters.",
        ),
        "balancing": (
            "phalanx.cli._balancing:balancing",
            "How work is spread over resources, and problems of your own.",
        ),
    },
    "Quantum computers": {
        "devices": ("phalanx.cli.devices._group:devices", "Quantum devices: how good each is, and jobs on them."),
        "allocate": ("phalanx.cli.devices._allocate:allocate", "Where a circuit goes, and why."),
        "reservations": (
            "phalanx.cli.devices._reservations:reservations",
            "Devices, workers and other resources, booked together and in advance.",
        ),
        "budgets": (
            "phalanx.cli.devices._budgets:budgets",
            "What tenants may spend on devices, what is left, and price tables.",
        ),
        "reports": (
            "phalanx.cli.devices._reports:reports",
            "Who used what, what devices earned, and whether promises were kept.",
        ),
        "manager": ("phalanx.cli.devices._manager:manager", "Work that another node places and runs for this one."),
        "batches": ("phalanx.cli.devices._batches:batches", "Jobs on a site's schedulers: Slurm and Kubernetes."),
        "circuits": (
            "phalanx.cli.quantum._circuits:circuits",
            "Circuits: read, converted, compared, counted, mapped and simulated.",
        ),
        "quantum": (
            "phalanx.cli.quantum._group:quantum",
            "Quantum routines for security questions, simulated, beside classical answers.",
        ),
    },
    "Record and keys": {
        "ledger": (
            "phalanx.cli.ledger._group:ledger",
            "The tamper-evident record: entries, checkpoint, proofs, verification.",
        ),
        "artefacts": ("phalanx.cli._artefacts:artefacts", "Files that the node stores, sealed: evidence, uploads."),
        "keys": ("phalanx.cli.keys._group:keys", "Algorithms, identities, the vault, escrow, entropy."),
        "posture": (
            "phalanx.cli._posture:posture",
            "Which cryptography is in use, and what a quantum computer does to it.",
        ),
    },
    "Measured and tried": {
        "bench": ("phalanx.cli._bench:bench", "Measure one figure, with its baseline and its load."),
        "sim": ("phalanx.cli._sim:sim", "Run seeded fault simulations of a subsystem."),
        "kernels": (
            "phalanx.cli._kernels:kernels",
            "The compiled code behind balancing, votes, indicators and circuits.",
        ),
    },
}
COMMANDS = {name: one for section in SECTIONS.values() for name, one in section.items()}


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads one only to run or describe it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        wide = max(map(len, COMMANDS))
        for heading, section in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{wide}}", text) for name, (_, text) in section.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in COMMANDS and not name.startswith("-"):
            import difflib

            close = difflib.get_close_matches(name, COMMANDS, n=1)
            raise click.UsageError(
                f"there is no command {name!r}" + (f"; did you mean {close[0]}?" if close else ""), ctx
            )
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="phalanx")
def root() -> None:
    """Phalanx: security events in; findings, hybrid analyses, decisions and a verifiable record out.

    Start with `phalanx demo` to see it at work, or `phalanx up` to run a node of your own.
    """


def main() -> None:
    """Entry point of the `phalanx` command."""
    run_guarded(root)
