"""What a user may see: the countries, parties and documents in his scope."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from guardian.shortcuts import get_objects_for_user

from documents import errors
from documents.access import actors, roles
from documents.models import Country, Document, Grant, Party
from documents.models.reads import DocumentRead


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which documents somebody may see: those with one of these values in this column, which is indexed.

    `documents` are the ids of single ones that were lent besides.
    """

    column: Literal["country_id", "owner_id"]
    values: frozenset[str] | frozenset[int]
    documents: frozenset[int] = frozenset()

    def rows(self) -> QuerySet[Document]:
        """Return the documents."""
        within = Q(**{f"{self.column}__in": list(self.values)})
        return Document.objects.filter(within | Q(pk__in=list(self.documents)) if self.documents else within)

    def covers(self, read: DocumentRead) -> bool:
        """Tell whether a document that was read is one of them; asked of the database only if the row does not say."""
        if read.pk in self.documents:
            return True
        value = getattr(read, self.column)
        return self.rows().filter(pk=read.pk).exists() if value is None else value in self.values


def countries_for(*, user: User | AnonymousUser) -> QuerySet[Country]:
    """Return the countries in the scope of a member of staff."""
    if not roles.roles_of(user=user) & roles.STAFF:
        return Country.objects.none()
    return get_objects_for_user(user, "documents.see_country", klass=Country, with_superuser=False)


def parties_for(*, user: User | AnonymousUser) -> QuerySet[Party]:
    """Return the parties that a user is: for whom he acts besides stands in `Grant`."""
    if not roles.roles_of(user=user) & roles.OWNERS:
        return Party.objects.none()
    return get_objects_for_user(user, "documents.own_party", klass=Party, with_superuser=False)


def reach(*, user: User | AnonymousUser) -> Reach:
    """Return what a user may see, as things are now: by country for staff, by owner for owners.

    The grants are read first and put in as values, so that PostgreSQL walks the owner's or the country's index.
    """
    reading = roles.reading_as(user=user)
    lent = _lent(user=user) if reading else []
    documents = frozenset(document for _party, document in lent if document is not None)
    if reading & roles.STAFF:
        countries = frozenset(countries_for(user=user).values_list("pk", flat=True))
        return Reach(column="country_id", values=countries, documents=documents)
    mine = parties_for(user=user).values_list("pk", flat=True) if reading else ()
    others = (party for party, _document in lent if party is not None)
    return Reach(column="owner_id", values=frozenset({*mine, *others, roles.NOBODY}), documents=documents)


def _lent(*, user: User | AnonymousUser) -> list[tuple[int | None, int | None]]:
    """Return the ids of the parties for whom a user acts and of the single documents that he may read, as of now."""
    if roles.has_ended(user=user):
        return []
    live = Grant.objects.filter(user=user.pk, withdrawn_at=None, expires_at__gt=Now())
    return list(live.values_list("party_id", "document_id"))


def mine(*, request: HttpRequest) -> Reach:
    """Return what the caller may see, read once per request."""
    known: Reach | None = request.__dict__.get("_reach")
    if known is None:
        known = request.__dict__["_reach"] = _within_key(_whole(request=request), request=request)
    return known


def _whole(*, request: HttpRequest) -> Reach:
    """Return what a caller may see whoever lets it in: its user, or a party whose session of the panel it has."""
    party = actors.panel_party(request=request)
    return reach(user=request.user) if party is None else reach_of(party=party)


def parties_at(*, address: str) -> QuerySet[Party]:
    """Return the parties whose contact data has an address: who reads it signs in as each of them."""
    return Party.objects.filter(email__iexact=address) if address else Party.objects.none()


def reach_of(*, party: Party) -> Reach:
    """Return what somebody may see who has signed in by a party's address."""
    mine = parties_at(address=party.email).values_list("pk", flat=True)
    return Reach(column="owner_id", values=frozenset({*mine, roles.NOBODY}))


def _within_key(whole: Reach, *, request: HttpRequest) -> Reach:
    """Return what is left of a reach for the bearer of a key: one of a party reaches that party alone."""
    key = actors.key_of(request=request)
    if key is None or key.party_id is None:
        return whole
    owned = {key.party_id} & whole.values if whole.column == "owner_id" else ()
    return Reach(column="owner_id", values=frozenset({*owned, roles.NOBODY}))


def documents_for(*, user: User | AnonymousUser) -> QuerySet[Document]:
    """Return the documents that a user may see."""
    return reach(user=user).rows()


def party_sees(*, public_id: str, document: Document) -> bool:
    """Tell whether a document is among those that somebody may see who has signed in by a party's address."""
    party = Party.objects.filter(public_id=public_id).first()
    return party is not None and reach_of(party=party).rows().filter(pk=document.pk).exists()


def sees(*, user_id: int, document: Document) -> bool:
    """Tell whether a document is among those that a user may see, as things are now."""
    user = User.objects.filter(pk=user_id).first()
    return user is not None and documents_for(user=user).filter(pk=document.pk).exists()


def list_order(*, of: Reach) -> tuple[str, ...]:
    """Return the order, newest first, that the index of the caller's scope has.

    The documents of one party are adjacent in the index by owner. Ordered by row id alone, PostgreSQL may read the
    documents of all parties to find those of one that has had none for long. (With NOBODY among the owners, the planner
    does not drop the first column of the order as constant.)
    """
    alone = not of.documents and of.column == "owner_id" and len(of.values) == len([roles.NOBODY]) + 1
    return ("owner_id", "-pk") if alone else ("-pk",)


@dataclass(frozen=True, kw_only=True)
class ReachSource:
    """A list of the API: whose its rows are, and of which country, by the names of their columns.

    `owner` is empty where a row belongs to no party: then only staff have rows.
    """

    object_type: str
    model: type[Model]
    country: str
    owner: str = ""
    key: str = "public_id"
    also: str = ""  # another column by which a row is asked for
    document: str = ""  # the relation to the document that a row is about

    def rows(self, *, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the caller may see, newest first."""
        within = mine(request=request)
        column = self.country if within.column == "country_id" else self.owner
        rows: QuerySet[Any] = self.model._default_manager.order_by("-pk")
        if not column:
            return rows.none()
        seen = Q(**{f"{column}__in": list(within.values)})
        lent = within.documents if self.model is Document else frozenset()
        return rows.filter(seen | Q(pk__in=list(lent)) if lent else seen)

    def get_row(self, *, request: HttpRequest, object_id: str) -> Model:
        """Return one of them.

        A caller limited by ownership gets the same audited refusal for an unknown id as for somebody else's row.

        :raises errors.Problem: `not_owner`, `country_out_of_scope`; `not_found` for staff
        """
        asked = Q(**{self.key: object_id}) | (Q(**{self.also: object_id}) if self.also else Q())
        row: Model | None = self.rows(request=request).filter(asked).first()
        if row is not None:
            return row
        code = "not_owner"
        if mine(request=request).column == "country_id":
            if not self.model._default_manager.filter(asked).exists():
                raise errors.Problem(code="not_found")
            code = "country_out_of_scope"
        actors.refuse(request=request, code=code, object_type=self.object_type, object_id=object_id[:64])

    def object_id(self, *, row: Model) -> str:
        """Return what the log calls a row."""
        return str(getattr(row, self.key))

    def objects(self, *, row: Model) -> Iterator[tuple[str, str]]:
        """Yield type and id of what an event about a row may be about."""
        yield self.object_type, self.object_id(row=row)
        if self.document:
            yield "document", getattr(row, self.document).public_id


DOCUMENTS = ReachSource(object_type="document", model=Document, country="country_id", owner="owner_id")


def document(*, request: HttpRequest, public_id: str) -> Document:
    """Return a document that the caller may see.

    :raises errors.Problem: what `ReachSource.get_row` raises
    """
    return cast("Document", DOCUMENTS.get_row(request=request, object_id=public_id))


def require_owner(*, request: HttpRequest, document: Document) -> None:
    """Refuse whoever is not the owner of a document, nor acts for him: a single one that was lent may only be read.

    :raises errors.Problem: `role_not_allowed`, `not_owner`
    """
    within = mine(request=request)
    if within.column != "owner_id" or roles.has_ended(user=request.user):
        actors.refuse(request=request, code="role_not_allowed", object_type="document", object_id=document.public_id)
    if document.owner_id not in within.values:
        actors.refuse(request=request, code="not_owner", object_type="document", object_id=document.public_id)


def require_all(*, request: HttpRequest, rows: QuerySet[Document], about: tuple[str, str]) -> None:
    """Refuse a caller who may not see every one of the documents that something is about.

    :param about: what that is, as the log names it: type and id
    :raises errors.Problem: `not_owner`, `country_out_of_scope`
    """
    within = mine(request=request)
    if rows.exclude(pk__in=within.rows().values("pk")).exists():
        code = "country_out_of_scope" if within.column == "country_id" else "not_owner"
        object_type, object_id = about
        actors.refuse(request=request, code=code, object_type=object_type, object_id=object_id)
