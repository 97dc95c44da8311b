"""Changes what guards the vault's root key, while the node is stopped."""

import contextlib
from collections.abc import Mapping

from phalanx.adapters.keys import Ask
from phalanx.node._open import open_ports
from phalanx.node.custody._vault import make_wrapper, open_vault
from phalanx.node.settings._settings import Settings
from phalanx.telemetry import Telemetry


async def rewrap_vault(settings: Settings, *, former: str, former_options: Mapping[str, str], ask: Ask) -> str:
    """Have the root wrapped as ``settings`` say; the name of the wrapper.

    ``former`` opens it; a secret that is asked for the new wrapper is called ``new_…``. Raises
    ``NotFound`` when there is no vault, and ``WrongKey`` when the former wrapper does not open it.
    """
    async with (
        open_ports(settings, existing=True, ask=lambda name: ask(f"new_{name}")) as ports,
        contextlib.AsyncExitStack() as stack,
    ):
        old = make_wrapper(
            former, former_options,
            folder=settings.node.data_dir, entropy=ports.entropy, offload=ports.offload, ask=ask,
        )  # fmt: skip
        stack.push_async_callback(old.close)
        vault = await open_vault(settings, ports, ports.store, Telemetry(ports.clock), old, existing=True)
        new = ports.key_wrapper()
        stack.push_async_callback(new.close)
        await vault.rewrap(new, actor="local operator")
        return new.name
