"""What STIX 2.1 requires of each type of object (OASIS Standard, sections 4 to 7), as tables.

``REQUIRED`` are properties without which an object is none of its type. ``ONE_OF`` are groups of which at least
one has to be there. ``CONTRIBUTING`` are what the id of an observable is made of (section 2.9).
"""

from collections.abc import Mapping
from typing import Final

NAMED = ("name",)

SDO: Final[Mapping[str, tuple[str, ...]]] = {
    "attack-pattern": NAMED,
    "campaign": NAMED,
    "course-of-action": NAMED,
    "grouping": ("context", "object_refs"),
    "identity": NAMED,
    "incident": NAMED,
    "indicator": ("pattern", "pattern_type", "valid_from"),
    "infrastructure": NAMED,
    "intrusion-set": NAMED,
    "location": (),
    "malware": ("is_family",),
    "malware-analysis": ("product",),
    "note": ("content", "object_refs"),
    "observed-data": ("first_observed", "last_observed", "number_observed"),
    "opinion": ("opinion", "object_refs"),
    "report": ("name", "published", "object_refs"),
    "threat-actor": NAMED,
    "tool": NAMED,
    "vulnerability": NAMED,
}
SRO: Final[Mapping[str, tuple[str, ...]]] = {
    "relationship": ("relationship_type", "source_ref", "target_ref"),
    "sighting": ("sighting_of_ref",),
}
META: Final[Mapping[str, tuple[str, ...]]] = {
    "extension-definition": ("created_by_ref", "name", "schema", "version", "extension_types"),
    "language-content": ("object_ref", "contents"),
    "marking-definition": (),
}
SCO: Final[Mapping[str, tuple[str, ...]]] = {
    "artifact": (),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("is_multipart",),
    "file": (),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": NAMED,
    "network-traffic": ("protocols",),
    "process": (),
    "software": NAMED,
    "url": ("value",),
    "user-account": (),
    "windows-registry-key": (),
    "x509-certificate": (),
}
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {**SDO, **SRO, **META, **SCO}
ONE_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "artifact": ("payload_bin", "url", "extensions"),
    "file": ("name", "hashes", "extensions"),
    "location": ("region", "country", "latitude", "extensions"),
    "malware-analysis": ("result", "analysis_sco_refs"),
    "marking-definition": ("definition", "extensions"),
    "network-traffic": ("src_ref", "dst_ref"),
    "observed-data": ("objects", "object_refs"),
}
CONTRIBUTING: Final[Mapping[str, tuple[str, ...]]] = {
    "artifact": ("hashes", "payload_bin"),
    "autonomous-system": ("number",),
    "directory": ("path",),
    "domain-name": ("value",),
    "email-addr": ("value",),
    "email-message": ("from_ref", "subject", "body"),
    "file": ("hashes", "name", "extensions", "parent_directory_ref"),
    "ipv4-addr": ("value",),
    "ipv6-addr": ("value",),
    "mac-addr": ("value",),
    "mutex": ("name",),
    "network-traffic": (
        "start", "end", "src_ref", "dst_ref", "src_port", "dst_port", "protocols", "extensions",
    ),
    "software": ("name", "cpe", "swid", "vendor", "version"),
    "url": ("value",),
    "user-account": ("account_type", "user_id", "account_login"),
    "windows-registry-key": ("key", "values"),
    "x509-certificate": ("hashes", "serial_number"),
}  # fmt: skip

TEXTS = frozenset({
    "name", "description", "pattern", "pattern_type", "pattern_version", "relationship_type", "content", "opinion",
    "context", "identity_class", "contact_information", "abstract", "explanation", "product", "result", "lang",
    "definition_type", "schema", "version", "spec_version", "region", "country", "value", "path", "key",
})  # fmt: skip
TIMES = frozenset({
    "created", "modified", "valid_from", "valid_until", "first_seen", "last_seen", "first_observed", "last_observed",
    "published", "object_modified", "start_time", "stop_time", "submitted", "analysis_started", "analysis_ended",
})  # fmt: skip
FLAGS = frozenset({"revoked", "defanged", "is_family", "is_multipart", "summary"})
# Properties that are lists of text in every type that has them.
LISTS = frozenset({
    "labels", "aliases", "indicator_types", "malware_types", "report_types", "threat_actor_types", "tool_types",
    "infrastructure_types", "goals", "roles", "sectors", "protocols", "authors", "extension_types",
})  # fmt: skip
# (earlier, later): the second must not come before the first; ``valid_until`` not at the same time either.
ORDERED = (
    ("created", "modified", False), ("valid_from", "valid_until", True), ("first_seen", "last_seen", False),
    ("first_observed", "last_observed", False), ("start_time", "stop_time", False),
)  # fmt: skip
BOUNDED = {"confidence": (0, 100), "number_observed": (1, 999_999_999), "count": (0, 999_999_999)}
OPINIONS = frozenset({"strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"})
