"""The agreement section: what agents decided, each certificate verified as it is shown, and who was convicted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from phalanx.consensus import AgreementRecord, EpochRecord, LeftOut, MisbehaviourRecord, verify_document
from phalanx.core import DEFAULT_TENANT, PhalanxError, TenantId
from phalanx.dashboard._limits import AGREEMENTS_SHOWN, EPOCHS_SHOWN

if TYPE_CHECKING:
    from phalanx.node import Node


@dataclass(frozen=True, slots=True)
class ShownAgreement:
    """A decision, and why its certificate does not hold; empty when it does."""

    record: AgreementRecord
    problem: str


@dataclass(frozen=True, slots=True)
class ShownEpoch:
    """An epoch, how many take part in it, and who does not."""

    record: EpochRecord
    n: int
    total: int
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class AgreementView:
    """What the page shows, newest first."""

    asked: bool
    decisions: tuple[ShownAgreement, ...]
    convicted: tuple[MisbehaviourRecord, ...]
    epochs: tuple[ShownEpoch, ...]


async def agreement_view(node: "Node", tenant: TenantId) -> AgreementView:
    """The newest decisions of ``tenant``, and evidence against the node's agents."""
    newest = await node.agreements.newest(tenant, limit=AGREEMENTS_SHOWN)
    return AgreementView(
        asked=node.settings.response.agreement,
        decisions=tuple([ShownAgreement(one, await _problem(node, tenant, one)) for one in newest]),
        convicted=tuple(await node.agreements.misbehaviour(DEFAULT_TENANT, limit=AGREEMENTS_SHOWN)),
        epochs=tuple(map(_shown, await node.agreements.newest_epochs(limit=EPOCHS_SHOWN))),
    )


def _shown(record: EpochRecord) -> ShownEpoch:
    epoch = record.decoded()
    return ShownEpoch(record, len(epoch.participants), epoch.total, epoch.left_out)


async def _problem(node: "Node", tenant: TenantId, record: AgreementRecord) -> str:
    try:
        document = await node.agreements.document(tenant, record.id)
        await node.offload.run(verify_document, document, context=bytes.fromhex(record.context))
    except PhalanxError as error:
        return error.message
    return ""
