"""Nothing false is said: each cell of the table of outcomes, at the place where a person reads it, in both languages.

What the table says must stand there; what would be false of that outcome must not, whoever says it.
"""

import html
import string
from collections.abc import Iterator

import pytest
from django.test import Client
from django.utils import timezone

from audit import flood, log
from documents import formatting, standings
from documents.countries.sources import Words
from documents.delivery import deliveries, letters, links
from documents.link_pages import verification
from documents.models import Document, Kind
from documents.resilience import queue
from documents.wording import outcomes, table
from documents.wording.cells import NOTHING, VALUES
from documents.wording.outcomes import Fate
from tests import factories
from tests.documents import center, scenes

pytestmark = pytest.mark.django_db
CELLS = sorted(table.TABLE, key=str)
PAID_OUT = ("Importe transferido", "Amount transferred", "Te hemos enviado", "We have sent you", "Pago enviado")
TO_COME = ("Neto a recibir", "Net payable to you", "recibirás", "you will get", "Pago pendiente", "Payout pending")
IN_FAVOUR = ("a tu favor", "in your favour", "Total abonado", "Total credited")
GOOD = ('class="sign good"', 'class="note good"')
# TABLE: what would be false of an outcome, wherever it is read.
FALSE: dict[tuple[str, Fate], tuple[str, ...]] = {
    **dict.fromkeys(
        [
            (Kind.PAYOUT_STATEMENT, outcome)
            for outcome in (
                Fate.FAILED,
                Fate.RETURNED,
                Fate.CANCELED,
                Fate.REPLACED,
            )
        ],
        (*PAID_OUT, *GOOD),
    ),
    **dict.fromkeys(
        [(Kind.PAYOUT_STATEMENT, outcome) for outcome in (Fate.CLOSED, Fate.OWING, Fate.CARRIED_ON)],
        PAID_OUT,
    ),
    **dict.fromkeys(
        [
            (Kind.ORDER_FINAL_STATEMENT, outcome)
            for outcome in (
                Fate.ZERO,
                Fate.NEGATIVE,
                Fate.DEDUCTED,
                Fate.PAID,
                Fate.SETTLED,
            )
        ],
        TO_COME,
    ),
    (Kind.ORDER_FINAL_STATEMENT, Fate.CREDITED_WHOLLY): (*TO_COME, *GOOD),
    (Kind.ORDER_FINAL_STATEMENT, Fate.CREDITED_IN_PART): ("Neto a recibir", "Net payable to you", *GOOD),
    (Kind.CREDIT_NOTE, Fate.REFUND_FAILED): ("ya te llegó", "Total a tu favor<", "in your favour<", *GOOD),
    (Kind.PAYMENT_RECEIPT, Fate.CREDITED_WHOLLY): GOOD,
    (Kind.PAYMENT_RECEIPT, Fate.CREDITED_IN_PART): GOOD,
    **dict.fromkeys(
        [
            (Kind.CREDIT_NOTE, outcome)
            for outcome in (
                Fate.ORDER_CANCELED,
                Fate.REASSIGNED,
                Fate.TAKEN,
                Fate.RELEASED,
            )
        ],
        IN_FAVOUR,
    ),
    **dict.fromkeys(
        [(Kind.PAYOUT_REVERSAL_NOTICE, outcome) for outcome in (Fate.FAILED, Fate.CANCELED)],
        ("devolvió", "returned", *PAID_OUT),
    ),
    (Kind.PAYOUT_REVERSAL_NOTICE, Fate.RETURNED): ("no pudo enviarse", "could not be sent", *PAID_OUT),
}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(queue, "enqueue", lambda **_: False)
    monkeypatch.setattr(verification, "_views", flood.Throttle(window_s=60.0, single_max=1))
    yield
    log.flush_denials()


def shown(kind: str, outcome: Fate, *, locale: str = "es") -> Document:
    """Return a document that stands for an outcome."""
    return scenes.SCENES[kind, outcome](factories.party(platform_id="drv_wording", locale=locale))


def page_of(document: Document, language: str) -> str:
    """Return the opened page of a document's link."""
    link = links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())
    client, path = Client(), f"/l/{links.token(link=link)}/"
    assert client.post(f"{path}open/", {"answer": "678Z"}).status_code == 303
    return tidy(client.get(f"{path}?lang={language}").content.decode())


def public_page_of(document: Document, language: str) -> str:
    """Return the page of a document's code."""
    return tidy(Client().get(f"/v/{document.verification_code}?lang={language}").content.decode())


def mail_of(document: Document) -> str:
    """Return subject and both forms of the mail about a document, as it is sent now."""
    now = timezone.now()
    message = letters.compose(batch=[deliveries.resend(document=document, actor=log.SYSTEM, now=now)], now=now)
    return tidy("\n".join([str(message.subject), str(message.body), str(message.alternatives[0][0])]))


def tidy(page: str) -> str:
    """Return a page as it is read, in one line."""
    return " ".join(html.unescape(page).split())


def said(words: Words, language: str) -> list[str]:
    """Return the pieces of a sentence around the values that it names."""
    text = words.en if language == "en" else words.es
    return [literal.strip() for literal, *_ in string.Formatter().parse(text) if literal.strip(" .,:")]


def assert_place(page: str, *words: Words, language: str) -> None:
    """Assert that a place says these words, and nothing that is false of the outcome."""
    for text in (piece for each in words for piece in said(each, language)):
        assert text in page


def assert_nothing_false(page: str, *, kind: str, outcome: Fate) -> None:
    """Assert that a place says nothing that is false of the outcome."""
    for text in FALSE.get((kind, outcome), ()):
        assert text not in page


def test_every_outcome_has_a_cell_for_its_kind_and_a_scene_that_shows_it() -> None:
    assert {kind for kind, _ in table.TABLE} == set(Kind)
    assert {outcome for _, outcome in table.TABLE} == set(Fate)
    assert set(scenes.SCENES) == set(table.TABLE)
    assert set(FALSE) <= set(table.TABLE)
    assert set(outcomes.SINCE) <= set(table.TABLE)


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_a_cell_names_only_values_that_there_are_and_says_the_same_in_both_languages(kind: str, outcome: Fate) -> None:
    cell = table.TABLE[kind, outcome]
    sentences = [value for value in vars(cell).values() if isinstance(value, Words)]
    assert len(sentences) == 8
    for words in sentences:
        es, en = ({name for _, name, *_ in string.Formatter().parse(text) if name} for text in (words.es, words.en))
        assert es == en <= set(VALUES)
        assert bool(words.es) == bool(words.en)
    if (kind, outcome) in outcomes.SINCE:
        assert (cell.figure, cell.printed) == (NOTHING, NOTHING)  # a page that was printed knows nothing of it


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_a_scene_stands_for_its_outcome(kind: str, outcome: Fate) -> None:
    assert outcome in standings.of(document=shown(kind, outcome)).outcomes


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_the_page_of_a_link_says_what_is_so(kind: str, outcome: Fate) -> None:
    document, cell = shown(kind, outcome), table.TABLE[kind, outcome]
    for language in formatting.LANGUAGES:
        page = page_of(document, language)
        assert_place(page, cell.label, cell.shown, language=language)
        assert_nothing_false(page, kind=kind, outcome=outcome)


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_the_page_of_a_code_says_what_is_so(kind: str, outcome: Fate) -> None:
    document, cell = shown(kind, outcome), table.TABLE[kind, outcome]
    for language in formatting.LANGUAGES:
        page = public_page_of(document, language)
        assert_place(page, cell.public, language=language)
        assert_nothing_false(page, kind=kind, outcome=outcome)
        assert "5,32" not in page


@pytest.mark.parametrize("language", formatting.LANGUAGES)
@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_a_mail_says_what_is_so_the_first_time_and_again(kind: str, outcome: Fate, language: str) -> None:
    document, cell = shown(kind, outcome, locale=language), table.TABLE[kind, outcome]
    first, again = mail_of(document), mail_of(document)
    assert_place(first, cell.subject, cell.letter, language=language)
    if (kind, outcome) in outcomes.SINCE:
        assert_place(again, cell.letter, language=language)
    for mail in (first, again):
        assert_nothing_false(mail, kind=kind, outcome=outcome)
        assert "5,32" not in mail  # no amounts in a mail


@pytest.mark.parametrize(("kind", "outcome"), CELLS)
def test_the_document_center_says_what_is_so(kind: str, outcome: Fate) -> None:
    document, cell = shown(kind, outcome), table.TABLE[kind, outcome]
    client = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    for language in formatting.LANGUAGES:
        page = tidy(client.get(center.page(document), headers={"accept-language": language}).content.decode())
        assert_place(page, cell.badge, cell.public, language=language)
        assert_nothing_false(page, kind=kind, outcome=outcome)


@pytest.mark.parametrize(
    ("about", "cause"),
    [
        ("reassignment:ra_1:beneficiary", "reassignment"),
        ("reassignment:ra_1:beneficiary:adj_1", "reassignment"),
        ("reassignment:ra_1:beneficiary:canceled", "order"),
        ("adjustment:adj_1:beneficiary:canceled", "order"),
        ("order:ord_1:partner:canceled", "order"),
        ("payment:pay_1:customer:canceled", "payment"),
    ],
)
def test_a_note_of_a_cancellation_is_called_one_whatever_it_takes_back(about: str, cause: str) -> None:
    assert outcomes.cause(key=f"{Kind.CREDIT_NOTE}:{about}") == cause
