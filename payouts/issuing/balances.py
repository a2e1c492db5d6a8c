"""The chain of balances: a payout opens with what the one before it of the same payee, issuer and currency closed with.

The one before is the last in the order of `calculation.chains`, among those that had not failed or come back. A payout
that replaces another opens and closes with the replaced one's balances.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from audit import log
from documents import money
from documents.alerts import discrepancies
from documents.emission import issuing
from documents.events import schemas, waiting
from documents.models import Discrepancy, Document, Event, EventStatus, Issuer, Kind, Party, Resolution
from payouts.calculation import chains
from payouts.issuing import cancellations, retries
from payouts.models import Payout

CODE = "balance_chain_broken"
_OF_BALANCE, _OF_REPLACED = "balance:", "payout:"  # how the names begin that a payout waits for
NEAR_MAX = 20  # payouts before one, of which the last batch tells what it leaves
LINKS_MAX = 500  # the latest payouts of a payee, looked at when one comes; reconciliation looks at all


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Whose balances follow each other: one payee's, of one issuer, in one currency."""

    payee: Party
    issuer: Issuer
    currency: str

    @property
    def awaited(self) -> str:
        """Return the name under which a payout waits for the one before it."""
        return awaited(payee=self.payee, issuer=self.issuer)


@dataclass(frozen=True, kw_only=True)
class ChainLink(chains.BalanceLink):
    """A link of a stored payout, or of an event that waits for a balance (`row` is None)."""

    row: Payout | None = None


@dataclass(frozen=True, kw_only=True)
class KnownBalance:
    """What a payout has to open with. `awaited` is the replaced payout that has not come yet, if there is one.

    While nobody knows that one, it is the balance that the payouts before it have left.
    """

    before: Payout | None
    opening_minor: int
    fits: bool
    place: tuple[dt.datetime, str]
    awaited: str = ""


def known(*, data: schemas.PayoutData, sent_at: dt.datetime, chain: Chain) -> KnownBalance:
    """Return the balance with which a payout has to open, and whether the two that it states fit it."""
    digits, payout, replaces = money.digits(chain.currency), data.payout.id, data.replaces
    stated = money.minor(data.opening_carry_over, digits), money.minor(data.closing_carry_over, digits)
    of_payee = Payout.objects.filter(payee=chain.payee, issuer=chain.issuer, currency=chain.currency).exclude(
        payout_id=payout
    )
    replaced = of_payee.filter(payout_id=replaces).first() if replaces else None
    if replaced is not None:
        return KnownBalance(
            before=replaced,
            opening_minor=replaced.opening_minor,
            fits=stated == (replaced.opening_minor, replaced.closing_minor),
            place=(replaced.chained_at, replaced.chained_as),
        )
    place = (sent_at, payout)
    unknown = f"{_OF_REPLACED}{replaces}" if replaces and not _failed(payout=replaces) else ""
    mine = chains.BalanceLink(payout=payout, place=place, opening_minor=stated[0], closing_minor=stated[1])
    then = of_payee.filter(Q(returned_at=None) | Q(returned_at__gt=sent_at), sent_at__lte=sent_at)
    earlier = _before(payouts=then, sent_at=sent_at)
    # What was sent later in the place of another has filled it by now.
    now_before = _before(payouts=of_payee.filter(returned_at=None), sent_at=sent_at)
    fits = _fits(link=mine, earlier=earlier) or _fits(link=mine, earlier=now_before)
    if not fits and (beside := _beside(link=mine, chain=chain)):
        fits = _fits(link=mine, earlier=earlier, beside=beside) or _fits(link=mine, earlier=now_before, beside=beside)
    last = earlier[-1] if earlier else None
    return KnownBalance(
        before=last.row if last else None,
        opening_minor=last.closing_minor if last else 0,
        fits=fits and not unknown,
        place=place,
        awaited=unknown,
    )


def _failed(*, payout: str) -> bool:
    """Tell whether a payout has failed, or was canceled before it was sent: then nobody need say that it was sent."""
    key = issuing.key(
        kind=Kind.PAYOUT_REVERSAL_NOTICE, subject=("payout", payout), audience="payee", discriminator="failed"
    )
    return Document.objects.filter(document_key_id=key).exists() or cancellations.was_ignored(
        subject=f"payout:{payout}"
    )


def _before(*, payouts: QuerySet[Payout], sent_at: dt.datetime) -> list[ChainLink]:
    """Return the last payouts up to a moment, as they follow each other."""
    rows = payouts.filter(chained_at__lte=sent_at).order_by("-chained_at", "-chained_as")[:NEAR_MAX]
    return _ordered(links=[_link(row=row) for row in rows], cut=NEAR_MAX)


def _ordered(*, links: list[ChainLink], cut: int) -> list[ChainLink]:
    """Return links as they follow each other; of a chain that was cut to its latest, the first opens as it says."""
    links = sorted(links, key=lambda link: (link.place, link.payout))
    opening_minor = links[0].opening_minor if len(links) >= cut else 0
    chain = chains.ordered(links=links, opening_minor=opening_minor)
    return [link for link in chain if isinstance(link, ChainLink)]


def _fits(*, link: chains.BalanceLink, earlier: list[ChainLink], beside: Sequence[ChainLink] = ()) -> bool:
    """Tell whether a link follows those before it, or among those of its own moment, with those that wait `beside`."""
    batch = [other for other in earlier if other.place[0] == link.place[0]]
    rest = earlier[: len(earlier) - len(batch)]
    start = rest[-1].closing_minor if rest else 0
    return chains.fits(opening_minor=start, links=[*batch, link], waiting=beside)


def _beside(*, link: chains.BalanceLink, chain: Chain) -> list[ChainLink]:
    """Return the links of one moment with a payout that wait for a balance: none may fit until another one is there."""
    links = (other for _, other in _waiting(of=[chain]) if other.place[0] == link.place[0])
    first_told = {other.payout: other for other in reversed([*links]) if other.payout != link.payout}
    return [*reversed(first_told.values())]


def _link(*, row: Payout) -> ChainLink:
    return ChainLink(
        payout=row.payout_id,
        place=(row.chained_at, row.chained_as),
        opening_minor=row.opening_minor,
        closing_minor=row.closing_minor,
        row=row,
    )


def awaited(*, payee: Party, issuer: Issuer) -> str:
    """Return the name under which a payout waits for the one before it."""
    return f"{_OF_BALANCE}{payee.platform_id}:{issuer.slug}"


def is_awaited(name: str) -> bool:
    """Tell whether a name that a payout waits for is that of one before it, or of one that it replaces."""
    return name.startswith((_OF_BALANCE, _OF_REPLACED))


@dataclass(frozen=True, kw_only=True)
class BalanceBreak:
    """Two payouts whose balances contradict each other, as a discrepancy of the later one."""

    dedup_key: str
    statement: Document | None
    facts: Mapping[str, object]


def chains_of(*, payouts: QuerySet[Payout]) -> Iterator[tuple[Chain, int, list[BalanceBreak]]]:
    """Yield each whole chain of payouts in effect, with the balance that it ends with and where it breaks."""
    in_effect = payouts.filter(returned_at=None).select_related("payee", "issuer", "statement")
    links: dict[Chain, list[ChainLink]] = {}
    for row in in_effect.defer("statement__content", "issuer__logo"):
        chain = Chain(payee=row.payee, issuer=row.issuer, currency=row.currency)
        links.setdefault(chain, []).append(_link(row=row))
    waiting_links = _waiting(of=[*links])
    for chain, stored in links.items():
        mine = [*stored, *(link for other, link in waiting_links if other == chain)]
        last = chains.ordered(links=stored)[-1]
        yield chain, last.closing_minor, _breaks(links=mine, currency=chain.currency, cut=len(mine) + 1)


def contradicted(*, data: schemas.PayoutData, place: tuple[dt.datetime, str], chain: Chain) -> Payout | None:
    """Return an issued payout, of a chain that is whole, that did not open with what this one would leave; else None.

    Payouts that wait may stand between the two. One that failed, or came back, before the other was sent left nothing.
    """
    if data.replaces:
        return None
    digits, payout = money.digits(chain.currency), data.payout.id
    mine = ChainLink(
        payout=payout,
        place=place,
        opening_minor=money.minor(data.opening_carry_over, digits),
        closing_minor=money.minor(data.closing_carry_over, digits),
    )
    known_links = _links(chain=chain)
    others = [link for link in known_links if link.payout != payout]
    before = {item.after.payout for item in _chain_breaks(links=others, cut=LINKS_MAX)}
    broken = [item for item in _chain_breaks(links=[*others, mine], cut=LINKS_MAX) if item.after.payout not in before]
    later = [item.after for item in broken if _row(item.after) and item.after.place > place]
    ended = _ended_at(payout=payout) if later else None
    return next((_row(link) for link in later if ended is None or ended > link.place[0]), None)


def _ended_at(*, payout: str) -> dt.datetime | None:
    """Return when a payout ended, by what was told before the payout itself; None where nothing was."""
    failed = Event.objects.filter(type="PAYOUT_FAILED", subject=f"payout:{payout}", status=EventStatus.PROCESSED)
    ending = Q(type__in=("PAYOUT_RETURNED", "PAYOUT_CANCELED"), waits__awaited=f"payout:{payout}")
    returned = Event.objects.filter(waiting.PARKED, ending)
    moments = [*failed.values_list("occurred_at", flat=True), *returned.values_list("occurred_at", flat=True)]
    return min((moment for moment in moments if moment is not None), default=None)


def wake_whole(*, chain: Chain, now: dt.datetime) -> None:
    """Wake what waits for a balance where the chain is whole with it: one of them was what the others lacked."""
    links = _links(chain=chain)
    if not _chain_breaks(links=links, cut=LINKS_MAX):
        waiting.wake(awaited=[chain.awaited], now=now)


def refresh(*, chain: Chain, now: dt.datetime, actor: log.Actor) -> None:
    """Bring `balance_chain_broken` of a payee's chain up to the payouts that are in effect or wait now."""
    links = _links(chain=chain)
    broken = {item.dedup_key: item for item in _breaks(links=links, currency=chain.currency, cut=LINKS_MAX)}
    keys = [_key(payout=link.payout) for link in links]
    gone = Discrepancy.objects.filter(dedup_key__in=keys, resolved_at=None).exclude(dedup_key__in=broken)
    for key in gone.order_by("opened_at").values_list("dedup_key", flat=True):
        discrepancies.resolve(dedup_key=key, resolution=Resolution.NO_DIFFERENCE, actor=actor, now=now)
    for key, item in broken.items():
        if not discrepancies.keep_current(dedup_key=key, facts=item.facts, actor=actor):
            discrepancies.open_one(code=CODE, dedup_key=key, facts=item.facts, document=item.statement, actor=actor)


def _links(*, chain: Chain) -> list[ChainLink]:
    """Return the latest links of the payouts in effect, and of those that wait for a balance."""
    rows = Payout.objects.filter(payee=chain.payee, issuer=chain.issuer, currency=chain.currency, returned_at=None)
    stored = rows.select_related("statement").defer("statement__content").order_by("-chained_at", "-chained_as")
    return [*(_link(row=row) for row in stored[:LINKS_MAX]), *(link for _, link in _waiting(of=[chain]))]


def _waiting(*, of: Sequence[Chain]) -> list[tuple[Chain, ChainLink]]:
    """Return the links of the payouts that wait for a balance; one that is being issued is stored and waits no more."""
    by_name = {(chain.awaited, chain.currency): chain for chain in of}
    parked = Event.objects.filter(waiting.PARKED, waits__awaited__in=[name for name, _ in by_name])
    links = []
    for event in parked.annotate(awaited=F("waits__awaited")).order_by("pk")[:LINKS_MAX]:
        data = retries.payout_data(body=event.body)
        chain = by_name.get((event.awaited, data.currency)) if data else None
        if data is None or chain is None or event.occurred_at is None or data.replaces:
            continue
        digits = money.digits(chain.currency)
        link = ChainLink(
            payout=data.payout.id,
            place=(data.payout.sent_at or event.occurred_at, data.payout.id),
            opening_minor=money.minor(data.opening_carry_over, digits),
            closing_minor=money.minor(data.closing_carry_over, digits),
        )
        links.append((chain, link))
    stored = Payout.objects.filter(payout_id__in=[link.payout for _, link in links])
    ids = {*stored.values_list("payout_id", flat=True)} if links else set()
    return [(chain, link) for chain, link in links if link.payout not in ids]


def _chain_breaks(*, links: list[ChainLink], cut: int) -> list[chains.Break]:
    """Return where links break; of a chain that was cut to its latest, the first opens as it says."""
    chain = _ordered(links=links, cut=cut)
    return chains.breaks(links=chain, opening_minor=chain[0].opening_minor if len(links) >= cut else 0)


def _breaks(*, links: list[ChainLink], currency: str, cut: int) -> list[BalanceBreak]:
    # What waits contradicts what is issued; two that wait may yet find what is missing between them.
    broken = [item for item in _chain_breaks(links=links, cut=cut) if _row(item.after) or _row(item.before)]
    return [_broken(item=item, currency=currency) for item in broken]


def _row(link: chains.BalanceLink | None) -> Payout | None:
    return link.row if isinstance(link, ChainLink) else None


def _broken(*, item: chains.Break, currency: str) -> BalanceBreak:
    digits = money.digits(currency)
    facts = {
        "currency": currency,
        "payout": item.after.payout,
        "payout_before": item.before.payout if item.before else None,
        "closing_before": money.text(item.left_minor, digits),
        "opening": money.text(item.after.opening_minor, digits),
        "difference": money.text(item.after.opening_minor - item.left_minor, digits),
    }
    row = _row(item.after) or _row(item.before)
    return BalanceBreak(dedup_key=_key(payout=item.after.payout), statement=row.statement if row else None, facts=facts)


def _key(*, payout: str) -> str:
    return f"{CODE}:{payout}"
