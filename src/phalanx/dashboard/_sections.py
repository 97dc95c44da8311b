"""The sections of the dashboard, in the order of its navigation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A page that the navigation leads to."""

    path: str
    label: str


LIVE = Section("/", "Live")
FINDINGS = Section("/findings", "Findings")
INCIDENTS = Section("/incidents", "Incidents")
LEDGER = Section("/ledger", "Ledger")
KEYS = Section("/keys", "Keys")
BALANCING = Section("/balancing", "Balancing")
DEVICES = Section("/devices", "Devices")
WORKFLOWS = Section("/workflows", "Workflows")
AGENTS = Section("/agents", "Agents")
ROLES = Section("/roles", "Roles")
RULES = Section("/rules", "Rules")
SEARCH = Section("/search", "Search")
INDICATORS = Section("/indicators", "Indicators")
QUARANTINE = Section("/quarantine", "Quarantine")
AGREEMENT = Section("/agreement", "Agreement")
MESSAGES = Section("/messages", "Messages")
SHARING = Section("/sharing", "Sharing")
COVERAGE = Section("/coverage", "Coverage")
CONNECTORS = Section("/connectors", "Connectors")
# By what somebody comes for: what happens, who works on it, why it can be believed, and whom it is shared with.
GROUPS = (
    ("Watch", (LIVE, INCIDENTS, FINDINGS, SEARCH, INDICATORS, RULES, COVERAGE, QUARANTINE)),
    ("Work", (AGENTS, ROLES, WORKFLOWS, BALANCING, DEVICES)),
    ("Proof", (AGREEMENT, LEDGER, KEYS)),
    ("Exchange", (MESSAGES, CONNECTORS, SHARING)),
)
