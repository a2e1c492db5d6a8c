"""The one door for bytes."""

import pytest

from audit import log
from documents import distribution
from documents.models import Status
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vault_folder")]


def test_a_locked_document_is_served():
    document = factories.document()
    opened = distribution.open(document=document, actor=log.SYSTEM, purpose="download", now=factories.NOW)
    assert opened.body.startswith(b"%PDF")
