"""What an alert says at night: what is wrong, whom it concerns, where to look; and nothing about a person."""

import dataclasses
import smtplib
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from documents.alerts import catalog, causes, channel, outages
from documents.models import Alert
from documents.resilience import dependencies
from tests.documents import center
from tests.payouts import making, telling

ADDRESS = "ana.garcia@example.com"


def messages() -> list[channel.AlertMessage]:
    rows = Alert.objects.filter(resolved_at=None).order_by("pk")
    return [channel.AlertMessage.of(incident=row, runbook=row.runbook, opened_at=row.opened_at) for row in rows]


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPRecipientsRefused({ADDRESS: (450, f"4.2.1 <{ADDRESS}> is busy".encode())}),
        smtplib.SMTPDataError(451, f"4.3.0 <{ADDRESS}> later".encode()),
        OSError(f"no route to redis://:secretpassword@10.0.0.1/0 for {ADDRESS}\nDETAIL: token=abc"),
    ],
)
@pytest.mark.django_db
def test_what_the_outside_answers_is_told_without_addresses_passwords_and_lines(error: Exception) -> None:
    outages.LISTENER.outage_began(row=dependencies.DEPENDENCIES["mail"], cause=error)
    (message,) = messages()
    for said in (f"{message.as_webhook()}", message.as_text(), message.summary):
        assert type(error).__name__ in said
        assert not any(secret in said for secret in (ADDRESS, "garcia", "secretpassword"))
    assert "\n" not in message.summary
    assert ("450" in message.summary) == isinstance(error, smtplib.SMTPRecipientsRefused)


@pytest.mark.django_db
def test_a_held_event_names_its_issuer_and_what_is_wrong_with_it_and_no_person() -> None:
    telling.issuers()
    unknown = {**making.order("ord_1"), "issuer": "aventide-nuevo"}
    wrong = making.order("ord_2")
    wrong["data"]["totals"] = {"payable": "0.01"}
    for event in (unknown, wrong):
        assert telling.tell(event).body["status"] == "held"
    first, second = messages()
    assert "(aventide-nuevo, ES) está retenido: Emisor desconocido (aventide-nuevo" in first.summary
    assert "is held: Unknown issuer" in first.as_text()
    assert "/data/totals" in second.summary
    assert "0.01" not in second.as_text()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"issuer": "Ana García", "tax": ADDRESS}, []),
        ({"issuer": "aventide-es", "party": "drv_7", "stated": "24.20"}, ["aventide-es"]),
        (
            {"tax": "VAT10", "country": "ES", "document": "AES-OFS2-2026-0000001"},
            ["ES", "VAT10", "AES-OFS2-2026-0000001"],
        ),
        ({"tax": "12345678Z", "document": "Ana"}, []),
    ],
)
def test_of_what_a_sender_has_written_an_alert_names_codes_and_numbers_alone(
    values: dict[str, Any], said: list[str]
) -> None:
    assert causes.named(faults=[{"pointer": "", "code": "x", "values": values}]) == said
    assert causes.named(faults=[{"pointer": f"/data/{ADDRESS}", "code": "x"}]) == []


def test_every_alert_says_in_both_languages_what_happens_meanwhile() -> None:
    assert [
        code for code, row in catalog.ALERTS.items() if not (row.meanwhile and row.meanwhile.es and row.meanwhile.en)
    ] == []


@pytest.mark.django_db
def test_an_alert_leads_to_its_page_in_the_document_center_and_one_without_a_row_to_the_list() -> None:
    outages.LISTENER.outage_began(row=dependencies.DEPENDENCIES["redis"], cause=OSError("refused"))
    (message,) = messages()
    path = message.page_url.removeprefix("http://127.0.0.1:8000")
    browser = center.client(member=center.everywhere(roles=["finance"]))
    assert browser.get(path).status_code == 200
    unwritten = channel.AlertMessage(
        code="dependency_postgresql",
        severity="P1",
        dedup_key="x",
        values={},
        object_id="",
        runbook_url="",
        opened_at=timezone.now(),
        resolved_at=None,
    )
    assert unwritten.page_url.endswith(reverse("admin:documents_alert_changelist"))


@pytest.mark.django_db
def test_the_mail_of_an_end_says_since_when_and_until_when_it_was() -> None:
    outages.LISTENER.outage_began(row=dependencies.DEPENDENCIES["redis"], cause=OSError("refused"))
    (message,) = messages()
    assert "Hasta / Until" not in message.as_text()
    ended = dataclasses.replace(message, resolved_at=timezone.now())
    assert f"Hasta / Until: {ended.resolved_at:%Y-%m-%dT%H:%M:%S}+00:00" in ended.as_text()
    assert "Desde / Since: " in ended.as_text()


@pytest.mark.django_db
def test_a_discrepancy_names_the_document_that_it_is_about() -> None:
    telling.issuers()
    telling.tell(making.order("ord_1"))
    number = telling.document("ORDER_FINAL_STATEMENT:order:ord_1:beneficiary").number
    other = {**making.order("ord_1", lines=[making.line("99.00")]), "id": "evt_other"}
    telling.tell(other)
    (message,) = messages()
    assert message.summary == f"divergent_repeat: Discrepancia abierta: Repetido con otros datos ({number})."
