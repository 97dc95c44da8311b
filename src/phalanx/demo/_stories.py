"""Stories: which intrusions a stream has, who plays in each, and what happens.

``demo`` is the story of the demonstration and always has the same cast; the casts of others are drawn. ``two`` has two
intrusions at one time that have nothing to do with each other, and must not become one.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from phalanx.core import InvalidInput, Rng
from phalanx.demo._attack import SCENES
from phalanx.demo._cast import Cast, drawn

_DOMAIN: Final = (
    "phishing", "staying", "looking_around", "dumping_memory", "to_the_file_server", "to_the_application_server",
    "to_the_controller",
)  # fmt: skip
_THEFT: Final = (
    "phishing", "staying", "dumping_memory", "to_the_file_server", "packing", "carrying_off", "wiping",
)  # fmt: skip
_WEB: Final = ("guessing", "becoming_root", "fetching", "tunnelling")

# The scenes of each intrusion of a story.
STORIES: Final[Mapping[str, Sequence[Sequence[str]]]] = {
    "demo": (tuple(SCENES),),
    "whole": (tuple(SCENES),),
    "domain": (_DOMAIN,),
    "theft": (_THEFT,),
    "web": (_WEB,),
    "two": (_THEFT, _WEB),
    "none": (),
}


def played(story: str, rng: Rng) -> list[tuple[Cast, Sequence[str]]]:
    """The intrusions of a story, each with its cast. Raises ``InvalidInput``."""
    if story not in STORIES:
        raise InvalidInput("story", f"must be one of {', '.join(STORIES)}, got {story!r}")
    if story == "demo":
        return [(Cast(), STORIES[story][0])]
    casts: list[tuple[Cast, Sequence[str]]] = []
    for scenes in STORIES[story]:
        casts.append((drawn(rng, apart_from=casts[-1][0] if casts else None), scenes))
    return casts
