"""What a route declares, and what its guard hands to the view: the words of the access table."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from audit.actions import Action
from documents.models.reads import DocumentRead

View = Callable[..., HttpResponseBase]


@enum.unique
class Door(enum.StrEnum):
    """Where a request comes in: the channel of its audit events, and the form in which a refusal is answered."""

    API = "api"
    WEB = "web"
    LINK = "link"
    ADMIN = "admin"
    WEBHOOK = "webhook"
    PUBLIC = "public"


@enum.unique
class KeyScope(enum.StrEnum):
    """What a key of the API may do of what its user may do."""

    READ = "read"  # documents' data, payouts, timelines
    CONTENT = "content"  # the PDF
    LINKS = "links"
    CONTACT = "contact"
    CORRECTIONS = "corrections"
    WORKLIST = "worklist"  # held events and discrepancies, and decisions about them
    CUSTODY = "custody"  # verify, retry, release, legal holds


JSON = frozenset({Door.API, Door.WEBHOOK})  # their problems are JSON; people read the others


@enum.unique
class Ownership(enum.Enum):
    """Whose things a route is about. The resolver of each (`ownership.RESOLVERS`) loads them for the view."""

    PARTY_OR_COUNTRY = "a document of a party of the caller's, or of a country in his scope"
    PARTY_OR_COUNTRY_UNMASKED = "the same, and who reads as support only is refused: he states a reason elsewhere"
    PARTY_OR_COUNTRY_LIST = "all documents of the caller's parties or countries"
    REACHED = "one row of a list of the API, of a party of the caller's or of a country in his scope"
    REACHED_LIST = "all rows of a list of the API, of the caller's parties or of the countries in his scope"
    COUNTRY = "one row of a list of the Document Center, of a country in the caller's scope"
    COUNTRIES = "whatever lies in the countries of the caller's scope: the view gets their codes"
    COUNTRY_LIST = "the rows of the Document Center of the countries in the caller's scope"
    PARTIES = "all that is of the caller's own parties: the view gets their ids"
    TRIP = "the documents of one trip of the caller's own parties"
    LINK = "the document of the link whose token is in the address"
    FACTOR = "one of the caller's own second factors"
    INVITATION = "the password of the person whose invitation's token is in the address"
    CODE = "the document whose verification code is in the address"
    SIGNATURE = "the events of the service that has signed the request"
    NONE = "nothing that belongs to anybody"


@enum.unique
class Timing(enum.Enum):
    """Whose answers of a route count in how long drivers wait (`documents.latency`)."""

    NOBODY = "no one's"
    DRIVERS = "those to a caller with the role of a driver: others use the route, too"
    EVERYBODY = "all: it is a route for drivers"


LISTS = frozenset({Ownership.PARTY_OR_COUNTRY_LIST, Ownership.REACHED_LIST})


class RowSource(Protocol):
    """A list of the Document Center or of the API: what ownerships of rows and of lists load from."""

    @property
    def object_type(self) -> str:
        """Return what the log calls its rows."""

    def rows(self, *, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the caller may see."""

    def get_row(self, *, request: HttpRequest, object_id: str) -> Model:
        """Return one of them, or refuse on record."""

    def object_id(self, *, row: Model) -> str:
        """Return what the log calls a row."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What the log must say of an answer: the action, about what was loaded, with the outcome "ok"."""

    action: Action
    methods: frozenset[str] = frozenset()  # that need it; empty: all
    once: str = ""  # the column of the loaded object that says that it has been recorded before
    acts: bool = False  # a redirect, too, says that it is done
    instead: tuple[Action, ...] = ()  # recorded where the page is answered but what was asked for is not done


@dataclass(frozen=True, kw_only=True)
class Unrecorded:
    """Why the log says nothing of an answer."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    """What a route declares: its door, who may come, whose things he sees there, and what the log says of it."""

    door: Door
    roles: frozenset[str]
    ownership: Ownership
    audit: Recorded | Unrecorded
    methods: frozenset[str] = frozenset()  # empty: the view says which
    scope: KeyScope | None = None  # that a key needs; None: no key opens it
    parameters: frozenset[str] = frozenset()  # of the query, besides those of a list over the API, which checks its own
    is_once: bool = False  # a change of it is made once for each `Idempotency-Key`; a signed event is its own key
    timing: Timing = Timing.NOBODY
    source: RowSource | None = None


def no_document(_read: DocumentRead) -> bool:
    """Cover nothing: the route is about no documents."""
    return False


def any_document(_read: DocumentRead) -> bool:
    """Cover everything: what a signed event sets in motion is not limited by a person's scope."""
    return True


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """What the guard has loaded: what the view gets, what its event must be about, which documents it may read.

    `about` are pairs of type and id as the log has them; None where nothing was loaded that an event could be about.
    """

    handed: Mapping[str, Any] = field(default_factory=dict)
    about: frozenset[tuple[str, str]] | None = None
    loaded: Model | None = None
    covers: Callable[[DocumentRead], bool] = no_document


@dataclass(frozen=True, kw_only=True)
class Visit:
    """What a resolver loads from: a request, the parts of its address, and the list that the route belongs to."""

    request: HttpRequest
    parts: Mapping[str, Any]
    source: RowSource | None


class AdmittedRequest(HttpRequest):
    """A request that the guard of its route has let in."""

    rule: AccessRule
    admitted: Admitted
    countries: frozenset[str]  # of the documents that were read for the answer


def rule_of(*, request: HttpRequest) -> AccessRule | None:
    """Return the rule of a request's route, also where the request never reached it; None for an unknown address."""
    try:
        match = request.resolver_match or resolve(request.path_info)
    except Resolver404:
        return None
    rules = _rules(view=match.func)
    return next((rule for rule in rules if request.method in rule.methods), rules[0] if rules else None)


def methods_of(*, request: HttpRequest) -> frozenset[str]:
    """Return the methods that an address takes, as far as its routes say; empty where a view says it itself."""
    rules = _rules(view=resolve(request.path_info).func)
    return frozenset(method for rule in rules for method in rule.methods)


def _rules(*, view: object) -> list[AccessRule]:
    """Return the rule of what a route leads to, and the rule of the route beside it, if there is one."""
    rules = (getattr(view, name, None) for name in ("rule", "rule_beside"))
    return [rule for rule in rules if isinstance(rule, AccessRule)]


def door_of(*, request: HttpRequest) -> Door:
    """Return the door of a request; an address that no route has is a page of the web."""
    rule = rule_of(request=request)
    return Door.WEB if rule is None else rule.door


def timing_of(*, request: HttpRequest) -> Timing:
    """Return whose answers of a request's route are timed."""
    rule = rule_of(request=request)
    return Timing.NOBODY if rule is None else rule.timing


def answers_json(*, request: HttpRequest) -> bool:
    """Tell whether the caller is a program, which reads problem+json; a person gets a page."""
    return door_of(request=request) in JSON
