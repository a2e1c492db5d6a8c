"""What a person at a link's door answers: right, wrong and too often; and the code by mail for who cannot."""

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event
from documents.delivery import codes, tries
from documents.models import Alert, Link, Notice, WrongAnswers
from tests import factories
from tests.documents.visits import Outline, a_link, answered, path, quiet, text

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db


def test_a_wrong_answer_says_how_many_tries_are_left_and_the_fifth_closes_the_door() -> None:
    link = a_link()
    client = Client()
    for left in (4, 3, 2):
        page = answered(client, link, "0000")
        assert page.status_code == 200
        assert f"Te quedan {left} intentos." in text(page)
        assert 'role="alert"' in text(page)
    assert "Te queda 1 intento." in text(answered(client, link, "0000"))
    locked = answered(client, link, "0000")
    assert locked.status_code == 429
    assert 0 < int(locked["Retry-After"]) <= 900
    assert answered(client, link, "678Z").status_code == 429
    assert client.cookies == {}


def test_the_tenth_wrong_answer_ends_the_link() -> None:
    link = a_link(wrong_answers=9)
    assert answered(Client(), link, "0000").status_code == 410
    assert Alert.objects.filter(code="link_revoked").count() == 1


@pytest.mark.parametrize("answer", ["", " ", "1", "5678Z", "1" * 21, "\x00\x00\x00\x00"])
def test_what_cannot_be_an_answer_is_asked_again_and_is_no_try(answer: str) -> None:
    link = a_link()
    page = answered(Client(), link, answer)
    assert page.status_code == 200
    assert "Escribe los 4 últimos caracteres, o el número completo." in text(page)
    link.refresh_from_db()
    assert link.wrong_answers == 0


def test_whoever_has_given_too_many_wrong_answers_is_stopped_at_every_link_of_that_party_and_told_until_when() -> None:
    link = a_link()
    tries.count(keys={"party": f"party:{link.recipient_id}"}, now=timezone.now())
    WrongAnswers.objects.update(count=20)
    assert answered(Client(), link, "678Z").status_code == 429
    page = Client().get(path(link))
    assert page.status_code == 429
    assert 86_000 < int(page["Retry-After"]) <= 86_400
    assert "soporte@aventide.example" not in text(page)
    assert "documentos@aventide.example" in text(page)
    link.refresh_from_db()
    assert (link.opened_at, link.wrong_answers) == (None, 0)


def mailed(link: Link) -> str:
    """Return the code that was mailed last."""
    return codes.code(notice=Notice.objects.filter(link=link).latest("pk"))


def test_who_cannot_answer_has_a_code_mailed_and_opens_with_it() -> None:
    link = a_link()
    client = Client()
    landing = text(client.get(path(link)))
    assert "a••@e••••••.com" in landing
    moved = client.post(path(link, "code/"))
    assert (moved.status_code, moved["Location"]) == (303, path(link) + "?by=code")
    field = next(row for row in Outline(text(client.get(moved["Location"]))).all("input") if row["name"] == "answer")
    assert (field["autocomplete"], field["inputmode"]) == ("one-time-code", "numeric")
    wrong = answered(client, link, "12345", by="code")
    assert "Escribe las 6 cifras del código." in text(wrong)
    assert "21,88 EUR" in text(answered(client, link, mailed(link), by="code"))


def test_who_has_no_tax_id_on_file_is_asked_for_nothing_but_a_code() -> None:
    owner = factories.party(platform_id="drv_none", tax_id="")
    link = a_link(factories.document(owner=owner, now=timezone.now()))
    client = Client()
    assert Outline(text(client.get(path(link)))).all("input") == []
    page = text(client.get(client.post(path(link, "code/"))["Location"]))
    assert 'name="answer"' in page
    assert "Últimos 4" not in page
    assert "21,88 EUR" in text(answered(client, link, mailed(link), by="code"))


def test_a_second_code_within_a_minute_is_answered_alike_and_not_sent() -> None:
    link = a_link()
    client = Client()
    pages = [text(client.get(client.post(path(link, "code/"))["Location"])) for _ in range(3)]
    assert pages[0] == pages[1] == pages[2]
    assert Notice.objects.filter(link=link).count() == 1
    denied = Event.objects.using("denials").filter(object_id=link.public_id, code="code_not_mailed")
    assert denied.count() == 2
