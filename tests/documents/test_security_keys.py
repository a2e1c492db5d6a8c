"""Security keys and passkeys: enrolled, used to come in and for grave acts, named and removed; each step on record."""

import html
import json
import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from documents.access import factors, security_keys
from documents.models import LegalHold
from tests import cast, factories
from tests.documents import center
from tests.documents.test_sign_in import CODE, FACTOR, LOGIN, REASON, RIGHT, UNLOCK, away_for, page_of, without_factor
from tests.services import force
from tests.services.soft_key import SoftKey

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
FACTORS, KEY = "/admin/factors/", "/admin/factors/key/"
HOST = {"headers": {"host": "localhost:8000"}}


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "http://localhost:8000"


def at_home(browser: Client) -> Client:
    """Let a browser ask the address for which keys sign."""
    browser.defaults["HTTP_HOST"] = "localhost:8000"
    return browser


def question(browser: Client, path: str) -> str:
    """Return what the button of a page hands to the browser."""
    (stated,) = re.findall(r'data-options="([^"]+)"', page_of(browser.get(path)))
    return html.unescape(stated)


def enrolled(browser: Client, *, name: str = "llavero", **facts: str) -> SoftKey:
    key = SoftKey()
    sent = {"name": name, "key_answer": key.make(question(browser, KEY)), **facts}
    assert browser.post(KEY, sent).status_code in {200, 302}
    assert Authenticator.objects.filter(type=factors.KEY, data__name=name).count() == 1
    return key


def with_key(member: cast.Member) -> tuple[Client, SoftKey]:
    """Return the browser of a member of staff who has an app, and now a key."""
    browser = at_home(center.client(member=member))
    return browser, enrolled(browser, password=cast.PASSWORD)


def half_in() -> Client:
    browser = at_home(Client())
    assert browser.post(LOGIN, RIGHT)["Location"] == CODE
    return browser


def test_a_key_is_the_first_factor_of_who_has_none_and_comes_with_recovery_codes() -> None:
    browser = at_home(without_factor())
    assert browser.get(center.ADMIN)["Location"].startswith(FACTOR)
    assert browser.get(FACTORS)["Location"].startswith(FACTOR)
    assert KEY in page_of(browser.get(FACTOR))
    key = SoftKey()
    shown = page_of(browser.post(KEY, {"name": "llavero", "key_answer": key.make(question(browser, KEY))}))
    assert len(set(re.findall(r"dc-mono\">(\d{8})<", shown))) == 10
    assert browser.get(center.ADMIN).status_code == 200
    (said,) = center.said("factor.added")
    assert (said.actor_kind, said.code) == ("user", "webauthn")
    assert "llavero" in page_of(browser.get(FACTORS))


def test_another_factor_is_added_by_who_shows_her_password_alone(sofia: cast.Member) -> None:
    browser, key = with_key(sofia)
    assert browser.get(FACTORS).status_code == 200
    again = {"name": "otra", "key_answer": key.make(question(browser, KEY)), "password": cast.PASSWORD}
    assert browser.post(KEY, again).status_code == 400  # somebody has this one already
    other = SoftKey()
    for wrong in ("", "guessed"):
        sent = {"name": "otra", "key_answer": other.make(question(browser, KEY)), "password": wrong}
        assert browser.post(KEY, sent).status_code == 400
    assert Authenticator.objects.filter(type=factors.KEY).count() == 1
    assert center.denials()[0].code == "password_wrong"


def test_a_first_factor_is_none_any_more_once_another_has_come_meanwhile(sofia: cast.Member) -> None:
    """Two browsers of one person are let through without the password while she has no factor: one of them adds it."""
    key = {"rawId": "another", "id": "another"}
    assert factors.add_key(user=sofia.user, name="x", credential=key, is_first=True, actor=log.SYSTEM) is None
    with force.by_force():
        Authenticator.objects.filter(user=sofia.user).delete()
    now, secret = timezone.now(), cast.SECRET
    for expected in (True, False):
        codes = factors.enrol(
            user=sofia.user, secret=secret, code=cast.code(), is_first=True, now=now, actor=log.SYSTEM
        )
        assert (codes is not None) is expected
    assert [said.code for said in center.said("factor.added")] == ["totp"]


def test_a_key_lets_in_after_the_password_and_nobody_in_without_it(sofia: cast.Member) -> None:
    _, key = with_key(sofia)
    assert at_home(Client()).post(CODE, {"key_answer": "{}"})["Location"] == LOGIN
    browser = half_in()
    assert browser.post(CODE, {"key_answer": key.sign(question(browser, CODE))})["Location"] == center.ADMIN
    assert browser.get(center.ADMIN).status_code == 200
    (said,) = center.said("factor.used")
    assert (said.code, said.object_id) == ("webauthn", f"usr_{sofia.user.pk}")
    assert len(center.said("session.login")) == 1
    app = half_in()
    assert app.post(CODE, {"code": cast.code()}).status_code == 302


def stranger(key: SoftKey, asked: str) -> str:
    return SoftKey().sign(asked)


def of_another_page(key: SoftKey, asked: str) -> str:
    key.origin = "http://localhost:8001"
    return key.sign(asked)


def of_another_name(key: SoftKey, asked: str) -> str:
    key.rp_id = "evil.example"
    return key.sign(asked)


def to_another_question(key: SoftKey, asked: str) -> str:
    other = json.loads(asked)
    other["publicKey"]["challenge"] = "A" * 43
    return key.sign(json.dumps(other))


def with_another_signature(key: SoftKey, asked: str) -> str:
    answer = json.loads(key.sign(asked))
    answer["response"]["signature"] = json.loads(key.sign(asked))["response"]["signature"][:-4] + "AAAA"
    return json.dumps(answer)


@pytest.mark.parametrize(
    "wrong",
    [
        stranger,
        of_another_page,
        of_another_name,
        to_another_question,
        with_another_signature,
        *[lambda _key, _asked, text=text: text for text in ("x", "[]", "{}", '{"id": 1}', "[" * 9999, "9" * 40000)],
        lambda key, asked: key.make(asked.replace("rpId", "rp")),
    ],
)
def test_a_wrong_answer_opens_nothing_is_on_record_and_says_so(sofia: cast.Member, wrong: Any) -> None:
    _, key = with_key(sofia)
    browser = half_in()
    answer = browser.post(CODE, {"key_answer": wrong(key, question(browser, CODE))})
    assert (answer.status_code, "La llave no ha respondido bien" in page_of(answer)) == (400, True)
    assert [(one.action, one.code) for one in center.denials()] == [("session.failed", "second_factor_wrong")]
    assert browser.get(center.ADMIN).status_code == 302
    assert center.said("factor.used") == []


def test_an_answer_is_good_once_in_its_session_for_its_person_its_purpose_and_ten_minutes(
    sofia: cast.Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers, key = with_key(sofia)
    browser = half_in()
    answer = key.sign(question(browser, CODE))
    assert half_in().post(CODE, {"key_answer": answer}).status_code == 400
    assert browser.post(CODE, {"key_answer": answer}).status_code == 302
    again = half_in()
    question(again, CODE)
    assert again.post(CODE, {"key_answer": answer}).status_code == 400
    away_for(hers, 31)
    unlocking = key.sign(question(hers, UNLOCK))
    assert hers.post(UNLOCK, {"password": cast.PASSWORD, "key_answer": unlocking}).status_code == 302
    grave = f"{FACTORS}{Authenticator.objects.get(type=factors.KEY).pk}/remove/"
    away_for(hers, 31)
    other = key.sign(question(hers, UNLOCK))
    assert hers.post(UNLOCK, {"password": cast.PASSWORD, "code": cast.code(steps=1)}).status_code == 302
    assert hers.post(grave, {"key_answer": other}).status_code == 400
    late = half_in()
    asked = question(late, CODE)
    monkeypatch.setattr(security_keys, "LIFE", -security_keys.LIFE)
    assert late.post(CODE, {"key_answer": key.sign(question(late, CODE))}).status_code == 400
    assert late.post(CODE, {"key_answer": key.sign(asked)}).status_code == 302


def test_a_copy_of_a_key_falls_behind_and_is_refused(sofia: cast.Member) -> None:
    browser = at_home(center.client(member=sofia))
    key = SoftKey(count=5)
    sent = {"name": "cuenta", "key_answer": key.make(question(browser, KEY)), "password": cast.PASSWORD}
    assert browser.post(KEY, sent).status_code == 200
    # The first of these is a copy made at the key's enrolment, which signs before the key itself does.
    for count, status in ((4, 400), (5, 302), (5, 400), (3, 400), (8, 302)):
        key.count = count
        coming = half_in()
        assert coming.post(CODE, {"key_answer": key.sign(question(coming, CODE))}).status_code == status, count
    key.count = 0
    coming = half_in()
    assert coming.post(CODE, {"key_answer": key.sign(question(coming, CODE))}).status_code == 400


def test_after_a_pause_password_and_key_open_again(sofia: cast.Member) -> None:
    browser, key = with_key(sofia)
    away_for(browser, 31)
    asked = question(browser, UNLOCK)
    assert browser.post(UNLOCK, {"password": "guessed", "key_answer": key.sign(asked)}).status_code == 400
    assert browser.post(UNLOCK, {"password": cast.PASSWORD, "key_answer": "{}"}).status_code == 400
    asked = question(browser, UNLOCK)
    assert browser.post(UNLOCK, {"password": cast.PASSWORD, "key_answer": key.sign(asked)}).status_code == 302
    assert len(center.said("session.confirmed")) == 1


def test_a_grave_act_is_confirmed_by_the_key_instead_of_the_password() -> None:
    document = factories.document()
    browser, key = with_key(center.staff(roles=["compliance"], countries=["ES"]))
    assert browser.post(f"{center.page(document)}hold/", {"reference": "EXP-7", "reason": REASON}).status_code == 302
    path = f"{center.ADMIN}documents/legalhold/{LegalHold.objects.get().public_id}/request/"
    assert browser.post(path, {"reason": REASON}).status_code == 400
    assert (
        browser.post(path, {"reason": REASON, "key_answer": SoftKey().sign(question(browser, path))}).status_code == 403
    )
    assert center.denials()[0].code == "key_wrong"
    assert center.said("hold.release_requested") == []
    answer = browser.post(path, {"reason": REASON, "key_answer": key.sign(question(browser, path))})
    assert (answer.status_code, len(center.said("hold.release_requested"))) == (302, 1)


def test_a_key_is_named_and_removed_and_the_last_factor_stays(sofia: cast.Member) -> None:
    browser, key = with_key(sofia)
    row, app = Authenticator.objects.get(type=factors.KEY), Authenticator.objects.get(type=factors.TOTP)
    assert browser.post(f"{FACTORS}{row.pk}/name/", {"name": "llavero"}).status_code == 400
    assert browser.post(f"{FACTORS}{row.pk}/name/", {"name": "azul"}).status_code == 302
    assert [(one.code, one.object_id) for one in center.said("factor.renamed")] == [
        ("webauthn", f"usr_{sofia.user.pk}")
    ]
    assert browser.post(f"{FACTORS}{app.pk}/remove/", {}).status_code == 400
    sent = {"key_answer": key.sign(question(browser, f"{FACTORS}{app.pk}/remove/"))}
    assert browser.post(f"{FACTORS}{app.pk}/remove/", sent)["Location"] == FACTORS
    assert [one.code for one in center.said("factor.removed")] == ["totp"]
    assert browser.post(f"{FACTORS}{row.pk}/remove/", {"password": cast.PASSWORD}).status_code == 400
    assert "/remove/" not in page_of(browser.get(FACTORS))
    assert factors.has(user=sofia.user)
    assert key.sign(question(half_in(), CODE))


def test_nobody_touches_the_factor_of_another(sofia: cast.Member) -> None:
    _, _ = with_key(sofia)
    row = Authenticator.objects.get(type=factors.KEY)
    other = at_home(center.client(member=center.staff(roles=["admin"], countries=["ES"], name="other")))
    for page in ("name", "remove"):
        for answer in (
            other.get(f"{FACTORS}{row.pk}/{page}/"),
            other.post(f"{FACTORS}{row.pk}/{page}/", {"name": "x"}),
        ):
            assert answer.status_code == 404
    browser = half_in()
    theirs = enrolled(other, name="ajena", password=cast.PASSWORD)
    assert browser.post(CODE, {"key_answer": theirs.sign(question(browser, CODE))}).status_code == 400


def test_an_app_is_added_to_a_key_with_the_password(sofia: cast.Member) -> None:
    with force.by_force():
        Authenticator.objects.filter(user=sofia.user).delete()
    browser = at_home(center.client(member=sofia))
    enrolled(browser)
    assert "Tu contraseña" in page_of(browser.get(FACTOR))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cast, "SECRET", browser.session["factor_secret"])
        assert browser.post(FACTOR, {"code": cast.code(), "password": "guessed"}).status_code == 400
        assert browser.post(FACTOR, {"code": cast.code(), "password": cast.PASSWORD})["Location"] == FACTORS
    assert {one.type for one in factors.of(user=sofia.user)} == {factors.KEY, factors.TOTP}
    assert Authenticator.objects.filter(type=factors.RECOVERY).count() == 1


@pytest.mark.parametrize(
    ("url", "home"),
    [
        ("https://docs.aventide.example", ("docs.aventide.example", "https://docs.aventide.example")),
        ("https://docs.aventide.example:443", ("docs.aventide.example", "https://docs.aventide.example")),
        ("https://docs.aventide.example:8443", ("docs.aventide.example", "https://docs.aventide.example:8443")),
        ("http://127.0.0.1:8000", ("localhost", "http://localhost:8000")),
        ("http://[::1]:8000", ("localhost", "http://localhost:8000")),
        ("http://docs.aventide.example", None),
        ("https://192.0.2.7", None),
    ],
)
def test_where_keys_work_follows_from_the_public_address(settings: Settings, url: str, home: Any) -> None:
    settings.PUBLIC_URL = url
    place = security_keys.home()
    assert (place and (place.name, place.origin)) == home


def test_a_page_at_another_address_says_where_keys_work(sofia: cast.Member, settings: Settings) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    browser = center.client(member=sofia)
    assert f"http://localhost:8000{KEY}" in page_of(browser.get(KEY))
    settings.PUBLIC_URL = "http://docs.aventide.example"
    assert "hace falta una dirección con nombre y TLS" in page_of(browser.get(KEY))
    assert KEY not in page_of(browser.get(FACTORS))
    assert browser.post(KEY, {"name": "x", "key_answer": "{}", "password": cast.PASSWORD}).status_code == 400


def test_where_keys_do_not_work_any_more_the_app_still_lets_in(sofia: cast.Member, settings: Settings) -> None:
    with_key(sofia)
    settings.PUBLIC_URL = "http://docs.aventide.example"
    browser = Client()
    browser.post(LOGIN, RIGHT)
    assert "data-key=" not in page_of(browser.get(CODE))
    assert browser.post(CODE, {"key_answer": "{}", "code": cast.code()}).status_code == 302
