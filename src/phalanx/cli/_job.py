"""Commands for a background job of a node: start it, stop it, ask how far it is, watch it until it ends."""

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
    """The options ``only_status``, ``stop`` and ``watch``; ``stop`` excludes the others."""

    @functools.wraps(command)
    def wrapped(*args: Any, only_status: bool, stop: bool, watch: bool, **others: Any) -> None:
        if stop and (only_status or watch):
            raise InvalidInput("--stop", "cannot be combined with --status or --watch")
        command(*args, only_status=only_status, stop=stop, watch=watch, **others)

    for option in (
        click.option("--watch", is_flag=True, help="Wait until it has finished."),
        click.option("--stop", is_flag=True, help="Stop it after the current item; it can be started again."),
        click.option("--status", "only_status", is_flag=True, help="Only show how far it is."),
    ):
        wrapped = option(wrapped)
    return wrapped


@dataclass(frozen=True, slots=True)
class Job:
    """A job, by its API addresses."""

    client: NodeClient
    status: str
    start: str
    stop: str

    def asked(self, *, only_status: bool, stop: bool) -> Any:
        """Its state after it was started, stopped, or only looked at."""
        if only_status:
            return self.client.get(self.status)
        return self.client.post(self.stop if stop else self.start)

    def watched(self, view: Any, what: str, *, done: str, total: str, shown: bool) -> Any:
        """Waits until it ends, with a bar over the fields ``done`` and ``total``."""
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
    """Calls ``look`` on the previous answer, again and again, until the answer is ``so``."""
    while not so(found):
        time.sleep(every_s)
        found = look(found)
    return found
