"""Where a person sees that an issuer is paused, and lets it go on; what operators set and are told."""

import io
import json
import pathlib
import re

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from audit.models import Event as LogEvent
from config.simulation import sender
from documents.emission import valve
from documents.events import backlog
from documents.models import Document, Event, Issuer, IssuingValve
from tests.documents import center
from tests.payouts import making, telling

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "denials"])
SLUG = "aventide-es"
REASON = "El proveedor confirma que son pedidos reales"
WORK = f"{center.ADMIN}payouts/conciliar/"


@pytest.fixture
def paused(committed_db: None) -> Issuer:
    """An issuer that has issued one document, with three events that wait."""
    cache.clear()  # the sidebar's counts are kept for a minute
    telling.issuers()
    issuer = Issuer.objects.get(slug=SLUG)
    valve.limit(issuer=issuer, minute_max=1, day_max=None, reason="prueba de la válvula", actor=telling.ACTOR)
    for number in range(4):
        telling.tell(making.order(f"ord_{number}"))
    return issuer


@pytest.fixture
def fina(paused: Issuer) -> Client:
    return center.client(member=center.staff(roles=["finance"], countries=["ES"], name="fina"))


def said(browser: Client, address: str) -> str:
    return re.sub(r"<[^>]+>|\s+", " ", browser.get(address).content.decode())


def page(issuer: Issuer) -> str:
    return f"{center.ADMIN}documents/issuer/{issuer.pk}/"


def test_finance_sees_what_is_paused_since_when_and_why_and_resumes_it_with_a_reason(
    paused: Issuer, fina: Client
) -> None:
    text = re.sub(" +", " ", said(fina, page(paused)))
    assert "En pausa desde" in text
    assert "Límite alcanzado por minuto" in text
    assert "Eventos que esperan 3" in text
    assert "1 documentos, fijado por una persona" in text
    assert f"{page(paused)}resume/" in fina.get(page(paused)).content.decode()
    assert "cierra antes sin emitir" in said(fina, f"{page(paused)}resume/")
    assert fina.post(f"{page(paused)}resume/", {"reason": "corto"}).status_code == 400
    assert IssuingValve.objects.get().paused_at is not None
    answer = fina.post(f"{page(paused)}resume/", {"reason": REASON}, follow=True)
    assert "Emisión reanudada" in answer.content.decode()
    assert "Emite lo que esperaba" in said(fina, page(paused))
    while backlog.issue(issuer_id=paused.pk, now=telling.NOW):
        pass
    assert Document.objects.count() == 4
    assert "resume/" not in fina.get(page(paused)).content.decode()
    assert fina.post(f"{page(paused)}resume/", {"reason": REASON}).status_code == 409
    [resumed] = LogEvent.objects.filter(action="issuer.resumed").select_related("detail")
    assert (resumed.object_id, resumed.actor_kind, resumed.channel) == (SLUG, "user", "admin")
    assert resumed.detail.details == {"reason": REASON, "held": 3, "address": "127.0.0.1"}


def test_the_first_page_the_work_list_and_the_alert_lead_to_a_paused_issuer(paused: Issuer, fina: Client) -> None:
    assert re.search(r"Emisores en pausa +1 ", said(fina, center.ADMIN))
    work = fina.get(WORK).content.decode()
    assert page(paused) in work
    text = re.sub(r"<[^>]+>|\s+", " ", work)
    assert "3 eventos esperan" in text
    assert "Nada más por conciliar" in text  # one decision stands for the three
    assert "Todo lo que llegó cuadra" not in text
    [alert] = LogEvent.objects.filter(action="alert.opened")
    assert page(paused) in fina.get(f"{center.ADMIN}documents/alert/{alert.object_id}/").content.decode()
    assert "En pausa" in said(fina, f"{center.ADMIN}documents/issuer/")


@pytest.mark.parametrize("role", ["support", "compliance", "auditor"])
def test_who_is_not_of_finance_sees_it_and_is_refused_on_record(paused: Issuer, role: str) -> None:
    browser = center.client(member=center.staff(roles=[role], countries=["ES"]))
    shown = browser.get(page(paused)).content.decode()
    assert ("En pausa" in shown, "resume/" in shown) == (True, False)
    assert browser.post(f"{page(paused)}resume/", {"reason": REASON}).status_code == 403
    assert (center.denials()[0].object_type, center.denials()[0].object_id) == ("issuer", str(paused.pk))
    assert IssuingValve.objects.get().paused_at is not None


def test_finance_of_another_country_neither_sees_nor_resumes_it(paused: Issuer) -> None:
    browser = center.client(member=center.staff(roles=["finance"], countries=["MX"]))
    assert browser.get(page(paused)).status_code == 403
    assert browser.post(f"{page(paused)}resume/", {"reason": REASON}).status_code == 403
    assert "3 eventos esperan" not in said(browser, WORK)
    assert re.search(r"Emisores en pausa +0 ", said(browser, center.ADMIN))


def test_an_operator_sets_the_limits_of_an_issuer_on_record_and_gives_them_back(paused: Issuer) -> None:
    out = io.StringIO()
    call_command("limit_issuing", SLUG, minute=50, day=900, reason="una campaña", stdout=out)
    assert out.getvalue() == f"✓ {SLUG}: minute 50, day 900\n"
    row = IssuingValve.objects.get()
    assert (row.minute_max_set, row.day_max_set, row.paused_at is None) == (50, 900, False)
    call_command("limit_issuing", SLUG, reason="la campaña ha terminado", stdout=out)
    row.refresh_from_db()
    assert (row.minute_max_set, row.day_max_set) == (None, None)
    last = LogEvent.objects.filter(action="issuer.limited").latest("pk")
    assert (last.object_id, last.actor_id, last.channel) == (SLUG, "limit_issuing", "command")
    for wrong in ({"minute": 0}, {"day": -1}, {"minute": 10**10}):
        with pytest.raises(CommandError, match="a limit is 1 to"):
            call_command("limit_issuing", SLUG, reason="una campaña", **wrong)
    with pytest.raises(CommandError, match="no issuer has this slug"):
        call_command("limit_issuing", "nobody-es", reason="una campaña")


def test_who_sends_a_backfill_is_told_what_is_held_and_that_nothing_need_be_sent_again(
    paused: Issuer, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*, event: dict[str, object], **_: object) -> sender.PostedEvent:
        answer = telling.tell(event)
        return sender.PostedEvent(event_id=str(event["id"]), status=answer.status, body=answer.body)

    monkeypatch.setattr(sender, "post", post)
    events = [making.order("ord_0"), *(making.order(f"ord_{number}") for number in range(8, 11))]
    events.append(making.order("ord_11") | {"issuer": "nobody-es"})
    file, out, err = tmp_path / "events.json", io.StringIO(), io.StringIO()
    file.write_text(json.dumps(events), encoding="utf-8")
    call_command("send_events", str(file), stdout=out, stderr=err)
    assert json.loads(out.getvalue()) == {
        "sent": 5,
        "answers": {"held": 4, "processed": 1},
        "replayed": 1,
        "held": {"issuer_unknown": 1, "issuing_paused": 3},
    }
    assert "3 are stored and held: their issuer is paused" in err.getvalue()
    out = io.StringIO()
    call_command("send_events", str(file), dry_run=True, stdout=out)
    would = json.loads(out.getvalue())["would_be"]
    assert would["repeated issuing_paused"]["count"] == 3


def test_a_dry_run_while_an_issuer_is_paused_says_so_and_leaves_it_as_it_is(
    paused: Issuer, tmp_path: pathlib.Path
) -> None:
    file, out = tmp_path / "events.json", io.StringIO()
    file.write_text(json.dumps([making.order("ord_20"), making.order("ord_21")]), encoding="utf-8")
    before = (Event.objects.count(), IssuingValve.objects.values().get())
    call_command("send_events", str(file), dry_run=True, stdout=out)
    assert json.loads(out.getvalue())["would_be"] == {
        "held issuing_paused": {"count": 2, "events": ["evt_ord_20", "evt_ord_21"]}
    }
    assert (Event.objects.count(), IssuingValve.objects.values().get()) == before
