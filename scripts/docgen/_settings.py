"""docs/reference/settings.md: every setting of a node, from the settings model."""

import types
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from docgen._markdown import code, page, table

INTRODUCTION = """\
A value is taken from the first of these that has it: a flag of the command line, the environment variable, the file
`phalanx.toml` in the working directory (or the one named with `--config`), the default. `phalanx config show` lists the
values in force and where each came from. A setting that does not exist is refused by name.

All settings are read at start: a change takes effect with a restart."""

BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def settings_page(root: Path) -> str:  # noqa: ARG001 - every page is built from the repository
    """The page, one section of the model after another."""
    from phalanx.node import Settings

    blocks = []
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type), section
        assert issubclass(kind, BaseModel), section
        rows = [setting(section, name, one) for name, one in kind.model_fields.items()]
        blocks += [
            f"## `[{section}]`",
            field.description or "",
            table(["setting", "type", "default", "environment", "meaning"], rows),
        ]
    return page("Settings", "`phalanx.node.Settings`", INTRODUCTION, *blocks)


def setting(section: str, name: str, field: FieldInfo) -> tuple[str, str, str, str, str]:
    """One row. Raises when a setting is not described."""
    from phalanx.node import env_name

    if not field.description:
        raise SystemExit(f"{section}.{name} has no description")
    dotted = f"{section}.{name}"
    return code(dotted), kind_of(field), default_of(field.default), code(env_name(dotted)), field.description


def kind_of(field: FieldInfo) -> str:
    """The type in words, with its bounds."""
    bounds = [
        f"{BOUNDS[name]} {getattr(rule, name)}" for rule in field.metadata for name in BOUNDS if hasattr(rule, name)
    ]
    patterns = [f"matches `{rule.pattern}`" for rule in field.metadata if getattr(rule, "pattern", None)]
    return ", ".join([type_name(field.annotation), *bounds, *patterns])


def type_name(kind: Any) -> str:
    """A type as a person writes it: ``"a" or "b"`` for a choice, ``list of text`` for a tuple."""
    plain = {
        bool: "true or false",
        int: "whole number",
        float: "number",
        str: "text",
        Path: "path",
        type(None): "nothing",
    }
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return " or ".join(f'`"{choice}"`' for choice in inner)
    if origin in {types.UnionType, typing.Union}:
        return " or ".join(type_name(one) for one in inner)
    if origin in {tuple, list}:
        return f"list of {type_name(inner[0])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = ", ".join(f"{code(name)} ({field.description})" for name, field in kind.model_fields.items())
        return f"tables with {fields}"
    return plain.get(kind, getattr(kind, "__name__", str(kind)))


def default_of(value: Any) -> str:
    """A default as it would stand in the file."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, str | Path):
        return code(f'"{value}"')
    if isinstance(value, tuple | list):
        return code("[" + ", ".join(f'"{one}"' for one in value) + "]")
    return code(f"{value}")
