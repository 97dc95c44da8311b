"""`phalanx completion`."""

import click


@click.command(short_help="Print the shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL. For bash, put this into ~/.bashrc:

    source <(phalanx completion bash)
    """
    from click.shell_completion import get_completion_class

    from phalanx.cli._main import root

    kind = get_completion_class(shell)
    assert kind is not None, shell
    click.echo(kind(root, {}, "phalanx", "_PHALANX_COMPLETE").source())
