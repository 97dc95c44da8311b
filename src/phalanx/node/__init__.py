"""One running instance: its settings, its wiring, its start and stop.

``build_node`` is the one place where rooms are wired together. API, command line, simulations and tests all get
their node from it, with different ports.
"""

from phalanx.node._building import build_node
from phalanx.node._deeds import Deed, DutyLine, RoleView, SkillLine, roles
from phalanx.node._guard import SpaceWatch
from phalanx.node._node import Node
from phalanx.node._open import open_ports
from phalanx.node._plugins import GROUPS, provided_fleet, registered
from phalanx.node._ports import ClusterLine, Noise, Ports
from phalanx.node._services import Health
from phalanx.node._swarm import load_work, quarantine
from phalanx.node.backups._mark import RestoreMark, accept_loss
from phalanx.node.backups._restoring import Restored, restore, verify_backup
from phalanx.node.backups._settling import RolledBack
from phalanx.node.backups._taking import BackedUp, back_up
from phalanx.node.canaries._drift import drift_duty
from phalanx.node.canaries._probing import Probed, Probes, answer_probe, probe_duty
from phalanx.node.canaries._timekeeping import time_duty
from phalanx.node.canaries._tripwires import tripwire_duty
from phalanx.node.canaries._weighing_clocks import weigh_clocks_skill
from phalanx.node.cluster._assembly import Assembly, AssemblyState
from phalanx.node.cluster._cluster import Cluster, ClusterState
from phalanx.node.cluster._invitations import Invitation
from phalanx.node.custody._audit import LedgerAudit, Reindexed, audit_ledger, read_tiles, reindex_ledger
from phalanx.node.custody._entropy import open_sources
from phalanx.node.custody._escrow import EscrowDesk, open_escrows
from phalanx.node.custody._rewrap import rewrap_vault
from phalanx.node.custody._vault import SEALED_TABLES
from phalanx.node.custody._vouching import Vouching
from phalanx.node.detection._archive import EventArchive, require_archive
from phalanx.node.detection._indicators import read_warninglists
from phalanx.node.detection._rules import LeftOut, Reloaded, Rules, RulesView, RuleView
from phalanx.node.managers._managed import ManagedWork
from phalanx.node.managers._words import (
    WORDS_VERSION,
    JobLine,
    ManagedJob,
    ManagerAway,
    ManagerRefused,
    ManagerSpeaksOther,
    Placed,
    Work,
    WorkWishes,
)
from phalanx.node.quantum._batching import BatchRecord, BatchRouted
from phalanx.node.quantum._calculating import CIRCUIT_KERNELS
from phalanx.node.quantum._desk import QuantumDesk, open_quantum_desk
from phalanx.node.settings._section import Section
from phalanx.node.settings._settings import Settings
from phalanx.node.settings._sources import DEFAULT_FILE, LoadedSettings, env_name, load_settings, setting_names
from phalanx.node.workers._worker import WorkerPlan, run_worker
from phalanx.node.workers._worker_token import WorkerToken
from phalanx.node.workers._workers import WorkflowWorkers
from phalanx.node.workers._workflows import registered_functions, registered_operations

__all__ = [
    "DEFAULT_FILE",
    "BackedUp",
    "RestoreMark",
    "Restored",
    "RolledBack",
    "accept_loss",
    "back_up",
    "restore",
    "verify_backup",
    "WorkerPlan",
    "WorkerToken",
    "WorkflowWorkers",
    "EventArchive",
    "require_archive",
    "Assembly",
    "AssemblyState",
    "Deed",
    "DutyLine",
    "RoleView",
    "SkillLine",
    "roles",
    "Probed",
    "Probes",
    "answer_probe",
    "weigh_clocks_skill",
    "drift_duty",
    "probe_duty",
    "time_duty",
    "tripwire_duty",
    "GROUPS",
    "CIRCUIT_KERNELS",
    "BatchRecord",
    "BatchRouted",
    "Cluster",
    "ClusterLine",
    "ClusterState",
    "EscrowDesk",
    "Invitation",
    "SEALED_TABLES",
    "Health",
    "LedgerAudit",
    "LeftOut",
    "Reloaded",
    "RuleView",
    "Rules",
    "RulesView",
    "LoadedSettings",
    "WORDS_VERSION",
    "JobLine",
    "ManagedJob",
    "ManagedWork",
    "ManagerAway",
    "ManagerRefused",
    "ManagerSpeaksOther",
    "Placed",
    "Work",
    "WorkWishes",
    "Node",
    "Noise",
    "Ports",
    "QuantumDesk",
    "Section",
    "Settings",
    "SpaceWatch",
    "Vouching",
    "audit_ledger",
    "read_warninglists",
    "reindex_ledger",
    "Reindexed",
    "build_node",
    "env_name",
    "load_settings",
    "load_work",
    "open_escrows",
    "open_ports",
    "open_quantum_desk",
    "open_sources",
    "quarantine",
    "read_tiles",
    "provided_fleet",
    "registered",
    "registered_functions",
    "registered_operations",
    "rewrap_vault",
    "run_worker",
    "setting_names",
]
