"""Every bound of the room, in one place."""

# Findings of one case that are read to choose from, and that one assessment takes in: the most
# severe. What is left out is counted in the assessment.
MAX_CASE_SCAN = 2_000
MAX_CASE_FINDINGS = 200
# Proposals of one case looked at to see whether its question was answered before.
MAX_CASE_PROPOSALS = 200
# Half the width of the interval asked of the quantum step, and how often it may be wrong.
ESTIMATE_EPSILON = 0.01
ESTIMATE_ALPHA = 0.01
# How old evidence may be, of the latest act it tells of, for a host to be isolated without a person.
MAX_EVIDENCE_AGE_S = 86_400.0
# Time one triage may take before its agent is replaced.
TRIAGE_LIMIT_S = 60.0
MAX_TITLE_CHARS = 160
MAX_REASON_CHARS = 300

# Correlation: how far back, findings compared, links kept of one finding, cases that one thing may be named in before
# it says nothing, and cases followed.
CORRELATE_WITHIN_S = 86_400.0
MAX_CORRELATED_FINDINGS = 300
MAX_LINKS = 50
MAX_LINK_CASES = 10
MAX_RELATED_CASES = 50
# Those who would be touched by an action, as a rehearsal lists them.
MAX_TOUCHED = 50

# Incidents: findings that are looked at together, the newest first, and hunts; how far apart in time they may be.
MAX_GROUPED_FINDINGS = 1_000
MAX_GROUPED_HUNTS = 1_000
# Of so many findings, hunts and words a thread puts incidents together, which takes some 20 ms; more go to a process.
MAX_THREAD_ROWS = 150
# Rows of these read at once.
SCAN_ROWS = 100
GROUP_WITHIN_S = 86_400.0
# A reason to put two findings together loses half its weight over so long.
TIE_HALF_LIFE_S = 4 * 3_600.0
# Of findings that name the same thing each is compared with so many before it in time.
TIE_NEIGHBOURS = 8
# What findings of more hosts name says nothing, and so does what hunts saw on more hosts.
MAX_TIE_HOSTS = 10
MAX_BRIDGE_HOSTS = 6
# An account seen on more hosts than these looks after the house: that two findings name it says little.
MAX_PERSON_HOSTS = 4
# A finding that names more accounts than these, as guesses at a password do, names nobody.
MAX_PEOPLE = 2
# Where several findings may be meant, on a host or near an event, the nearest is; another counts half for each so long
# that it is farther off.
NEAREST_HALF_S = 120.0
# A hunted event leads to findings of another host that are this near to it.
BRIDGE_WITHIN_S = 1_800.0
# What was seen twice, further apart than this, is usual and leads nowhere.
USUAL_APART_S = 30.0
# Ties below this put nothing together; an incident is opened when its findings are this likely one.
TIE_FROM = 0.5
OPEN_FROM = 0.5
# Incidents that may be open at once in one tenant, what one keeps, and what people said of them.
MAX_OPEN_INCIDENTS = 1_000
MAX_MEMBERS = 500
MAX_WHYS = 6
MAX_INCIDENT_ENTITIES = 60
MAX_EXPANDED = 200
MAX_WORDS = 1_000
# Notes of people on one incident, and of the node; characters of a comment.
MAX_INCIDENT_NOTES = 1_000
MAX_COMMENT_CHARS = 2_000
# What was done about one incident, as its timeline tells it: the newest; and incidents that became part of it.
MAX_MOMENTS = 1_000
MAX_JOINED = 50
# How often findings are put together anew, when there is anything new.
REGROUP_EVERY_S = 2.0

# Events around a case that tell whom an action would hit, and from how many on a person is told.
MAX_WEIGHED_EVENTS = 400
MANY_USERS = 5
MANY_DEPEND = 10

# Foresight: how many of those that it names are looked into, and foresights or pages of findings that are searched.
MAX_HEEDED = 3
MAX_HEEDED_SCAN = 20
# How often agents look ahead by themselves, how often that is thought of, and from how many findings on.
LOOK_AHEAD_EVERY_S = 6 * 3_600.0
LOOK_AHEAD_CHECK_S = 60.0
LOOK_AHEAD_FINDINGS = 40
