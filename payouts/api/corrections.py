"""Corrections over HTTP: a credit note for all or part of what remains of a document."""

from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, cast

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from documents import errors, identifiers, money, presentation
from documents.access import actors
from documents.api import views
from documents.api.serializers import DocumentSerializer
from documents.models import Document
from payouts.api import serializers
from payouts.issuing.credit_notes import CreditedAmount
from payouts.review import corrections

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from payouts.calculation.amounts import Supply

SUPPLIES = ("service", "platform")


class Corrections(views.RowDetail):
    """POST /documents/{id}/corrections/."""

    problems: ClassVar = {
        "post": (
            "already_credited",
            "credit_exceeds_remaining",
            "tax_code_unknown",
            "document_key_conflict",
            *views.ISSUING,
        )
    }

    @extend_schema(request=serializers.CorrectionSerializer, responses={201: DocumentSerializer})
    def post(self, request: Request, document: Document) -> Response:
        """Issue the credit note; without `amount` and `parts` it is for all that remains.

        :raises errors.Problem: what `corrections.correct` raises
        """
        body = views.stated(serializer=serializers.CorrectionSerializer, request=request)
        digits = money.digits(document.currency)
        groups = body.get("parts")
        parts = groups and [_part(stated=part, digits=digits, place=place) for place, part in enumerate(groups)]
        issued = corrections.correct(
            document=document,
            correction_id=identifiers.new(prefix="cor"),  # the Idempotency-Key makes it once
            parts=parts,
            gross_minor=_minor(text=body["amount"], digits=digits, pointer="/amount") if "amount" in body else None,
            reason=body["reason"],
            user=cast("User", request.user),
            now=timezone.now(),
            actor=actors.actor(request=request),
        )
        return Response(presentation.document(document=issued.document), status=HTTPStatus.CREATED)


def _part(*, stated: dict[str, str], digits: int, place: int) -> CreditedAmount:
    """Return what of one tax group is credited.

    :raises errors.Problem: `validation_error`
    """
    if stated["supply"] not in SUPPLIES:
        raise errors.problem_at(pointer=f"/parts/{place}/supply", code="validation_error")
    return CreditedAmount(
        tax=stated["tax"],
        amount_minor=_minor(text=stated["amount"], digits=digits, pointer=f"/parts/{place}/amount"),
        supply=cast("Supply", stated["supply"]),
    )


def _minor(*, text: str, digits: int, pointer: str) -> int:
    """Return an amount in minor units.

    :raises errors.Problem: `validation_error`
    """
    try:
        return money.minor(text, digits)
    except (errors.Problem, ValueError) as error:
        fault = errors.Fault(pointer=pointer, code="amount")
        raise errors.Problem(code="validation_error", errors=[fault]) from error
