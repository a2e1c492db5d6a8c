"""The access table is enforced: an answer that its route's row does not allow cannot leave, whatever the view does."""

import contextlib
import io
import typing
from collections.abc import Callable, Iterator

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.template import engines
from django.template.response import TemplateResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from audit import denials as audit_denials
from audit import log
from audit.actions import Action
from audit.models import Event as AuditEvent
from config import checks
from documents import errors
from documents.access import actors, guard, ownership, roles, routes
from documents.access.admission import AccessRule, Door, Ownership, Recorded, RowSource, Unrecorded, View
from documents.admin.site import site
from documents.delivery import links
from documents.models import Alert, Document, Link
from tests import cast, factories
from tests.documents import center
from tests.services import force

pytestmark = [
    pytest.mark.django_db(databases=["default", "denials"]),
]
ALL_ROLES = [*(role.value for role in roles.Role), "no role", "nobody"]


def say(
    request: HttpRequest,
    about: str,
    *,
    action: Action = Action.DOCUMENT_VIEWED,
    outcome: str = "ok",
    kind: str = "document",
) -> None:
    with transaction.atomic():
        log.record(
            action=action, object_type=kind, object_id=about, actor=actors.actor(request=request), outcome=outcome
        )


def shown(document: Document) -> HttpResponse:
    return JsonResponse({"number": document.number})


# --- views of a document that do what the table says ---
def honest(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id)
    return shown(document)


def honest_stream(request: HttpRequest, document: Document) -> StreamingHttpResponse:
    say(request, document.public_id)
    return StreamingHttpResponse(iter([document.number.encode()]))


def honest_refusal(request: HttpRequest, document: Document) -> HttpResponse:
    actors.refuse(request=request, code="reason_required", object_type="document", object_id=document.public_id)


# --- and views that do not: each is a way to break the rule that a person could write by mistake ---
def foreign() -> Document:
    return Document.objects.get(owner__platform_id="drv_beto")


def forgetful(request: HttpRequest, document: Document) -> HttpResponse:
    return shown(document)


def another_action(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id, action=Action.DOCUMENT_LISTED)
    return shown(document)


def about_another_document(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, Document.objects.exclude(pk=document.pk).values_list("public_id", flat=True)[0])
    return shown(document)


def about_another_kind_of_thing(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id, kind="party")
    return shown(document)


def taken_back(request: HttpRequest, document: Document) -> HttpResponse:
    with contextlib.suppress(ZeroDivisionError), transaction.atomic():
        say(request, document.public_id)
        raise ZeroDivisionError
    return shown(document)


def as_refused(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id, outcome="denied")
    return shown(document)


def while_streaming(request: HttpRequest, document: Document) -> StreamingHttpResponse:
    def body() -> Iterator[bytes]:
        yield document.number.encode()
        say(request, document.public_id)

    return StreamingHttpResponse(body())


def a_file(request: HttpRequest, document: Document) -> FileResponse:
    return FileResponse(io.BytesIO(document.number.encode()), filename="statement.pdf")


def done_and_refused(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id)
    log.deny(
        actor=actors.actor(request=request), object_type="document", object_id=document.public_id, code="not_owner"
    )
    raise errors.Problem(code="not_owner")


def done_and_403(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id)
    return HttpResponse(document.number, status=403)


def refused_off_the_record(request: HttpRequest, document: Document) -> HttpResponse:
    raise errors.Problem(code="role_not_allowed")


def refused_by_django(request: HttpRequest, document: Document) -> HttpResponse:
    raise PermissionDenied


BREACHES: list[View] = [
    forgetful,
    another_action,
    about_another_document,
    about_another_kind_of_thing,
    taken_back,
    as_refused,
    while_streaming,
    a_file,
    done_and_refused,
    done_and_403,
    refused_off_the_record,
    refused_by_django,
]


# --- and views that read what is not the caller's ---
def by_its_id(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id)
    return shown(Document.objects.get(public_id=foreign().public_id))


def without_its_owner(request: HttpRequest, document: Document) -> HttpResponse:
    say(request, document.public_id)
    return shown(Document.objects.only("number").get(owner__platform_id="drv_beto"))


def in_its_template(request: HttpRequest, document: Document) -> TemplateResponse:
    say(request, document.public_id)
    page = typing.cast("typing.Any", engines["django"].from_string("{% for row in all %}{{ row.number }}{% endfor %}"))
    return TemplateResponse(request, page, {"all": Document.objects.all()})


def everything(request: HttpRequest, rows: typing.Any) -> HttpResponse:
    say(request, ownership.LIST, action=Action.DOCUMENT_LISTED, kind="documents")
    return JsonResponse({"numbers": [row.number for row in Document.objects.all()]})


@pytest.fixture
def adding(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add a route to the running project, before all others."""

    def add(pattern: str, view: View, **row: typing.Any) -> None:
        declared = routes.route(pattern, view, name="added", **row)
        monkeypatch.setattr(get_resolver(), "url_patterns", [declared, *get_resolver().url_patterns])

    return add


@pytest.fixture
def hers(ana: cast.Member, beto: cast.Member) -> Document:
    """Ana's document; there is one of Beto's beside it."""
    factories.document(owner=beto.party)
    return factories.document(owner=ana.party)


def of_a_document(**row: typing.Any) -> dict[str, typing.Any]:
    return {
        "door": Door.API,
        "roles": roles.READERS,
        "ownership": Ownership.PARTY_OR_COUNTRY,
        "audit": Action.DOCUMENT_VIEWED,
        **row,
    }


def body(answer: typing.Any) -> str:
    return b"".join(answer.streaming_content if answer.streaming else [answer.content]).decode()


def alerts(code: str) -> list[Alert]:
    return list(Alert.objects.filter(code=code))


def test_a_view_that_does_what_its_row_says_answers(
    adding: Callable[..., None], hers: Document, ana: cast.Member
) -> None:
    adding("added/<str:public_id>/", honest, **of_a_document())
    adding("streamed/<str:public_id>/", honest_stream, **of_a_document())
    adding("refused/<str:public_id>/", honest_refusal, **of_a_document())
    browser = center.client(member=ana)
    for place, status in (("added", 200), ("streamed", 200), ("refused", 403)):
        answer = browser.get(f"/{place}/{hers.public_id}/")
        assert (answer.status_code, hers.number in body(answer)) == (status, status == 200), place
    assert browser.get(f"/added/{foreign().public_id}/").json()["code"] == "not_owner"
    assert alerts("access_rule_broken") + alerts("cross_owner_read") == []


@pytest.mark.parametrize("view", BREACHES)
def test_a_view_that_breaks_its_row_cannot_answer_and_a_p1_names_the_route(
    adding: Callable[..., None], hers: Document, ana: cast.Member, view: View
) -> None:
    adding("added/<str:public_id>/", view, **of_a_document())
    answer = center.client(member=ana).get(f"/added/{hers.public_id}/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert hers.number not in body(answer)
    [alert] = alerts("access_rule_broken")
    assert (alert.severity, alert.object_id, alert.runbook) == (
        "P1",
        "added",
        "docs/runbooks/access.md#access_rule_broken",
    )


@pytest.mark.parametrize("view", [by_its_id, without_its_owner, in_its_template, everything])
@pytest.mark.parametrize("who", ["driver", "finance"])
def test_nothing_for_which_a_foreign_document_was_read_leaves_and_it_is_a_p1(
    adding: Callable[..., None], hers: Document, ana: cast.Member, view: View, who: str
) -> None:
    theirs = foreign()
    member = ana if who == "driver" else center.staff(roles=["finance"], countries=["MX"])
    listed = {"ownership": Ownership.PARTY_OR_COUNTRY_LIST, "audit": Action.DOCUMENT_LISTED}
    if view is everything:
        adding("added/", view, **of_a_document(**listed))
        answer = center.client(member=member).get("/added/")
    else:
        mine = (
            hers
            if who == "driver"
            else factories.document(issued_by=factories.issuer(slug="mx", code="AMX", country_code="MX"))
        )
        adding("added/<str:public_id>/", view, **of_a_document())
        answer = center.client(member=member).get(f"/added/{mine.public_id}/")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_owner")
    assert theirs.number not in body(answer)
    [alert] = alerts("cross_owner_read")
    assert alert.severity == "P1"
    denied = AuditEvent.objects.using("denials").get(request_id=answer["Request-Id"])
    assert (denied.code, denied.object_id) == ("not_owner", alert.object_id)


def test_a_stream_breaks_off_before_what_a_foreign_document_says(
    adding: Callable[..., None], hers: Document, ana: cast.Member
) -> None:
    def page(request: HttpRequest, document: Document) -> StreamingHttpResponse:
        say(request, document.public_id)
        return StreamingHttpResponse(row.number for row in Document.objects.order_by("-pk").iterator(chunk_size=1))

    adding("added/<str:public_id>/", page, **of_a_document())
    answer: typing.Any = center.client(member=ana).get(f"/added/{hers.public_id}/")
    parts = iter(answer.streaming_content)
    assert next(parts) == hers.number.encode()
    with pytest.raises(errors.Problem, match="not_owner"):
        next(parts)
    assert len(alerts("cross_owner_read")) == 1


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_only_what_is_committed_counts(adding: Callable[..., None], hers: Document, ana: cast.Member) -> None:
    for view, status in ((honest, 200), (taken_back, 500)):
        adding("added/<str:public_id>/", view, **of_a_document())
        assert center.client(member=ana).get(f"/added/{hers.public_id}/").status_code == status


def a_link(document: Document) -> Link:
    return links.create(document=document, recipient=document.owner, delivery=None, now=timezone.now())


def test_a_page_of_a_link_that_is_about_another_document_cannot_answer_and_its_token_is_in_no_log(
    adding: Callable[..., None], hers: Document, caplog: pytest.LogCaptureFixture
) -> None:
    mine, other = a_link(hers), a_link(foreign())

    def page(request: HttpRequest, **_handed: object) -> HttpResponse:
        say(request, other.document.public_id)
        return HttpResponse(hers.number)

    row = {"door": Door.LINK, "roles": roles.LINK, "ownership": Ownership.LINK, "audit": Action.DOCUMENT_VIEWED}
    adding("added/<str:token>/", page, **row)
    token = links.token(link=mine)
    for held in (token, "A" * 43):
        answer = Client().get(f"/added/{held}/")
        assert answer.status_code == 500
        assert hers.number not in body(answer)
    assert len(alerts("access_rule_broken")) == 1
    assert token not in caplog.text


def test_a_page_of_the_document_center_that_forgets_its_event_cannot_answer(
    adding: Callable[..., None], monkeypatch: pytest.MonkeyPatch, hers: Document
) -> None:
    page = site.page(
        "added/<str:object_id>/",
        lambda _request, row: shown(row),
        name="added",
        right="see",
        ownership=Ownership.COUNTRY,
        audit=Action.DOCUMENT_VIEWED,
        source=typing.cast("RowSource", site.get_model_admin(Document)),
    )
    monkeypatch.setattr(get_resolver(), "url_patterns", [page, *get_resolver().url_patterns])
    answer = center.client(member=center.staff(roles=["finance"], countries=["ES"])).get(f"/added/{hers.public_id}/")
    assert (answer.status_code, hers.number in body(answer)) == (500, False)
    assert len(alerts("access_rule_broken")) == 1
    assert center.client(member=center.staff(roles=["admin"], countries=["ES"])).get("/added/x/").status_code == 403


def test_a_door_that_says_taken_in_and_has_taken_in_nothing_cannot_answer(adding: Callable[..., None]) -> None:
    row = {"door": Door.WEBHOOK, "roles": roles.SIGNED, "ownership": Ownership.NONE, "audit": Action.EVENT_RECEIVED}
    adding("added/", lambda _request: JsonResponse({"status": "processed"}, status=201), **row)
    answer = Client().post("/added/")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


def test_a_redirect_shows_nothing_and_needs_no_event(
    adding: Callable[..., None], hers: Document, ana: cast.Member
) -> None:
    adding("added/<str:public_id>/", lambda _request, **_handed: redirect("home"), **of_a_document())
    assert center.client(member=ana).get(f"/added/{hers.public_id}/").status_code == 302


def test_a_page_that_leads_on_as_if_it_had_done_what_was_asked_cannot_answer(
    adding: Callable[..., None], hers: Document, ana: cast.Member
) -> None:
    acts = Recorded(action=Action.DOCUMENT_RETRIED, methods=frozenset({"POST"}), acts=True)
    adding("added/<str:public_id>/", lambda _request, **_handed: redirect("home"), **of_a_document(audit=acts))
    browser = center.client(member=ana)
    assert browser.get(f"/added/{hers.public_id}/").status_code == 302
    assert browser.post(f"/added/{hers.public_id}/").status_code == 500


def test_every_door_has_its_channel_in_the_log_and_its_form_of_a_refusal(ana: cast.Member, hers: Document) -> None:
    link = a_link(hers)
    staff = center.client(member=center.staff(roles=["finance"], countries=["ES"]))
    for address, browser, channel in (
        (f"/api/v1/documents/{hers.public_id}/", center.client(member=ana), "api"),
        (f"/l/{links.token(link=link)}/", Client(), "link"),
        (f"/v/{hers.verification_code}", Client(), "public"),
        (f"/admin/documents/document/{hers.public_id}/", staff, "admin"),
        ("/admin/documents/party/", staff, "admin"),
    ):
        answer = browser.get(address)
        said = AuditEvent.objects.get(request_id=answer["Request-Id"])
        assert (answer.status_code, said.channel) == (200, channel), address
    for address, kind in (("/api/v1/nothing", "application/problem+json"), ("/nothing", "text/html; charset=utf-8")):
        assert Client().post(address).headers["Content-Type"] == kind
        strange = Client(headers={"host": "evil.example"}).get(address)  # refused before its route is looked up
        assert (strange.status_code, "json" in strange["Content-Type"]) == (400, "json" in kind)


def test_a_form_without_its_token_is_refused_on_record_at_every_door(ana: cast.Member, hers: Document) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ana.user, backend="django.contrib.auth.backends.ModelBackend")
    for address in ("/admin/logout/", f"/api/v1/documents/{hers.public_id}/"):
        answer = browser.post(address) if "admin" in address else browser.put(address)
        assert answer.status_code == 403
        denied = AuditEvent.objects.using("denials").get(request_id=answer["Request-Id"])
        assert (denied.code, denied.outcome) == ("csrf_failed", "denied")


def every_route(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for one in (resolver or get_resolver()).url_patterns:
        place = f"{prefix}{one.pattern}"
        if isinstance(one, URLResolver):
            yield from every_route(one, place)
        else:
            yield place, one


def test_every_route_has_a_row_and_its_guard_and_says_what_is_recorded_or_why_nothing_is() -> None:
    found = dict(every_route())
    assert {"admin/documents/document/<str:object_id>/", "v/<str:code>", "", "metrics"} <= set(found)
    for place, pattern in found.items():
        rule = pattern.__dict__.get("rule")
        assert isinstance(rule, AccessRule), place
        assert pattern.callback.__dict__["rule"] is rule, place
        assert rule.ownership in ownership.RESOLVERS, place
        assert rule.roles, place
        said = rule.audit.reason if isinstance(rule.audit, Unrecorded) else rule.audit.action
        assert said.strip(), place
        if "<" in place and isinstance(rule.audit, Recorded):
            assert rule.ownership is not Ownership.NONE, f"{place} loads nothing that its event could be about"


def test_a_row_for_programs_names_the_event_of_each_of_its_methods() -> None:
    """One event that is asked of some methods alone would be said of the others too, in OpenAPI and the contracts."""
    asked = {place: pattern.__dict__["rule"] for place, pattern in every_route()}
    for place, rule in asked.items():
        if rule.door is Door.API and isinstance(rule.audit, Recorded):
            assert not rule.audit.methods, f"{place}: declare a route for each method, one beside the other"


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"roles": ()}, "access.E002"),
        ({"audit": Action.EVENT_SETTLED}, "access.E003"),  # a word that was given up
        ({"audit": Unrecorded(reason=" ")}, "access.E004"),
    ],
)
def test_a_row_with_a_hole_keeps_the_service_from_starting(
    adding: Callable[..., None], row: dict[str, typing.Any], code: str
) -> None:
    adding("added/<str:public_id>/", honest, **of_a_document(**row))
    (error,) = checks.check_routes(None)
    assert (error.id, "added/" in error.msg) == (code, True)


def test_an_ownership_without_a_resolver_keeps_the_service_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(ownership.RESOLVERS, Ownership.CODE)
    (error,) = checks.check_routes(None)
    assert (error.id, "v/<str:code>" in error.msg) == ("access.E002", True)


def test_the_guard_is_the_only_one_who_loads_by_the_address() -> None:
    assert set(ownership.RESOLVERS) == set(Ownership)
    with pytest.raises(ValueError, match="already"):
        ownership.resolver(Ownership.NONE)(lambda _asked: guard.Admitted())


def addresses(document: Document) -> dict[str, URLPattern]:
    """Every route with what is there in the place of its parts."""
    ids = center.one_of_each(document=document)
    known = {
        "public_id": document.public_id,
        "token": links.token(link=a_link(document)),
        "code": document.verification_code,
        "name": "Document",
        "page": "access",
        "number": "1",
        "place": "1",
        "rest": "x",
        "app_label": "documents",
        "payout_id": "po_1",
        "monday": "2026-02-16",
        "trip": "ord_1",
        "period": "2026",
        "factor": "987654321",
    }
    made: dict[str, URLPattern] = {}
    for place, pattern in every_route():
        address = f"/{place}"
        model = "/".join(place.split("/")[1:3])
        if model == "payouts/conciliar" and "<" in place:
            model = f"documents/{place.split('/')[3]}"
        for name in pattern.pattern.converters:
            value = ids[model] if place.startswith("admin/") and model in ids else known[name]
            start, _, rest = address.partition("<")
            address = start + value + rest.partition(">")[2]
        made[address] = pattern
    return made


@pytest.mark.parametrize("role", ALL_ROLES)
def test_every_route_lets_in_whom_its_row_names_and_each_refusal_is_on_record_once(
    role: str, ana: cast.Member, hers: Document
) -> None:
    browser = Client()
    if role in roles.OWNERS:
        with force.by_force():
            ana.user.groups.set([cast.Group.objects.get(name=role)])
        browser = center.client(member=ana)
    elif role != "nobody":
        browser = center.client(member=center.staff(roles=[role] if role in set(roles.Role) else [], countries=["ES"]))
    open_to_all = (roles.PUBLIC, roles.LINK, roles.SIGNED)
    wrong = []
    for address, pattern in addresses(hers).items():
        rule: AccessRule = pattern.__dict__["rule"]
        if pattern.name in {"metrics", "readyz"} or rule.roles == roles.SIGNED:
            continue  # these ask the outside; a signature is another identity: tests/documents/test_webhooks.py
        audit_denials.forget()
        acts = rule.methods == {"POST"} or (role == "nobody" and "POST" in rule.methods)
        answer = browser.post(address) if acts else browser.get(address)
        denied = AuditEvent.objects.using("denials").filter(request_id=answer["Request-Id"], outcome="denied")
        codes = [one.code for one in denied]
        let_in = rule.roles in open_to_all or role in rule.roles
        if address.startswith("/mis-documentos/") and rule.roles == roles.OWNERS:
            right = answer["Location"] == "/mis-documentos/entrar/"  # no login but the panel's own: test_panel
        elif not let_in and role == "nobody":
            right = answer.status_code == 401 or answer["Location"].startswith("/admin/login/")
        elif not let_in:
            right = (answer.status_code, codes) == (403, ["role_not_allowed"])
        else:
            refused = codes in (["reason_required"], ["not_owner"])
            right = answer.status_code < 500 and (answer.status_code != 403 or refused)
        if not right:
            wrong.append((address, answer.status_code, codes))
    assert wrong == []
