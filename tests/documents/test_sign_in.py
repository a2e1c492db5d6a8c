"""How staff come in: password, second factor, limits before anything is hashed, and both again after a pause."""

import datetime as dt
import re
import threading
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings as django_settings
from django.contrib.auth import hashers
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from documents import errors
from documents.access import actors, attempts, factors, passwords, people, sessions
from documents.delivery import invitations
from documents.models import Alert, Invitation, RateCount
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
LOGIN, CODE, FACTOR, UNLOCK = "/admin/login/", "/admin/login/code/", "/admin/factor/", "/admin/unlock/"
CHANGE = "/admin/password_change/"
ACTOR = actors.program(name="add_person", channel="command")
RIGHT = {"username": "sofia", "password": cast.PASSWORD}
WRONG = {"username": "sofia", "password": "not-the-password"}
REASON = "Lo pide su responsable"


def page_of(answer: Any) -> str:
    return str(answer.content.decode())


def without_one(member: cast.Member) -> None:
    with force.by_force():
        Authenticator.objects.filter(user=member.user).delete()


def without_factor() -> Client:
    member = center.staff(roles=["finance"], countries=["ES"])
    without_one(member)
    return center.client(member=member)


def away_for(browser: Client, minutes: int) -> None:
    session = browser.session
    session[sessions.SEEN] = time.time() - minutes * 60
    session.save()


def test_staff_without_a_second_factor_may_only_enrol_one() -> None:
    document, browser = factories.document(), without_factor()
    for path in (center.ADMIN, center.page(document), "/admin/documents/party/", "/admin/password_change/", UNLOCK):
        assert browser.get(path)["Location"].startswith(FACTOR), path
    assert browser.post(f"{center.page(document)}download/")["Location"].startswith(FACTOR)
    for path in ("/api/v1/documents/", f"/api/v1/documents/{document.public_id}/content/"):
        assert browser.get(path).status_code == 401
    assert browser.get("/runbooks/access/")["Location"].startswith(LOGIN)
    assert document.number not in page_of(browser.get(FACTOR))
    assert center.said("document.viewed") + center.said("document.downloaded") == []


def test_a_factor_is_enrolled_by_the_right_code_on_record_and_its_secret_is_not_in_the_database() -> None:
    browser = without_factor()
    assert "data:image/svg+xml" in page_of(browser.get(FACTOR))
    secret = browser.session["factor_secret"]
    assert browser.post(FACTOR, {"code": "000000"}).status_code == 400
    assert browser.get(center.ADMIN)["Location"].startswith(FACTOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cast, "SECRET", secret)
        shown = page_of(browser.post(FACTOR, {"code": cast.code()}))
    codes = re.findall(r"dc-mono\">(\d{8})<", shown)
    assert len(set(codes)) == 10
    assert browser.get(center.ADMIN).status_code == 200
    assert browser.get(FACTOR)["Location"] == "/admin/factors/"
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert [event.actor_kind for event in center.said("factor.added")] == ["user"]


def test_the_password_alone_lets_nobody_in_and_each_code_is_good_once(sofia: cast.Member) -> None:
    browser, code = Client(), cast.code()
    assert browser.post(LOGIN, RIGHT)["Location"] == CODE
    assert browser.get(center.ADMIN).status_code == 302
    assert center.said("session.login") == []
    assert browser.post(CODE, {"code": "000000"}).status_code == 400
    assert [(one.action, one.code) for one in center.denials()] == [("session.failed", "second_factor_wrong")]
    assert browser.post(CODE, {"code": code})["Location"] == center.ADMIN
    assert browser.get(center.ADMIN).status_code == 200
    assert [(one.object_id, one.code) for one in center.said("factor.used")] == [(f"usr_{sofia.user.pk}", "totp")]
    assert len(center.said("session.login")) == 1
    again = Client()
    again.post(LOGIN, RIGHT)
    assert again.post(CODE, {"code": code}).status_code == 400
    assert again.post(CODE, {"code": cast.code(steps=1)}).status_code == 302


def test_a_recovery_code_lets_in_once(sofia: cast.Member) -> None:
    with force.by_force():
        Authenticator.objects.filter(user=sofia.user).delete()
    codes = factors.enrol(
        user=sofia.user, secret=cast.SECRET, code=cast.code(), is_first=True, now=timezone.now(), actor=ACTOR
    )
    assert codes is not None
    for expected in (302, 400):
        browser = Client()
        browser.post(LOGIN, RIGHT)
        assert browser.post(CODE, {"code": f" {codes[3][:4]}-{codes[3][4:]} "}).status_code == expected


def test_nobody_reaches_the_second_step_without_the_first_or_late(sofia: cast.Member) -> None:
    browser = Client()
    assert browser.post(CODE, {"code": cast.code()})["Location"] == LOGIN
    browser.post(LOGIN, RIGHT)
    session = browser.session
    session["sign_in"] = {**session["sign_in"], "until": time.time() - 1}
    session.save()
    assert browser.post(CODE, {"code": cast.code()})["Location"] == LOGIN


def test_the_demo_alone_asks_nobody_to_enrol_a_second_factor(settings: Settings, sofia: cast.Member) -> None:
    assert django_settings.SECOND_FACTOR
    settings.SECOND_FACTOR = False
    assert Client().post(LOGIN, RIGHT)["Location"] == CODE  # who has one is asked for it
    without_one(sofia)
    browser = Client()
    assert browser.post(LOGIN, {**RIGHT, "next": center.ADMIN})["Location"] == center.ADMIN
    assert browser.get(center.ADMIN).status_code == 200


def test_after_a_pause_the_password_is_asked_again_and_no_typed_form_is_lost() -> None:
    document = factories.document()
    member = center.staff(roles=["compliance"], countries=["ES"])
    browser, page = center.client(member=member), f"{center.page(document)}hold/"
    assert browser.get(page).status_code == 200
    away_for(browser, 31)
    typed = {"reference": "EXP-7", "reason": REASON, "password": "never kept"}
    assert browser.post(page, typed)["Location"].startswith(UNLOCK)
    assert browser.get(center.ADMIN)["Location"].startswith(UNLOCK)
    assert browser.get("/api/v1/documents/").status_code == 401
    assert center.said("hold.set") == []
    assert browser.post(UNLOCK, {"password": "not-the-password", "code": cast.code()}).status_code == 400
    assert browser.post(UNLOCK, {"password": cast.PASSWORD, "code": "000000"}).status_code == 400
    shown = page_of(browser.post(UNLOCK, {"password": cast.PASSWORD, "code": cast.code()}))
    assert (f'action="{page}"' in shown, REASON in shown, "EXP-7" in shown) == (True, True, True)
    assert "never kept" not in shown
    assert browser.post(page, {"reference": "EXP-7", "reason": REASON}).status_code == 302
    assert [one.object_type for one in center.said("session.confirmed")] == ["session"]
    assert "hold.set" in {one.action for one in center.said("hold.set")}


def test_who_is_there_is_not_asked_again() -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    for minutes in (1, 29):
        away_for(browser, minutes)
        assert browser.get(center.ADMIN).status_code == 200
    assert time.time() - browser.session[sessions.SEEN] < 60


def test_a_login_is_tried_ten_times_then_nothing_is_hashed_any_more_and_an_alert_opens(
    monkeypatch: pytest.MonkeyPatch, sofia: cast.Member
) -> None:
    hashed: list[str] = []
    original = hashers.check_password

    def counted(*given: Any, **named: Any) -> bool:
        hashed.append("once more")
        return bool(original(*given, **named))

    monkeypatch.setattr("django.contrib.auth.base_user.check_password", counted)
    statuses = [Client().post(LOGIN, WRONG).status_code for _ in range(13)]
    assert statuses == [200] * 10 + [429] * 3
    assert len(hashed) == 10
    assert Client().post(LOGIN, RIGHT).status_code == 429
    [alert] = Alert.objects.filter(code="sign_in_attempts")
    assert (alert.severity, alert.values["cause"]) == ("P2", "login")
    assert "sofia" not in str(alert.values) + alert.dedup_key
    other = Client().post(LOGIN, {**WRONG, "username": "ivan"})
    assert other.status_code == 200
    with force.by_force():
        RateCount.objects.all().update(window_number=0)  # the window is over
    assert Client().post(LOGIN, RIGHT).status_code == 302


def test_an_address_is_limited_whatever_logins_it_tries(monkeypatch: pytest.MonkeyPatch, sofia: cast.Member) -> None:
    monkeypatch.setattr(attempts, "ADDRESS_MAX", 3)
    statuses = [Client().post(LOGIN, {**WRONG, "username": f"name{n}"}).status_code for n in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    elsewhere = Client(REMOTE_ADDR="198.51.100.9").post(LOGIN, RIGHT)
    assert elsewhere.status_code == 302


def test_who_comes_in_starts_counting_anew(sofia: cast.Member, settings: Settings) -> None:
    settings.SECOND_FACTOR = False
    without_one(sofia)
    for _ in range(3):
        for _ in range(6):
            assert Client().post(LOGIN, WRONG).status_code == 200
        assert Client().post(LOGIN, RIGHT).status_code == 302


def test_few_passwords_are_hashed_at_once_and_the_others_are_told_to_come_again(sofia: cast.Member) -> None:
    with attempts.turn():
        answer = Client().post(LOGIN, RIGHT)
    assert (answer.status_code, answer["Retry-After"]) == (429, str(attempts.COME_AGAIN_S))
    assert center.said("session.login") == []
    at_once, most, refused = [0], [0], [0]

    def hashing() -> None:
        try:
            with attempts.turn():
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
                time.sleep(0.1)
                at_once[0] -= 1
        except errors.Problem:
            refused[0] += 1

    threads = [threading.Thread(target=hashing) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [attempts.HASHES_MAX]
    assert 18 <= refused[0] < 24


def test_an_admin_removes_a_lost_factor_and_another_one_has_to_be_enrolled() -> None:
    person = people.add(login="nuria", email="n@example.com", password=cast.PASSWORD, actor=ACTOR)
    cast.enrol(user=person.user)
    browser = center.client(member=center.staff(roles=["admin"], countries=["ES"]))
    page = f"{center.ADMIN}documents/person/{person.public_id}/"
    assert "factor/" in page_of(browser.get(page))
    assert browser.post(f"{page}factor/", {"reason": REASON, "password": cast.PASSWORD}).status_code == 302
    assert browser.post(f"{page}factor/", {"reason": REASON, "password": cast.PASSWORD}).status_code == 409
    assert not factors.has(user=person.user)
    assert [one.object_id for one in center.said("factor.removed")] == [person.public_id]


def test_a_session_ends_after_eight_hours_whoever_is_there(sofia: cast.Member) -> None:
    browser = Client()
    browser.post(LOGIN, RIGHT)
    browser.post(CODE, {"code": cast.code()})
    assert browser.session.get_expiry_date() - timezone.now() <= dt.timedelta(hours=8)
    away_for(browser, 20)
    before = browser.session.get_expiry_date()
    browser.get(center.ADMIN)
    assert browser.session.get_expiry_date() == before


def changing() -> dict[str, str]:
    return {
        "old_password": cast.PASSWORD,
        "new_password1": "otra contraseña larga",
        "new_password2": "otra contraseña larga",
    }


def test_the_page_that_changes_a_password_counts_and_hashes_as_the_sign_in_does(sofia: cast.Member) -> None:
    browser = center.client(member=sofia)
    before = sofia.user.password
    with attempts.turn():
        assert browser.post(CHANGE, changing()).status_code == 429
    wrong = [browser.post(CHANGE, changing() | {"old_password": "wrong"}).status_code for _ in range(10)]
    assert wrong == [400] * 9 + [429]
    assert browser.post(CHANGE, changing()).status_code == 429
    sofia.user.refresh_from_db()
    assert sofia.user.password == before
    assert Alert.objects.filter(code="sign_in_attempts").count() == 1
    with force.by_force():
        RateCount.objects.all().update(window_number=0)
    assert browser.post(CHANGE, changing()).status_code == 302


def test_an_invitation_counts_and_hashes_as_the_sign_in_does() -> None:
    call_command("add_person", "Nuria", "--email", "nuria@example.com", "--role", "admin", "--country", "ES")
    row = Invitation.objects.get()
    address = f"/invitation/{invitations.token(public_id=row.public_id)}/"
    chosen = {"new_password1": "otra contraseña larga", "new_password2": "otra contraseña larga"}
    with attempts.turn():
        assert Client().post(address, chosen).status_code == 429
    short = {"new_password1": "x", "new_password2": "y"}
    assert [Client().post(address, short).status_code for _ in range(10)] == [400] * 9 + [429]
    assert not row.user.__class__.objects.get(pk=row.user_id).has_usable_password()
    with force.by_force():
        RateCount.objects.all().update(window_number=0)
    assert Client().post(address, chosen).status_code == 200


def test_a_grave_act_waits_for_its_turn_to_hash(sofia: cast.Member) -> None:
    about: dict[str, Any] = {"object_type": "hold", "object_id": "hld_x", "actor": ACTOR, "now": timezone.now()}
    with attempts.turn(), pytest.raises(errors.Problem) as refused:
        passwords.require(user=sofia.user, password=cast.PASSWORD, **about)
    assert refused.value.code == "throttled"
    passwords.require(user=sofia.user, password=cast.PASSWORD, **about)


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
@pytest.mark.usefixtures("committed_db")
def test_a_wrong_password_counts_though_all_else_of_its_request_is_undone(sofia: cast.Member) -> None:
    about: dict[str, Any] = {"object_type": "hold", "object_id": "hld_x", "actor": ACTOR, "now": timezone.now()}
    codes = []
    for typed in ["guessed"] * passwords.WRONG_MAX + [cast.PASSWORD]:
        with pytest.raises(errors.Problem) as refused, transaction.atomic():
            passwords.require(user=sofia.user, password=typed, **about)
        codes.append(refused.value.code)
    assert codes == ["password_wrong"] * passwords.WRONG_MAX + ["password_locked"]
