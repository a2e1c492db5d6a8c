"""What the API says of legal holds, and what it is told about them."""

from typing import Any

from rest_framework import serializers

from documents.access import roles
from documents.api.serializers import StrictSerializer
from documents.models import HoldState, Kind

REFERENCE_LENGTH_MAX = 80
PASSWORD_LENGTH_MAX = 128


class HoldScopeSerializer(serializers.Serializer[Any]):
    """What a matter covers: one document, or a party's documents."""

    document = serializers.CharField(source="document.public_id", default=None, allow_null=True)
    party = serializers.CharField(source="party.platform_id", default=None, allow_null=True)
    first_date = serializers.DateField(allow_null=True)
    last_date = serializers.DateField(allow_null=True)
    kinds = serializers.ListField(child=serializers.CharField())


class HoldSerializer(serializers.Serializer[Any]):
    """A legal hold: a matter, what it covers, and how far it is from its end."""

    id = serializers.CharField(source="public_id")
    reference = serializers.CharField()
    country = serializers.CharField(source="country_id")
    reason = serializers.CharField()
    status = serializers.ChoiceField(source="state", choices=HoldState.choices)
    set_at = serializers.DateTimeField()
    hold_until = serializers.DateField(allow_null=True, help_text="the last day on which it holds")
    requested_at = serializers.DateTimeField(allow_null=True)
    release_reason = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True, help_text="when it ended by its own date")
    scopes = HoldScopeSerializer(many=True)


class HoldReasonSerializer(StrictSerializer):
    """Why a step is taken; it stays on record."""

    reason = serializers.CharField(min_length=roles.REASON_LENGTH_MIN, max_length=roles.REASON_LENGTH_MAX)


class HoldEndSerializer(HoldReasonSerializer):
    """Why a matter ends; whoever is signed in as in a browser says the password again, a key needs none."""

    password = serializers.CharField(
        max_length=PASSWORD_LENGTH_MAX, trim_whitespace=False, required=False, help_text="of a session's person"
    )


class HoldSettingSerializer(HoldReasonSerializer):
    """A matter over one document, or over a party's documents of a country, a period of issue and kinds."""

    reference = serializers.CharField(max_length=REFERENCE_LENGTH_MAX)
    document = serializers.CharField(max_length=40, required=False)
    party = serializers.CharField(max_length=64, required=False, help_text="the platform's id")
    country = serializers.CharField(max_length=2, required=False)
    first_date = serializers.DateField(required=False)
    last_date = serializers.DateField(required=False)
    kinds = serializers.ListField(child=serializers.ChoiceField(choices=Kind.choices), required=False)
    hold_until = serializers.DateField(required=False, help_text="the last day on which a new matter holds")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what is over neither or both, and a period that ends before it begins."""
        over_party = {"country", "first_date", "last_date", "kinds"} & set(attrs)
        if ("document" in attrs) == ("party" in attrs) or ("document" in attrs and over_party):
            raise serializers.ValidationError({"document": "one_of"}, code="one_of")
        if "party" in attrs and "country" not in attrs:
            raise serializers.ValidationError({"country": "required"}, code="required")
        if "first_date" in attrs and "last_date" in attrs and attrs["last_date"] < attrs["first_date"]:
            raise serializers.ValidationError({"last_date": "invalid"}, code="invalid")
        return attrs
