"""TABLE: ownership -> the resolver that loads what a route is about and hands it to the view.

A view gets the object itself and never its id, so it has nothing by which to read somebody else's. The doors that have
an identity of their own (a link, a signature, the code on a document, a list of the Document Center) add their row.
"""

from collections.abc import Callable
from typing import cast

from documents.access import actors, roles, scope
from documents.access.admission import Admitted, Ownership, RowSource, Visit

LIST = "list"  # what the log calls the object of a whole list
Resolver = Callable[[Visit], Admitted]
RESOLVERS: dict[Ownership, Resolver] = {}


def resolver(ownership: Ownership) -> Callable[[Resolver], Resolver]:
    """Make a function the resolver of an ownership; each has one."""

    def add(function: Resolver) -> Resolver:
        if ownership in RESOLVERS:
            raise ValueError(f"{ownership} has a resolver already")
        RESOLVERS[ownership] = function
        return function

    return add


def about(*objects: tuple[str, str]) -> frozenset[tuple[str, str]]:
    """Return the objects that the event of an answer must be about, as the log names them."""
    return frozenset(objects)


@resolver(Ownership.NONE)
def _nothing(visit: Visit) -> Admitted:
    return Admitted(handed=visit.parts)


@resolver(Ownership.PARTY_OR_COUNTRY)
def _document(visit: Visit) -> Admitted:
    """Load the document of the address, if the caller may see it.

    :raises errors.Problem: what `scope.document` raises
    """
    row = scope.document(request=visit.request, public_id=visit.parts["public_id"])
    covers = scope.mine(request=visit.request).covers
    return Admitted(handed={"document": row}, about=about(("document", row.public_id)), loaded=row, covers=covers)


@resolver(Ownership.PARTY_OR_COUNTRY_UNMASKED)
def _unmasked_document(visit: Visit) -> Admitted:
    """Load a document whose PDF and unmasked data the caller may have without a stated reason.

    :raises errors.Problem: what `scope.document` raises; `reason_required`, on record
    """
    admitted = _document(visit)
    if roles.needs_reason(user=visit.request.user):
        row = admitted.handed["document"]
        actors.refuse(request=visit.request, code="reason_required", object_type="document", object_id=row.public_id)
    return admitted


@resolver(Ownership.REACHED)
def _row(visit: Visit) -> Admitted:
    """Load one row of the source, if the caller may see it.

    :raises errors.Problem: what `scope.ReachSource.get_row` raises
    """
    source, [object_id] = cast("scope.ReachSource", visit.source), visit.parts.values()
    row = source.get_row(request=visit.request, object_id=object_id)
    return Admitted(
        handed={"row": row},
        about=about(*source.objects(row=row)),
        covers=scope.mine(request=visit.request).covers,
    )


@resolver(Ownership.REACHED_LIST)
def _rows(visit: Visit) -> Admitted:
    """Hand over the rows of the source that the caller may see."""
    source = cast("RowSource", visit.source)
    rows = source.rows(request=visit.request)
    return Admitted(
        handed={"rows": rows},
        about=about((source.object_type, LIST)),
        covers=scope.mine(request=visit.request).covers,
    )


@resolver(Ownership.PARTIES)
def _parties(visit: Visit) -> Admitted:
    """Hand over the ids of the parties that the caller is or acts for, to one who reads as their owner."""
    mine = scope.mine(request=visit.request)
    parties = frozenset(mine.values) - {roles.NOBODY} if mine.column == "owner_id" else frozenset()
    return Admitted(handed={**visit.parts, "parties": parties}, about=about(("documents", LIST)), covers=mine.covers)


@resolver(Ownership.PARTY_OR_COUNTRY_LIST)
def _documents(visit: Visit) -> Admitted:
    """Hand over what the caller may see, newest first."""
    mine = scope.mine(request=visit.request)
    rows = mine.rows().order_by(*scope.list_order(of=mine))
    return Admitted(handed={"rows": rows}, about=about(("documents", LIST)), covers=mine.covers)
