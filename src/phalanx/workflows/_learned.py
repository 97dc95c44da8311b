"""How long steps take, learned, and how long a run still takes once one of its steps begins: its rest.

The step with the longest rest should begin first, or others end up waiting for it with nothing to do.
"""

from collections.abc import Mapping

from phalanx.workflows._template import Template

# The weight of the newest time in what is remembered.
_NEW = 0.25


class StepTimes:
    """Of the templates of one engine. A step that was never done is taken to need nothing."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}
        self._rests: dict[str, dict[str, float]] = {}

    def note(self, template: str, step: str, seconds: float) -> None:
        """A step took so long, waiting not included."""
        had = self._seconds.get((template, step))
        self._seconds[template, step] = seconds if had is None else had + _NEW * (seconds - had)
        self._rests.pop(template, None)

    def rests_s(self, template: Template) -> Mapping[str, float]:
        """By step: itself, and the longest way to the end after it."""
        found = self._rests.get(template.name)
        if found is None:
            found = self._rests[template.name] = {}
            after: dict[str, list[str]] = {}
            for step in template.steps:
                for need in step.needs:
                    after.setdefault(need, []).append(step.name)
            for name in reversed(template.order()):
                own = self._seconds.get((template.name, name), 0.0)
                found[name] = own + max((found[one] for one in after.get(name, ())), default=0.0)
        return found
