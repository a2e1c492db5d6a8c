"""Keys of the API in the Document Center: made for whom, shown once, rotated, revoked, and by whom."""

import re
from typing import Any

import pytest
from django.test import Client

from audit.models import Event as AuditEvent
from documents.models import ApiKey, IdempotentAnswer
from tests import factories
from tests.documents import center

pytestmark = [
    pytest.mark.usefixtures("vault_folder"),
    pytest.mark.django_db(databases=["default", "denials"]),
]
PAGE = f"{center.ADMIN}documents/apikey/"
STATED = {"role": "partner", "name": "contabilidad", "scopes": ["read", "content"], "until": "2099-01-01"}
TOKEN = re.compile(r"bdk_[0-9a-v]{26}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def admin() -> Client:
    """A browser of somebody with the role `admin`."""
    return center.client(member=center.staff(roles=["admin"], countries=["ES"]))


def shown(answer: Any) -> str:
    """Return the key that an answer shows."""
    assert answer.status_code == 200, answer.content.decode()
    (text,) = TOKEN.findall(answer.content.decode())
    return str(text)


def listed(key: str) -> list[str]:
    """Return the owners of the documents that a key lists."""
    answer = Client().get("/api/v1/documents/", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.content
    return [row["owner"] for row in answer.json()["data"]]


def test_a_key_for_a_party_is_shown_once_and_opens_what_is_the_partys(admin: Client) -> None:
    factories.document()
    document = factories.document(owner=factories.party(platform_id="rst_pages"))
    answer = admin.post(f"{PAGE}create/", {**STATED, "party": "rst_pages"})
    text = shown(answer)
    assert "no-store" in answer["Cache-Control"]
    assert listed(text) == [document.owner.platform_id]
    key = ApiKey.objects.get()
    assert (key.name, key.scopes, key.expires_at.isoformat()[:10]) == (
        "contabilidad",
        ["content", "read"],
        "2099-01-02",
    )
    secret = text.split("_", 2)[2]
    for address in (PAGE, f"{PAGE}{key.public_id}/"):
        page = admin.get(address).content.decode()
        assert "contabilidad" in page
        assert secret not in page
    stored = [*ApiKey.objects.values(), *AuditEvent.objects.values(), *IdempotentAnswer.objects.values()]
    assert secret not in repr(stored)


def test_a_key_is_rotated_once_and_revoked_at_once(admin: Client) -> None:
    factories.document(owner=factories.party(platform_id="rst_pages"))
    first = shown(admin.post(f"{PAGE}create/", {**STATED, "party": "rst_pages"}))
    key = ApiKey.objects.get()
    assert admin.get(f"{PAGE}{key.public_id}/rotate/").status_code == 200
    second = shown(admin.post(f"{PAGE}{key.public_id}/rotate/"))
    assert listed(first) == listed(second) == ["rst_pages"]
    assert admin.post(f"{PAGE}{key.public_id}/rotate/").status_code == 409
    assert ApiKey.objects.count() == 2
    assert admin.post(f"{PAGE}{key.public_id}/revoke/").status_code == 302
    answer = Client().get("/api/v1/me/", headers={"Authorization": f"Bearer {first}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")
    assert listed(second) == ["rst_pages"]
    actions = AuditEvent.objects.filter(object_type="key", outcome="ok").exclude(action="key.viewed").order_by("id")
    assert [event.action for event in actions] == ["key.created", "key.created", "key.rotated", "key.revoked"]
    assert {event.role for event in actions} == {"admin"}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"party": "rst_none"},
        {"login": "nobody"},
        {"party": "rst_pages", "login": "nobody"},
        {"party": "rst_pages", "scopes": ["everything"]},
        {"party": "rst_pages", "scopes": []},
        {"party": "rst_pages", "until": "2020-01-01"},
        {"party": "rst_pages", "name": ""},
    ],
)
def test_no_key_is_made_for_nobody_or_for_nothing(admin: Client, wrong: dict[str, Any]) -> None:
    factories.party(platform_id="rst_pages")
    assert admin.post(f"{PAGE}create/", {**STATED, **wrong}).status_code == 400
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("role", ["finance", "compliance", "auditor", "support"])
def test_nobody_else_sees_or_makes_a_key(role: str) -> None:
    browser = center.client(member=center.staff(roles=[role], countries=["ES"]))
    for address in (PAGE, f"{PAGE}create/"):
        assert browser.get(address).status_code == 403
    assert browser.post(f"{PAGE}create/", STATED).status_code == 403
    assert not ApiKey.objects.exists()
