"""What exists, and what the caller may do: kinds, countries, the caller itself."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from documents import catalog
from documents.access import actors, roles, scope
from documents.api import serializers
from documents.countries import pack
from documents.models import Kind


class Me(APIView):
    """GET /me/."""

    @extend_schema(responses=serializers.MeSerializer)
    def get(self, request: Request) -> Response:
        """Return as whom the caller acts, what it may do, and whose documents it reaches."""
        key, user = actors.key_of(request=request._request), request.user
        mine = scope.mine(request=request._request)
        parties = scope.parties_for(user=user) if mine.column == "owner_id" else ()
        return Response(
            {
                "roles": sorted(roles.roles_of(user=user)),
                "rights": sorted(right for right in roles.RIGHTS if roles.may(user=user, right=right)),
                "countries": sorted(str(code) for code in mine.values) if mine.column == "country_id" else [],
                "parties": sorted(party.platform_id for party in parties if party.pk in mine.values),
                "key": None
                if key is None
                else {
                    "id": key.public_id,
                    "name": key.name,
                    "scopes": key.scopes,
                    "expires_at": key.expires_at.isoformat().replace("+00:00", "Z"),
                },
            }
        )


class DocumentKinds(APIView):
    """GET /document-kinds/."""

    @extend_schema(responses=serializers.KINDS)
    def get(self, _request: Request) -> Response:
        """Return the kinds of documents."""
        kinds = [
            {"kind": kind.value, "name": str(kind.label), "creditable": catalog.TABLE[kind].creditable} for kind in Kind
        ]
        return Response({"data": kinds})


class Countries(APIView):
    """GET /countries/."""

    @extend_schema(responses=serializers.COUNTRIES)
    def get(self, _request: Request) -> Response:
        """Return the countries in which documents are issued."""
        countries = [
            {
                "code": code,
                "currency": country.currency,
                "time_zone": country.time_zone,
                "tax_ids": sorted(country.tax_ids),
            }
            for code, country in sorted(pack.registry().items())
        ]
        return Response({"data": countries})
