"""What the API says of payouts, of held events and of discrepancies, and what it is told to decide about them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from documents import formatting, money
from documents.api.serializers import ReasonSerializer, StrictSerializer
from documents.models import Discrepancy, Event, EventStatus
from documents.sentences import writing
from payouts.models import Payout, PayoutState


class SettlementSerializer(serializers.Serializer[Any]):
    """How much a payout pays of one document."""

    document_id = serializers.CharField()
    order = serializers.CharField(allow_null=True)
    amount = serializers.CharField()
    effective = serializers.BooleanField(help_text="false once the payout failed, came back or was canceled")


BANK_LINE = ("method", "destination_masked", "reference")  # what a payout's statement says of the transfer


class PayoutSerializer(serializers.Serializer[Any]):
    """A transfer of money to a payee, or a period closed without one, as things are now."""

    id = serializers.CharField(source="payout_id")
    payee = serializers.CharField(source="payee.platform_id", help_text="the platform's id of the party")
    issuer = serializers.CharField(source="issuer.slug")
    country = serializers.CharField(source="country_id")
    currency = serializers.CharField()
    amount = serializers.SerializerMethodField()
    opening_balance = serializers.SerializerMethodField()
    closing_balance = serializers.SerializerMethodField()
    status = serializers.ChoiceField(source="state", choices=PayoutState.choices)
    method = serializers.CharField(allow_null=True)
    destination_masked = serializers.CharField(allow_null=True, help_text="the account, all but its end masked")
    reference = serializers.CharField(allow_null=True, help_text="what the line of the bank statement says")
    sent_at = serializers.DateTimeField()
    returned_at = serializers.DateTimeField(allow_null=True)
    statement = serializers.CharField(source="statement.public_id", default=None, allow_null=True)
    settles = serializers.SerializerMethodField()

    def get_amount(self, payout: Payout) -> str:
        """Return the amount as a decimal string."""
        return _text(payout, payout.amount_minor)

    def get_opening_balance(self, payout: Payout) -> str:
        """Return the balance before the payout, in the payee's favour when positive."""
        return _text(payout, payout.opening_minor)

    def get_closing_balance(self, payout: Payout) -> str:
        """Return the balance after the payout."""
        return _text(payout, payout.closing_minor)

    @extend_schema_field(SettlementSerializer(many=True))
    def get_settles(self, payout: Payout) -> list[dict[str, object]]:
        """Return what the payout pays of which documents."""
        return [
            {
                "document_id": row.document.public_id,
                "order": _order(row.document.subject),
                "amount": _text(payout, row.amount_minor),
                "effective": row.effective,
            }
            for row in payout.settlements.all()
        ]


class HeldEventSerializer(serializers.ModelSerializer[Event]):
    """An event, and what is the matter with it."""

    id = serializers.CharField(source="event_id")
    event = serializers.CharField(source="public_id", help_text="the id in this service's addresses")
    country = serializers.CharField(source="country_code")
    issuer = serializers.CharField(source="issuer_slug")
    status = serializers.ChoiceField(choices=EventStatus.choices)

    class Meta:
        model = Event
        fields = (
            "id",
            "event",
            "type",
            "service",
            "country",
            "issuer",
            "subject",
            "occurred_at",
            "received_at",
            "status",
            "code",
            "missing",
            "next_try_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: Event) -> dict[str, object]:
        """Add the faults, with their sentences in the caller's language, under the name that DRF uses itself."""
        faults = writing.answered(stored=instance.errors, language=formatting.language())
        return {**super().to_representation(instance), "errors": faults}


class DiscrepancySerializer(serializers.ModelSerializer[Discrepancy]):
    """An open difference between what was stated and what is."""

    id = serializers.CharField(source="public_id")
    document = serializers.CharField(source="document.public_id", default=None, allow_null=True)
    event = serializers.CharField(source="event.public_id", default=None, allow_null=True)
    country = serializers.CharField(source="country_id", allow_null=True)

    class Meta:
        model = Discrepancy
        fields = ("id", "code", "country", "document", "event", "facts", "opened_at", "resolved_at", "resolution")
        read_only_fields = fields


class DismissalSerializer(ReasonSerializer):
    """Why an event is taken off the list, and the document that answers it instead."""

    document = serializers.CharField(required=False, max_length=40)


class PartSerializer(StrictSerializer):
    """What is credited of one tax group."""

    tax = serializers.CharField(max_length=40)
    supply = serializers.CharField(max_length=20, default="service")
    amount = serializers.CharField(max_length=40)


class CorrectionSerializer(ReasonSerializer):
    """A credit note for all of what remains, for a gross amount of it, or for parts of its tax groups."""

    amount = serializers.CharField(max_length=40, required=False, help_text="gross, as a decimal string")
    parts = PartSerializer(many=True, required=False)


def _text(payout: Payout, minor: int) -> str:
    """Return an amount of a payout as a decimal string."""
    return money.text(minor, money.digits(payout.currency))


def _order(subject: str) -> str | None:
    """Return the order that a document is about; None where it is about something else."""
    kind, _, order = subject.partition(":")
    return order if kind == "order" else None
