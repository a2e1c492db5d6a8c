import re

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit import log
from documents.models import Document, Status
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = pytest.mark.usefixtures("db")
COMPLIANCES = {"audit/event", "documents/legalhold", "documents/person", "documents/apikey"}  # not finance's
OLD_HASHER = "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher"


@pytest.fixture
def document() -> Document:
    return factories.document()


def test_a_superuser_without_a_role_enters_nowhere_and_the_attempt_is_on_record(document: Document) -> None:
    with force.by_force():
        root = User.objects.create_superuser("root", password=cast.PASSWORD)
    browser = center.client(member=cast.Member(user=root))
    for number, address in enumerate(
        (center.ADMIN, f"{center.ADMIN}documents/document/", center.page(document)), start=1
    ):
        answer = browser.get(address)
        assert answer.status_code == 403
        assert document.number not in answer.content.decode()
        assert len(center.denials()) == number
    assert center.denials()[0].code == "role_not_allowed"
    assert center.denials()[0].actor_id == f"usr_{root.pk}"


def test_a_driver_who_signed_in_elsewhere_gets_nothing_here(ana: cast.Member, document: Document) -> None:
    assert center.client(member=ana).get(center.page(document)).status_code == 403
    assert len(center.denials()) == 1


def test_a_role_without_the_staff_flag_gets_nothing() -> None:
    member = center.staff(roles=["finance"], countries=["ES"])
    member.user.is_staff = False
    with force.by_force():
        member.user.save(update_fields=["is_staff"])
    assert center.client(member=member).get(center.ADMIN).status_code == 403


def test_nobody_sees_a_page_without_signing_in(document: Document) -> None:
    for address in (
        center.ADMIN,
        f"{center.ADMIN}documents/document/",
        center.page(document),
        f"{center.page(document)}preview/",
    ):
        answer = Client().get(address)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")


def test_the_refusal_names_the_right_that_is_missing_and_the_request() -> None:
    browser = center.client(member=center.staff(roles=["support"], countries=["ES"]))
    answer = browser.get(f"{center.ADMIN}audit/event/")
    text = answer.content.decode()
    assert answer.status_code == 403
    assert "ver la bitácora de auditoría" in text
    assert answer["Request-Id"] in text


@pytest.mark.parametrize("verb", ["add", "delete", "history", "change"])
def test_there_is_no_address_to_add_change_or_delete_anything_but_an_issuer(
    sofia: cast.Member, document: Document, verb: str
) -> None:
    browser = center.client(member=sofia)
    for model, key in center.one_of_each(document=document).items():
        # An issuer alone is changed, with its history, by who has the right to it.
        may_be = 403 if (model, verb) == ("documents/issuer", "change") else 404
        assert browser.post(f"{center.ADMIN}{model}/{key}/{verb}/").status_code == may_be
        # The word itself is read as an id, and there is no such row.
        assert browser.get(f"{center.ADMIN}{model}/{verb}/").status_code in {403, 404}


def test_no_list_and_no_page_takes_a_post(sofia: cast.Member, document: Document) -> None:
    browser = center.client(member=sofia)
    for model, key in center.one_of_each(document=document).items():
        if model in COMPLIANCES:
            continue
        assert browser.post(f"{center.ADMIN}{model}/", {"action": "delete_selected"}).status_code == 405
        assert browser.post(f"{center.ADMIN}{model}/{key}/", {"status": "LOCKED"}).status_code == 405


def test_a_document_of_a_foreign_country_and_an_unknown_one_answer_the_same_refusal(document: Document) -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["MX"]))
    unknown = center.page(document).replace(document.public_id, "doc_00000000000000000000000000")
    bodies = []
    for address in (center.page(document), unknown):
        answer = browser.get(address)
        assert answer.status_code == 403
        bodies.append(re.sub(r"req_\w+|csrf\w+\W+value=\"\w+\"", "", answer.content.decode()))
        assert center.denials()[0].code == "country_out_of_scope"
    assert bodies[0] == bodies[1]


def test_who_sees_every_country_is_told_that_an_unknown_document_does_not_exist(document: Document) -> None:
    browser = center.client(member=center.everywhere(roles=["finance"]))
    assert browser.get(center.page(document).replace(document.public_id, "doc_0")).status_code == 404
    assert browser.get(f"{center.ADMIN}documents/document/%00/").status_code == 404
    assert browser.get(f"{center.ADMIN}payouts/payout/99999999999999999999999/").status_code == 404


def test_nothing_of_a_foreign_country_shows_in_any_list_search_palette_or_number(document: Document) -> None:
    ids = center.one_of_each(document=document)
    browser = center.client(member=center.staff(roles=["finance", "auditor"], countries=["MX"]))
    words = (document.number, document.owner.legal_name, document.owner.platform_id, "po_1")
    addresses = [f"{center.ADMIN}{model}/" for model in ids if model not in {"documents/alert", *COMPLIANCES}]
    addresses += [center.ADMIN, f"{center.ADMIN}search/?extended=1&s={document.number}"]
    addresses += [
        f"{center.ADMIN}documents/document/?q={document.number}",
        f"{center.ADMIN}documents/document/?country=ES",
    ]
    for address in addresses:
        text = browser.get(address, follow=True).content.decode()
        text = text.replace(f'value="{document.number}"', "").replace(
            f"q={document.number}", ""
        )  # what he typed himself
        assert [word for word in words if word in text] == [], address


def test_a_filter_for_a_country_outside_the_scope_shows_nothing(document: Document) -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    cast.country(code="MX")
    assert document.number not in browser.get(f"{center.ADMIN}documents/document/?country=MX").content.decode()
    assert document.number in browser.get(f"{center.ADMIN}documents/document/?country=ES").content.decode()


def test_an_event_whose_country_nobody_knows_is_shown_only_to_who_sees_every_country() -> None:
    event = factories.event()
    with force.by_force():
        type(event).objects.filter(pk=event.pk).update(country_code="XX")
    limited = center.staff(roles=["finance"], countries=["ES"])
    everyone = center.everywhere(roles=["finance"])
    assert event.event_id in center.client(member=everyone).get(f"{center.ADMIN}documents/event/").content.decode()
    assert event.event_id not in center.client(member=limited).get(f"{center.ADMIN}documents/event/").content.decode()


@pytest.mark.parametrize("act", ["resend", "retry", "download", "revoke"])
def test_asking_for_an_act_changes_nothing_and_a_get_never_acts(sofia: cast.Member, act: str) -> None:
    document = factories.document(status=Status.ISSUED)
    held = center.link(document=document)
    browser = center.client(member=sofia)
    before = dict(Document.objects.values().get(pk=document.pk))
    page = f"{center.ADMIN}documents/link/{held.public_id}/" if act == "revoke" else center.page(document)
    answer = browser.get(f"{page}{act}/")
    assert answer.status_code == (405 if act == "download" else 200)
    held.refresh_from_db()
    assert dict(Document.objects.values().get(pk=document.pk)) == before
    assert held.revoked_at is None
    assert not document.deliveries.exists()


def test_a_form_without_its_token_is_refused(sofia: cast.Member, document: Document) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(sofia.user, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.post(f"{center.page(document)}resend/").status_code == 403
    assert not document.deliveries.exists()


def test_signing_in_and_failing_to_are_on_record_without_what_was_typed(sofia: cast.Member) -> None:
    browser = Client()
    wrong = browser.post("/admin/login/", {"username": "sofia", "password": "not-the-password-1"})
    assert wrong.status_code == 200
    assert [one.action for one in center.denials()] == ["session.failed"]
    right = browser.post("/admin/login/", {"username": "sofia", "password": cast.PASSWORD, "next": "/admin/"})
    assert right["Location"] == "/admin/login/code/"
    assert browser.post(right["Location"], {"code": cast.code()})["Location"] == "/admin/"
    assert center.said("session.login")[0].actor_id == f"usr_{sofia.user.pk}"
    browser.post(reverse("admin:logout"))
    assert len(center.said("session.logout")) == 1
    written = str([vars(one) for one in center.denials() + center.said("session.login")])
    assert "not-the-password-1" not in written
    assert cast.PASSWORD not in written


@pytest.fixture
def old_hashes(sofia: cast.Member, settings: Settings) -> None:
    """Sofia's password was hashed as an earlier version did it: her login renews it."""
    settings.PASSWORD_HASHERS = [*settings.PASSWORD_HASHERS, OLD_HASHER]
    with force.by_force():
        User.objects.filter(pk=sofia.user.pk).update(password=make_password(cast.PASSWORD, hasher="pbkdf2_sha1"))


@pytest.mark.usefixtures("old_hashes")
def test_a_login_that_renews_the_hash_of_a_password_is_on_record_with_it(sofia: cast.Member) -> None:
    answer = Client().post("/admin/login/", {"username": "sofia", "password": cast.PASSWORD, "next": "/admin/"})
    connection.check_constraints()  # as COMMIT does
    assert answer.status_code == 302
    sofia.user.refresh_from_db()
    assert sofia.user.password.startswith("md5")
    assert [one.object_id for one in center.said("session.confirmed")] == [f"usr_{sofia.user.pk}"]


@pytest.mark.usefixtures("old_hashes")
def test_the_right_password_of_somebody_who_may_not_enter_is_a_refusal_and_no_defect(ana: cast.Member) -> None:
    with force.by_force():
        User.objects.filter(pk=ana.user.pk).update(password=make_password(cast.PASSWORD, hasher="pbkdf2_sha1"))
    answer = Client().post("/admin/login/", {"username": "ana", "password": cast.PASSWORD})
    connection.check_constraints()
    assert answer.status_code == 200
    assert [one.action for one in center.denials()] == ["session.failed"]


def test_a_person_changes_her_own_password_and_that_is_on_record(sofia: cast.Member) -> None:
    browser = center.client(member=sofia)
    fresh = "otra contraseña, más larga"
    form = {"old_password": "not-hers-at-all", "new_password1": fresh, "new_password2": fresh}
    assert browser.post("/admin/password_change/", form).status_code == 400
    assert center.said("credential.changed") == []
    answer = browser.post("/admin/password_change/", form | {"old_password": cast.PASSWORD})
    connection.check_constraints()
    assert answer["Location"] == "/admin/password_change/done/"
    assert User.objects.get(pk=sofia.user.pk).check_password(fresh)
    assert [one.object_id for one in center.said("credential.changed")] == [f"usr_{sofia.user.pk}"]


def test_the_sign_in_leads_nowhere_but_to_this_site(sofia: cast.Member) -> None:
    credentials = {"username": sofia.user.username, "password": cast.PASSWORD, "next": "https://evil.example/"}
    browser = Client()
    assert "evil" not in browser.post("/admin/login/", credentials)["Location"]
    assert "evil" not in browser.post("/admin/login/code/", {"code": cast.code()})["Location"]


def test_every_page_carries_the_policies_and_tells_robots_to_stay_away(sofia: cast.Member, document: Document) -> None:
    browser = center.client(member=sofia)
    for address in (
        "/admin/",
        "/admin/login/",
        center.page(document),
        f"{center.ADMIN}documents/document/",
        "/admin/audit/event/",
    ):
        answer = browser.get(address)
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self' 'unsafe-eval'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self'" in policy
        assert "noindex" in answer["X-Robots-Tag"]
        # `no-referrer` makes browsers send `Origin: null`, and every form would fail its CSRF check.
        assert answer["Referrer-Policy"] == "same-origin"


def test_the_look_is_not_answered_when_it_cannot_be_put_on_record(
    sofia: cast.Member, document: Document, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_facts: object) -> int:
        raise log.AuditUnavailable("away")

    monkeypatch.setattr(log, "record", broken)
    answer = center.client(member=sofia).get(center.page(document))
    assert answer.status_code == 503
    assert document.number not in answer.content.decode()
