"""The access matrix: each role, and nobody, at each route of the API, before what is theirs, foreign and unknown."""

import dataclasses
import html
import itertools
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path, reverse
from guardian.shortcuts import assign_perm, remove_perm

from audit import denials as audit_denials
from audit.models import Event as AuditEvent
from config import checks
from documents.access import roles as access_roles
from documents.access import routes
from documents.models import Discrepancy, Document
from tests import cast, factories
from tests.documents import center
from tests.services import force, undone

pytestmark = [
    pytest.mark.django_db(databases=["default", "denials"]),
]

STAFF = ("support", "finance", "compliance", "auditor")
OWNERS = ("driver", "partner")
Relation = Literal["own", "foreign", "unknown"]
READERS, SENDERS = frozenset({*STAFF, *OWNERS}), frozenset({"support", "finance", *OWNERS})
FINANCE, COMPLIANCE = frozenset({"finance"}), frozenset({"compliance"})
LOG_READERS = frozenset({"compliance", "auditor"})
REVEALING = frozenset({"finance", "compliance", "auditor"})
EVERYBODY = READERS | {"admin"}
# TABLE, written from the product's words: (route, method) -> address, and the roles that have the right.
ROUTES: dict[tuple[str, str], tuple[str, frozenset[str]]] = {
    ("document", "get"): ("documents/{document}/", READERS),
    ("document-content", "get"): ("documents/{document}/content/", READERS),
    ("document-data", "get"): ("documents/{document}/data/", READERS),
    ("document-timeline", "get"): ("documents/{document}/timeline/", READERS),
    ("document-links", "get"): ("documents/{document}/links/", SENDERS),
    ("link-create", "post"): ("documents/{document}/links/", SENDERS),
    ("document-proof", "get"): ("documents/{document}/proof/", LOG_READERS),
    ("document-evidence", "get"): ("documents/{document}/evidence/", LOG_READERS),
    ("document-verify", "post"): ("documents/{document}/verify/", REVEALING),
    ("document-retry", "post"): ("documents/{document}/retry/", FINANCE),
    ("document-release", "post"): ("documents/{document}/release/", COMPLIANCE),
    ("document-corrections", "post"): ("documents/{document}/corrections/", FINANCE),
    ("hold-release", "post"): ("holds/{hold}/release/", COMPLIANCE),
    ("hold-approve", "post"): ("holds/{hold}/approve/", COMPLIANCE),
    ("link-revoke", "post"): ("links/{link}/revoke/", SENDERS),
    ("link-resend", "post"): ("links/{link}/resend/", SENDERS),
    ("payout", "get"): ("payouts/{payout}/", READERS),
    ("party", "get"): ("parties/{party}/", REVEALING | set(OWNERS)),
    ("party-contact", "put"): ("parties/{party}/contact/", frozenset(OWNERS)),
    ("driver-document", "get"): ("driver/documents/{document}/", frozenset(OWNERS)),
    ("driver-document-content", "get"): ("driver/documents/{document}/content/", frozenset(OWNERS)),
    ("discrepancy-resolve", "post"): ("discrepancies/{discrepancy}/resolve/", FINANCE),
    ("event-approve-difference", "post"): ("events/{event}/approve-difference/", FINANCE),
    ("event-dismiss", "post"): ("events/{event}/dismiss/", FINANCE),
    ("event-retry", "post"): ("events/{event}/retry/", FINANCE),
}
LISTS: dict[str, frozenset[str]] = {
    "documents": READERS,
    "payouts": READERS,
    "discrepancies": REVEALING,
    "events": REVEALING,
    "holds": COMPLIANCE,
    "audit-checkpoints": LOG_READERS,
    "driver-documents": frozenset(OWNERS),
    "driver-payouts": frozenset(OWNERS),
    "me": EVERYBODY,
    "document-kinds": EVERYBODY,
    "countries": EVERYBODY,
}
# What is answered to a change that states neither its key nor a body.
LET_IN = {"get": (200, ""), "post": (400, "idempotency_key_missing"), "put": (400, "validation_error")}
REPEATABLE = {"document-verify"}  # it looks, so no key is asked for
# Nothing is sealed of a transaction that is open.
UNSEALED = dict.fromkeys(("document-proof", "document-evidence"), (409, "document_not_ready"))
UNMASKED = {"document-content", "document-data"}  # support states a reason elsewhere
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
UNKNOWN = "doc_aaaaaaaaaaaaaaaaaaaaaaaaaa"


def expected(*, role: str, route: tuple[str, str], relation: Relation) -> tuple[int, str]:
    """The truth table, written from the product's words and not from the code: (status, code of the refusal).

    A change is asked for without its key: who may make it is told just that.
    """
    name, method = route
    if role == "nobody":
        return 401, "not_authenticated"
    if role not in ROUTES[route][1]:
        return 403, "role_not_allowed"
    if role in OWNERS and relation != "own":
        return 403, "not_owner"
    if relation != "own":
        return (404, "not_found") if relation == "unknown" else (403, "country_out_of_scope")
    if role == "support" and name in UNMASKED:
        return 403, "reason_required"
    return UNSEALED.get(name) or LET_IN["get" if name in REPEATABLE else method]


@dataclasses.dataclass(frozen=True)
class World:
    """Two documents: one of Ana in Spain, one of somebody else in Colombia."""

    spanish: Document
    colombian: Document

    def target(self, *, relation: Relation) -> str:
        """The id in the address: the caller's scope is Spain, or Ana."""
        return {"own": self.spanish.public_id, "foreign": self.colombian.public_id, "unknown": UNKNOWN}[relation]

    def address(self, *, route: tuple[str, str], relation: Relation) -> str:
        """The address of what is the caller's, foreign or unknown."""
        path = "/api/v1/" + ROUTES[route][0]
        if relation == "unknown":
            return re.sub(r"\{\w+\}", UNKNOWN, path)
        document = self.spanish if relation == "own" else self.colombian
        row = re.findall(r"\{(\w+)\}", path)[0]
        return path.format(**{row: document.public_id if row == "document" else a_row(row=row, document=document)})


@force.by_force()
def a_row(*, row: str, document: Document) -> str:
    """Make a row about a document, and return its id."""
    if row == "event":
        type(document.event).objects.filter(pk=document.event_id).update(country_code=document.country_id)
        return document.event.public_id
    if row == "party":
        return document.owner.public_id
    if row == "hold":
        return center.matter(document=document).public_id
    if row == "link":
        return center.link(document=document).public_id
    if row == "discrepancy":
        return Discrepancy.objects.create(
            code="paid_twice", dedup_key="d", document=document, country=document.country
        ).public_id
    return center.payout(document=document).payout_id


@pytest.fixture
def world(ana: cast.Member) -> World:
    spain = factories.document(owner=ana.party)
    colombia = factories.document(issued_by=factories.issuer(slug="aventide-co", code="ACO", country_code="CO"))
    return World(spanish=spain, colombian=colombia)


def browser(*, role: str, ana: cast.Member) -> Client:
    """Somebody of a role, signed in: staff for Spain, owners as Ana."""
    client = Client()
    if role == "nobody":
        return client
    if role == "driver":
        user = ana.user
    elif role == "partner":
        assert ana.party is not None
        user = cast.owner(
            name="fleet", platform_id="ptn_fleet", legal_name="Flota, S.L.", role="partner", tax_id="B87654329"
        ).user
        with force.by_force():
            assign_perm("documents.own_party", user, ana.party)
    elif role == "superuser":
        with force.by_force():
            user = User.objects.create_superuser("root", password=cast.PASSWORD)
    else:
        user = cast.staff(name="somebody", roles=[] if role == "no role" else [role], countries=["ES"]).user
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def denials(answer: Any) -> list[AuditEvent]:
    return list(AuditEvent.objects.using("denials").filter(request_id=answer["Request-Id"], outcome="denied"))


def opening(*, roles: frozenset[str], of: str) -> str:
    """What product.md's table says of opening a document (PDF, data unmasked): "" or the code of the refusal.

    Another's document lies in the country of his scope; his own, of a party that he acts for, in a country outside.
    An owner's right opens no page of the Document Center.
    """
    reading = roles & {*STAFF, *OWNERS}
    if not reading or (of == "the center's" and not reading & set(STAFF)):
        return "role_not_allowed"
    if not reading & set(STAFF):
        return "" if of == "his" else "not_owner"
    if of == "his":
        return "country_out_of_scope"
    return "" if reading & {"finance", "compliance", "auditor"} else "reason_required"


def sets(*, of: Iterable[str]) -> list[frozenset[str]]:
    names = list(of)
    return [
        frozenset(some)
        for size in {0, 1, 2, len(names) - 1, len(names)}
        for some in itertools.combinations(names, size)
    ]


def _wrongly_opened(*, client: Client, roles: frozenset[str], doors: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the addresses of a PDF that do not answer a set of roles as they should, with what they answer."""
    for address, of in doors.items():
        answer, code = client.get(address), opening(roles=roles, of=of)
        refused = ",".join(one.code for one in denials(answer)) if answer.status_code == 403 else ""
        if (answer.status_code, refused) != ((403, code) if code else (200, "")):
            yield address, f"{answer.status_code} {refused}"


def _wrongly_shown(*, client: Client, code: str, pages: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pages that show what is personal, or hide it, though they should not, with what they answer."""
    for address, personal in pages.items():
        answer = client.get(address)
        seen = (answer.status_code, personal in html.unescape(answer.content.decode()))
        if seen != (403 if code == "role_not_allowed" else 200, not code):
            yield address, str(seen)


def test_whatever_else_he_is_who_opens_by_supports_right_alone_gives_a_reason(world: World, ana: cast.Member) -> None:
    """Every set of few roles, or of nearly all, at the doors of a PDF; at the masked pages, every set of one role of each kind."""
    user = cast.staff(name="somebody", roles=[], countries=["ES"]).user
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    with force.by_force():
        assign_perm("documents.own_party", user, world.colombian.owner)
        groups = {str(role): Group.objects.get_or_create(name=role)[0] for role in access_roles.Role}
    document, owner, event = world.spanish, world.spanish.owner, world.spanish.event
    with force.by_force():
        type(event).objects.filter(pk=event.pk).update(body=b"the raw body")
    doors = {
        f"/api/v1/documents/{document.public_id}/content/": "another's",
        f"/api/v1/documents/{document.public_id}/data/": "another's",
        f"/api/v1/documents/{world.colombian.public_id}/content/": "his",
        f"/admin/documents/document/{document.public_id}/preview/": "the center's",
    }
    pages = {
        f"/admin/documents/document/{document.public_id}/": owner.tax_id,
        "/admin/documents/document/": owner.legal_name,
        f"/admin/documents/party/{owner.public_id}/": owner.tax_id,
        "/admin/documents/party/": owner.email,
        f"/admin/documents/event/{event.public_id}/": "the raw body",
    }
    wrong: list[tuple[frozenset[str], str, str]] = []
    every = sets(of=groups)
    for roles in every:
        audit_denials.forget()  # of the same refusals the log writes ten in a minute one by one
        with force.by_force():
            user.groups.set([groups[role] for role in roles])
        wrong += [(roles, *answer) for answer in _wrongly_opened(client=client, roles=roles, doors=doors)]
        if not roles <= {"support", "finance", "admin", "driver"}:
            continue
        code = opening(roles=roles, of="the center's")
        answer = client.post(f"/admin/documents/document/{document.public_id}/download/")
        if answer.status_code != (403 if code else 200):
            wrong.append((roles, "download", str(answer.status_code)))
        wrong += [(roles, *answer) for answer in _wrongly_shown(client=client, code=code, pages=pages)]
    assert {len(roles) for roles in every} >= {0, 1, 2, len(access_roles.Role)}
    assert wrong == []


def _answered(
    *, client: Client, world: World, route: tuple[str, str], relation: Relation
) -> tuple[int, str, list[tuple[str, int]], bool]:
    """Ask one cell; return status, code of the refusal, what is on record of it, and whether a number was shown."""
    answer = getattr(client, route[1])(world.address(route=route, relation=relation))
    code = answer.json()["code"] if answer.status_code != 200 else ""
    refusals = [(one.code, one.count) for one in denials(answer)]
    return answer.status_code, code, refusals, world.spanish.number.encode() in answer.content


@pytest.mark.parametrize("role", ["nobody", *STAFF, "admin", *OWNERS, "no role", "superuser"])
def test_each_role_reaches_what_the_table_says_and_each_refusal_is_on_record_once(
    world: World, ana: cast.Member, role: str
) -> None:
    """Each cell begins with the same rows: what it changes is rolled back."""
    client, wrong = browser(role=role, ana=ana), []
    relations: tuple[Relation, ...] = ("own", "foreign", "unknown")
    for route, relation in itertools.product(ROUTES, relations):
        status, code = expected(role=role, route=route, relation=relation)
        audit_denials.forget()
        with undone.undone():
            answered = _answered(client=client, world=world, route=route, relation=relation)
        shown = answered[3] and status == 200
        if answered != (status, code, [(code, 1)] if status == 403 else [], shown):
            wrong.append((route, relation, answered, (status, code)))
    assert wrong == []


@pytest.mark.parametrize("role", ["nobody", *STAFF, "admin", *OWNERS, "no role", "superuser"])
def test_a_list_starts_from_what_the_caller_may_see(world: World, ana: cast.Member, role: str) -> None:
    answer = browser(role=role, ana=ana).get("/api/v1/documents/")
    if role in {*STAFF, *OWNERS}:
        assert [row["id"] for row in answer.json()["data"]] == [world.spanish.public_id]
    else:
        assert answer.status_code == (401 if role == "nobody" else 403)


@pytest.mark.parametrize("role", ["nobody", *STAFF, "admin", *OWNERS, "no role", "superuser"])
def test_each_list_is_for_the_roles_that_have_the_right(world: World, ana: cast.Member, role: str) -> None:
    client, refused = browser(role=role, ana=ana), 401 if role == "nobody" else 403
    for name, roles in LISTS.items():
        audit_denials.forget()
        answer = client.get(reverse(name))
        assert (name, answer.status_code) == (name, 200 if role in roles else refused)
        on_record = [one.code for one in denials(answer)]
        assert (name, on_record) == (name, ["role_not_allowed"] if answer.status_code == 403 else [])


@pytest.mark.parametrize("query", ["country=CO", "owner=drv_x", "number={number}", "document_key={key}"])
def test_no_filter_reaches_beyond_what_the_caller_may_see(world: World, ana: cast.Member, query: str) -> None:
    asked = query.format(number=world.colombian.number, key=world.colombian.document_key_id)
    for role in ("support", "driver"):
        answer = browser(role=role, ana=ana).get(f"/api/v1/documents/?{asked}")
        assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
@pytest.mark.parametrize("role", ["finance", "driver"])
def test_nobody_changes_or_deletes_an_issued_document(world: World, ana: cast.Member, role: str, method: str) -> None:
    answer = getattr(browser(role=role, ana=ana), method)(f"/api/v1/documents/{world.spanish.public_id}/")
    assert (answer.status_code, answer.json()["code"]) == (405, "document_immutable")


def test_a_country_given_back_is_out_of_sight_at_once(world: World) -> None:
    member = cast.staff(name="moved", roles=["auditor"], countries=["ES"])
    client = Client()
    client.force_login(member.user, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/api/v1/documents/{world.spanish.public_id}/"
    assert client.get(address).status_code == 200
    with force.by_force():
        remove_perm("documents.see_country", member.user, cast.country(code="ES"))
    assert client.get(address).status_code == 403


def test_an_owner_cannot_tell_a_foreign_document_from_one_that_never_was(world: World, ana: cast.Member) -> None:
    client = browser(role="driver", ana=ana)
    answers = [client.get(f"/api/v1/documents/{world.target(relation=one)}/").json() for one in ("foreign", "unknown")]
    for answer in answers:
        answer.pop("request_id")
    assert answers[0] == answers[1]


def test_no_route_starts_without_roles_ownership_and_audit_event(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(checks.check_routes(None)) == []
    bare = path("bare/", lambda _request: HttpResponse())
    monkeypatch.setattr(get_resolver(), "url_patterns", [*get_resolver().url_patterns, bare])
    (error,) = checks.check_routes(None)
    assert (error.id, "bare/" in error.msg) == ("access.E001", True)


def test_every_route_of_the_api_is_in_this_matrix_or_has_another_identity() -> None:
    known = {*LISTS, "event-list", "hold-set", "audit-consistency", *(name for name, _method in ROUTES)}
    for pattern in _routes(get_resolver()):
        rule = getattr(pattern, "rule", None)
        if isinstance(rule, routes.AccessRule) and str(pattern.pattern).startswith("api/"):
            assert pattern.name in known or rule.roles in (access_roles.SIGNED, access_roles.PUBLIC), (
                f"{pattern.name} is missing in the matrix"
            )


def test_one_function_names_a_person_for_the_log() -> None:
    naming = re.compile(r"""kind=["']user["']|["']usr_""")
    sources = [path for app in ("audit", "config", "documents", "payouts") for path in (ROOT / app).rglob("*.py")]
    assert [path.relative_to(ROOT).as_posix() for path in sources if naming.search(path.read_text("utf-8"))] == [
        "audit/entries.py",
        "documents/access/actors.py",
    ]


def _routes(resolver: URLResolver) -> list[URLPattern]:
    found: list[URLPattern] = []
    for pattern in resolver.url_patterns:
        found += _routes(pattern) if isinstance(pattern, URLResolver) else [pattern]
    return found
