"""What the API says of things, as DRF's serializers: the objects of the answers, and the bodies of the questions."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Manager
from drf_spectacular.utils import inline_serializer
from pydantic import TypeAdapter, ValidationError
from rest_framework import serializers

from documents import presentation
from documents.access import roles
from documents.delivery import shared_links
from documents.events import fields
from documents.models import Document, Kind, Link, Party, PayoutStatus, RefundStatus, Status

JsonObject = dict[str, object]
_EMAIL: TypeAdapter[str] = TypeAdapter(fields.Email)


class StrictSerializer(serializers.Serializer[Any]):
    """A body: a member that it does not know is refused, as is everything that is no object."""

    def to_internal_value(self, data: object) -> object:
        """Return the values of a body."""
        unknown = set(data) - set(self.fields) if isinstance(data, dict) else ()
        if unknown:
            raise serializers.ValidationError(
                {name: [serializers.ErrorDetail("", code="extra_forbidden")] for name in sorted(unknown)}
            )
        return super().to_internal_value(data)


def listed(*, name: str, rows: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Return the description of `{"data": [...]}`; DRF's own `data` leaves no room for a declared one."""
    return inline_serializer(name=name, fields={"data": rows(many=True)})


class FileSerializer(serializers.Serializer[Any]):
    """The locked file of a document."""

    sha256 = serializers.CharField()
    bytes = serializers.IntegerField()
    media_type = serializers.CharField()


class RetentionSerializer(serializers.Serializer[Any]):
    """How long a document is locked."""

    mode = serializers.CharField(allow_null=True)
    until = serializers.DateField()
    legal_hold = serializers.BooleanField()


class SettledSerializer(serializers.Serializer[Any]):
    """An order that a payout pays."""

    order = serializers.CharField()
    document_id = serializers.CharField()
    amount = serializers.CharField()


class DocumentListSerializer(serializers.ListSerializer[Any]):
    """Many documents: what they need of others is read for all of them at once."""

    def to_representation(self, data: Manager[Any] | Iterable[Any]) -> list[dict[str, object]]:
        """Return their objects."""
        return presentation.documents(rows=data.all() if isinstance(data, Manager) else data)


class DocumentSerializer(serializers.Serializer[Any]):
    """A document: legally numbered, and frozen when it was issued."""

    # `documents.presentation` makes it; these fields describe it.

    id = serializers.CharField()
    object = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    number = serializers.CharField()
    document_key = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    country = serializers.CharField()
    issuer = serializers.CharField()
    owner = serializers.CharField(help_text="the platform's id of the party")
    currency = serializers.CharField()
    total = serializers.CharField(help_text="a decimal string")
    totals = serializers.DictField()
    operation_date = serializers.DateField()
    issued_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    locked_at = serializers.DateTimeField(allow_null=True)
    payout_status_at_issue = serializers.ChoiceField(choices=PayoutStatus.choices, allow_null=True)
    payout_status = serializers.ChoiceField(choices=PayoutStatus.choices, allow_null=True)
    settled_by = serializers.CharField(allow_null=True)
    file = FileSerializer(allow_null=True)
    retention = RetentionSerializer()
    content_sha256 = serializers.CharField()
    settles = SettledSerializer(many=True)
    corrects = serializers.CharField(allow_null=True)
    corrected_by = serializers.ListField(child=serializers.CharField())
    remaining_creditable = serializers.CharField(allow_null=True)
    refund_status = serializers.ChoiceField(choices=RefundStatus.choices, allow_null=True)
    flags = serializers.ListField(child=serializers.CharField())

    class Meta:
        list_serializer_class = DocumentListSerializer

    def to_representation(self, instance: Document) -> JsonObject:
        """Return the object of one document."""
        return presentation.document(document=instance)


class ResentSerializer(serializers.Serializer[Any]):
    """A mail that is on its way."""

    delivery = serializers.CharField()
    status = serializers.CharField()


class ActorSerializer(serializers.Serializer[Any]):
    """Who acted; whom exactly is for those who may read the log."""

    kind = serializers.CharField()
    role = serializers.CharField(allow_null=True)
    id = serializers.CharField(allow_null=True, required=False)
    key = serializers.CharField(allow_null=True, required=False)
    service = serializers.CharField(allow_null=True, required=False)


class TimelineEventSerializer(serializers.Serializer[Any]):
    """One event of the log."""

    id = serializers.IntegerField()
    recorded_at = serializers.DateTimeField()
    action = serializers.CharField()
    outcome = serializers.CharField()
    code = serializers.CharField(allow_null=True)
    actor = ActorSerializer()
    channel = serializers.CharField(allow_null=True)
    request_id = serializers.CharField(allow_null=True, required=False)


TIMELINE = listed(name="Timeline", rows=TimelineEventSerializer)


class KeySerializer(serializers.Serializer[Any]):
    """The key by which the caller was let in."""

    id = serializers.CharField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField()


class MeSerializer(serializers.Serializer[Any]):
    """As whom the caller acts, and whose documents it reaches."""

    roles = serializers.ListField(child=serializers.CharField())
    rights = serializers.ListField(child=serializers.CharField())
    countries = serializers.ListField(child=serializers.CharField())
    parties = serializers.ListField(child=serializers.CharField())
    key = KeySerializer(allow_null=True)


class KindSerializer(serializers.Serializer[Any]):
    """A kind of documents."""

    kind = serializers.ChoiceField(choices=Kind.choices)
    name = serializers.CharField()
    creditable = serializers.BooleanField()


KINDS = listed(name="Kinds", rows=KindSerializer)


class CountrySerializer(serializers.Serializer[Any]):
    """A country in which documents are issued."""

    code = serializers.CharField()
    currency = serializers.CharField()
    time_zone = serializers.CharField()
    tax_ids = serializers.ListField(child=serializers.CharField())


COUNTRIES = listed(name="Countries", rows=CountrySerializer)


class RungSerializer(serializers.Serializer[Any]):
    """What one rung of a look came to."""

    rung = serializers.ChoiceField(choices=["bytes", "lock", "embedded", "record", "render"])
    outcome = serializers.ChoiceField(choices=["ok", "failed", "not_comparable"])
    code = serializers.CharField(allow_null=True)
    columns = serializers.ListField(child=serializers.CharField(), help_text="what contradicts the log or the content")


class VerificationSerializer(serializers.Serializer[Any]):
    """A document verified now; one that differs is in quarantine afterwards."""

    document = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    sound = serializers.BooleanField()
    rungs = RungSerializer(many=True)


class LinkSerializer(serializers.ModelSerializer[Link]):
    """A secure link; its address is told once, to whom made it."""

    id = serializers.CharField(source="public_id")
    document = serializers.CharField(source="document.public_id")
    recipient = serializers.CharField(source="recipient.platform_id")
    asks = serializers.CharField(source="knows")
    reader = serializers.CharField(help_text="whom the owner has made a shared link for; empty for any other")

    class Meta:
        model = Link
        fields = (
            "id",
            "document",
            "recipient",
            "asks",
            "reader",
            "created_at",
            "expires_at",
            "revoked_at",
            "revoked_reason",
            "opened_at",
            "downloads",
            "downloads_max",
        )
        read_only_fields = fields


class LinkMadeSerializer(LinkSerializer):
    """A new link with its address, and the code that opens a shared one."""

    url = serializers.URLField(allow_null=True, help_text="null where the answer is given again")
    code = serializers.CharField(allow_null=True, help_text="of a shared link; null where the answer is given again")

    class Meta:
        model = Link
        fields: tuple[str, ...] = (*LinkSerializer.Meta.fields, "url", "code")


class LinkWantedSerializer(StrictSerializer):
    """What kind of link is wanted: the owner's own, or one that he shares with a reader whom he names."""

    kind = serializers.ChoiceField(choices=["own", "shared"], default="own")
    reader = serializers.CharField(
        default="", max_length=shared_links.READER_LENGTH_MAX, help_text="of a shared link: a bank, a landlord"
    )

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """Ask for a reader of a shared link, and of no other."""
        attrs["reader"] = shared_links.reader_of(text=attrs["reader"])
        if (attrs["kind"] == "shared") != bool(attrs["reader"]):
            raise serializers.ValidationError({"reader": [serializers.ErrorDetail("", code="invalid")]})
        return attrs


LINKS = listed(name="Links", rows=LinkSerializer)


class ExpandedSerializer(DocumentSerializer):
    """The document object with what `expand` asks for."""

    links = LinkSerializer(many=True, required=False)
    related = DocumentSerializer(many=True, required=False)


class PartySerializer(serializers.ModelSerializer[Party]):
    """A driver, customer or partner, with the contact data that mails go to."""

    id = serializers.CharField(source="public_id")

    class Meta:
        model = Party
        fields = ("id", "platform_id", "legal_name", "tax_id", "tax_id_type", "email", "locale")
        read_only_fields = fields


class ContactSerializer(StrictSerializer):
    """A new address and language."""

    email = serializers.EmailField(max_length=254)
    locale = serializers.ChoiceField(choices=[("es", "es"), ("en", "en")], required=False)

    def validate_email(self, value: str) -> str:
        """Refuse an address that an event could not state either."""
        try:
            return _EMAIL.validate_python(value)
        except ValidationError as error:
            raise serializers.ValidationError("", code="invalid") from error


class ReasonSerializer(StrictSerializer):
    """Why something is done; it stays on record."""

    reason = serializers.CharField(max_length=roles.REASON_LENGTH_MAX)
