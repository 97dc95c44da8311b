"""Commands of a job in the background of a node: start it, stop it, ask how far it is, stay until it is through."""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from phalanx.cli._client import NodeClient
from phalanx.core import InvalidInput

_WATCH_EVERY_S = 0.5


def job_options(command: Callable[..., None]) -> Callable[..., None]:
    """``only_status``, ``stop`` and ``watch``, of which ``stop`` stands alone."""

    @functools.wraps(command)
    def wrapped(*args: Any, only_status: bool, stop: bool, watch: bool, **others: Any) -> None:
        if stop and (only_status or watch):
            raise InvalidInput("--stop", "cannot be combined with --status or --watch")
        command(*args, only_status=only_status, stop=stop, watch=watch, **others)

    for option in (
        click.option("--watch", is_flag=True, help="Stay until it is through."),
        click.option("--stop", is_flag=True, help="Stop it after what it has in hand; it can be started again."),
        click.option("--status", "only_status", is_flag=True, help="Only say how far it is."),
    ):
        wrapped = option(wrapped)
    return wrapped


@dataclass(frozen=True, slots=True)
class Job:
    """A job by its addresses."""

    client: NodeClient
    status: str
    start: str
    stop: str

    def asked(self, *, only_status: bool, stop: bool) -> Any:
        """How it stands once it was started, stopped, or only looked at."""
        if only_status:
            return self.client.get(self.status)
        return self.client.post(self.stop if stop else self.start)

    def watched(self, view: Any, what: str, *, done: str, total: str, shown: bool) -> Any:
        """Stay until it ends, with a bar over the fields ``done`` and ``total``."""
        from rich.console import Console
        from rich.progress import Progress

        with Progress(console=Console(stderr=True), transient=True, disable=not shown) as progress:
            bar = progress.add_task(what, total=None)
            while view["state"] == "running":
                time.sleep(_WATCH_EVERY_S)
                view = self.client.get(self.status)
                progress.update(bar, completed=view[done], total=view[total] or None)
        return view


def until_so(found: Any, so: Callable[[Any], bool], look: Callable[[Any], Any], every_s: float) -> Any:
    """What ``look`` makes of the answer before, again and again, until it is ``so``."""
    while not so(found):
        time.sleep(every_s)
        found = look(found)
    return found
