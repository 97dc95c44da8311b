"""The swarm: agents of eight roles that carry out missions, and survive losing each other.

A mission is a durable piece of work: a skill applied to a finding. Whoever writes a finding
writes the mission in the same commit (``mission_writes``); the swarm finds it there, even after
a crash. Skills live in the room of their domain and come in as plug-ins; this room never imports
upward. One swarm owns the missions of one store. A duty is continuous work: a listener, a periodic
probe, a watcher of a stream; one agent of its role keeps it until it falls, and then another does.

Errors::

    PhalanxError
    ├── AgentsError
    │   ├── ToolForbidden       a skill asked for a tool its manifest does not name
    │   ├── Unauthentic         a heartbeat is not from the agent whose name it bears
    │   ├── MissionRejected     raised by a skill: no further attempt can help
    │   └── AttemptOverran      an attempt took too long and was cancelled
    ├── InvalidInput
    │   ├── NoPlan              no skills lead from the inputs to what is wanted
    │   └── InvalidSkill        the manifest of a skill or a duty cannot be used
    ├── NotFound
    │   └── ToolMissing         the node does not have the tool
    └── Conflict
        └── Fenced              the mission was taken from this attempt
"""

from phalanx.agents._admission import Admission
from phalanx.agents._book import Missions
from phalanx.agents._duties import duties_by_name
from phalanx.agents._duty import Duty, DutyManifest, DutyState, DutyView, Restart, Watch
from phalanx.agents._errors import (
    AgentsError,
    AttemptOverran,
    Fenced,
    InvalidSkill,
    MissionRejected,
    NoPlan,
    ToolForbidden,
    ToolMissing,
    Unauthentic,
)
from phalanx.agents._falls import Fall, FallKind
from phalanx.agents._health import Quarantined, SwarmHealth
from phalanx.agents._hearing import HEARABLE, Listener
from phalanx.agents._limits import AT_ONCE_PER_ROLE
from phalanx.agents._luggage import Carrier
from phalanx.agents._model import (
    MISSIONS,
    AgentState,
    AgentView,
    Capability,
    Mission,
    MissionStatus,
    Role,
    SkillManifest,
    creation_waypoint,
    mission_on,
    mission_writes,
    new_mission,
    writes_of,
)
from phalanx.agents._monitor import LastHeard
from phalanx.agents._orders import ORDERS, Order, OrderRequest, OrderResult, Orders, OrderStatus, Step
from phalanx.agents._overseeing import WEIGHINGS, oversee_case_skill, weigh_agents_skill
from phalanx.agents._overview import overview_duty
from phalanx.agents._registry import Registry
from phalanx.agents._reports import REPORT_TOOLS, REPORTS, Report, file_report, filed, finding_of, told
from phalanx.agents._roster import skills_by_name
from phalanx.agents._succession import Succession, SuccessionView
from phalanx.agents._succession_words import COPIES
from phalanx.agents._swarm import Swarm
from phalanx.agents._toolbox import Skill, Toolbox, Workers

__all__ = [
    "AT_ONCE_PER_ROLE",
    "COPIES",
    "REPORTS",
    "WEIGHINGS",
    "REPORT_TOOLS",
    "Report",
    "file_report",
    "filed",
    "finding_of",
    "oversee_case_skill",
    "told",
    "weigh_agents_skill",
    "MISSIONS",
    "Admission",
    "AgentState",
    "AgentView",
    "AgentsError",
    "AttemptOverran",
    "Capability",
    "Duty",
    "DutyManifest",
    "DutyState",
    "DutyView",
    "Fall",
    "FallKind",
    "Fenced",
    "HEARABLE",
    "InvalidSkill",
    "Listener",
    "LastHeard",
    "Mission",
    "MissionRejected",
    "MissionStatus",
    "Missions",
    "NoPlan",
    "ORDERS",
    "Order",
    "OrderRequest",
    "OrderResult",
    "OrderStatus",
    "Orders",
    "Quarantined",
    "Registry",
    "Restart",
    "Role",
    "Skill",
    "SkillManifest",
    "Step",
    "Carrier",
    "Succession",
    "SuccessionView",
    "Swarm",
    "SwarmHealth",
    "ToolForbidden",
    "ToolMissing",
    "Toolbox",
    "Unauthentic",
    "Watch",
    "Workers",
    "creation_waypoint",
    "duties_by_name",
    "mission_on",
    "mission_writes",
    "new_mission",
    "overview_duty",
    "writes_of",
    "skills_by_name",
]
