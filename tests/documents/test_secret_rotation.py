"""Each secret is exchanged for another one while the one of before is still named: no session, link or key ends."""

import pathlib
import re

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from documents.delivery import invitations, keyed, links, shared_links
from documents.emission import locking
from documents.models import Document, Invitation, Link
from tests import factories
from tests.documents import center
from tests.payouts import signing_in, telling
from tests.payouts.signing_in import PANEL, form_of
from tests.services import force

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
ANOTHER = "another-secret-of-more-than-thirty-two-characters"


def exchange(settings: Settings, *, named: bool = True) -> None:
    """Put another secret into the place of each, the one of before as a former one or nowhere."""
    for name, former in (("SECRET_KEY", "SECRET_KEY_FALLBACKS"), ("LINK_KEY", "LINK_KEY_FORMER")):
        setattr(settings, former, [getattr(settings, name)] if named else [])
        setattr(settings, name, f"{ANOTHER}-{name}")


@pytest.fixture
def documents(db: None, vault_folder: pathlib.Path) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("mx_week")])
    locking.advance(document_id=hers().pk, now=timezone.now())


def hers() -> Document:
    return Document.objects.get(document_key_id="ORDER_FINAL_STATEMENT:order:ord_MXA:beneficiary")


@pytest.mark.parametrize("named", [True, False])
def test_a_link_has_the_address_of_its_mail_while_the_former_key_is_named(settings: Settings, named: bool) -> None:
    document = factories.document()
    link = links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())
    before = links.url(link=link)
    exchange(settings, named=named)
    assert (links.url(link=Link.objects.get(pk=link.pk)) == before) is named
    if named:
        assert Client().get(before.removeprefix(settings.PUBLIC_URL)).status_code == 200


@pytest.mark.usefixtures("documents")
def test_an_open_link_stays_open_and_downloads(settings: Settings) -> None:
    link = links.create(document=hers(), recipient=hers().owner, delivery=None, now=timezone.now())
    path, phone = links.url(link=link).removeprefix(settings.PUBLIC_URL), Client()
    answer = phone.post(f"{path}open/", {"answer": hers().owner.tax_id[-4:]})
    assert answer.status_code == 303
    exchange(settings)
    page = phone.get(path).content.decode()
    assert "download/" in page
    assert phone.post(f"{path}download/").status_code == 200


@pytest.mark.usefixtures("documents")
def test_a_shared_link_opens_with_the_code_that_was_passed_on(settings: Settings) -> None:
    link = shared_links.create(document=hers(), reader="Banco", now=timezone.now(), actor=log.SYSTEM)
    code, path = shared_links.code(link=link), links.url(link=link).removeprefix(settings.PUBLIC_URL)
    exchange(settings)
    assert shared_links.code(link=link) != code
    assert Client().post(f"{path}open/", {"answer": code}).status_code == 303


@pytest.mark.usefixtures("documents")
def test_who_is_in_the_panel_stays_in_and_a_code_on_its_way_opens(settings: Settings) -> None:
    browser = signing_in.signed_in()
    exchange(settings)
    assert browser.get(PANEL).status_code == 200
    row_text = "sign-in:cod_1"
    former = list(keyed.digests(text=row_text))[1]
    code = keyed.figures(secret=former, count=6)
    assert keyed.is_code(given=code, text=row_text, count=6)
    assert signing_in.signed_in().get(PANEL).status_code == 200
    assert form_of(signing_in.asked(Client(), "otra@example.com"))


def test_an_invitation_that_is_mailed_again_has_the_same_address(settings: Settings) -> None:
    member = center.staff(roles=["admin"], countries=["ES"])
    with force.by_force():
        person = center.person(user=member.user)
    made = invitations.plan(person=person, now=timezone.now(), actor=log.SYSTEM)
    before = invitations.url(invitation=made)
    exchange(settings)
    assert invitations.url(invitation=Invitation.objects.get(pk=made.pk)) == before
    assert re.fullmatch(r".*/invitation/[A-Za-z0-9_-]{43}/", before)


@pytest.mark.parametrize("named", [True, False])
def test_a_member_of_staff_stays_signed_in_while_the_former_secret_is_named(settings: Settings, named: bool) -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    assert browser.get("/admin/").status_code == 200
    exchange(settings, named=named)
    assert (browser.get("/admin/").status_code == 200) is named
