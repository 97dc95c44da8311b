"""Rules that know the canary users: whoever tries one of these names anywhere is found in the logs of there."""

import json
from collections.abc import Sequence

_WHERE = {
    "windows": ("TargetUserName", "SubjectUserName", "User"),
    "linux": ("user", "target_user"),
    "zeek": ("client", "username"),
}
_RULE = """\
title: A canary credential was used
name: canary-account-{product}
status: stable
description: |
    Somebody tried a user name that was planted to be stolen and that nobody has. Whoever has it read
    what it was planted in.
tags: [attack.credential-access, attack.t1078, attack.lateral-movement]
logsource:
    product: {product}
detection:
{selections}
    condition: 1 of selection_*
level: critical
"""


def account_rules(users: Sequence[str]) -> list[str]:
    """Sigma rules, one for each product whose logs name users; none without canary users."""
    if not users:
        return []
    # A domain may stand before the name, or behind it.
    values = [form for name in users for form in (name, f"*\\\\{name}", f"{name}@*")]
    texts = []
    for product, fields in _WHERE.items():
        selections = "\n".join(
            f"    selection_{number}:\n        {field}: {json.dumps(values)}" for number, field in enumerate(fields)
        )
        texts.append(_RULE.format(product=product, selections=selections))
    return texts
