"""What a user may see: the countries, parties and documents in his scope."""

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import HttpRequest
from guardian.shortcuts import get_objects_for_user

from documents import errors
from documents.access import actors, roles
from documents.models import Country, Document, Party


def countries_for(*, user: User | AnonymousUser) -> QuerySet[Country]:
    """Return the countries in the scope of a member of staff."""
    if not roles.roles_of(user=user) & roles.STAFF:
        return Country.objects.none()
    return get_objects_for_user(user, "documents.see_country", klass=Country, with_superuser=False)


def parties_for(*, user: User | AnonymousUser) -> QuerySet[Party]:
    """Return the parties that a user is or acts for."""
    if not roles.roles_of(user=user) & roles.OWNERS:
        return Party.objects.none()
    return get_objects_for_user(user, "documents.own_party", klass=Party, with_superuser=False)


def documents_for(*, user: User | AnonymousUser) -> QuerySet[Document]:
    """Return what a user may see: by country for staff, by owner for owners; both are indexed.

    The grants are read first and put in as values, so that PostgreSQL walks the owner's or the country's index.
    """
    reading = roles.reading_as(user=user)
    if not reading:
        return Document.objects.none()
    if reading & roles.STAFF:
        return Document.objects.filter(country__in=list(countries_for(user=user).values_list("pk", flat=True)))
    return Document.objects.filter(owner__in=[*parties_for(user=user).values_list("pk", flat=True), roles.NOBODY])


def sees(*, user_id: int, document: Document) -> bool:
    """Tell whether a document is among those that a user may see, as things are now."""
    user = User.objects.filter(pk=user_id).first()
    return user is not None and documents_for(user=user).filter(pk=document.pk).exists()


def list_order(*, user: User | AnonymousUser) -> tuple[str, ...]:
    """Return the order, newest first, that the index of the caller's scope has.

    The documents of one party are adjacent in the index by owner. Ordered by row id alone, PostgreSQL may read the
    documents of all parties to find those of one that has had none for long. (With NOBODY among the owners, the planner
    does not drop the first column of the order as constant.)
    """
    if roles.reading_as(user=user) & roles.STAFF or parties_for(user=user)[:2].count() != 1:
        return ("-pk",)
    return ("owner_id", "-pk")


def document(*, request: HttpRequest, public_id: str) -> Document:
    """Return a document that the caller may see.

    A caller limited by ownership gets the same audited refusal for an unknown id as for somebody else's document.

    :raises errors.Problem: `not_owner`, `country_out_of_scope`; `not_found` for staff
    """
    row = documents_for(user=request.user).filter(public_id=public_id).first()
    if row is not None:
        return row
    if roles.reading_as(user=request.user) & roles.STAFF:
        if Document.objects.filter(public_id=public_id).exists():
            actors.refuse(request=request, code="country_out_of_scope", object_type="document", object_id=public_id)
        raise errors.Problem(code="not_found")
    actors.refuse(request=request, code="not_owner", object_type="document", object_id=public_id[:64])


def opened(*, request: HttpRequest, public_id: str) -> Document:
    """Return a document whose PDF and unmasked data the caller may have without a stated reason.

    :raises errors.Problem: what `document` raises; `reason_required`, on record
    """
    row = document(request=request, public_id=public_id)
    if roles.needs_reason(user=request.user):
        actors.refuse(request=request, code="reason_required", object_type="document", object_id=row.public_id)
    return row
