"""The watch over the seal: a log that is not sealed is said to be so, with the transaction that holds it up."""

import psycopg
import pytest
from django.db import transaction

from audit import log, sealing
from audit.actions import Action
from config.embedded import services
from documents.models import Alert
from documents.operations import watch
from tests.services import database

pytestmark = pytest.mark.usefixtures("committed_db")


def _open() -> dict[str, dict[str, object]]:
    return dict(Alert.objects.filter(resolved_at=None, object_id="audit_log").values_list("code", "values"))


@pytest.mark.parametrize("role", ["billing_app", "billing_owner"])
def test_a_log_that_is_not_sealed_is_a_p1_and_who_holds_it_up_a_p2_until_it_is(
    stack: services.Stack, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    database.wait()
    monkeypatch.setattr(watch, "SEAL_LATE_S", 0)
    monkeypatch.setattr(watch, "SEAL_STOPPED_S", 0)
    url = stack.database_url if role == "billing_app" else stack.database_owner_url
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_current_xact_id()")
        with transaction.atomic():
            log.record(action=Action.ISSUER_ADDED, object_type="issuer", object_id="x", actor=log.SYSTEM)
        sealing.seal()
        watch._warn_of_unsealed()
        alerts = _open()
        assert alerts.keys() == {"sealing_delayed", "sealing_stopped"}
        assert (alerts["sealing_delayed"]["pid"], alerts["sealing_delayed"]["role"]) == (
            other.info.backend_pid,
            role,
        )
        severities = dict(Alert.objects.values_list("code", "severity"))
        assert (severities["sealing_delayed"], severities["sealing_stopped"]) == ("P2", "P1")
        other.rollback()
    while sealing.seal():
        pass
    watch._warn_of_unsealed()
    assert _open().keys() <= {"sealing_stopped"}  # the alerts are recorded, too
    while sealing.seal():
        pass
    watch._warn_of_unsealed()
    while sealing.seal():
        pass
    monkeypatch.setattr(watch, "SEAL_STOPPED_S", 60)
    watch._warn_of_unsealed()
    assert _open() == {}
