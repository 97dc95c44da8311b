"""Which machines of an account a provider brings: those that an option names, or all that there are."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from phalanx.adapters.providers._http import Refused
from phalanx.core import InvalidInput, Overloaded, PhalanxError, Unavailable


class _Looks(Protocol):
    def look_now(self) -> None: ...


_M = TypeVar("_M", bound=_Looks)


def named_in(options: Mapping[str, str], key: str) -> list[str]:
    """What stands between commas in an option; nothing where it is not set."""
    return [one.strip() for one in options.get(key, "").split(",") if one.strip()]


def account_machines(
    options: Mapping[str, str], key: str, listed: Callable[[], Mapping[str, str]], make: Callable[[str, str], _M]
) -> list[_M]:
    """The machines that option ``key`` names, else all that are ``listed`` (titles by name), each looked at once.

    While the vendor cannot be asked, those that are named are there all the same, offline until they have been looked
    at: what was sent to them before is collected. Raises ``InvalidInput`` for one that is not listed, ``Refused`` for
    credentials, and what ``listed`` raises where nothing is named.
    """
    named = named_in(options, key)
    try:
        titles = listed()
    except Refused:
        raise
    except (Unavailable, Overloaded):
        if not named:
            raise
        return [make(one, one) for one in named]
    if missing := [one for one in named if one not in titles]:
        there = ", ".join(titles) or "none"
        raise InvalidInput(f"devices.options.{key}", f"{missing[0]} is no machine there; there are {there}")
    machines = [make(one, titles[one]) for one in named or titles]
    for machine in machines:
        # One that does not say how it is stays offline; whoever watches devices asks again, and tells what was wrong.
        with contextlib.suppress(PhalanxError):
            machine.look_now()
    return machines
