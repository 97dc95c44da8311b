"""Every bound of the room, in one place."""

# Findings of one case that one assessment looks at; the strongest signs come with severity, and a
# case with more than this is decided long before. What is left out is counted in the assessment.
MAX_CASE_FINDINGS = 500
# Proposals of one case looked at to see whether its question was answered before.
MAX_CASE_PROPOSALS = 200
# Half the width of the interval asked of the quantum step, and how often it may be wrong.
ESTIMATE_EPSILON = 0.01
ESTIMATE_ALPHA = 0.01
# Time one triage may take before its agent is replaced.
TRIAGE_LIMIT_S = 60.0
MAX_REASON_CHARS = 300
