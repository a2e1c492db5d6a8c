"""The commands that people type: issuers are added whole or not at all, a list of events is sent and told the truth about."""

import http.server
import io
import json
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image
from pytest_django import Settings

from audit.models import Event as AuditEvent
from config import progress
from config.embedded import servers
from config.simulation import sender
from documents import formatting
from documents.emission import numbering
from documents.models import Country, Issuer, Kind, Series
from tests.payouts import telling
from tests.services import force
from tests.services.live import Live, live

__all__ = ["live"]

ROW = {
    "slug": "nueva-es",
    "country": "ES",
    "legal_name": "Nueva Empresa, S.L.",
    "tax_id": "B12345674",
    "address": "Calle Mayor 1, Madrid",
    "code": "NES",
}


def _broken_png() -> bytes:
    whole = io.BytesIO()
    Image.new("RGB", (40, 40), "navy").save(whole, "PNG")
    return whole.getvalue()[:60] + b"broken" + whole.getvalue()[66:]


def add(tmp_path: pathlib.Path, rows: object, **options: Any) -> str:
    file, said = tmp_path / "issuers.json", io.StringIO()
    file.write_text(json.dumps(rows), encoding="utf-8")
    call_command("add_issuer", str(file), stdout=said, **options)
    return said.getvalue()


@pytest.mark.django_db
def test_an_issuer_comes_with_its_logo_and_its_series_from_their_starting_numbers(tmp_path: pathlib.Path) -> None:
    logo = tmp_path / "logo.png"
    Image.new("RGB", (40, 40), "navy").save(logo)
    assert "added" in add(tmp_path, ROW, logo=logo, start=["OFS=124"])
    issuer = Issuer.objects.get(slug="nueva-es")
    assert bytes(issuer.logo or b"") == logo.read_bytes()
    year = Series.objects.filter(issuer=issuer).values_list("year", flat=True)[0]
    assert Series.objects.filter(issuer=issuer).count() == len(Kind)
    with force.by_force():  # a number without a document commits by force alone
        taken = numbering.take(
            issuer=issuer,
            kind=Kind.ORDER_FINAL_STATEMENT,
            issue_date=telling.NOW.date().replace(year=year),
            actor=telling.ACTOR,
        )
    assert taken.number == f"NES-OFS-{year}-0000124"
    assert AuditEvent.objects.filter(action="issuer.added", object_id="nueva-es").count() == 1


@pytest.mark.django_db
def test_a_starting_number_of_a_company_that_is_there_is_refused_unless_it_is_the_one_it_had(
    tmp_path: pathlib.Path,
) -> None:
    add(tmp_path, ROW, start=["OFS=124"])
    assert "already there" in add(tmp_path, ROW, start=["OFS=124"])
    for start in ("OFS=125", "PS=9"):
        with pytest.raises(CommandError, match="nueva-es: series_exists: The series NES-"):
            add(tmp_path, ROW, start=[start])
    ranged = {**ROW, "series": [{"kind": "OFS", "first": 124, "last": 999}]}
    with pytest.raises(CommandError, match="series_exists"):
        add(tmp_path, ranged)


@pytest.mark.django_db
def test_the_support_address_of_an_issuer_is_the_one_thing_that_may_be_changed_later_and_is_on_record(
    tmp_path: pathlib.Path,
) -> None:
    add(tmp_path, ROW)
    issuer = Issuer.objects.get(slug="nueva-es")
    assert formatting.support(issuer=issuer) == "documentos@aventide.example"
    said = add(tmp_path, ROW | {"support_email": "ayuda@nueva.example"})
    assert "support_email is now ayuda@nueva.example" in said
    assert "already there" in add(tmp_path, ROW)
    issuer.refresh_from_db()
    assert formatting.support(issuer=issuer) == "ayuda@nueva.example"
    assert AuditEvent.objects.filter(action="issuer.support_changed", object_id="nueva-es").count() == 1
    for wrong in ("ayuda", "a@b", 7, None, "a@b.example\n"):
        with pytest.raises(CommandError, match="support_email"):
            add(tmp_path, ROW | {"support_email": wrong})


@pytest.mark.django_db
def test_adding_an_issuer_again_changes_nothing_and_rewriting_one_is_refused(tmp_path: pathlib.Path) -> None:
    add(tmp_path, ROW)
    assert "already there" in add(tmp_path, [ROW])
    with pytest.raises(CommandError, match="exists with another address"):
        add(tmp_path, ROW | {"address": "Otra calle 2"})
    assert Issuer.objects.get(slug="nueva-es").address == ROW["address"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tax_id": "B12345670"}, "tax_id_invalid"),
        ({"country": "FR"}, "no pack"),
        ({"code": "x"}, "code is"),
        ({"slug": "Con Espacio"}, "slug is"),
        ({"legal_name": " "}, "needs the texts"),
        ({"colour": "red"}, "unknown fields"),
        ({"series": [{"kind": "XX"}]}, "a series has"),
        ({"series": {"kind": "PR"}}, "series is a list"),
        ({"series": None}, "series is a list"),
        ({"series": ["PR"]}, "a series has"),
        ({"series": [{"kind": ["PR"]}]}, "a series has"),
        ({"series": [{"kind": "PR", "year": "2026"}]}, "a series has"),
        ({"series": [{"kind": "PR", "year": 20260}]}, "a series has"),
        ({"series": [{"kind": "PR", "first": 0}]}, "a series has"),
        ({"series": [{"kind": "PR", "first": True}]}, "a series has"),
        ({"series": [{"kind": "PR", "first": 10**18}]}, "a series has"),
        ({"series": [{"kind": "PR", "first": 9, "last": 8}]}, "a series has"),
        ({"series": [{"kind": "PR", "valid_from": "1/2/2026"}]}, "a series has"),
        ({"series": [{"kind": "PR", "valid_until": 2026}]}, "a series has"),
        ({"series": [{"kind": "PR", "authority_reference": "x" * 101}]}, "a series has"),
        ({"logo": 5}, "logo is the name"),
        ({"logo": "absent.png"}, r"absent\.png"),
        ({"code": "NES"}, "already that of nueva-es"),
        ({"legal_name": "x" * 501}, "at most 500"),
        ({"address": "Calle\0Mayor"}, "printable"),
        ({"country": 34}, "needs the texts"),
    ],
)
def test_a_wrong_issuer_leaves_none_of_its_file(tmp_path: pathlib.Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        add(tmp_path, [ROW, ROW | {"slug": "otra-es", "code": "OES"} | change])
    assert not Issuer.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("start", ["XX=1", "OFS=0", "OFS", "OFS=-3", "OFS=²", "OFS=1000000000000000000000"])
def test_a_wrong_starting_number_is_named(tmp_path: pathlib.Path, start: str) -> None:
    with pytest.raises(CommandError, match="--start"):
        add(tmp_path, ROW, start=[start])


@pytest.mark.django_db
def test_a_country_that_the_database_does_not_know_yet_is_said_with_its_mend(tmp_path: pathlib.Path) -> None:
    with force.by_force():
        Country.objects.filter(pk="ES").delete()
    with pytest.raises(CommandError, match="make manage ARGS=provision"):
        add(tmp_path, ROW)


@pytest.mark.django_db
@pytest.mark.parametrize("body", ["5", "[5]", "null", "{", "[" * 100_000, '{"slug": "\\ud800"}'])
def test_a_file_of_another_form_is_no_issuer(tmp_path: pathlib.Path, body: str) -> None:
    file = tmp_path / "issuers.json"
    file.write_text(body, encoding="utf-8")
    with pytest.raises(CommandError, match=r"issuers\.json|an issuer needs"):
        call_command("add_issuer", str(file))


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"<svg/>", b"", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, _broken_png()])
def test_a_logo_that_is_no_png_is_refused(tmp_path: pathlib.Path, body: bytes) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(body)
    with pytest.raises(CommandError, match=r"logo\.png"):
        add(tmp_path, ROW, logo=logo)


def test_a_list_of_events_is_sent_twice_and_issued_once(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    said = [_send(live, "co_refund.json") for _ in range(2)]
    assert said == [{"sent": 2, "answers": {"processed": 2}, "replayed": repeated} for repeated in (0, 2)]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert lines[-1]["done"] == lines[-1]["total"] == 2


def test_a_refused_event_ends_the_command_with_its_code(live: Live, tmp_path: pathlib.Path) -> None:
    wrong = telling.sample("es_ride")[0]
    wrong["data"]["payment"]["amount"] = 24.2
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps([wrong]), encoding="utf-8")
    with pytest.raises(CommandError, match="1 of 1 were refused"):
        _send(live, str(file))


@pytest.mark.parametrize("body", ["{}", "[1]", "{", "[" * 100_000, ""])
def test_a_file_that_is_no_list_of_events_is_named(tmp_path: pathlib.Path, body: str) -> None:
    file = tmp_path / "events.json"
    file.write_text(body, encoding="utf-8")
    with pytest.raises(CommandError, match=r"events\.json"):
        call_command("send_events", str(file))
    with pytest.raises(CommandError, match=r"absent\.json"):
        call_command("send_events", str(tmp_path / "absent.json"))


def test_each_event_is_signed_by_its_own_service_and_another_secret_is_said_to_be_wrong(
    live: Live, settings: Settings
) -> None:
    events = telling.sample("es_ride")
    assert {sender.service_of(event=event) for event in events} == {"payments", "orders", "payouts"}
    assert _send(live, "es_ride.json")["answers"] == {"processed": 3}
    payments = settings.WEBHOOK_SECRETS["payments"]
    settings.WEBHOOK_SECRETS = dict.fromkeys(settings.WEBHOOK_SECRETS, payments)
    with pytest.raises(
        CommandError, match="2 of 3 were refused; 401 and 403: the secret is not the one that service has"
    ):
        _send(live, "es_ride.json")


def test_a_service_without_a_secret_is_said_with_its_variable_before_anything_is_sent(settings: Settings) -> None:
    settings.WEBHOOK_SECRETS = settings.WEBHOOK_SECRETS | {"orders": [], "payouts": []}
    with pytest.raises(CommandError, match="no secret in WEBHOOK_SECRET_ORDERS, WEBHOOK_SECRET_PAYOUTS: "):
        call_command("send_events", str(telling.SAMPLES / "es_ride.json"), url="http://127.0.0.1:1")


def test_a_secret_that_is_none_is_said_with_its_place(settings: Settings) -> None:
    settings.WEBHOOK_SECRETS = settings.WEBHOOK_SECRETS | {"orders": ["whsec_!"]}
    with pytest.raises(CommandError, match="WEBHOOK_SECRET_ORDERS: a webhook secret is"):
        call_command("send_events", str(telling.SAMPLES / "es_ride.json"))
    with pytest.raises(CommandError, match="--secret: a webhook secret is"):
        call_command("send_events", str(telling.SAMPLES / "es_ride.json"), secret="whsec_!")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "http://host:port", "http://[::1"])
def test_an_address_that_is_none_is_named(url: str) -> None:
    with pytest.raises(CommandError, match="--url"):
        call_command("send_events", str(telling.SAMPLES / "es_ride.json"), url=url)


@pytest.mark.parametrize("senders", [1, 4])
def test_where_nobody_answers_the_rest_of_the_list_is_not_tried(
    senders: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    headers = sender.headers

    def counted(**given: Any) -> dict[str, str]:
        tried.append("once")
        return headers(**given)

    monkeypatch.setattr(sender, "TRIES_MAX", 1)
    monkeypatch.setattr(sender, "headers", counted)
    file = tmp_path / "many.json"
    file.write_text(json.dumps(telling.sample("es_ride") * 100), encoding="utf-8")
    with pytest.raises(CommandError, match="does not answer"):
        call_command("send_events", str(file), url=f"http://127.0.0.1:{servers.free_port()}", senders=senders)
    assert 1 <= len(tried) < 200


class _Stranger(http.server.BaseHTTPRequestHandler):
    """Some other web server: it knows no such page."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_error(404, "no such page")

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def stranger() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_answer_of_somebody_else_is_no_success_and_no_traceback(stranger: str) -> None:
    said = io.StringIO()
    with pytest.raises(CommandError, match="3 of 3 were refused"):
        call_command("send_events", str(telling.SAMPLES / "es_ride.json"), url=stranger, stderr=said)
    assert "404 not_json" in said.getvalue()


def test_progress_off_a_terminal_is_json_lines_that_end_with_the_total() -> None:
    stream = io.StringIO()
    with progress.progress(label="cosas", total=3, stream=stream) as step:
        for _ in range(3):
            step()
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert (last["progress"], last["done"], last["total"], last["note"]) == ("cosas", 3, 3, "end")


def _send(live: Live, file: str) -> dict[str, Any]:
    said = io.StringIO()
    call_command("send_events", str(telling.SAMPLES / file), url=live.url, stdout=said, stderr=io.StringIO())
    answer: dict[str, Any] = json.loads(said.getvalue())
    return answer
