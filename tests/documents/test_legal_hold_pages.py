"""Where compliance sets a matter and two people end it, and who sees what of it."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from documents.access import passwords
from documents.models import HoldState, LegalHold, RateCount
from tests import cast, factories
from tests.documents import center
from tests.documents.officers import REASON, Officers
from tests.services import force

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
AGREED = {"reason": REASON, "password": cast.PASSWORD}
LIST = f"{center.ADMIN}documents/legalhold/"


@pytest.fixture
def officers(db: None, vault_folder: object) -> Officers:
    return Officers()


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def text(client: Client, address: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", client.get(address).content.decode())


def test_two_officers_set_and_end_a_matter_on_its_pages(officers: Officers) -> None:
    document = factories.document()
    carla, clara = browser(officers.carla), browser(officers.clara)
    assert "hold/" in carla.get(center.page(document)).content.decode()
    assert carla.get(f"{center.page(document)}hold/").status_code == 200
    short = carla.post(f"{center.page(document)}hold/", {"reference": "", "reason": "corto"})
    assert (short.status_code, LegalHold.objects.exists()) == (400, False)
    stated = {"reference": "AUTO-1/2026", "reason": REASON}
    answer = carla.post(f"{center.page(document)}hold/", stated, follow=True)
    assert "Legal hold aplicado." in answer.content.decode()
    again = carla.post(f"{center.page(document)}hold/", stated)
    assert (again.status_code, "Ese asunto ya lo cubre" in again.content.decode()) == (409, True)
    hold = LegalHold.objects.get()
    page = f"{LIST}{hold.public_id}/"
    assert "AUTO-1/2026" in text(carla, LIST)
    assert document.number in text(carla, page)
    assert hold.reference in text(carla, center.page(document))
    assert "⚖" in text(carla, f"{center.ADMIN}documents/document/?view=hold")
    assert carla.post(f"{page}request/", AGREED).status_code == 302
    refused = carla.post(f"{page}approve/", AGREED)
    assert (refused.status_code, "Tiene que aprobarlo otra persona" in refused.content.decode()) == (403, True)
    assert "Aprobar la retirada" in text(clara, page)
    assert clara.post(f"{page}approve/", AGREED).status_code == 302
    assert "Retirado por clara" in re.sub(" +", " ", text(clara, page))
    assert clara.post(f"{page}approve/", AGREED).status_code == 409
    assert document.number not in text(carla, f"{center.ADMIN}documents/document/?view=hold")


def test_a_request_is_withdrawn_on_its_page(officers: Officers) -> None:
    hold, carla = officers.hold(factories.document()), browser(officers.carla)
    page = f"{LIST}{hold.public_id}/"
    assert carla.get(f"{page}withdraw/").status_code == 302  # nothing to withdraw: the question is not asked
    assert carla.post(f"{page}request/", AGREED).status_code == 302
    assert carla.post(f"{page}withdraw/", {"reason": REASON}, follow=True).status_code == 200
    hold.refresh_from_db()
    assert hold.state == HoldState.SET


def test_a_matter_is_set_until_a_day_that_its_page_shows_and_nobody_changes(officers: Officers) -> None:
    document, other, carla = factories.document(), factories.document(), browser(officers.carla)
    stated = {"reference": "AUTO-1/2026", "reason": REASON}
    over = carla.post(f"{center.page(document)}hold/", {**stated, "hold_until": "2020-01-31"})
    assert (over.status_code, "Ese día ya ha pasado." in over.content.decode()) == (400, True)
    assert carla.post(f"{center.page(document)}hold/", {**stated, "hold_until": "2099-01-31"}).status_code == 302
    hold = LegalHold.objects.get()
    assert "31 ene 2099" in text(carla, LIST)
    assert "Vigente hasta 31 ene 2099" in re.sub(" +", " ", text(carla, f"{LIST}{hold.public_id}/"))
    longer = carla.post(f"{center.page(other)}hold/", {**stated, "hold_until": "2099-02-28"})
    assert (longer.status_code, "está vigente hasta el 2099-01-31" in longer.content.decode()) == (409, True)
    assert carla.post(f"{center.page(other)}hold/", stated).status_code == 302  # and ends with it
    hold.refresh_from_db()
    assert (hold.hold_until, hold.scopes.count()) == (dt.date(2099, 1, 31), 2)


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
@pytest.mark.usefixtures("committed_db")
def test_who_ends_a_matter_says_the_password_again_and_does_not_guess_it(
    officers: Officers,
) -> None:
    hold, carla = officers.hold(factories.document()), browser(officers.carla)
    page = f"{LIST}{hold.public_id}/request/"
    assert 'autocomplete="current-password"' in carla.get(page).content.decode()
    assert carla.post(page, {"reason": REASON}).status_code == 400
    for _ in range(passwords.WRONG_MAX):
        wrong = carla.post(page, {**AGREED, "password": "guessed"})
        assert (wrong.status_code, "La contraseña no es correcta" in wrong.content.decode()) == (403, True)
        assert "guessed" not in wrong.content.decode()
    late = carla.post(page, AGREED)
    assert (late.status_code, "Demasiadas contraseñas erróneas" in late.content.decode()) == (429, True)
    hold.refresh_from_db()
    assert hold.state == HoldState.SET
    refusals = [(one.code, one.object_id, one.actor_id) for one in center.denials()]
    who = (hold.public_id, f"usr_{officers.carla.pk}")
    assert refusals == [("password_locked", *who), *[("password_wrong", *who)] * passwords.WRONG_MAX]
    clara = browser(officers.clara)  # is another person
    assert clara.post(page, AGREED).status_code == 302
    with force.by_force():
        RateCount.objects.all().update(window_number=0)  # a while later
    approving = f"{LIST}{hold.public_id}/approve/"
    assert carla.post(approving, {**AGREED, "password": "guessed"}).status_code == 403
    assert carla.post(approving, AGREED).status_code == 302
    hold.refresh_from_db()
    assert hold.state == HoldState.RELEASED


def test_a_party_is_held_from_its_page_for_a_period_that_does_not_end_before_it_begins(officers: Officers) -> None:
    party, carla = factories.document().owner, browser(officers.carla)
    address = f"{center.ADMIN}documents/party/{party.public_id}/hold/"
    stated = {"reference": "AUTO-2/2026", "reason": REASON, "country": "ES", "first_date": "2026-01-01"}
    wrong = carla.post(address, {**stated, "last_date": "2025-01-01"})
    assert (wrong.status_code, "acaba antes de empezar" in wrong.content.decode()) == (400, True)
    assert carla.post(address, {**stated, "country": "MX"}).status_code == 400
    kinds = ["PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT"]
    assert carla.post(address, {**stated, "kinds": kinds}).status_code == 302
    [scope] = LegalHold.objects.get().scopes.all()
    assert (scope.party, scope.first_date, scope.last_date, scope.kinds) == (party, dt.date(2026, 1, 1), None, kinds)
    page = text(carla, f"{LIST}{scope.hold.public_id}/")
    assert ("sin fin" in page, "Recibo de pago, Statement final" in page) == (True, True)


# Written from the product's table: who sees matters, who decides about them.
@pytest.mark.parametrize(
    ("role", "sees", "decides"),
    [
        ("support", False, False),
        ("finance", False, False),
        ("compliance", True, True),
        ("auditor", True, False),
        ("admin", False, False),
    ],
)
def test_each_role_reaches_what_the_table_says_of_matters(
    officers: Officers, role: str, *, sees: bool, decides: bool
) -> None:
    document = factories.document()
    hold = officers.hold(document)
    client = browser(center.staff(roles=[role], countries=["ES"]).user)
    page = f"{LIST}{hold.public_id}/"
    assert [client.get(address).status_code for address in (LIST, page)] == [200 if sees else 403] * 2
    ways = [center.page(document), f"{center.ADMIN}documents/party/{document.owner.public_id}/"]
    asked = [f"{page}request/", *(f"{way}hold/" for way in ways)]
    assert [client.get(address).status_code for address in asked] == [200 if decides else 403] * 3
    if role in {"support", "finance"}:
        shown_ = text(client, center.page(document))
        assert ("Legal hold" in shown_, hold.reference in shown_) == (True, False)


def test_an_empty_list_says_what_would_fill_it(officers: Officers) -> None:
    carla = browser(officers.carla)
    assert "Ningún asunto protege documentos." in text(carla, LIST)
    assert "Ningún asunto protege documentos." not in text(carla, f"{LIST}?state__exact=RELEASED")
    assert "La primera ronda empieza" in text(carla, f"{center.ADMIN}documents/custodyround/")


def test_an_officer_of_another_country_sees_no_matter_of_it(officers: Officers) -> None:
    hold = officers.hold(factories.document())
    client = browser(center.staff(roles=["compliance"], countries=["MX"]).user)
    assert hold.reference not in text(client, LIST)
    assert client.get(f"{LIST}{hold.public_id}/").status_code == 403
