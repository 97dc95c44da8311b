"""Whether findings may be of a rule: a suppression of one that is misspelt is refused, as it would do nothing."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from phalanx.core import MAX_PAGE_ROWS, InvalidInput, Store, TenantId
from phalanx.intel._detector import Pattern
from phalanx.intel._queries import Findings
from phalanx.intel.detectors import (
    ANCESTRY,
    BEACON,
    CHAIN,
    EVENTS,
    FAILED,
    OUT,
    RARE_CHILD,
    RARE_LOGON,
    SHORT,
    TRAVEL,
    TURNS,
)
from phalanx.intel.signs import BROKEN_KEY, COLLECTED, COPIED, DOWNGRADED, MIRRORED

# What detectors that ship find. A plug-in's is known from its first finding on.
_OF_DETECTORS: Final = (
    ANCESTRY, BEACON, BROKEN_KEY, CHAIN, COLLECTED, COPIED, DOWNGRADED, EVENTS, FAILED, MIRRORED, OUT,
    RARE_CHILD, RARE_LOGON, SHORT, TRAVEL, TURNS,
)  # fmt: skip
# Of these there is one for each value that is looked for, and for each model.
_FAMILIES: Final = ("indicator ", "model-")


async def check_rule(rule: str, in_force: Iterable[Pattern], store: Store, tenant: TenantId) -> None:
    """Raises ``InvalidInput``, with the nearest names, where no rule, detector or newest finding has it."""
    known: Mapping[str, str] = {one.name: one.title for one in (*_OF_DETECTORS, *in_force)}
    if rule in known or rule.startswith(_FAMILIES):
        return
    found = await Findings(store).list(tenant, limit=MAX_PAGE_ROWS, reverse=True)
    known = {**known, **{one.rule: one.title for one in found}}
    if rule in known:
        return
    lower = rule.lower()
    near = [name for name, title in known.items() if lower in (name.lower(), title.lower())]
    near += difflib.get_close_matches(rule, known, n=3)
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "`phalanx intel rules stats` lists rules"
    raise InvalidInput(
        "rule", f"there is no rule {rule!r}, and none among the newest {MAX_PAGE_ROWS:,} findings is of one", hint=hint
    )
