"""Where a passphrase or a PIN comes from when no file holds it: the environment, else the person at the terminal."""

import os
import sys

import click

from phalanx.core import Unavailable


def ask_person(name: str) -> bytes:
    """The secret called ``name`` (passphrase, pin), from ``PHALANX_NAME`` or a prompt that shows nothing."""
    variable = f"PHALANX_{name.upper()}"
    given = os.environ.get(variable)
    if given is not None:
        return given.encode()
    if not sys.stdin.isatty():
        raise Unavailable(
            f"the {name}",
            "there is no terminal to ask at",
            hint=f"set {variable}, or at_rest.options.{name}_file to a private file",
        )
    return str(click.prompt(f"Vault {name}", hide_input=True, err=True)).encode()
