"""Long lists of the panel, some rows to a page: a page is no heavier for who has much."""

from collections.abc import Iterable
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from django.http import HttpRequest

PAGE, KEPT = "pagina", ("lang", "viaje")
NUMBER_DIGITS_MAX = 4
AnyRow = TypeVar("AnyRow")
EachRow_co = TypeVar("EachRow_co", covariant=True)


class SlicedRows(Protocol[EachRow_co]):
    """A list or a query: what a part can be taken of."""

    def __getitem__(self, part: slice, /) -> Iterable[EachRow_co]:
        """Return a part."""


def page_of(*, request: HttpRequest, rows: SlicedRows[AnyRow], size: int) -> tuple[list[AnyRow], dict[str, str]]:
    """Return the rows of the page that was asked for, the first where there is none, and where its pager leads."""
    wanted = request.GET.get(PAGE, "")
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) <= NUMBER_DIGITS_MAX else 1
    number = max(number, 1)
    read = _read(rows=rows, number=number, size=size)
    if not read:
        number, read = 1, _read(rows=rows, number=1, size=size)
    pager = {
        "newer": _address(request=request, number=number - 1) if number > 1 else "",
        "older": _address(request=request, number=number + 1) if len(read) > size else "",
    }
    return read[:size], pager


def _read(*, rows: SlicedRows[AnyRow], number: int, size: int) -> list[AnyRow]:
    """Return the rows of a page, and one more where there is a next one."""
    first = (number - 1) * size
    return list(rows[first : first + size + 1])


def _address(*, request: HttpRequest, number: int) -> str:
    same = {name: request.GET[name][:64] for name in KEPT if request.GET.get(name)}
    return f"?{urlencode({**same, PAGE: number})}"
