"""Settings as command-line options: the few that people change often, and `--set` for the rest."""

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phalanx.core import InvalidInput

if TYPE_CHECKING:
    from phalanx.node import LoadedSettings


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """What the command line says about settings. ``load`` merges it with file and environment."""

    config_file: Path | None
    data_dir: Path | None
    port: int | None
    overrides: tuple[str, ...]
    flags: tuple[tuple[str, Any], ...] = ()

    @property
    def file(self) -> Path | None:
        """The settings file that is read, if there is one."""
        from phalanx.node import DEFAULT_FILE

        return self.config_file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)

    def also(self, **flags: Any) -> "SettingsSource":
        """With more flags (``cluster__serve=…``), where they have a value."""
        named = tuple((name.replace("__", "."), value) for name, value in flags.items() if value is not None)
        return replace(self, flags=self.flags + named)

    def load(self, **defaults: Any) -> "LoadedSettings":
        """The settings in force. ``defaults`` (``node__data_dir=…``) fill what nobody set."""
        from phalanx.node import load_settings

        flags: dict[str, Any] = {"node.data_dir": self.data_dir, "api.port": self.port, **dict(self.flags)}
        for override in self.overrides:
            name, equals, value = override.partition("=")
            if not equals:
                raise InvalidInput("--set", f"{override!r} is not NAME=VALUE")
            flags[name.strip()] = value.strip()
        loaded = load_settings(file=self.config_file, environ=os.environ, flags=flags)
        dotted = {name.replace("__", "."): value for name, value in defaults.items()}
        missing = {name: value for name, value in dotted.items() if name not in loaded.origins}
        return load_settings(file=self.config_file, environ=os.environ, flags=flags | missing) if missing else loaded


def settings_options(*, listens: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options of a command that starts or opens a node; they arrive as one ``source``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def wrapped(
            *args: Any,
            config_file: Path | None,
            data_dir: Path | None,
            overrides: tuple[str, ...],
            port: int | None = None,
            **others: Any,
        ) -> None:
            command(*args, source=SettingsSource(config_file, data_dir, port, overrides), **others)

        path = click.Path(path_type=Path)
        options = [
            click.option("--set", "overrides", multiple=True, metavar="NAME=VALUE",
                         help="Any setting, e.g. agents.per_role=8."),
            click.option("--data-dir", type=path, help="Folder for the node's data."),
            click.option("--config", "config_file", type=path, envvar="PHALANX_CONFIG", show_envvar=True,
                         help="Settings file (default: phalanx.toml if there is one)."),
        ]  # fmt: skip
        if listens:
            options.append(click.option("--port", type=int, help="Port to listen on; 0 takes a free one."))
        for option in options:
            wrapped = option(wrapped)
        return wrapped

    return decorate
