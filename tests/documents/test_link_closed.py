"""Links that open nothing: each says why, offers a new one where there may be one, and shows no amount and no name."""

import pathlib
import re

import pytest
from django.core.mail import EmailMessage
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event
from documents.delivery import deliveries
from documents.models import Alert, Delivery, DeliveryStatus, Status
from documents.vault import immutable
from tests import factories
from tests.documents.visits import Outline, a_link, opened, path, quiet, states, text

__all__ = ["quiet"]

pytestmark = pytest.mark.django_db


def test_every_closed_door_says_why_keeps_shut_and_never_shows_an_amount_or_a_name() -> None:
    for name, (link, status) in states().items():
        for answer in (
            Client().get(path(link)),
            Client().post(path(link, "open/"), {"answer": "678Z"}),
            Client().post(path(link, "download/")),
            Client().post(path(link, "view/")),
            Client().get(path(link, "page/1/")),
        ):
            # A form, and what is being prepared, lead to the link's own page, which says so.
            response = Client().get(answer["Location"]) if answer.status_code == 303 else answer
            assert response.status_code == status, name
            assert "21,88" not in text(response)
            assert "Ruiz" not in text(response)
            assert not response.content.startswith(b"%PDF")
        link.refresh_from_db()
        assert link.opened_at is None


def test_every_refusal_at_a_dead_link_is_on_record() -> None:
    link = a_link(revoked_at=timezone.now())
    Client().get(path(link))
    Client().post(path(link, "download/"))
    denied = Event.objects.using("denials").filter(object_id=link.public_id, outcome="denied")
    assert {row.code for row in denied} == {"link_revoked"}
    assert denied.count() == 2


def test_a_document_that_is_not_ready_yet_shows_itself_later_without_a_tap() -> None:
    link = a_link(factories.document(status=Status.ISSUED, now=timezone.now()))
    page = Client().get(path(link))
    assert page["Refresh"] == "15"
    assert "Mirar otra vez" in text(page)


def test_a_vault_that_is_away_is_a_503_that_says_the_document_is_safe(vault_folder: pathlib.Path) -> None:
    link = a_link()
    client = opened(link)
    immutable.unlock_for_removal(folder=vault_folder)
    vault_folder.rename(vault_folder.with_name("unmounted"))
    response = client.post(path(link, "download/"))
    vault_folder.with_name("unmounted").rename(vault_folder)
    assert response.status_code == 503
    assert response["Retry-After"] == "300"
    assert "guardado y seguro" in text(response)
    link.refresh_from_db()
    assert link.downloads == 0


def test_a_log_that_is_away_is_a_503_without_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    link = a_link()
    client = opened(link)

    def fail(**_what: object) -> int:
        raise log.AuditUnavailable("the log is away")

    monkeypatch.setattr(log, "record", fail)
    response = client.post(path(link, "download/"))
    assert response.status_code == 503
    assert "seguros" in text(response)
    assert b"%PDF" not in response.content


def test_tampered_bytes_are_a_neutral_page_and_a_p1(vault_folder: pathlib.Path) -> None:
    link = a_link()
    client = opened(link)
    immutable.unlock_for_removal(folder=vault_folder)
    file = vault_folder / link.document.vault_key
    file.chmod(0o644)
    file.write_bytes(b"%PDF forged")
    response = client.get(client.post(path(link, "download/"))["Location"])
    assert response.status_code == 423
    assert "revisando" in text(response)
    assert Alert.objects.get(code="document_quarantined").severity == "P1"


@pytest.mark.parametrize("rest", ["nope/", "nope", "A" * 43 + "/", "a/b/c/d", "%00/", "é/", "x" * 3000 + "/"])
def test_no_two_addresses_that_are_no_link_can_be_told_apart(rest: str) -> None:
    known, unknown = Client().get("/l/zzz/"), Client().get(f"/l/{rest}")
    assert unknown.status_code == 404
    assert unknown.content == known.content
    assert set(unknown.headers) == set(known.headers)


def test_a_form_sent_to_no_link_is_the_same_404() -> None:
    for rest in ("open/", "download/", "view/", "code/", "renew/", "report/", "1/download/", "1/view/"):
        assert Client().post(f"/l/{'A' * 43}/{rest}").status_code == 404


def test_asking_for_a_new_link_is_answered_alike_whether_or_not_one_is_sent() -> None:
    mute = factories.document(owner=factories.party(platform_id="drv_mute", email=""), now=timezone.now())
    pages = []
    for link in (
        a_link(expires_at=timezone.now()),
        a_link(mute, expires_at=timezone.now()),
        a_link(revoked_at=timezone.now(), revoked_reason="wrong_person"),
    ):
        moved = Client().post(path(link, "renew/"))
        assert (moved.status_code, moved["Location"]) == (303, path(link) + "?note=renewed")
        pages.append(text(Client().get(moved["Location"])).replace(link.public_id, ""))
    assert pages[0] == pages[1] == pages[2]
    assert Delivery.objects.count() == 1


def test_an_expired_link_becomes_a_new_one_in_the_mail(settings: Settings, mailoutbox: list[EmailMessage]) -> None:
    link = a_link(expires_at=timezone.now())
    Client().post(path(link, "renew/"))
    made = Delivery.objects.get()
    deliveries.send(delivery_id=made.pk, now=timezone.now())
    [message] = mailoutbox
    found = re.search(rf"{re.escape(settings.PUBLIC_URL)}(/l/\S+)", str(message.body))
    assert found is not None
    assert Client().get(found[1]).status_code == 200
    made.refresh_from_db()
    assert made.status == DeliveryStatus.SENT


def test_a_link_that_works_is_not_renewed_whoever_presses_the_button() -> None:
    link = a_link()
    moved = Client().post(path(link, "renew/"))
    assert "Tu documento está listo" in text(Client().get(moved["Location"]))
    assert Delivery.objects.count() == 0


def test_the_wrong_person_is_asked_first_and_then_nobody_gets_in_and_no_new_link_is_offered() -> None:
    link = a_link()
    page = Client().get(path(link, "report/"))
    assert "A•• R••• P••••" in text(page)
    assert {"type": "checkbox", "name": "sure", "value": "yes", "required": None} in Outline(text(page)).all("input")
    unsure = Client().post(path(link, "report/"))
    assert "Marca la casilla" in text(Client().get(unsure["Location"]))
    link.refresh_from_db()
    assert link.revoked_at is None
    moved = Client().post(path(link, "report/"), {"sure": "yes"})
    assert "Gracias por avisar" in text(Client().get(moved["Location"]))
    page = Client().get(path(link))
    assert page.status_code == 410
    assert "renew/" not in text(page)
    assert Alert.objects.filter(code="link_revoked").count() == 1
