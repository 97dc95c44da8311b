"""`phalanx config`."""

import click

from phalanx.cli._output import Column, Group, json_option, print_json, print_table
from phalanx.cli.node._settings import SettingsSource, settings_options

# Connection strings may hold a password.
_SECRET = frozenset({"store.dsn", "allocation.calendar_dsn"})


@click.group(cls=Group, short_help="Show the settings in force and where each came from.")
def config() -> None:
    """Show the settings in force and where each came from."""


@config.command("show")
@settings_options()
@json_option
def show(source: SettingsSource, as_json: bool) -> None:
    """Every setting, its value, and the source that won: default, file, environment or command line."""
    from phalanx.node import env_name, setting_names

    loaded = source.load()
    values = loaded.settings.model_dump(mode="json")
    rows = []
    for dotted in setting_names():
        section, name = dotted.split(".")
        secret = dotted in _SECRET and values[section][name]
        rows.append(
            {
                "setting": dotted,
                "value": "(set)" if secret else values[section][name],
                "origin": loaded.origins.get(dotted, "default"),
                "environment": env_name(dotted),
            }
        )
    if as_json:
        print_json(rows)
        return
    columns: list[Column] = [
        ("setting", lambda row: row["setting"]),
        ("value", lambda row: str(row["value"])),
        ("from", lambda row: row["origin"]),
        ("environment variable", lambda row: row["environment"]),
    ]
    print_table("Settings", rows, columns, empty="")
