"""Parties over HTTP: where mail reaches one, and how it changes that itself."""

from typing import ClassVar

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from documents.access import actors, scope
from documents.api import serializers, views
from documents.models import Party
from payouts.issuing import party_changes

PARTIES = scope.ReachSource(
    object_type="party", model=Party, country="document__country_id", owner="pk", also="platform_id"
)


class PartyDetail(views.RowDetail):
    """GET /parties/{id}/: by its id here or by the platform's."""

    serializer_class = serializers.PartySerializer

    def get(self, request: Request, row: Party) -> Response:
        """Return the party with the contact data that mails go to."""
        views.record(request=request, action=Action.PARTY_VIEWED, object_type="party", object_id=row.public_id)
        return Response(self.shown(row))


class PartyContact(views.RowDetail):
    """PUT /parties/{id}/contact/."""

    serializer_class = serializers.PartySerializer
    problems: ClassVar = {"put": ()}

    @extend_schema(request=serializers.ContactSerializer, responses=serializers.PartySerializer)
    def put(self, request: Request, row: Party) -> Response:
        """Set the address and the language; the address of before is told, and open links end.

        :raises errors.Problem: `validation_error`
        """
        body = views.stated(serializer=serializers.ContactSerializer, request=request)
        party = party_changes.change_contact(
            party=row,
            email=body["email"],
            locale=body.get("locale"),
            now=timezone.now(),
            actor=actors.actor(request=request),
        )
        return Response(self.shown(party))
