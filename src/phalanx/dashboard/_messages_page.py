"""The page of messages: how kinds are routed, what is on the way to other processes, and what did not arrive."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from phalanx.core import InvalidInput, Rng, TenantId, Unavailable
from phalanx.dashboard._limits import DEAD_LETTERS_SHOWN, SURVEY_WAIT_S
from phalanx.messaging import (
    BusView,
    DeadLetterView,
    Survey,
    drawn,
    graphs_over,
    measured,
    show_bus,
    show_letter,
    surveyed,
    surveyed_places,
)

if TYPE_CHECKING:
    from phalanx.node import Node

_SILENT, _TRIALS, _SEED = 1 / 3, 20, 1


@dataclass(frozen=True, slots=True)
class MessagesView:
    """What the page shows; dead letters are the tenant's, newest first. ``graphs`` is a picture, where one was wanted.

    ``problem`` says why there is none.
    """

    bus: BusView
    letters: tuple[DeadLetterView, ...]
    graphs: Markup
    problem: str


async def messages_view(node: "Node", tenant: TenantId, *, with_graphs: bool = False) -> MessagesView:
    """The bus as it stands, the newest dead letters of ``tenant``, and graphs, for which the cluster is measured."""
    dead = node.bus.dead_letters
    letters = await dead.newest(tenant, limit=DEAD_LETTERS_SHOWN) if dead is not None else []
    graphs, problem = Markup(), ""
    if with_graphs:
        try:
            survey = await surveyed(node.bus, SURVEY_WAIT_S)
            # Names in it are escaped where it is drawn.
            graphs = Markup(await node.offload.run(_picture, survey))  # noqa: S704
        except (Unavailable, InvalidInput) as error:
            problem = error.message
    return MessagesView(show_bus(node.bus), tuple(map(show_letter, letters)), graphs, problem)


def _picture(survey: Survey) -> str:
    places = surveyed_places(survey)
    graphs = graphs_over(places)
    report = measured(places, graphs, Rng(_SEED), silent_share=_SILENT, trials=_TRIALS, seed=_SEED)
    return drawn(places, graphs, report)
