"""Where a passphrase or a PIN comes from when no file holds it: the environment, else the person at the terminal."""

import os
import sys

import click

from phalanx.core import Unavailable


def ask_person(name: str) -> bytes:
    """The secret called ``name`` (passphrase, pin), from ``PHALANX_NAME`` or a prompt that echoes nothing.

    A new one is asked for twice: a typing error would lock its owner out.
    """
    variable = f"PHALANX_{name.upper()}"
    given = os.environ.get(variable)
    if given is not None:
        return given.encode()
    if not sys.stdin.isatty():
        raise Unavailable(
            f"the {name}",
            "there is no terminal to ask at",
            hint=f"set {variable}, or at_rest.options.{name.removeprefix('new_')}_file to a private file",
        )
    is_new = name.startswith("new_")
    shown = f"Vault {name.replace('_', ' ')}"
    return str(click.prompt(shown, hide_input=True, confirmation_prompt=is_new, err=True)).encode()


def ask_founder(name: str) -> bytes:
    """The same at a node's first start, where a passphrase is a new one."""
    if name == "passphrase" and os.environ.get("PHALANX_PASSPHRASE") is None:
        return ask_person("new_passphrase")
    return ask_person(name)
