"""The filters of the lists of payouts, held events and discrepancies."""

import django_filters

from documents.api.filters import MomentFilter, TruthFilter, countries
from documents.models import Discrepancy, Event, EventStatus
from payouts.models import Payout, PayoutState


class PayoutFilters(django_filters.FilterSet):
    """What a list of payouts can be narrowed by."""

    status = django_filters.ChoiceFilter(field_name="state", choices=PayoutState.choices)
    country = django_filters.ChoiceFilter(field_name="country_id", choices=countries)
    payee = django_filters.CharFilter(field_name="payee__platform_id")
    sent_after = MomentFilter(field_name="sent_at", lookup_expr="gt")
    sent_before = MomentFilter(field_name="sent_at", lookup_expr="lt")

    class Meta:
        model = Payout
        fields = ()


class EventFilters(django_filters.FilterSet):
    """What a list of events can be narrowed by."""

    status = django_filters.ChoiceFilter(choices=EventStatus.choices)
    country = django_filters.ChoiceFilter(field_name="country_code", choices=countries)
    code = django_filters.CharFilter()
    type = django_filters.CharFilter()

    class Meta:
        model = Event
        fields = ()


class DiscrepancyFilters(django_filters.FilterSet):
    """What a list of discrepancies can be narrowed by."""

    code = django_filters.CharFilter()
    country = django_filters.ChoiceFilter(field_name="country_id", choices=countries)
    is_open = TruthFilter(field_name="resolved_at", lookup_expr="isnull")

    class Meta:
        model = Discrepancy
        fields = ()
