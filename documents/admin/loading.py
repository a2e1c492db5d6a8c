"""What the guard of a page of the Document Center loads: a row, the rows of a list, or the caller's countries."""

from typing import cast

from documents.access import ownership, scope
from documents.access.admission import Admitted, Ownership, RowSource, Visit
from documents.admin import rights


@ownership.resolver(Ownership.COUNTRY)
def one_row(visit: Visit) -> Admitted:
    """Load the row of the address, within the caller's scope."""
    source, [object_id] = cast("RowSource", visit.source), visit.parts.values()
    row = source.get_row(request=visit.request, object_id=object_id)
    return Admitted(
        handed={"row": row},
        about=ownership.about((source.object_type, source.object_id(row=row))),
        loaded=row,
        covers=lambda read: scope.mine(request=visit.request).covers(read),
    )


@ownership.resolver(Ownership.COUNTRY_LIST)
def many_rows(visit: Visit) -> Admitted:
    """Hand over the rows of a list that are within the caller's scope."""
    source = cast("RowSource", visit.source)
    return Admitted(
        handed={"rows": source.rows(request=visit.request)},
        about=ownership.about((source.object_type, ownership.LIST)),
        covers=lambda read: scope.mine(request=visit.request).covers(read),
    )


@ownership.resolver(Ownership.COUNTRIES)
def countries(visit: Visit) -> Admitted:
    """Hand over the codes of the caller's countries; None to one who sees them all."""
    codes = None if rights.everywhere(request=visit.request) else rights.countries(request=visit.request)
    return Admitted(handed={"countries": codes}, covers=lambda read: scope.mine(request=visit.request).covers(read))
