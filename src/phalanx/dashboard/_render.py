"""Turns views into pages: templates, number formats, and the policy each page is served under."""

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from phalanx.core import NS_PER_MS, NS_PER_S, Severity, counted, how_long, is_id, iso_from_ns, per_second
from phalanx.dashboard._sections import GROUPS
from phalanx.intel.sharing import attack
from phalanx.messaging import Marking
from phalanx.trust import Role

# Nothing from elsewhere, nothing inline: a script that finds its way into a field stays text.
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_DIGEST = re.compile(r"[0-9a-f]{32}([0-9a-f]{32})?")
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def clock_time(at_ns: int) -> str:
    """``14:02:11.123``, in UTC."""
    return iso_from_ns(at_ns)[11:23]


def _stamp(at_ns: int) -> str:
    """``2026-01-02 14:02:11.123 UTC``."""
    text = iso_from_ns(at_ns)
    return f"{text[:10]} {text[11:23]} UTC"


def since(at_ns: int, now_ns: int) -> str:
    """``10:49 UTC`` of today, ``2026-01-02 10:49 UTC`` of another day."""
    at, now = iso_from_ns(at_ns), iso_from_ns(now_ns)
    return f"{at[11:16]} UTC" if at[:10] == now[:10] else f"{at[:10]} {at[11:16]} UTC"


def duration(ns: int) -> str:
    """A length of time at the precision a person reads: ``840 µs``, ``38 ms``, ``2.41 s``, ``3 min 20 s``."""
    if not ns:
        return "0 s"
    if abs(ns) < NS_PER_MS:
        return f"{ns / 1_000:.0f} µs"
    if abs(ns) < NS_PER_S:
        return f"{ns / NS_PER_MS:.0f} ms"
    if abs(ns) < 60 * NS_PER_S:
        return f"{ns / NS_PER_S:.2f} s"
    minutes, seconds = divmod(ns // NS_PER_S, 60)
    return f"{minutes} min {seconds} s"


def _number(value: float) -> str:
    return f"{value:,.0f}"


def flat(record: Mapping[str, Any], exact: bool = False) -> list[tuple[str, Any]]:  # noqa: FBT001, FBT002 - a filter
    """A record as one list, the names of nested ones joined: ``metadata.product.name``.

    Unless ``exact``, names are made readable, and times and durations carry their unit in the value.
    """
    found: list[tuple[str, Any]] = []
    for name, value in record.items():
        shown = name if exact else name.removesuffix("_ns").replace("_", " ")
        if isinstance(value, Mapping) and value:
            found += [(f"{shown}.{inner}", one) for inner, one in flat(value, exact)]
        elif name.endswith("_ns") and isinstance(value, int) and not exact:
            found.append((shown, _stamp(value) if _is_moment(value) else duration(value)))
        else:
            found.append((shown, value))
    return found


def _is_identifier(text: str) -> bool:
    return is_id(text) or _DIGEST.fullmatch(text) is not None


def _is_moment(ns: int) -> bool:
    """Whether nanoseconds are a point in time (since 2000) and not a length of it."""
    return ns > 946_684_800 * NS_PER_S


def _severity(value: int) -> str:
    return Severity(value).name.lower()


def _tlp(marking: int) -> str:
    return Marking(marking).label


class Renderer:
    """The templates of this room, ready to be filled."""

    def __init__(self, node_name: str) -> None:
        self._templates = Environment(
            loader=PackageLoader("phalanx.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update(
            clock_time=clock_time,
            stamp=_stamp,
            counted=counted,
            iso=iso_from_ns,
            duration=duration,
            number=_number,
            how_long=how_long,
            per_second=per_second,
            severity=_severity,
            flat=flat,
            technique=_technique,
            tlp=_tlp,
        )
        self._templates.globals.update(node_name=node_name, groups=GROUPS, acting=Role.OPERATOR)
        self._templates.tests.update(identifier=_is_identifier)

    def page(self, template: str, *, status: int = 200, **view: Any) -> Response:
        """A page, or a part of one, with the headers every page has. ``section`` is the path of the one it is in."""
        view = {"principal": None, "section": ""} | view
        return HTMLResponse(self._templates.get_template(template).render(view), status, headers=_HEADERS)


def _technique(technique_id: str) -> str:
    """A technique with the name that ATT&CK has for it."""
    name = attack().name(technique_id)
    return technique_id if name == technique_id else f"{technique_id} {name}"
