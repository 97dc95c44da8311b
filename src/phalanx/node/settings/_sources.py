"""Where settings come from: defaults < file < environment < flags, the later winning.

- the file is ``phalanx.toml`` in the working directory, or the one named;
- the environment variable of ``[api] port`` is ``PHALANX_API_PORT``;
- flags are given by the command line as dotted names (``api.port``).

Every value remembers its origin, so that ``phalanx config show`` can say why it is what it is.
"""

import difflib
import json
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from phalanx.core import InvalidInput
from phalanx.node.settings._section import Section
from phalanx.node.settings._settings import Settings

ENV_PREFIX = "PHALANX_"
DEFAULT_FILE = Path("phalanx.toml")
# ``[[sinks]]`` in the file is the setting ``sinks.each``.
_EACH = "each"

# Read by the command line, not settings of a node.
_CLIENT_VARIABLES = frozenset(
    {
        "PHALANX_URL",
        "PHALANX_TOKEN",
        "PHALANX_CA",
        "PHALANX_CONFIG",
        "PHALANX_PASSPHRASE",
        "PHALANX_NEW_PASSPHRASE",
        "PHALANX_PIN",
        "PHALANX_TRANSIT_TOKEN",
    }
)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings and, per dotted name, the source of each value that is not a default."""

    settings: Settings
    origins: Mapping[str, str]


def setting_names() -> list[str]:
    """Every dotted name, in the order of the reference."""
    names: list[str] = []
    for section, section_field in Settings.model_fields.items():
        kind = section_field.annotation
        assert isinstance(kind, type), section
        assert issubclass(kind, Section), section
        names += [f"{section}.{name}" for name in kind.model_fields]
    return names


def env_name(dotted: str) -> str:
    """The environment variable of a setting."""
    return ENV_PREFIX + dotted.replace(".", "_").upper()


def load_settings(
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> LoadedSettings:
    """Merge the sources. Raises ``InvalidInput`` naming the setting, its source and the fix."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, found in (
        _from_file(file),
        _from_environ(environ or {}),
        ("command line", {name: value for name, value in (flags or {}).items() if value is not None}),
    ):
        _check_names(found, origin)
        values |= {name: _listed(name, value, origin) for name, value in found.items()}
        origins |= dict.fromkeys(found, origin)
    nested: dict[str, dict[str, Any]] = {}
    for dotted, value in values.items():
        section, name = dotted.split(".")
        nested.setdefault(section, {})[name] = value
    try:
        return LoadedSettings(Settings.model_validate(nested), origins)
    except ValidationError as error:
        first = error.errors()[0]
        dotted = ".".join(str(part) for part in first["loc"][:2])
        source = origins.get(dotted, "default")
        within = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][2:])
        raise InvalidInput(dotted + within, f"{first['msg']} (from {source}, got {first['input']!r})") from error


def _from_file(file: Path | None) -> tuple[str, dict[str, Any]]:
    path = file or DEFAULT_FILE
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        if file is not None:
            raise InvalidInput("config", f"there is no file {path}") from error
        return str(path), {}
    except OSError as error:
        raise InvalidInput("config", f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidInput("config", f"{path} is not a text file (UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput("config", f"{path}: {error}") from error
    found: dict[str, Any] = {}
    for section, body in content.items():
        if isinstance(body, list) and f"{section}.{_EACH}" in setting_names():
            found[f"{section}.{_EACH}"] = body
            continue
        if not isinstance(body, dict):
            raise InvalidInput(section, f"{path}: every setting stands in a [section]")
        found |= {f"{section}.{name}": value for name, value in body.items()}
    return str(path), found


def _from_environ(environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    by_variable = {env_name(dotted): dotted for dotted in setting_names()}
    found: dict[str, Any] = {}
    for variable, value in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable in _CLIENT_VARIABLES:
            continue
        dotted = by_variable.get(variable)
        if dotted is None:
            raise InvalidInput(variable, "there is no such setting" + _suggestion(variable, by_variable))
        found[dotted] = value
    return "environment", found


def _listed(dotted: str, value: Any, origin: str) -> Any:
    """The value; text is parsed as comma-separated for a list or a table, and as JSON for a list of tables."""
    section, name = dotted.split(".")
    kind = Settings.model_fields[section].annotation
    assert isinstance(kind, type), section
    assert issubclass(kind, Section), section
    shape = typing.get_origin(kind.model_fields[name].annotation)
    if shape not in {tuple, dict} or not isinstance(value, str):
        return value
    if shape is dict:
        pairs = [part.partition("=") for part in filter(None, value.split(","))]
        return {name.strip(): text.strip() for name, _, text in pairs}
    if not value.startswith("["):
        return tuple(filter(None, value.split(",")))
    try:
        return tuple(json.loads(value))
    except ValueError as error:
        raise InvalidInput(dotted, f"it begins like JSON and is none: {error} (from {origin})") from error


def _check_names(found: Iterable[str], origin: str) -> None:
    known = setting_names()
    for dotted in found:
        if dotted not in known:
            raise InvalidInput(dotted, f"there is no such setting (from {origin})" + _suggestion(dotted, known))


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
