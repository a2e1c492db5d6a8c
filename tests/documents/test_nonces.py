"""Every form behind a sign-in carries a nonce: sent twice, it does what it does once and gives the first one's page."""

import datetime as dt
import itertools
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, cast

import lxml.html
import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from audit.models import Event as LogEvent
from documents import errors
from documents.access import nonces
from documents.access.roles import Role
from documents.emission import locking
from documents.models import ApiKey, Document, IdempotentAnswer, Link, Party, Status
from tests import cast as people
from tests import factories
from tests.documents import center
from tests.payouts import telling
from tests.payouts.signing_in import PANEL, signed_in
from tests.services import force

pytestmark = pytest.mark.django_db(databases=["default", "denials"])
# A preference, an end, and the proof who somebody is, of which each try counts.
AS_OFTEN_AS_YOU_LIKE = ("/admin/language/", "/admin/logout/", "/admin/unlock/", "/admin/factor/", "/admin/login/")
STAFF = [str(role) for role in Role if role not in ("driver", "partner")]


@pytest.fixture
def browser() -> Client:
    return center.client(member=center.everywhere(roles=STAFF))


def row_pages(document: Document) -> Iterator[str]:
    """Yield the address of each page of the Document Center that shows one, with what there is."""
    ids = center.one_of_each(document=document)
    for pattern in center.routes():
        place = str(pattern.pattern)
        if "<" not in place or place.startswith("<"):
            yield f"{center.ADMIN}{place}" if "<" not in place else f"{center.ADMIN}documents/"
            continue
        model = "/".join(place.split("/")[:2])
        if model == "payouts/conciliar":
            model = f"documents/{place.split('/')[2]}"
        yield center.ADMIN + re.sub("<[^>]+>", ids.get(model, ""), place)


def forms(browser: Client, address: str) -> list[tuple[str, Any]]:
    """Return the forms of a page that change something, each with where it is sent."""
    answer = browser.get(address)
    if answer.status_code != 200 or b"<form" not in answer.content:
        return []
    sent = []
    for form in lxml.html.fromstring(answer.content).iter("form"):
        target = form.get("action") or address
        acts = (form.get("method") or "get").lower() == "post" and form.get("id") != "changelist-form"  # has no action
        if acts and target not in AS_OFTEN_AS_YOU_LIKE:
            sent.append((target, form))
    return sent


def filled(form: Any) -> dict[str, str]:
    """Fill a form in as somebody would."""
    typed: dict[str, str] = {}
    for field in form.iter("input", "select", "textarea"):
        name, kind = field.get("name"), field.get("type", field.tag)
        if not name or kind in ("submit", "file"):
            continue
        if kind == "hidden":
            typed[name] = field.get("value", "")
        elif kind == "password":
            typed[name] = people.PASSWORD
        elif kind in ("date", "datetime-local"):
            typed[name] = (timezone.now() + dt.timedelta(days=40)).date().isoformat()
        elif kind in ("checkbox", "radio"):
            typed.setdefault(name, field.get("value", "on"))
        elif kind == "select":
            typed[name] = next(filter(None, (option.get("value") for option in field.iter("option"))), "")
        else:
            typed[name] = {"email": "nadie@example.com", "number": "30"}.get(kind, "probar_2026")
    return typed


def test_every_form_of_the_document_center_carries_one(browser: Client) -> None:
    document = factories.document(status=Status.ISSUED)
    sent = [(page, target, form) for page in row_pages(document) for target, form in forms(browser, page)]
    assert len(sent) > 20
    assert [(page, target) for page, target, form in sent if len(form.xpath(".//input[@name='nonce']")) != 1] == []
    values = [form.xpath(".//input[@name='nonce']")[0].get("value") for _, _, form in sent]
    assert min(map(len, values)) >= 24


def test_a_form_that_is_sent_twice_acts_once_and_gives_the_same_page(browser: Client) -> None:
    document = factories.document(status=Status.ISSUED)
    party = Party.objects.get(pk=document.owner_id)
    with force.by_force():
        Party.objects.filter(pk=party.pk).update(email="de.alguien@example.com")
    done = set()
    shown = [(address, *sent) for address in row_pages(document) for sent in forms(browser, address)]
    for page, target, form in shown:
        typed = filled(form)
        first = browser.post(target, typed)
        if first.status_code >= 400 or "Content-Disposition" in first or "password" in target:
            continue
        before = LogEvent.objects.count()
        second = browser.post(target, typed)
        assert (second.status_code, second.get("Location"), second.content) == (
            first.status_code,
            first.get("Location"),
            first.content,
        ), page
        new = list(LogEvent.objects.order_by("-pk").values_list("action", flat=True))[
            : LogEvent.objects.count() - before
        ]
        assert new == ["request.repeated"], page
        done.add(re.sub(r"\w+_[0-9A-Za-z]{8,}|\d+", "*", target))
    assert len(done) >= 10, done


def test_what_is_shown_once_is_shown_again_to_who_sends_the_form_again_and_kept_nowhere(browser: Client) -> None:
    ((target, form),) = forms(browser, f"{center.ADMIN}documents/apikey/create/")
    party = factories.party(platform_id="rst_9")
    typed = {**filled(form), "party": party.platform_id, "user": "", "login": ""}
    first, second = browser.post(target, typed), browser.post(target, typed)
    assert (first.status_code, second.content) == (200, first.content)
    assert ApiKey.objects.count() == 1
    (text,) = re.findall(r'<pre class="dc-code" tabindex="0">([^<]+)</pre>', first.content.decode())
    kept = IdempotentAnswer.objects.get()
    assert (text in kept.body, len(kept.body) > 100) == (False, True)
    assert typed["nonce"] not in f"{kept.request_digest}{kept.body}{kept.headers}"
    assert (
        forms(browser, f"{center.ADMIN}documents/apikey/create/")[0][1].xpath(".//input[@name='nonce']")[0].get("value")
        != typed["nonce"]
    )


def test_a_form_that_was_refused_can_be_sent_again_and_one_of_another_is_another(browser: Client) -> None:
    document = factories.document(status=Status.ISSUED)
    held = center.link(document=document)
    address = f"{center.ADMIN}documents/link/{held.public_id}/revoke/"
    nonce = "abcdefghijklmnopqrstuvwx"
    assert browser.post(address, {"nonce": nonce, "reason": ""}).status_code == 400
    assert IdempotentAnswer.objects.count() == 0
    assert browser.post(address, {"nonce": nonce, "reason": "por probar"}).status_code == 302
    other = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="another"))
    assert other.post(address, {"nonce": nonce, "reason": "por probar"}).status_code == 409  # it is revoked already
    stranger = center.client(member=center.staff(roles=["finance"], countries=["MX"], name="foreign"))
    assert stranger.post(address, {"nonce": nonce, "reason": "por probar"}).status_code == 403


def test_a_password_that_was_refused_is_changed_by_the_same_form_typed_right() -> None:
    hers = center.client(member=center.staff(roles=["finance"], countries=["ES"], name="typing"))
    ((address, form),) = [sent for sent in forms(hers, f"{center.ADMIN}password_change/") if "password" in sent[0]]
    new = "Zq9-otra-contraseña-77"
    typed = {**filled(form), "new_password1": new, "new_password2": new}
    assert hers.post(address, {**typed, "old_password": "guessed"}).status_code == 400
    assert hers.post(address, {**typed, "old_password": people.PASSWORD}).status_code == 302
    assert len(center.said("credential.changed")) == 1
    done = hers.get(f"{center.ADMIN}password_change/done/").content.decode()
    assert re.findall(r"<title>\s*([^|<]+?)\s*\|", done) == ["Contraseña cambiada"]


def test_whoever_may_no_longer_is_refused_what_was_answered_before(browser: Client) -> None:
    document = factories.document(status=Status.ISSUED)
    held = center.link(document=document)
    address = f"{center.ADMIN}documents/link/{held.public_id}/revoke/"
    member = center.staff(roles=["finance"], countries=["ES"], name="leaving")
    hers = center.client(member=member)
    typed = {"nonce": "abcdefghijklmnopqrstuvwx", "reason": "por probar"}
    assert hers.post(address, typed).status_code == 302
    with force.by_force():
        member.user.groups.clear()
    assert hers.post(address, typed).status_code == 403
    assert center.denials()[0].code


def test_every_form_of_the_panel_carries_one_or_is_told_apart_by_its_own(vault_folder: pathlib.Path) -> None:
    telling.issuers()
    telling.told([*telling.sample("es_ride"), *telling.sample("mx_week")])
    mine = Document.objects.get(document_key_id="ORDER_FINAL_STATEMENT:order:ord_MXA:beneficiary")
    locking.advance(document_id=mine.pk, now=timezone.now())
    hers = signed_in()
    ((share, form),) = forms(hers, f"{PANEL}compartir/{mine.public_id}/")
    assert hers.post(share, filled(form)).status_code == 201
    pages = ("compartidos/", "dispositivos/", "falta/?viaje=ord_nowhere", f"compartir/{mine.public_id}/")
    sent = [(target, form) for page in pages for target, form in forms(hers, PANEL + page)]
    assert len(sent) == 5
    assert [target for target, form in sent if len(form.xpath(".//input[@name='nonce' or @name='form']")) != 1] == []
    (end,) = [(target, form) for target, form in sent if target.endswith("/anular/")]
    first, second = (hers.post(end[0], filled(end[1])) for _ in range(2))
    assert (first.status_code, first["Location"]) == (second.status_code, second["Location"])
    assert (len(center.said("link.revoked")), len(center.said("request.repeated"))) == (1, 1)


class TestAtOnce:
    """Two at the same time, on connections of their own."""

    pytestmark = pytest.mark.usefixtures("committed_db")

    def test_who_comes_while_the_first_is_at_work_waits_and_gets_its_page(self) -> None:
        begun, go_on, pages = threading.Event(), threading.Event(), []
        calls = itertools.count(1)

        def view(_request: Any) -> HttpResponse:
            begun.set()
            assert go_on.wait(20)
            return HttpResponse(f"the {next(calls)}.", status=201)

        def post() -> None:
            request = RequestFactory().post("/admin/x/", {"nonce": "n" * 24})
            pages.append(cast("HttpResponse", nonces.once(view)(request)).content)
            connection.close()

        several = [threading.Thread(target=post) for _ in range(4)]
        several[0].start()
        assert begun.wait(20)
        for thread in several[1:]:
            thread.start()
        go_on.set()
        for thread in several:
            thread.join(30)
        assert (pages, next(calls)) == ([b"the 1."] * 4, 2)

    def test_one_whose_process_died_is_let_through_after_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        request = RequestFactory().post("/admin/x/", {"nonce": "n" * 24})
        digest = nonces._digest(request=request, nonce="n" * 24)
        IdempotentAnswer.objects.create(request_digest=digest, fingerprint="", status=nonces.AT_WORK)
        monkeypatch.setattr(nonces, "WAIT_S", 0.3)
        with pytest.raises(errors.Problem) as refused:
            nonces.once(lambda _request: HttpResponse("done"))(request)
        assert refused.value.code == "idempotency_in_progress"
        monkeypatch.setattr(nonces, "DEAD_S", 0.0)
        assert cast("HttpResponse", nonces.once(lambda _request: HttpResponse("done"))(request)).content == b"done"
        assert Link.objects.count() == 0
