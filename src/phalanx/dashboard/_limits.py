"""Every bound of the room, in one place."""

from phalanx.core import KIB

# Ways on the live page, newest first; older ones are found through the API.
MAX_WAYS = 40
# Ways one request for changed rows may name.
MAX_REFRESHED_WAYS = 24
# Waypoints read for one way on the live page and for the story of one trace.
MAX_WAY_WAYPOINTS = 200
# Events shown in full under one story; a finding keeps no more as evidence.
MAX_STORY_EVENTS = 16
# A form: the largest is a comment of letters that take twelve bytes each, or the ids of an incident's findings.
MAX_FORM_BYTES = 32 * KIB
MAX_FORM_FIELDS = 600
# How far back the chart reaches when the page is opened.
CHART_SPAN_S = 300
# Batches read to draw it; under heavier traffic it starts with the newest of them.
MAX_CHART_BATCHES = 1_000
# Findings counted in it.
MAX_CHART_FINDINGS = 1_000
# Entries of the ledger on one page; each is proved anew while the page is made.
LEDGER_PAGE_ENTRIES = 50
# Characters of what a page is asked to filter by.
MAX_FILTER_CHARS = 200
# Findings on one page, and so many are looked through for it.
FINDINGS_PAGE_ROWS = 100
FINDINGS_SCAN_ROWS = 10_000
# Indicators on one page, changes of them by people, and characters of a value that somebody asks about.
INDICATORS_PAGE_ROWS = 25
MAX_HAND_CHANGES = 10
MAX_COUNTS_SHOWN = 12
MAX_VALUE_CHARS = 4_096
# Identities on one page.
IDENTITY_PAGE_ROWS = 100
# Resources and placements of one pool on the page of balancing; the rest is found through the API.
MAX_SHOWN_RESOURCES = 24
MAX_SHOWN_PLACEMENTS = 12

# Decisions of agents on their page; each is verified while it is made.
AGREEMENTS_SHOWN = 20
# Epochs beside them, with whoever was left out.
EPOCHS_SHOWN = 10
# Dead letters on the page of messages; the rest is found through the API.
DEAD_LETTERS_SHOWN = 50

# Agents and missions on the page of the swarm.
MAX_SHOWN_AGENTS = 40
MAX_SHOWN_MISSIONS = 50
# Captures of decoys, and keys and certificates of the inventory, on the page of agents.
MAX_CAPTURES_SHOWN = 20
MAX_STOCK_SHOWN = 20
# Rules on their page, and files that were left out.
MAX_RULES_SHOWN = 200
MAX_REFUSED_SHOWN = 50
# Hand-overs, and requests of partners, that the page of sharing lists.
EXPORTS_SHOWN = 50
# Lines in quarantine on their page.
MAX_QUARANTINED_SHOWN = 200

# Events that a search shows at once, and bars of its histogram.
MAX_SEARCH_ROWS = 50
# Hunts that were done: those of what happened last.
MAX_SEARCH_HUNTS = 20
MAX_SEARCH_BARS = 48
# Fields of an event that are shown before the others are folded.
MAX_FIRST_FIELDS = 8

# Devices and jobs on the page of devices; the rest is found through the API.
MAX_DEVICES_SHOWN = 200
MAX_JOBS_SHOWN = 20
# Incidents on their page, and entities in the graph of one.
MAX_INCIDENTS_SHOWN = 100
MAX_GRAPH_ENTITIES = 24
# So much that the node did in a row is told one by one in an incident's timeline; more is folded.
MAX_NODE_MOMENTS = 3
# How long a page waits for other processes to say how far they are from each other.
SURVEY_WAIT_S = 3.0
# Placements, and devices that one of them names.
MAX_PLACEMENTS_SHOWN = 8
MAX_CONSIDERED_SHOWN = 5
# Runs on the page of workflows, and changes of a verdict that are told of one.
MAX_RUNS_SHOWN = 50
# Missions of one case that are looked through for the agent whose run it is.
MAX_CASE_MISSIONS = 200
MAX_TURNS_SHOWN = 4
MAX_FORESIGHTS_SHOWN = 20
