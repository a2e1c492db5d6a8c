"""Legal holds over HTTP: the matters, what one covers from now on, and how two people end it."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from documents import errors
from documents.access import actors, passwords, scope
from documents.api import filters, hold_serializers, views
from documents.custody import legal_holds
from documents.models import Country, LegalHold, Party

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

HOLDS = scope.ReachSource(object_type=legal_holds.KIND, model=LegalHold, country="country_id")


class HoldList(views.RowList):
    """GET /holds/: the matters of the caller's countries, newest first."""

    queryset = LegalHold.objects.none()  # names the model; the rows are those that the guard loads
    serializer_class = hold_serializers.HoldSerializer
    filterset_class = filters.HoldFilters
    listed, object_type = Action.HOLD_LISTED, legal_holds.KIND

    def get_queryset(self) -> "QuerySet[Any]":
        """Return the matters with what they cover."""
        return self.rows.prefetch_related("scopes__document", "scopes__party")


class HoldSetting(generics.GenericAPIView[LegalHold]):
    """POST /holds/."""

    serializer_class = hold_serializers.HoldSerializer
    problems: ClassVar = {
        "post": ("decision_not_possible", "hold_end_differs", "not_owner", "country_out_of_scope", "not_found")
    }

    @extend_schema(request=hold_serializers.HoldSettingSerializer, responses={201: hold_serializers.HoldSerializer})
    def post(self, request: Request, **_handed: object) -> Response:
        """Hold one document, or a party's documents of a country, a period and kinds, also those to come.

        :raises errors.Problem: `decision_not_possible`: it covers just this already, or its end is proposed; what
            `legal_holds` and `scope` raise
        """
        body = views.stated(serializer=hold_serializers.HoldSettingSerializer, request=request)
        over = _over_document if "document" in body else _over_party
        country, is_new = over(request, body)
        if not is_new:
            raise errors.Problem(code="decision_not_possible", values={"cause": "held"})
        hold = LegalHold.objects.filter(country=country, reference=body["reference"]).latest("pk")
        return Response(hold_serializers.HoldSerializer(hold).data, status=HTTPStatus.CREATED)


class HoldRelease(views.RowDetail):
    """POST /holds/{id}/release/: ask for a matter's end."""

    serializer_class = hold_serializers.HoldSerializer
    problems: ClassVar[dict[str, tuple[str, ...]]] = {
        "post": ("decision_not_possible", "password_wrong", "password_locked")
    }
    decide: "ClassVar[Callable[..., bool]]" = staticmethod(legal_holds.request_release)

    @extend_schema(request=hold_serializers.HoldEndSerializer, responses=hold_serializers.HoldSerializer)
    def post(self, request: Request, row: LegalHold) -> Response:
        """Take the step that is asked for.

        :raises errors.Problem: `decision_not_possible`: the matter is not at this step; what `legal_holds` and, of a
            session, `passwords` raise
        """
        body = views.stated(serializer=hold_serializers.HoldEndSerializer, request=request)
        by = _decider(request, body)
        if actors.key_of(request=request._request) is None:
            passwords.require(
                user=by.user,
                password=body.get("password", ""),
                object_type=legal_holds.KIND,
                object_id=row.public_id,
                actor=by.actor,
                now=by.now,
            )
        if not self.decide(hold=row, by=by):
            raise errors.Problem(code="decision_not_possible", values={"cause": "hold_step"})
        row.refresh_from_db()
        return Response(self.shown(row))


class HoldApproval(HoldRelease):
    """POST /holds/{id}/approve/: agree to the end that somebody else has asked for."""

    problems: ClassVar[dict[str, tuple[str, ...]]] = {
        "post": ("decision_not_possible", "second_person_required", "password_wrong", "password_locked")
    }
    decide: "ClassVar[Callable[..., bool]]" = staticmethod(legal_holds.approve_release)


def _over_document(request: Request, body: dict[str, Any]) -> tuple[Country, bool]:
    """Hold one document, and return its country and whether that is new."""
    document = scope.document(request=request._request, public_id=body["document"])
    by = _decider(request, body)
    is_new = legal_holds.set_over_document(
        document=document, reference=body["reference"], by=by, until=body.get("hold_until")
    )
    return document.country, is_new


def _over_party(request: Request, body: dict[str, Any]) -> tuple[Country, bool]:
    """Hold a party's documents of a country, and return that and whether it is new.

    :raises errors.Problem: `not_found`: there is no such party or country
    """
    party = Party.objects.filter(platform_id=body["party"]).first()
    country = Country.objects.filter(pk=body["country"]).first()
    if party is None or country is None:
        raise errors.Problem(code="not_found")
    covered = legal_holds.Covered(
        country=country,
        first_date=body.get("first_date"),
        last_date=body.get("last_date"),
        kinds=tuple(body.get("kinds", ())),
    )
    by = _decider(request, body)
    return country, legal_holds.set_over_party(
        party=party, reference=body["reference"], covered=covered, by=by, until=body.get("hold_until")
    )


def _decider(request: Request, body: dict[str, Any]) -> legal_holds.Decider:
    """Return who decides, why, and when."""
    return legal_holds.Decider(
        user=cast("User", request.user),
        actor=actors.actor(request=request),
        reason=body["reason"],
        now=timezone.now(),
    )
