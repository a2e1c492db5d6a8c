"""What a person may see: the countries, parties and documents that are in somebody's scope."""

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import QuerySet
from django.http import HttpRequest
from guardian.shortcuts import get_objects_for_user

from documents import errors
from documents.access import actors
from documents.access import roles as access_roles
from documents.models import Country, Document, Party


def countries_for(*, user: User | AnonymousUser) -> QuerySet[Country]:
    """Return the countries of a member of staff's scope."""
    if not access_roles.roles_of(user=user) & access_roles.STAFF:
        return Country.objects.none()
    return get_objects_for_user(user, "documents.see_country", klass=Country, with_superuser=False)


def parties_for(*, user: User | AnonymousUser) -> QuerySet[Party]:
    """Return the parties that a user is or acts for."""
    if not access_roles.roles_of(user=user) & access_roles.OWNERS:
        return Party.objects.none()
    return get_objects_for_user(user, "documents.own_party", klass=Party, with_superuser=False)


def documents_for(*, user: User | AnonymousUser) -> QuerySet[Document]:
    """Return what a user may see: by country for staff, by owner for owners; both are indexed.

    The grants are read first and put in as values, so that PostgreSQL walks the owner's or the country's index.
    """
    reading = access_roles.reading_as(user=user)
    if not reading:
        return Document.objects.none()
    if reading & access_roles.STAFF:
        return Document.objects.filter(country__in=list(countries_for(user=user).values_list("pk", flat=True)))
    return Document.objects.filter(
        owner__in=[*parties_for(user=user).values_list("pk", flat=True), access_roles.NOBODY]
    )


def list_order(*, user: User | AnonymousUser) -> tuple[str, ...]:
    """Return the order, newest first, in which the caller's documents lie in the index of his scope.

    Only one party's lie in one piece. By row id alone PostgreSQL may walk through everybody's to find those of a party
    that has not worked for long. (NOBODY keeps it from seeing that the first column is always the same.)
    """
    if access_roles.reading_as(user=user) & access_roles.STAFF or parties_for(user=user)[:2].count() != 1:
        return ("-pk",)
    return ("owner_id", "-pk")


def document(*, request: HttpRequest, public_id: str) -> Document:
    """Return a document that the caller may see.

    To one limited by ownership an unknown id and a foreign one are the same audited refusal.

    :raises errors.Problem: `not_owner`, `country_out_of_scope`; `not_found` for staff
    """
    found = documents_for(user=request.user).filter(public_id=public_id).first()
    if found is not None:
        return found
    if access_roles.reading_as(user=request.user) & access_roles.STAFF:
        if Document.objects.filter(public_id=public_id).exists():
            actors.refuse(request=request, code="country_out_of_scope", object_type="document", object_id=public_id)
        raise errors.Problem(code="not_found")
    actors.refuse(request=request, code="not_owner", object_type="document", object_id=public_id[:64])


def opened(*, request: HttpRequest, public_id: str) -> Document:
    """Return a document whose PDF and unmasked data the caller may have without a stated reason.

    :raises errors.Problem: what `document` raises; `reason_required`, on record
    """
    found = document(request=request, public_id=public_id)
    if access_roles.needs_reason(user=request.user):
        actors.refuse(request=request, code="reason_required", object_type="document", object_id=found.public_id)
    return found
