"""A shared link: made by the owner for a named reader, opened with the code that the owner passes on, and ended."""

import json
import pathlib
import re

import pytest
from django.test import Client
from django.utils import timezone

from audit.models import Event as LoggedEvent
from audit.models import EventDetail
from documents.delivery import deliveries, links, shared_links
from documents.emission import locking
from documents.models import Document, Link, Notice, RevokeReason
from tests import cast
from tests.documents import center
from tests.payouts import telling
from tests.payouts.signing_in import PANEL, form_of, signed_in

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
BANK = "Banco del Bajío"


@pytest.fixture(autouse=True)
def _documents(db: None, vault_folder: pathlib.Path) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("mx_week")])
    locking.advance(document_id=hers().pk, now=timezone.now())


def hers() -> Document:
    return Document.objects.get(document_key_id="ORDER_FINAL_STATEMENT:order:ord_MXA:beneficiary")


def place() -> str:
    return f"{PANEL}compartir/{hers().public_id}/"


def shared(browser: Client, reader: str = BANK, form: str = "") -> tuple[str, str]:
    """Share her trip's statement and return the path and the code, as the page shows them."""
    form = form or form_of(browser.get(place()).content.decode())
    answer = browser.post(place(), {"reader": reader, "form": form})
    assert answer.status_code == 201
    address, code = re.findall(r'readonly>([^<]+)</textarea>|value="([^"]+)" readonly', answer.content.decode())
    return str(re.sub("https?://[^/]+", "", address[0])), str(code[1])


def opened(address: str, code: str) -> str:
    """Answer at the door as somebody new and return the page behind it."""
    reader = Client()
    assert reader.post(f"{address}open/", {"answer": code}).status_code == 303
    return reader.get(address).content.decode()


def test_a_bank_opens_it_with_the_code_and_sees_one_document_as_it_stands_now() -> None:
    browser = signed_in()
    assert place() in browser.get(f"{PANEL}viaje/ord_MXA/").content.decode()
    address, code = shared(browser)
    bank = Client()
    door = bank.get(address).content.decode()
    assert (BANK in door, "435.00" in door, "Xochilt" in door) == (True, False, False)
    assert "code/" not in door  # no code is mailed to the owner because somebody stands there
    assert bank.post(f"{address}open/", {"answer": code}).status_code == 303
    page = bank.get(address).content.decode()
    assert ("435.00 MXN" in page, BANK in page) == (True, True)
    assert hers().payout_status == "PENDING"  # the payout came back
    assert "Pago pendiente" in page
    assert bank.post(f"{address}download/").status_code == 200
    assert f"{BANK}, con quien lo compartes" in browser.get(f"{PANEL}vistas/").content.decode()
    assert "435.00 MXN" in opened(address, code)  # unlike a code by mail, it opens more than once


def test_nothing_but_its_own_code_opens_it_and_none_is_stored() -> None:
    address, code = shared(signed_in())
    link = Link.objects.get(reader=BANK)
    other = shared_links.create(document=hers(), reader="Casero", now=timezone.now(), actor=links.log.SYSTEM)
    for answer, tries in (("CACX7605101P8", 0), ("01P8", 0), (shared_links.code(link=other), 1)):
        assert "435.00" not in opened(address, answer)
        link.refresh_from_db()
        assert link.wrong_answers == tries
    Client().post(f"{address}code/")
    Client().post(f"{address}renew/")
    assert not Notice.objects.exists()
    token = address.split("/")[2]
    kept = [*Link.objects.values(), *LoggedEvent.objects.values(), *EventDetail.objects.values()]
    assert not [row for row in kept if code in map(str, row.values()) or token in str(row)]


def test_the_same_form_twice_shares_once_and_a_form_without_a_reader_shares_nothing() -> None:
    browser = signed_in()
    assert browser.post(place(), {"reader": " \u200b ", "form": "f"}).status_code == 400
    assert shared(browser, form="f") == shared(browser, form="f")
    assert (Link.objects.exclude(reader="").count(), len(center.said("link.created"))) == (1, 1)
    # Back, and another name: a link of its own, for each ends by itself.
    assert shared(browser, form="f") != shared(browser, reader="Casero", form="f")
    assert browser.post(place(), {"reader": BANK}).status_code == 400
    assert Link.objects.exclude(reader="").count() == 2


def test_it_is_listed_and_ended_by_its_owner_and_another_mail_ends_it_not() -> None:
    browser = signed_in()
    address, code = shared(browser)
    link = Link.objects.get(reader=BANK)
    deliveries.resend(document=hers(), actor=links.log.SYSTEM, now=timezone.now(), revoke_older=True)
    text = browser.get(f"{PANEL}compartidos/").content.decode()
    assert ("sin abrir" in text, text.count(BANK), f"{link.public_id}/anular/" in text) == (True, 2, True)
    stranger = signed_in("ana@example.com")
    assert BANK not in stranger.get(f"{PANEL}compartidos/").content.decode()
    end = f"{PANEL}compartidos/{link.public_id}/anular/"
    assert [stranger.post(end).status_code, stranger.get(place()).status_code] == [403, 403]
    for _ in range(2):
        assert browser.post(end)["Location"] == f"{PANEL}compartidos/"
    link.refresh_from_db()
    assert (link.revoked_reason, len(center.said("link.revoked"))) == (RevokeReason.BY_OWNER, 1)
    assert "Anulado" in browser.get(f"{PANEL}compartidos/").content.decode()
    assert Client().post(f"{address}open/", {"answer": code}).status_code == 303
    gone = Client().get(address)
    assert (gone.status_code, "renew/" in gone.content.decode()) == (410, False)


def test_staff_see_for_whom_it_is_and_end_it_but_make_none_and_mail_none() -> None:
    shared(signed_in())
    link = Link.objects.get(reader=BANK)
    finance = center.client(member=center.staff(roles=["finance"], countries=["MX"]))
    row = f"/admin/documents/link/{link.public_id}/"
    for page in ("/admin/documents/link/", row, center.page(hers())):
        assert BANK in finance.get(page).content.decode()
    asked = finance.post(
        f"/api/v1/documents/{hers().public_id}/links/",
        json.dumps({"kind": "shared", "reader": "Casero"}),
        "application/json",
        headers={"Idempotency-Key": "staff-shares"},
    )
    assert (asked.status_code, asked.json()["code"]) == (403, "role_not_allowed")
    refused = finance.post(f"{row}resend/")
    assert (refused.status_code, "Un enlace compartido no se reenvía" in refused.content.decode()) == (400, True)
    mailed = finance.post(f"/api/v1/links/{link.public_id}/resend/", headers={"Idempotency-Key": "staff-mails"})
    assert (mailed.status_code, mailed.json()["code"]) == (400, "validation_error")
    assert finance.post(f"{row}revoke/", {"reason": "Lo pide su titular."}).status_code == 302
    link.refresh_from_db()
    assert link.revoked_at is not None


def test_an_owner_shares_over_the_api_and_the_code_is_told_once() -> None:
    owner = cast.owner(name="xo", platform_id="drv_xo", legal_name="X", role="driver", tax_id="12345678Z")
    cast.grant("documents.own_party", owner.user, hers().owner)
    browser = center.client(member=owner)

    def asked(body: object, key: str) -> tuple[int, dict[str, str]]:
        where = f"/api/v1/documents/{hers().public_id}/links/"
        answer = browser.post(where, json.dumps(body), "application/json", headers={"Idempotency-Key": key})
        return answer.status_code, answer.json()

    status, made = asked({"kind": "shared", "reader": BANK}, "shared-once")
    assert (status, made["reader"], made["asks"], len(made["code"])) == (201, BANK, "shared", 6)
    assert "435.00 MXN" in opened(re.sub("https?://[^/]+", "", made["url"]), made["code"])
    assert asked({"kind": "shared", "reader": BANK}, "shared-once")[1]["code"] is None
    for number, body in enumerate(({"kind": "shared"}, {"reader": BANK}, {"kind": "x"})):
        assert asked(body, f"wrong-body-{number}")[0] == 400
    assert asked({}, "own-link-of-hers")[1]["code"] is None
