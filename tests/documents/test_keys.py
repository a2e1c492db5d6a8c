"""Keys of the API: what each opens, how it ends, what of it is kept, and what a bad one is answered."""

import datetime as dt
import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from audit import log
from audit.models import Event
from documents.access import keys, rates
from documents.access.admission import KeyScope
from documents.models import ApiKey, Document, Party
from tests import cast, factories
from tests.services import force

pytestmark = [
    pytest.mark.usefixtures("committed_db", "vault_folder"),
    pytest.mark.django_db(transaction=True, databases=["default", "owner", "denials"]),
]
LIST = "/api/v1/documents/"


def made(*options: str) -> str:
    """Return the text of a key that the command makes."""
    out = io.StringIO()
    call_command("keys", "create", *options, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def ask(*, key: str, path: str = LIST) -> tuple[int, str]:
    """Return status and code of what a key is answered."""
    answer = Client().get(path, headers={"Authorization": f"Bearer {key}"})
    return answer.status_code, answer.json().get("code", "") if answer.status_code >= 400 else ""


def mine(*, key: str) -> list[str]:
    """Return the ids of the documents that a key lists."""
    answer = Client().get(LIST, headers={"Authorization": f"bearer {key}"})
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["data"]]


@pytest.fixture
def document() -> Document:
    """A document of a partner, beside one of somebody else."""
    factories.document()
    return factories.document(owner=factories.party(platform_id="rst_keys"))


def test_a_key_of_a_party_opens_that_partys_documents_and_no_others(document: Document) -> None:
    assert mine(key=made("--party", "rst_keys")) == [document.public_id]


def test_a_key_goes_on_opening_while_the_pepper_of_before_is_named(document: Document, settings: Settings) -> None:
    key = made("--party", "rst_keys")
    settings.API_KEY_PEPPER_FORMER = [settings.API_KEY_PEPPER]
    settings.API_KEY_PEPPER = "another-pepper-of-more-than-thirty-two-characters"
    assert mine(key=key) == [document.public_id]
    assert mine(key=made("--party", "rst_keys")) == [document.public_id]
    settings.API_KEY_PEPPER_FORMER = []
    assert ask(key=key)[0] == 401


def test_a_key_of_a_party_reaches_no_other_one_whatever_its_user_owns_besides(document: Document) -> None:
    other = Document.objects.exclude(pk=document.pk).get()
    key = made("--party", "rst_keys")
    cast.grant("documents.own_party", ApiKey.objects.get().user, other.owner)
    assert mine(key=key) == [document.public_id]
    assert ask(key=key, path=f"{LIST}{other.public_id}/") == (403, "not_owner")


def test_a_key_of_staff_acts_as_that_person(document: Document) -> None:
    cast.staff(name="sofia", roles=["finance"], countries=["ES"])
    assert document.public_id in mine(key=made("--login", "sofia"))
    event = Event.objects.filter(action="document.listed").latest("id")
    assert (event.actor_kind, event.key) == ("user", ApiKey.objects.get().public_id)


def test_a_scope_that_a_key_lacks_is_a_recorded_refusal(document: Document) -> None:
    key = made("--party", "rst_keys", "--scope", "read")
    assert ask(key=key, path=f"{LIST}{document.public_id}/content/") == (403, "scope_missing")
    denied = Event.objects.get(outcome="denied")
    assert (denied.code, denied.object_id, denied.key) == ("scope_missing", *[ApiKey.objects.get().public_id] * 2)


def test_the_database_has_no_key_from_which_one_could_be_made(document: Document) -> None:
    key = made("--party", "rst_keys")
    row = ApiKey.objects.values().get()
    secret = key.removeprefix("bdk_")[-32:]
    assert secret not in repr(row)
    assert not any(secret in repr(event) for event in Event.objects.values())


def test_keys_end_by_time_by_hand_and_by_rotation_with_an_overlap(document: Document) -> None:
    first = made("--party", "rst_keys", "--days", "30")
    row = ApiKey.objects.get()
    out = io.StringIO()
    call_command("keys", "rotate", row.public_id, stdout=out, stderr=io.StringIO())
    second = out.getvalue().strip()
    assert (ask(key=first), ask(key=second)) == ((200, ""), (200, ""))
    row.refresh_from_db()
    assert row.expires_at - timezone.now() <= keys.OVERLAP
    with pytest.raises(CommandError):
        call_command("keys", "rotate", row.public_id)
    call_command("keys", "revoke", row.public_id, stdout=io.StringIO())
    call_command("keys", "revoke", row.public_id, stdout=io.StringIO())
    assert ask(key=first) == (401, "key_revoked")
    changes = Event.objects.filter(object_type="key", outcome="ok").order_by("id")
    assert list(changes.values_list("action", flat=True)) == [
        "key.created",
        "key.created",
        "key.rotated",
        "key.revoked",
    ]


def test_an_expired_key_is_told_so(document: Document) -> None:
    key, text = keys.create(
        user=cast.staff(name="luz", roles=["finance"], countries=["ES"]).user,
        party=None,
        name="corta",
        scopes=[KeyScope.READ],
        actor=log.SYSTEM,
        expires_at=timezone.now() + dt.timedelta(milliseconds=200),
    )
    while timezone.now() < key.expires_at:
        pass
    assert ask(key=text) == (401, "key_expired")


def test_a_key_of_somebody_who_may_no_longer_sign_in_opens_nothing(document: Document) -> None:
    key = made("--party", "rst_keys")
    with force.by_force():
        type(ApiKey.objects.get().user).objects.filter(username="api:rst_keys").update(is_active=False)
    assert ask(key=key) == (401, "authentication_failed")


@pytest.mark.parametrize(
    "header",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer bdk_",
        b"Bearer \xff\xfe\xfd",
        b"Bearer " + b"a" * 9 * 1024,
        b"Basic YTpi",
        b"Bearer bdk_" + b"0" * 26 + b"_" + b"A" * 43,
        "Bearer bdk_\u0660\u0660_\u00f1".encode(),
        b"Bearer a\x00b",
    ],
)
def test_what_is_no_key_is_a_401_and_never_a_500(header: bytes, document: Document) -> None:
    answer = Client().get(LIST, HTTP_AUTHORIZATION=header.decode("latin-1"))
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_wrong_key_beside_a_session_is_no_session(document: Document) -> None:
    member = cast.staff(name="rita", roles=["finance"], countries=["ES"])
    browser = Client()
    browser.force_login(member.user)
    assert browser.get(LIST).status_code == 200
    assert browser.get(LIST, headers={"Authorization": "Bearer bdk_no"}).status_code == 401


def test_a_key_may_ask_so_often_a_minute_and_is_told_how_often_still(document: Document, settings: Settings) -> None:
    settings.API_REQUESTS_MAX = 3
    key = made("--party", "rst_keys")
    headers = {"Authorization": f"Bearer {key}"}
    before = Event.objects.count()
    answers = [Client().get(f"{LIST}nothing/", headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] in ([403, 403, 403, 429, 429], [403] * 5)  # a minute may end
    if answers[-1].status_code == 429:
        assert answers[-1]["RateLimit-Policy"] == f'"key";q=3;w={rates.WINDOW_S}'
        assert answers[-1]["RateLimit"].startswith('"key";r=0;t=')
        assert 0 < int(answers[-1]["Retry-After"]) <= rates.WINDOW_S
        assert Event.objects.count() == before + 3


def test_a_use_is_noted_once_a_minute(document: Document) -> None:
    key = made("--party", "rst_keys")
    ask(key=key)
    used = ApiKey.objects.get().last_used_at
    ask(key=key)
    assert ApiKey.objects.get().last_used_at == used is not None


@pytest.mark.parametrize(
    "wrong", [["--party", "rst_none"], ["--login", "none"], ["--party", "rst_keys", "--days", "0"]]
)
def test_no_key_is_made_for_what_does_not_exist(wrong: list[str], document: Document) -> None:
    assert Party.objects.filter(platform_id="rst_keys").exists()
    with pytest.raises(CommandError):
        call_command("keys", "create", *wrong)
    assert not ApiKey.objects.exists()
