"""A row that calls its document disposed of, withheld or never locked, or names another store, hides it from no round."""

import pathlib
from collections.abc import Callable, Mapping

import pytest

from audit import log
from documents.custody import displaced, disposal, quarantine, reconciliation
from documents.emission import custody
from documents.models import Alert, Document, Status
from tests import factories
from tests.documents.test_custody import HOUR, MINUTE, NOW, _fresh_process, change, check_found, go_round, local

__all__ = ["_fresh_process", "local"]
pytestmark = pytest.mark.django_db(databases=["default", "denials"])
FORGED_SHA256 = "f" * 64


def called_disposed(document: Document) -> str:
    """Say that its time was over, with the hash of a forger's file."""
    change(document, status=Status.DISPOSED, disposed_at=NOW, file_sha256=FORGED_SHA256)
    return "status"


def called_unlocked(document: Document) -> str:
    change(document, status=Status.ISSUED, locked_at=None)
    return "status"


def called_withheld(document: Document) -> str:
    change(document, status=Status.QUARANTINED, quarantined_at=NOW)
    return "status"


def elsewhere(document: Document) -> str:
    change(document, vault_url="s3://forger?region=us-east-1", file_sha256=FORGED_SHA256)
    return "vault_url"


HIDDEN: Mapping[str, Callable[[Document], str]] = {
    hide.__name__: hide for hide in (called_disposed, called_unlocked, called_withheld, elsewhere)
}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_document_that_its_row_hides_from_the_rounds_is_named_by_the_next_one(local: pathlib.Path, name: str) -> None:
    document, honest = factories.document(), factories.document()
    assert go_round(after=HOUR).findings == 0
    column = HIDDEN[name](document)
    if name == "called_disposed":
        assert document in reconciliation.rows()
    assert go_round(after=HOUR + MINUTE).findings == 1
    check_found(document=document, number=document.number, code="record_differs")
    assert Alert.objects.get(code="document_quarantined", resolved_at=None).values["columns"] == [column]
    assert go_round(after=HOUR + 2 * MINUTE).findings == 0  # said once
    honest.refresh_from_db()
    assert honest.status == Status.LOCKED


def test_what_was_disposed_of_or_withheld_or_still_waits_is_not_named(
    local: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, withheld, waiting = factories.document(), factories.document(), factories.document(status=Status.ISSUED)
    monkeypatch.setattr(disposal, "_remove", lambda **_: 1)
    over = custody.lock_end_of(country=gone.country_id, retain_until=gone.retain_until)
    assert disposal.dispose(document=gone, now=over, actor=log.SYSTEM)
    assert quarantine.withhold(document=withheld, code="worm_mode_weak", actor=log.SYSTEM, now=NOW)
    assert displaced.look(now=NOW + HOUR) == 0
    assert gone not in reconciliation.rows()
    assert withheld in reconciliation.rows()
    waiting.refresh_from_db()
    assert waiting.status == Status.ISSUED
