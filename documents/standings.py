"""What a document stands for now: looked up by what corrects it, by its subject and by its kind.

Of other documents only columns are read, never rows: a page may name the number of one whose owner is somebody else.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.db.models import Exists, QuerySet

from documents import formatting
from documents.countries.sources import Words
from documents.models import Document, Event, Kind, RefundStatus
from documents.wording import of_customers, outcomes
from documents.wording.cells import NOTHING, Cell, Tone
from documents.wording.outcomes import Fate, FrozenContent
from documents.wording.table import TABLE

Since = Iterator[tuple[Fate, dict[str, str] | None]]  # an outcome, and what its sentences name; None: it is not so
NOTES_MAX = 5  # credit notes that are named; the others are counted
REPLACING = '"replaces":'  # how canonical JSON begins the member; an index holds the few statements that have it
# What a document says of its money: no longer shown where an outcome since overrides it.
_OF_MONEY = frozenset({Fate.OWING, Fate.CARRIED_ON, Fate.SETTLED})


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One sentence of a page, with its tone and its sign."""

    text: str
    tone: Tone
    sign: str


@dataclass(frozen=True, kw_only=True)
class DocumentStanding:
    """What the places say of a document now, in the language that was in force when it was looked up.

    `changed`: something became so since it was issued that no place may keep silent about.
    """

    outcomes: tuple[Fate, ...]
    label: str
    subject: str
    letter: str
    changes: str  # of the letter: what became so since alone
    remarks: tuple[Remark, ...]
    public: tuple[str, ...]
    badges: tuple[Remark, ...]
    changed: bool

    @property
    def to_others(self) -> tuple[Remark, ...]:
        """Return what is said to a reader who is not the owner: no sentence that speaks to the owner."""
        return (*self.badges, *(Remark(text=text, tone="", sign="page") for text in self.public))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One outcome of a document, its cell, and the values that the cell's sentences name."""

    outcome: Fate
    cell: Cell
    values: Mapping[str, str]
    is_since: bool

    def says(self, of: Callable[[Cell], Words]) -> str:
        """Return what a place says, in the language in force; "" for nothing."""
        return _written(of(self.cell)).format_map(self.values)


def of(*, document: Document) -> DocumentStanding:
    """Return what a document stands for now; two queries, three for statements and the documents of a payout."""
    content = json.loads(document.content)
    parts = list(_parts(document=document, content=content))
    if any(part.cell.overrides for part in parts):
        parts = [part for part in parts[1:] if part.outcome not in _OF_MONEY]
    changes_first = sorted(parts, key=lambda part: not part.is_since)
    return DocumentStanding(
        outcomes=tuple(part.outcome for part in parts),
        label=_first(changes_first, lambda cell: cell.label),
        subject=_first(changes_first, lambda cell: cell.subject),
        letter=" ".join(_all(parts, lambda cell: cell.letter)),
        changes=" ".join(_all([part for part in parts if part.is_since], lambda cell: cell.letter)),
        remarks=_remarks(parts, lambda cell: cell.shown),
        public=tuple(_all(parts, lambda cell: cell.public)),
        badges=_remarks(parts, lambda cell: cell.badge),
        changed=any(part.is_since and part.cell.tone == "warn" for part in parts),
    )


def _written(text: Words) -> str:
    return text.en if formatting.language() == "en" else text.es


def _all(parts: list[_Part], of: Callable[[Cell], Words]) -> list[str]:
    return [part.says(of) for part in parts if of(part.cell) != NOTHING]


def _first(parts: list[_Part], of: Callable[[Cell], Words]) -> str:
    return next(iter(_all(parts, of)))


def _remarks(parts: list[_Part], of: Callable[[Cell], Words]) -> tuple[Remark, ...]:
    speaking = (part for part in parts if of(part.cell) != NOTHING)
    return tuple(Remark(text=part.says(of), tone=part.cell.tone, sign=part.cell.sign) for part in speaking)


def _parts(*, document: Document, content: FrozenContent) -> Iterator[_Part]:
    """Yield the outcomes of a document: those of its content, then those since."""
    kind, owed = Kind(document.kind), outcomes.debt(content=content)
    values = {"debt": formatting.money_of(document=document, text=owed) if owed else "", "number": ""}
    as_issued = outcomes.as_issued(content=content, payout_status=document.payout_status)
    if Fate.OWING in as_issued and _is_carried_on(document=document):
        as_issued = tuple(Fate.CARRIED_ON if outcome is Fate.OWING else outcome for outcome in as_issued)
    of_content = ((outcome, _of_content(outcome, document=document, content=content)) for outcome in as_issued)
    for outcome, more in (*of_content, *_SINCE[kind](document)):
        if more is not None:
            is_since = (kind, outcome) in outcomes.SINCE
            yield _Part(outcome=outcome, cell=TABLE[kind, outcome], values=values | more, is_since=is_since)


def _of_content(outcome: Fate, *, document: Document, content: FrozenContent) -> dict[str, str] | None:
    """Return what the sentences of an outcome name; None where they name a document that does not exist."""
    if document.kind == Kind.CREDIT_NOTE:
        return {"number": content["original"]["number"]}
    match outcome:
        case Fate.COMPLETES:
            return {"number": content["adjustment"]["corrects"]}
        case Fate.TAKES_OVER:
            return {"number": content["reassignment"]["replaces"]}
        case Fate.REPLACES:
            key = f"{Kind.PAYOUT_STATEMENT}:payout:{content['replaces']}:{document.audience}"
            return _numbered(Document.objects.filter(document_key_id=key))
    return {}


def _of_corrected(document: Document) -> Since:
    """Yield what has become of a receipt or of an order's statement: its payout, its adjustments, its credit notes."""
    if document.settled_by_id is not None:
        yield Fate.SETTLED, _numbered(Document.objects.filter(pk=document.settled_by_id))
    credited_minor, notes = 0, []
    correcting = Document.objects.filter(corrects=document).order_by("pk")
    columns = ("kind", "number", "document_key_id", "total_minor", "refund_status")
    for kind, number, key, total_minor, refund_status in correcting.values_list(*columns):
        if kind != Kind.CREDIT_NOTE:
            yield Fate.ADJUSTED, {"number": number}
            continue
        credited_minor += total_minor
        cause = Fate.REFUND_FAILED if refund_status == RefundStatus.FAILED else outcomes.cause(key=key)
        notes.append(f"{number} ({_written(of_customers.CAUSES[cause])})")
    if notes:
        is_whole = credited_minor == document.total_minor
        more = [f"+{len(notes) - NOTES_MAX}"] if len(notes) > NOTES_MAX else []
        named = {"notes": ", ".join([*notes[:NOTES_MAX], *more])}
        yield Fate.CREDITED_WHOLLY if is_whole else Fate.CREDITED_IN_PART, named


def _of_statement(document: Document) -> Since:
    """Yield what has become of an order's statement; its reassignment too, where no note was left to say so."""
    yield from _of_corrected(document)
    if document.audience == "beneficiary":
        yield Fate.HANDED_ON, _next_owner_has(document=document)


def _next_owner_has(*, document: Document) -> dict[str, str] | None:
    """Return what the next owner of an order got in the place of a statement; None where a note of it says so."""
    word, _, name = document.subject.partition(":")
    suffix = document.document_key_id.split(":", 3)[3]  # the audience, and the adjustment
    taken_back = Document.objects.filter(corrects=document, subject__startswith="reassignment:", kind=Kind.CREDIT_NOTE)
    given = Document.objects.filter(
        ~Exists(taken_back),
        kind=Kind.ORDER_FINAL_STATEMENT,
        document_key__key__endswith=f":{suffix}",
        event__reassignment__former=document.owner_id,
    )
    if word == "order":
        given = given.filter(event__reassignment__order_id=name)
    else:
        begun = Event.objects.filter(subject=document.subject, reassignment__isnull=False)
        given = given.filter(
            event__reassignment__order_id__in=begun.values("reassignment__order_id"),
            event__reassignment__made_at__gte=begun.values("reassignment__made_at")[:1],
        )
    number = given.order_by("event__reassignment__made_at").values_list("number", flat=True).first()
    return {"number": number} if number else None


def _of_payout(document: Document) -> Since:
    """Yield what has become of a payout: the notices of its money, and the payout that replaces it."""
    notices = Document.objects.filter(subject=document.subject, kind=Kind.PAYOUT_REVERSAL_NOTICE)
    for key, number in notices.order_by("pk").values_list("document_key_id", "number"):
        yield Fate(key.rpartition(":")[2]), {"number": number}
    yield _replaced(document=document)


def _of_notice(document: Document) -> Since:
    """Yield the statement that a notice is about, and the payout that replaces it."""
    yield (
        Fate.CONCERNS,
        _numbered(Document.objects.filter(subject=document.subject, kind=Kind.PAYOUT_STATEMENT)),
    )
    yield _replaced(document=document)


def _of_note(document: Document) -> Since:
    """Yield what has become of the money of a credit note."""
    if document.refund_status == RefundStatus.FAILED:
        yield Fate.REFUND_FAILED, {}


def _replaced(*, document: Document) -> tuple[Fate, dict[str, str] | None]:
    """Return the statement of the payout that replaces the one that a document is about."""
    payout = json.dumps(document.subject.partition(":")[2])
    replacing = Document.objects.filter(
        owner_id=document.owner_id, kind=Kind.PAYOUT_STATEMENT, content__contains=REPLACING
    )
    return Fate.REPLACED, _numbered(replacing.filter(content__contains=f"{REPLACING}{payout}"))


def _is_carried_on(*, document: Document) -> bool:
    """Tell whether the payee had a later payout of the same issuer and currency, which opened with the debt."""
    same = {"owner_id": document.owner_id, "issuer_id": document.issuer_id, "currency": document.currency}
    return Document.objects.filter(kind=Kind.PAYOUT_STATEMENT, pk__gt=document.pk, **same).exists()


def _numbered(rows: QuerySet[Document]) -> dict[str, str] | None:
    """Return the first document's number, as sentences name it; None where there is none."""
    number = rows.order_by("pk").values_list("number", flat=True).first()
    return {"number": number} if number else None


_SINCE: Mapping[Kind, Callable[[Document], Since]] = MappingProxyType(
    {
        Kind.PAYMENT_RECEIPT: _of_corrected,
        Kind.ORDER_FINAL_STATEMENT: _of_statement,
        Kind.PAYOUT_STATEMENT: _of_payout,
        Kind.PAYOUT_REVERSAL_NOTICE: _of_notice,
        Kind.CREDIT_NOTE: _of_note,
    }
)
