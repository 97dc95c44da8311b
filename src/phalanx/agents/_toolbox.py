"""What a skill is, and how it reaches the services of the node.

The node fills one ``Toolbox``; a skill sees the part of it that its manifest names. Tools are found by type, so a
typo is found by the type checker and not at three in the morning.
"""

from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from phalanx.agents._errors import ToolForbidden, ToolMissing
from phalanx.agents._model import Mission, SkillManifest
from phalanx.core import Offload

P = ParamSpec("P")
T = TypeVar("T")


class Permitted(Protocol):
    """A manifest, as far as the toolbox reads it."""

    @property
    def name(self) -> str: ...

    @property
    def permissions(self) -> tuple[str, ...]: ...


class Workers:
    """Processes for work that keeps a core busy. For skills whose manifest says ``cpu_bound``, and for no others.

    Everything else shares one event loop: what computes there for longer than some milliseconds holds up a thousand
    agents. ``work`` must be a function that can be imported by its name; arguments and results are copied.
    """

    def __init__(self, processes: Offload) -> None:
        self._processes = processes

    async def run(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises what ``work`` raises, ``Overloaded`` and ``Unavailable``."""
        return await self._processes.run(work, *args, **kwargs)


class Toolbox:
    """The services of a node by their type."""

    __slots__ = ("_allowed", "_holder", "_tools")

    def __init__(self) -> None:
        self._tools: dict[type, Any] = {}
        self._allowed: tuple[str, ...] | None = None
        self._holder = ""

    def provide(self, kind: type[T], tool: T) -> None:
        """Offer ``tool`` to whoever asks for ``kind``."""
        self._tools[kind] = tool

    def get(self, kind: type[T]) -> T:
        """The tool of type ``kind``; raises ``ToolForbidden`` or ``ToolMissing``."""
        if self._allowed is not None and kind.__name__ not in self._allowed:
            raise ToolForbidden(self._holder, kind.__name__)
        if kind not in self._tools:
            raise ToolMissing("tool", kind.__name__, hint="the node must provide it before agents start")
        tool: T = self._tools[kind]
        return tool

    def limited(self, manifest: Permitted) -> "Toolbox":
        """The same tools as far as ``manifest`` has permission for them; later ones included."""
        view = Toolbox()
        allowed = (
            (*manifest.permissions, Workers.__name__) if getattr(manifest, "cpu_bound", False) else manifest.permissions
        )
        view._tools, view._allowed, view._holder = self._tools, allowed, manifest.name
        return view


class Skill(Protocol):
    """Something an agent can do.

    ``perform`` is repeated after a crash or a failed attempt, so whatever it leaves behind
    must have ids derived from the mission. It returns one line that says what came of it.
    Raising makes the swarm try again; ``MissionRejected`` says that this would be pointless.
    """

    @property
    def manifest(self) -> SkillManifest: ...

    async def perform(self, mission: Mission, tools: Toolbox) -> str: ...
