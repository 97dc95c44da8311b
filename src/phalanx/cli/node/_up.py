"""`phalanx up`."""

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phalanx.cli._client import DEFAULT_URL
from phalanx.cli.node._settings import SettingsSource, settings_options
from phalanx.cli.node._tls import own_certificate, tls_summary
from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.node import Node


@click.command(short_help="Start a node: API, dashboard and agents.")
@click.option("--cluster", "serves", is_flag=True, help="Run a NATS server for this node and those it invites.")
@click.option(
    "--join",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Join another node's cluster with the token in FILE (`phalanx cluster join-token`).",
)
@settings_options(listens=True)
def up(
    source: SettingsSource,
    serves: bool,
    join: Path | None,
) -> None:
    """Start a node: API, dashboard and agents, with embedded defaults.

    Stops on Ctrl-C or SIGTERM, once missions in progress have finished or the drain time is over.
    """
    # Nothing of what a start makes is to go again soon; ``serve`` looks through it once, when everybody has a place.
    gc.disable()
    from phalanx.cli.node._serve import run_loop, serve

    if serves and join is not None:
        raise InvalidInput("--join", "a node either runs the server (--cluster) or joins another's")
    settings = source.also(cluster__serve="true" if serves else None, cluster__token=join).load().settings
    run_loop(serve(settings, on_ready=announce))


async def announce(node: "Node", url: str) -> None:
    """Say where the node is and how to get in. The first admin token is shown only this once."""
    bootstrap = await node.tokens.bootstrap()
    click.echo(f"node       {node.settings.node.name} is ready (data in {node.settings.node.data_dir})", err=True)
    click.echo(f"dashboard  {await login_link(node, url)}", err=True)
    click.echo(f"API        {url}/v1  (OpenAPI: {url}/openapi.json)", err=True)
    if node.cluster is not None:
        how = "runs the server at" if node.cluster.serves else "joins"
        click.echo(f"cluster    {node.cluster.process} {how} {', '.join(node.cluster.urls)}", err=True)
    if url.startswith("https:"):
        click.echo(f"TLS        {tls_summary()}", err=True)
        if (certificate := own_certificate(node.settings)) is not None:
            click.echo(f"           its certificate is its own: export PHALANX_CA={certificate}", err=True)
    if bootstrap is not None:
        where = "" if url == DEFAULT_URL else f"  export PHALANX_URL={url}\n"
        click.echo(
            f"\nThe admin token, shown this once:\n\n{where}  export PHALANX_TOKEN={bootstrap.secret}\n", err=True
        )
    elif url != DEFAULT_URL:
        click.echo(f"commands   find it by: export PHALANX_URL={url}", err=True)


async def login_link(node: "Node", url: str) -> str:
    """The dashboard's address with a login code that works once and only briefly."""
    return f"{url}/login?code={node.tokens.login_code(node.local_operator)}"
