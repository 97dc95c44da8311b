"""Whether quantum routines are available, and what is reported if they are not."""

from phalanx.core import Unavailable
from phalanx.workflows._template import StepContext


def need_quantum(context: StepContext) -> None:
    """Raise ``Unavailable`` on a node that has no device: then the classical answer is the answer."""
    if not context.fleet.names():
        raise Unavailable("a quantum answer", "the node has no quantum device")
