"""What the room raises; the tree is drawn in the package's docstring."""

from collections.abc import Sequence

from phalanx.agents._limits import MAX_NOTE_CHARS
from phalanx.core import Conflict, InvalidInput, NotFound, PhalanxError


class AgentsError(PhalanxError):
    """Root of the errors that only this room raises."""

    code = "agents"


class InvalidSkill(InvalidInput):
    """The manifest of a skill or a duty cannot be used. Attributes: ``field``, ``reason``."""

    code = "invalid-skill"


class ToolMissing(NotFound):
    """A skill asked for a tool that this node does not have. Attributes: ``what``, ``key``."""

    code = "tool-missing"


class ToolForbidden(AgentsError):
    """A skill asked for a tool that its manifest does not name. Attributes: ``skill``, ``tool``."""

    code = "tool-forbidden"
    skill: str
    tool: str

    def __init__(self, skill: str, tool: str) -> None:
        super().__init__(
            f"the skill {skill!r} has no permission for {tool}",
            hint=f"name {tool!r} in the permissions of the skill's manifest",
            skill=skill,
            tool=tool,
        )


class MissionRejected(AgentsError):
    """Raised by a skill when no further attempt can help; the mission ends as failed at once."""

    code = "mission-rejected"


class AttemptOverran(AgentsError):
    """An attempt took longer than allowed and was cancelled. Attributes: ``mission``, ``limit_s``."""

    code = "attempt-overran"
    mission: str
    limit_s: float

    def __init__(self, mission: str, *, limit_s: float) -> None:
        super().__init__(f"the attempt took longer than {limit_s:g} s", mission=mission, limit_s=limit_s)


class NoPlan(InvalidInput):
    """No skills lead from the inputs to what is wanted. Attributes: ``field``, ``reason``."""

    code = "no-plan"

    def __init__(self, missing: Sequence[str], *, given: Sequence[str]) -> None:
        what = f"nothing here brings about {', '.join(missing)} from {', '.join(given)}" if missing else "it is empty"
        super().__init__("wanted", what, hint="`phalanx agents skills` shows the inputs and outputs of each skill")


class Unauthentic(AgentsError):
    """A heartbeat is not from the agent it names. Attributes: ``agent``, ``reason``."""

    code = "unauthentic"
    agent: str
    reason: str

    def __init__(self, agent: str, reason: str) -> None:
        super().__init__(f"a heartbeat of {agent or 'nobody'} is refused: {reason}", agent=agent, reason=reason)


class Fenced(Conflict):
    """The mission was taken from this attempt in the meantime; its outcome is not written."""

    code = "fenced"


def explained(error: Exception) -> str:
    """What was raised, in one bounded line that is never empty."""
    kind, text = type(error).__name__, str(error)
    if not text:
        return kind
    return (text if isinstance(error, PhalanxError) else f"{kind}: {text}")[:MAX_NOTE_CHARS]
