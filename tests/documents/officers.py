"""Two of compliance, and how each sets and ends a matter."""

import datetime as dt
from typing import Any

from django.contrib.auth.models import User

from audit import log
from documents.custody import legal_holds
from documents.models import Document, LegalHold, Party
from tests import cast
from tests.documents import center

REASON = "Requerimiento del juzgado de primera instancia"
NOW = dt.datetime(2026, 11, 27, 12, tzinfo=dt.UTC)


def by(user: User, *, reason: str = REASON) -> legal_holds.Decider:
    actor = log.Actor(kind="user", id=f"usr_{user.pk}", role="compliance", channel="admin")
    return legal_holds.Decider(user=user, actor=actor, reason=reason, now=NOW)


class Officers:
    """Two of compliance for Spain."""

    def __init__(self) -> None:
        self.carla = center.staff(roles=["compliance"], countries=["ES"], name="carla").user
        self.clara = center.staff(roles=["compliance"], countries=["ES"], name="clara").user

    def hold(self, document: Document, *, reference: str = "AUTO-1/2026", until: dt.date | None = None) -> LegalHold:
        stated = by(self.carla)
        assert legal_holds.set_over_document(document=document, reference=reference, by=stated, until=until)
        return LegalHold.objects.filter(reference=reference).latest("pk")

    def end(self, hold: LegalHold) -> None:
        assert legal_holds.request_release(hold=hold, by=by(self.carla))
        hold.refresh_from_db()
        assert legal_holds.approve_release(hold=hold, by=by(self.clara))


def party_hold(party: Party, officers: Officers, **covered: Any) -> bool:
    spain = cast.country(code="ES")
    return legal_holds.set_over_party(
        party=party,
        reference="AUTO-2/2026",
        covered=legal_holds.Covered(country=spain, **covered),
        by=by(officers.carla),
    )
