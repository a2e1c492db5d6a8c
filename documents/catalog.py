"""TABLE: kind -> the code in its numbers, whom it is about, how its owner gets it, which template prints it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from documents.models import Channel, Kind
from documents.task_names import TaskName


@dataclass(frozen=True, kw_only=True)
class KindRules:
    """The rules of one kind. `channel` is the policy of its first delivery.

    `template_version` is frozen in each new document's content and printed with for ever: a change of layout is a new
    beside the old one, never a change of a version that documents already have.
    """

    code: str
    audiences: tuple[str, ...]
    channel: Channel
    shows_payout_status: bool = False
    creditable: bool = False  # a credit note may take all or part of it back
    total: str = "gross"  # which of its content's totals is the amount of its row
    template_version: str = "v1"
    task: TaskName = TaskName.ADVANCE  # locks it; what is rare and awaited does not queue behind what is common


TABLE: Mapping[Kind, KindRules] = MappingProxyType(
    {
        Kind.PAYMENT_RECEIPT: KindRules(code="PR", audiences=("customer",), channel=Channel.EMAIL, creditable=True),
        Kind.ORDER_FINAL_STATEMENT: KindRules(
            code="OFS",
            audiences=("beneficiary", "partner"),
            channel=Channel.DIGEST,
            shows_payout_status=True,
            creditable=True,
            total="payable",
        ),
        Kind.PAYOUT_STATEMENT: KindRules(
            code="PS",
            audiences=("payee",),
            channel=Channel.EMAIL,
            total="amount",
            task=TaskName.ADVANCE_PAYOUT,
        ),
        Kind.PAYOUT_REVERSAL_NOTICE: KindRules(
            code="PRN",
            audiences=("payee",),
            channel=Channel.EMAIL,
            total="amount",
            task=TaskName.ADVANCE_PAYOUT,
        ),
        # A credit note's audience is its original's owner, who may be any of them.
        Kind.CREDIT_NOTE: KindRules(
            code="CN", audiences=("customer", "beneficiary", "partner", "payee"), channel=Channel.EMAIL
        ),
    }
)

# TABLE: kind -> the word in the names of its files, in Spanish: a file has one name, whoever saves it.
FILE_WORDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.PAYMENT_RECEIPT: "recibo",
        Kind.ORDER_FINAL_STATEMENT: "pedido",
        Kind.PAYOUT_STATEMENT: "liquidacion",
        Kind.PAYOUT_REVERSAL_NOTICE: "aviso-de-pago",
        Kind.CREDIT_NOTE: "nota-de-credito",
    }
)

if set(TABLE) != set(Kind) or set(FILE_WORDS) != set(Kind):
    raise ValueError("every kind needs its rows in the catalog")
