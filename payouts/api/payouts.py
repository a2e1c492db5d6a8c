"""Payouts over HTTP, as things are now: what was sent to whom, whether it came back, and what it pays."""

from typing import Any

from django.db.models import JSONField, QuerySet
from django.db.models.fields.json import KeyTextTransform, KeyTransform
from django.db.models.functions import Cast
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from documents import latency
from documents.access import scope
from documents.api import views
from payouts.api import filters, serializers
from payouts.models import Payout

PAYOUTS = scope.ReachSource(object_type="payout", model=Payout, country="country_id", owner="payee_id", key="payout_id")


def joined(*, rows: QuerySet[Payout]) -> QuerySet[Payout]:
    """Return payouts with what their objects show of other tables, in two queries."""
    related = rows.select_related("payee", "issuer", "statement").defer("issuer__logo", "statement__content")
    stated = KeyTransform("payout", Cast("statement__content", JSONField()))
    line = {name: KeyTextTransform(name, stated) for name in serializers.BANK_LINE}
    return related.annotate(**line).prefetch_related("settlements__document")


class PayoutList(views.RowList):
    """GET /payouts/: those of the caller's parties or countries, newest first."""

    queryset = Payout.objects.none()  # names the model; the rows are those that the guard loads
    serializer_class = serializers.PayoutSerializer
    filterset_class = filters.PayoutFilters
    listed, object_type = Action.PAYOUT_LISTED, "payout"

    def get_queryset(self) -> QuerySet[Any]:
        """Return the payouts with what they settle."""
        return joined(rows=self.rows)


class PayoutDetail(views.RowDetail):
    """GET /payouts/{id}/."""

    serializer_class = serializers.PayoutSerializer

    def get(self, request: Request, row: Payout) -> Response:
        """Return the payout."""
        latency.note_country(request=request._request, country=row.country_id)
        views.record(request=request, action=Action.PAYOUT_VIEWED, object_type="payout", object_id=row.payout_id)
        return Response(self.shown(joined(rows=Payout.objects.filter(pk=row.pk)).get()))
