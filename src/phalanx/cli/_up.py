"""`phalanx up`."""

from typing import TYPE_CHECKING

import click

from phalanx.cli._settings import SettingsSource, settings_options
from phalanx.cli._tls import own_certificate, tls_summary

if TYPE_CHECKING:
    from phalanx.node import Node


@click.command(short_help="Start a node: API, dashboard and agents.")
@settings_options(listens=True)
def up(
    source: SettingsSource,
) -> None:
    """Start a node: API, dashboard and agents, on embedded defaults.

    Stops on Ctrl-C or SIGTERM, after missions in progress have finished or the drain time is over.
    """
    from phalanx.cli._serve import run_loop, serve

    settings = source.load().settings
    run_loop(serve(settings, on_ready=announce))


async def announce(node: "Node", url: str) -> None:
    """Say where the node is and how to get in. The first admin token is shown this once."""
    bootstrap = await node.tokens.bootstrap()
    click.echo(f"node       {node.settings.node.name} is ready (data in {node.settings.node.data_dir})", err=True)
    click.echo(f"dashboard  {await login_link(node, url)}", err=True)
    click.echo(f"API        {url}/v1  (OpenAPI: {url}/openapi.json)", err=True)
    if url.startswith("https:"):
        click.echo(f"TLS        {tls_summary()}", err=True)
        if (certificate := own_certificate(node.settings)) is not None:
            click.echo(f"           its certificate is its own: export PHALANX_CA={certificate}", err=True)
    if bootstrap is not None:
        click.echo(f"\nThe admin token, shown this once:\n\n  export PHALANX_TOKEN={bootstrap.secret}\n", err=True)


async def login_link(node: "Node", url: str) -> str:
    """The dashboard's address with a login code that works once and not for long."""
    return f"{url}/login?code={node.tokens.login_code(node.local_operator)}"
