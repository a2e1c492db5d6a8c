"""The work list over HTTP: held events and discrepancies, and what finance decides about them."""

from http import HTTPStatus
from typing import ClassVar

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit.actions import Action
from documents import errors, presentation
from documents.access import actors, scope
from documents.alerts import discrepancies
from documents.api import views
from documents.api.serializers import DocumentSerializer, ReasonSerializer
from documents.models import Discrepancy, Document, Event
from payouts.api import filters, serializers
from payouts.models import ApprovalState, DifferenceApproval
from payouts.review import decisions as review
from payouts.review import difference_approval, dismissal, retrying

EVENTS = scope.ReachSource(object_type="event", model=Event, country="country_code")
DISCREPANCIES = scope.ReachSource(object_type="discrepancy", model=Discrepancy, country="country_id")


class EventList(views.RowList):
    """GET /events/: facts as they came in, newest first; `?status=held` is what waits for a person."""

    queryset = Event.objects.none()  # names the model; the rows are those that the guard loads
    serializer_class = serializers.HeldEventSerializer
    filterset_class = filters.EventFilters
    listed, object_type = Action.EVENT_LISTED, "event"


class DiscrepancyList(views.RowList):
    """GET /discrepancies/: differences between what was stated and what is, newest first."""

    queryset = Discrepancy.objects.none()  # names the model; the rows are those that the guard loads
    serializer_class = serializers.DiscrepancySerializer
    filterset_class = filters.DiscrepancyFilters
    listed, object_type = Action.DISCREPANCY_LISTED, "discrepancy"


class DiscrepancyResolution(views.RowDetail):
    """POST /discrepancies/{id}/resolve/."""

    serializer_class = serializers.DiscrepancySerializer
    problems: ClassVar = {"post": ("decision_not_possible",)}

    @extend_schema(request=ReasonSerializer, responses=serializers.DiscrepancySerializer)
    def post(self, request: Request, row: Discrepancy) -> Response:
        """Resolve an open discrepancy with an explanation.

        :raises errors.Problem: `validation_error`; `decision_not_possible`: it is resolved already
        """
        text = review.reason(views.stated(serializer=ReasonSerializer, request=request)["reason"])
        with transaction.atomic():
            is_open = Discrepancy.objects.filter(pk=row.pk, resolved_at=None).exists()
            if not is_open or not discrepancies.resolve(
                dedup_key=row.dedup_key, resolution=text, actor=actors.actor(request=request), now=timezone.now()
            ):
                raise errors.Problem(code="decision_not_possible")
        row.refresh_from_db()
        return Response(self.shown(row))


class DifferenceApprovals(views.RowDetail):
    """POST /events/{id}/approve-difference/: propose to issue a payout with its difference, or approve the proposal."""

    serializer_class = serializers.HeldEventSerializer
    problems: ClassVar = {"post": ("decision_not_possible", "second_person_required", *views.ISSUING)}

    @extend_schema(request=ReasonSerializer, responses={200: DocumentSerializer, 202: serializers.HeldEventSerializer})
    def post(self, request: Request, row: Event) -> Response:
        """Note the proposal (202), or issue what somebody else has proposed (200).

        :raises errors.Problem: what `difference_approval` raises, `second_person_required` among it
        """
        body = views.stated(serializer=ReasonSerializer, request=request)
        user, actor, now = _user(request), actors.actor(request=request), timezone.now()
        proposal = DifferenceApproval.objects.filter(event=row, state=ApprovalState.REQUESTED).first()
        if proposal is None:
            difference_approval.request(event=row, reason=body["reason"], user=user, now=now, actor=actor)
            row.refresh_from_db()
            return Response(self.shown(row), status=HTTPStatus.ACCEPTED)
        document = difference_approval.approve(
            approval=proposal, reason=body["reason"], user=user, now=now, actor=actor
        )
        return Response(presentation.document(document=document))


class EventDismissal(views.RowDetail):
    """POST /events/{id}/dismiss/: take an event off the list without issuing anything."""

    serializer_class = serializers.HeldEventSerializer
    problems: ClassVar = {"post": ("decision_not_possible",)}

    @extend_schema(request=serializers.DismissalSerializer, responses=serializers.HeldEventSerializer)
    def post(self, request: Request, row: Event) -> Response:
        """Dismiss it, naming the document that answers it where there is one.

        :raises errors.Problem: what `dismissal.dismiss` raises; `not_owner`, `country_out_of_scope`, `not_found`
        """
        body = views.stated(serializer=serializers.DismissalSerializer, request=request)
        document: Document | None = None
        if body.get("document"):
            document = scope.document(request=request._request, public_id=body["document"])
        dismissal.dismiss(
            event=row,
            reason=body["reason"],
            document=document,
            user=_user(request),
            now=timezone.now(),
            actor=actors.actor(request=request),
        )
        row.refresh_from_db()
        return Response(self.shown(row))


class EventRetry(views.RowDetail):
    """POST /events/{id}/retry/: try a held event again."""

    serializer_class = serializers.HeldEventSerializer
    problems: ClassVar = {"post": ("decision_not_possible",)}

    @extend_schema(request=None, responses={202: serializers.HeldEventSerializer})
    def post(self, request: Request, row: Event) -> Response:
        """Let it be tried again within seconds, and return it as it waits.

        :raises errors.Problem: `decision_not_possible`: it is not held, or its issuer is paused
        """
        if not retrying.can_retry(event=row):
            raise errors.Problem(code="decision_not_possible")
        retrying.request(events=[row], user=_user(request), now=timezone.now(), actor=actors.actor(request=request))
        row.refresh_from_db()
        return Response(self.shown(row), status=HTTPStatus.ACCEPTED)


def _user(request: Request) -> User:
    """Return the person, or the user as whom a key acts."""
    user = request.user
    if not isinstance(user, User):
        raise TypeError("the guard lets in users alone")
    return user
