"""`phalanx backup`: works on the node's data, not over the API, so that it does not need a node that answers."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.cli._output import Group, json_option, print_json
from phalanx.cli.node._settings import SettingsSource, settings_options

if TYPE_CHECKING:
    from phalanx.adapters.backups import Signed

_FOLDER = click.Path(path_type=Path)
_MIB = 1 << 20
_SHORT = "Copy a running node's data, verify the copy, and restore it (on the node's own machine)."

key_option = click.option("--key", default="", metavar="FINGERPRINT", help="Fingerprint that the node must have.")
digest_option = click.option(
    "--digest", default="", metavar="SHA256", help="Digest that the backup must have, as printed when it was made."
)


@click.group(cls=Group, short_help=_SHORT)
def backup() -> None:
    """Copy a running node's data, verify the copy, and restore it (on the node's own machine).

    Works on the node's data folder, so it needs the rights of the node's user and no token.
    """


@backup.command("create")
@click.argument("to", type=_FOLDER)
@click.option(
    "--previous",
    type=_FOLDER,
    help="An earlier backup on the same disk: files it already has are linked, not copied.",
)
@settings_options()
@json_option
def create(to: Path, previous: Path | None, source: SettingsSource, as_json: bool) -> None:
    """Copy everything the node stores into the new folder TO, as of one moment, while the node runs.

    Until it is complete the folder is called TO.part; after an interruption, the same command continues where it
    stopped.
    """
    from phalanx.node import back_up

    loaded = source.load()
    with _progress() as progress:
        made = back_up(loaded.settings, to, progress, previous=previous, settings_file=source.file)
    if as_json:
        print_json({"folder": str(made.folder), **_plain(made.signed)})
        return
    click.secho(f"{made.folder}: {_told(made.signed)}", fg="green")
    click.echo(f"digest {made.signed.digest}")
    click.echo(made.signed.manifest.root_key)


@backup.command("verify")
@click.argument("folder", type=_FOLDER)
@key_option
@digest_option
@json_option
def verify(folder: Path, key: str, digest: str, as_json: bool) -> None:
    """Read every byte of the backup in FOLDER and say whether it is what was copied."""
    from phalanx.node import verify_backup

    with _progress() as progress:
        signed = verify_backup(folder, progress, fingerprint=key, digest=digest)
    if as_json:
        print_json(_plain(signed))
        return
    click.secho(f"{_told(signed)}: verified", fg="green")
    click.echo(f"digest {signed.digest}\nsigned by {signed.manifest.fingerprint}")


@backup.command("restore")
@click.argument("folder", type=_FOLDER)
@key_option
@digest_option
@click.option(
    "--replace", is_flag=True, help="Move an existing data folder aside; without this the folder must not exist."
)
@click.option(
    "--accept-loss", is_flag=True, help="Let the node start although others saw more of its ledger than is in FOLDER."
)
@settings_options()
@json_option
def restore(
    folder: Path, key: str, digest: str, replace: bool, accept_loss: bool, source: SettingsSource, as_json: bool
) -> None:
    """Restore the backup in FOLDER as the node's data folder, once all of it is verified.

    Nothing is overwritten. The node that was backed up must never run again beside the restored one.
    """
    from phalanx.node import restore as put_back

    to = source.load().settings.node.data_dir
    with _progress() as progress:
        done = put_back(
            folder, to, progress, fingerprint=key, digest=digest, replace=replace, accepts=accept_loss
        )  # fmt: skip
    if as_json:
        print_json({"folder": str(to), "aside": str(done.aside) if done.aside else None, **_plain(done.signed)})
        return
    click.secho(f"{to}: restored, {_told(done.signed)}", fg="green")
    if done.aside is not None:
        click.echo(f"what was there is in {done.aside}")
    click.echo(
        f"next: phalanx ledger verify --data-dir {to}, then phalanx up --data-dir {to}\n"
        "what came after the backup is lost: tokens that were revoked since are good again (phalanx tokens list)"
    )


@backup.command("accept-loss")
@settings_options()
def accept(source: SettingsSource) -> None:
    """Let a restored node start although others saw more of its ledger than was restored.

    From then on its ledger has two histories under one key: witnesses report it as a split view, and no longer
    cosign.
    """
    from phalanx.node import accept_loss

    mark = accept_loss(source.load().settings.node.data_dir)
    click.echo(f"the node will start on the backup {mark.backup}, and its ledger will say so")


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on a terminal, and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        bar = bars.add_task("", total=None)

        def told(what: str, done: int, total: int) -> None:
            bars.update(bar, description=what.rpartition("/")[2][:24], completed=done, total=total)

        yield told


def _told(signed: "Signed") -> str:
    from phalanx.core import iso_from_ns

    manifest = signed.manifest
    at = iso_from_ns(manifest.taken_at_ns)[:19].replace("T", " ")
    return (
        f"{len(manifest.files)} files, {manifest.total_bytes / _MIB:,.1f} MiB, of {manifest.node} at {at} UTC, "
        f"its ledger at {manifest.ledger_size} entries"
    )


def _plain(signed: "Signed") -> dict[str, Any]:
    manifest = signed.manifest
    return {
        "backup": manifest.id,
        "digest": signed.digest,
        "taken_at_ns": manifest.taken_at_ns,
        "node": manifest.node,
        "fingerprint": manifest.fingerprint,
        "program": manifest.program,
        "store": manifest.store,
        "ledger_size": manifest.ledger_size,
        "files": len(manifest.files),
        "bytes": manifest.total_bytes,
        "root_key": manifest.root_key,
    }
