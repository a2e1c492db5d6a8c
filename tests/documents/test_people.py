"""People: invited by mail, given what they may do by another person, until a day, and out at once when suspended."""

import datetime as dt
import html
import re
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Event
from documents.access import actors, grants, people, scope
from documents.access.grants import Thing
from documents.access.roles import Role
from documents.delivery import invitations
from documents.models import Document, Grant, Invitation, Person
from tests import cast, factories
from tests.documents import center
from tests.services import force, mailbox

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
ACTOR = actors.program(name="add_person", channel="command")
PAGE, REASON = (
    f"{center.ADMIN}documents/person/",
    {"reason": "Lo pide su responsable", "password": cast.PASSWORD},
)
CHOSEN = {"new_password1": "una frase bien larga", "new_password2": "una frase bien larga"}


@pytest.fixture
def admin() -> Client:
    """A browser of somebody with the role `admin`, whose own page is that of `mine`."""
    member = center.staff(roles=["admin"], countries=["ES"])
    with force.by_force():
        center.person(user=member.user)
    return center.client(member=member)


def mine() -> Person:
    return Person.objects.get(user__username="one_of_admin")


def nuria(*names: str, **about: Any) -> Person:
    person = people.add(login="nuria", email="nuria@example.com", password=cast.PASSWORD, actor=ACTOR, **about)
    for name in names:
        grants.change_role(user=person.user, role=Role(name), given=True, actor=ACTOR)
    cast.enrol(user=person.user)
    return person


def browser(person: Person) -> Client:
    return center.client(member=cast.Member(user=person.user))


def reads(person: Person, document: Document) -> int:
    return browser(person).get(f"/api/v1/documents/{document.public_id}/").status_code


def thing(document: Document) -> Thing:
    return Thing(kind="document", pk=document.pk, public_id=document.public_id)


def of_owner(document: Document) -> Thing:
    return Thing(kind="party", pk=document.owner.pk, public_id=document.owner.public_id)


def in_days(days: int) -> dt.datetime:
    return timezone.now() + dt.timedelta(days=days)


def codes(person: Person) -> list[tuple[str, str]]:
    rows = Event.objects.filter(object_id=person.public_id, outcome="ok").exclude(action="person.viewed").order_by("id")
    return list(rows.values_list("action", "code"))


def test_the_first_admin_comes_by_a_command_a_mail_and_a_password_of_her_own(smtp: mailbox.Mailbox) -> None:
    call_command("add_person", "Nuria", "--email", "nuria@example.com", "--role", "admin", "--country", "ES")
    person = Person.objects.get(user__username="nuria")
    assert codes(person) == [
        ("person.added", ""),
        ("access.granted", "role:admin"),
        ("access.granted", "country:ES"),
        ("person.invited", ""),
    ]
    invitations.send(invitation_id=Invitation.objects.get().pk, now=timezone.now())
    [message] = smtp.messages
    part = message.get_body(preferencelist=("plain",))
    assert part is not None
    found = re.search(r"http://\S+(/invitation/\S+/)", part.get_content())
    assert found is not None
    address, visitor = found[1], Client()
    assert "nuria" in visitor.get(address).content.decode()
    assert visitor.post(address, {"new_password1": "corta", "new_password2": "corta"}).status_code == 400
    assert visitor.post(address, CHOSEN, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert visitor.post(address, CHOSEN).status_code == 200
    assert (visitor.get(address).status_code, visitor.post(address, CHOSEN).status_code) == (410, 410)
    assert visitor.get("/invitation/" + "A" * 43 + "/").status_code == 404
    form = {"username": "nuria", "password": CHOSEN["new_password1"]}
    assert visitor.post("/admin/login/?next=/admin/", form).status_code == 302
    assert visitor.get(PAGE)["Location"].startswith("/admin/factor/")
    secrets = str([*Invitation.objects.values(), *Event.objects.values("object_id", "code", "detail__details")])
    assert address.split("/")[2] not in secrets


@pytest.mark.parametrize("end", ["time", "another", "suspension"])
def test_an_invitation_opens_nothing_after_its_time_after_another_one_or_a_suspension(end: str) -> None:
    person = nuria("support")
    old = invitations.plan(person=person, now=timezone.now(), actor=ACTOR)
    address = f"/invitation/{invitations.token(public_id=old.public_id)}/"
    assert Client().get(address).status_code == 200
    if end == "time":
        with force.by_force():
            Invitation.objects.update(expires_at=timezone.now())
    elif end == "another":
        invitations.plan(person=person, now=timezone.now(), actor=ACTOR)
    else:
        people.suspend(person=person, reason="por probar", actor=ACTOR, now=timezone.now())
    assert Client().post(address, CHOSEN).status_code == 410
    assert center.said("credential.changed") == []


def test_a_command_names_what_is_wrong_and_adds_nobody() -> None:
    nuria()
    for wrong, why in (
        (["nuria", "--email", "n@example.com"], "somebody has the login"),
        (["otra", "--email", "nadie"], "no e-mail address"),
        (["otra más", "--email", "n@example.com"], "a login is of letters"),
        (["otra", "--email", "n@example.com", "--country", "ZZ"], "no country here: ZZ"),
        (["otra", "--email", "n@example.com", "--party", "drv_none"], "no party here: drv_none"),
    ):
        with pytest.raises(CommandError, match=why):
            call_command("add_person", *wrong)
    assert Person.objects.count() == 1


def test_an_admin_invites_a_person_with_all_that_she_may_do_or_nobody(admin: Client) -> None:
    document = factories.document()
    form = {
        "login": "Gestoria",
        "email": "gestoria@example.com",
        "locale": "es",
        "names": ["partner"],
        "parties": document.owner.platform_id,
        "until": f"{in_days(30):%Y-%m-%d}",
    }
    assert admin.get(f"{PAGE}invite/").status_code == 200
    assert admin.post(f"{PAGE}invite/", {**form, "parties": "drv_none"}).status_code == 400
    assert admin.post(f"{PAGE}invite/", {**form, "until": "2020-01-01"}).status_code == 400
    assert not Person.objects.filter(user__username="gestoria").exists()
    assert admin.post(f"{PAGE}invite/", form).status_code == 302
    person = Person.objects.get(user__username="gestoria")
    assert not person.user.is_staff
    assert reads(person, document) == 200
    assert Invitation.objects.get().status == "QUEUED"
    assert admin.post(f"{PAGE}invite/", form).status_code == 400
    assert "gestoria@example.com" in admin.get(PAGE).content.decode()


def assert_in_words(*, page: str) -> None:
    assert "función: Finanzas" in page
    assert "role:finance" not in page
    assert "vida del documento" not in page


def test_each_change_of_a_person_is_on_record_and_takes_effect_at_once(admin: Client) -> None:
    document, person = factories.document(), nuria("support")
    page = f"{PAGE}{person.public_id}/"
    until = f"{in_days(30):%Y-%m-%d}"
    for name, form in (
        ("countries", {"countries": ["ES"]}),
        ("roles", {"names": ["finance", "partner"]}),
        ("roles", {"names": ["partner"]}),
        ("parties", {"parties": document.owner.platform_id, "until": until}),
        ("document", {"document": document.number, "until": until}),
        ("limit", {"until": until}),
        ("suspend", {}),
        ("resume", {}),
        ("withdraw", {}),
        ("invite", {}),
    ):
        assert admin.get(f"{page}{name}/").status_code == 200, name
        things = {"things": list(Grant.objects.values_list("public_id", flat=True))}
        answer = admin.post(f"{page}{name}/", {**form, **things, **REASON})
        assert answer.status_code == 302, (name, answer.content.decode())
        assert admin.get(page).status_code == 200
    assert codes(person)[2:] == [
        ("access.granted", "country:ES"),
        ("access.withdrawn", "role:support"),
        ("access.granted", "role:finance"),
        ("access.granted", "role:partner"),
        ("access.withdrawn", "role:finance"),
        ("access.granted", f"party:{document.owner.public_id}"),
        ("access.granted", f"document:{document.public_id}"),
        ("person.limited", ""),
        ("person.suspended", ""),
        ("person.resumed", ""),
        ("access.withdrawn", f"party:{document.owner.public_id}"),
        ("access.withdrawn", f"document:{document.public_id}"),
        ("person.invited", ""),
    ]
    assert_in_words(page=html.unescape(admin.get(page).content.decode()))
    assert reads(person, document) == 403
    person.user.refresh_from_db()
    assert not person.user.is_staff


def test_nobody_changes_what_she_may_do_herself(admin: Client) -> None:
    answer = admin.post(f"{PAGE}{mine().public_id}/roles/", {"names": ["admin", "finance"], **REASON})
    assert answer.status_code == 403
    [denied] = center.denials()
    assert (denied.code, denied.object_id) == ("second_person_required", mine().public_id)
    assert admin.post(f"{PAGE}{mine().public_id}/suspend/", REASON).status_code == 403
    assert list(mine().user.groups.values_list("name", flat=True)) == ["admin"]


def test_only_the_role_admin_gives_access_and_the_page_that_refuses_names_it() -> None:
    person = nuria("driver")
    for names in (["support", "finance", "compliance", "auditor"], []):
        member = center.staff(roles=names, countries=["ES"])
        for path in ("", "invite/", f"{person.public_id}/", f"{person.public_id}/roles/"):
            answer = center.client(member=member).get(f"{PAGE}{path}")
            assert answer.status_code == 403
            assert "administración" in answer.content.decode()
    assert {denied.code for denied in center.denials()} == {"role_not_allowed"}


def test_who_acts_for_a_party_reads_until_the_moment_and_no_longer() -> None:
    document, other = factories.document(), factories.document()
    person = nuria("partner")
    assert reads(person, document) == 403
    grants.lend(user=person.user, thing=of_owner(document), expires_at=in_days(1), actor=ACTOR)
    assert (reads(person, document), reads(person, other)) == (200, 403)
    listed = browser(person).get("/api/v1/documents/").json()["data"]
    assert [row["id"] for row in listed] == [document.public_id]
    with force.by_force():
        Grant.objects.update(granted_at=in_days(-2), expires_at=timezone.now())
    assert reads(person, document) == 403
    grants.lend(user=person.user, thing=of_owner(document), expires_at=in_days(1), actor=ACTOR)
    assert reads(person, document) == 200
    [grant] = Grant.objects.all()
    assert grants.withdraw(grant=grant, actor=ACTOR, now=timezone.now())
    assert not grants.withdraw(grant=grant, actor=ACTOR, now=timezone.now())
    assert reads(person, document) == 403


@pytest.mark.parametrize(("role", "country"), [("partner", ""), ("auditor", "MX")])
def test_one_document_is_lent_and_nothing_else_of_its_owner(role: str, country: str) -> None:
    document = factories.document()
    other = factories.document(owner=document.owner)
    person = nuria(role)
    if country:
        grants.change_scope(user=person.user, scope=cast.country(code=country), given=True, actor=ACTOR)
    grants.lend(user=person.user, thing=thing(document), expires_at=in_days(1), actor=ACTOR)
    assert (reads(person, document), reads(person, other)) == (200, 403)
    content = browser(person).get(f"/api/v1/documents/{document.public_id}/data/")
    assert content.status_code == 200
    if role == "auditor":
        assert browser(person).get(center.page(document)).status_code == 200
        assert browser(person).get(center.page(other)).status_code == 403
    with force.by_force():
        Grant.objects.update(granted_at=in_days(-2), expires_at=timezone.now())
    assert reads(person, document) == 403


@pytest.mark.parametrize("how", ["suspended", "ended"])
def test_a_blocked_driver_goes_on_reading_what_is_hers_and_does_nothing_more(how: str) -> None:
    document, lent = factories.document(), factories.document()
    person = nuria("driver", "support")
    grants.change_scope(user=person.user, scope=document.owner, given=True, actor=ACTOR)
    grants.change_scope(user=person.user, scope=cast.country(code="ES"), given=True, actor=ACTOR)
    grants.lend(user=person.user, thing=of_owner(lent), expires_at=in_days(1), actor=ACTOR)
    assert browser(person).get(center.ADMIN).status_code == 200
    if how == "suspended":
        assert people.suspend(person=person, reason="por probar", actor=ACTOR, now=timezone.now())
        assert not people.suspend(person=person, reason="por probar", actor=ACTOR, now=timezone.now())
    else:
        people.limit(person=person, until_at=timezone.now(), actor=ACTOR)
    user = Person.objects.get(pk=person.pk).user
    again = Person(user=user, public_id=person.public_id)
    assert (reads(again, document), reads(again, lent)) == (200, 403)
    assert browser(again).get(f"/api/v1/documents/{document.public_id}/content/").status_code == 200
    refused = browser(again).post(f"/api/v1/documents/{document.public_id}/")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_not_allowed")
    assert browser(again).get(center.ADMIN).status_code == 403


def test_what_somebody_may_see_besides_his_own_costs_one_query_by_an_index() -> None:
    document, person = factories.document(), nuria("partner")
    scope.documents_for(user=person.user)  # guardian's permissions are read once
    with CaptureQueriesContext(connection) as before:
        str(scope.documents_for(user=type(person.user).objects.get(pk=person.pk)).query)
    grants.lend(user=person.user, thing=of_owner(document), expires_at=in_days(1), actor=ACTOR)
    grants.lend(user=person.user, thing=thing(document), expires_at=in_days(1), actor=ACTOR)
    with CaptureQueriesContext(connection) as after:
        rows = scope.documents_for(user=type(person.user).objects.get(pk=person.pk))
    assert len(after) == len(before)
    assert list(rows) == [document]
    [query] = [each["sql"] for each in after if "documents_grant" in each["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}")
        assert "Index" in str(cursor.fetchall())
