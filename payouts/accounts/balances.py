"""What is owed to a person, or what the person owes, by issuer and currency, as things are now."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from documents import money
from documents.models import Document, Kind, PayoutStatus
from payouts.accounts import changes
from payouts.calculation.earnings import MoneyAccount, ReturnedPayout
from payouts.models import Payout, PayoutState, Settlement

BACK = (PayoutState.RETURNED, PayoutState.FAILED)  # the money is still to be sent


@dataclass(frozen=True, kw_only=True, order=True)
class AccountKey:
    """Whose account it is: a party's with an issuer, in one currency."""

    party: int
    issuer: int
    currency: str


def accounts(*, parties: Collection[int]) -> dict[AccountKey, MoneyAccount]:
    """Return the accounts of these parties in which anything is not zero."""
    carried, pending, cash, back = _carried(parties), _pending(parties), _cash(parties), _back(parties)
    made = {
        key: MoneyAccount(
            pending_minor=pending.get(key, 0),
            carried_minor=carried.get(key, 0),
            cash_minor=cash.get(key, 0),
            returned=tuple(back.get(key, ())),
        )
        for key in sorted({*carried, *pending, *cash, *back})
    }
    return {key: account for key, account in made.items() if account != MoneyAccount(pending_minor=0)}


def to_be_sent_again(*, parties: Collection[int]) -> QuerySet[Payout]:
    """Return the payouts whose money came back and which no other has replaced, the newest first.

    One whose statements another payout pays by now has been sent again in another way.
    """
    in_its_place = Payout.objects.filter(
        chained_as=OuterRef("chained_as"), payee=OuterRef("payee"), issuer=OuterRef("issuer"), returned_at=None
    )
    paid_since = Settlement.objects.filter(effective=True, document__settlements__payout=OuterRef("pk"))
    rows = Payout.objects.filter(~Exists(in_its_place), ~Exists(paid_since), payee__in=parties, state__in=BACK)
    return rows.order_by("-sent_at", "-pk")


def _key(row: Mapping[str, object]) -> AccountKey:
    return AccountKey(party=int(str(row["party"])), issuer=int(str(row["issuer_id"])), currency=str(row["currency"]))


def _carried(parties: Collection[int]) -> dict[AccountKey, int]:
    """Return what the last payout in effect of each chain left."""
    rows = Payout.objects.filter(payee__in=parties, returned_at=None)
    chain = ("payee_id", "issuer_id", "currency")
    last = rows.order_by(*chain, "-chained_at", "-chained_as").distinct(*chain)
    return {
        _key(row): row["closing_minor"]
        for row in last.values("issuer_id", "currency", "closing_minor", party=F("payee_id"))
    }


def _pending(parties: Collection[int]) -> dict[AccountKey, int]:
    """Return what is not paid of the documents, more than that counting against it."""
    rows = changes.documents(parties=parties).annotate(net_minor=changes.NET, paid_minor=changes.PAID)
    open_ = rows.filter(~Q(net_minor=F("paid_minor"))).values(
        "issuer_id", "currency", "net_minor", "paid_minor", party=F("owner_id")
    )
    return _sums((_key(row), row["net_minor"] - row["paid_minor"]) for row in open_)


def _cash(parties: Collection[int]) -> dict[AccountKey, int]:
    """Return the cash that orders declare which no payout has counted, and which were not taken back."""
    taken_back = Document.objects.filter(
        corrects=OuterRef("pk"), kind=Kind.CREDIT_NOTE, total_minor=OuterRef("total_minor")
    )
    rows = Document.objects.filter(
        ~Exists(taken_back),
        owner__in=parties,
        kind=Kind.ORDER_FINAL_STATEMENT,
        payout_status=PayoutStatus.PENDING,
        content__contains='"cash_collected":',
    )
    back = Settlement.objects.filter(payout__in=to_be_sent_again(parties=parties).values("pk"))
    rows = rows.exclude(pk__in=back.values("document"))  # what came back has counted it
    read = rows.values("issuer_id", "currency", "content", party=F("owner_id"))
    return _sums(
        (_key(row), money.minor(json.loads(row["content"])["cash_collected"], money.digits(row["currency"])))
        for row in read
    )


def _back(parties: Collection[int]) -> dict[AccountKey, list[ReturnedPayout]]:
    """Return the payouts that are to be sent again."""
    rows = to_be_sent_again(parties=parties).annotate(included=Coalesce(Sum("settlements__amount_minor"), 0))
    made: dict[AccountKey, list[ReturnedPayout]] = {}
    for row in rows:
        payout = ReturnedPayout(
            amount_minor=row.amount_minor,
            included_minor=row.included,
            opening_minor=row.opening_minor,
            closing_minor=row.closing_minor,
        )
        key = AccountKey(party=row.payee_id, issuer=row.issuer_id, currency=row.currency)
        made.setdefault(key, []).append(payout)
    return made


def _sums(pairs: Iterable[tuple[AccountKey, int]]) -> dict[AccountKey, int]:
    sums: dict[AccountKey, int] = {}
    for key, amount in pairs:
        sums[key] = sums.get(key, 0) + amount
    return sums
