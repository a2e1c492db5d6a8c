"""The commands that people type: issuers are added whole or not at all, a list of events is sent and told the truth about."""

import io
import json
import pathlib
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from PIL import Image

from audit.models import Event as AuditEvent
from config import progress
from documents.emission import numbering
from documents.models import Issuer, Kind, Series
from tests.payouts import telling
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
    taken = numbering.take(
        issuer=issuer,
        kind=Kind.ORDER_FINAL_STATEMENT,
        issue_date=telling.NOW.date().replace(year=year),
        actor=telling.ACTOR,
    )
    assert taken.number == f"NES-OFS-{year}-0000124"
    assert AuditEvent.objects.filter(action="issuer.added", object_id="nueva-es").count() == 1


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
    ],
)
def test_a_wrong_issuer_leaves_none_of_its_file(tmp_path: pathlib.Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        add(tmp_path, [ROW, ROW | {"slug": "otra-es", "code": "OES"} | change])
    assert not Issuer.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("start", ["XX=1", "OFS=0", "OFS", "OFS=-3"])
def test_a_wrong_starting_number_is_named(tmp_path: pathlib.Path, start: str) -> None:
    with pytest.raises(CommandError, match="--start"):
        add(tmp_path, ROW, start=[start])


@pytest.mark.django_db
def test_a_logo_that_is_no_png_is_refused(tmp_path: pathlib.Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_text("<svg/>")
    with pytest.raises(CommandError, match=r"logo\.png"):
        add(tmp_path, ROW, logo=logo)


def test_a_list_of_events_is_sent_twice_and_issued_once(live: Live, capsys: pytest.CaptureFixture[str]) -> None:
    said = [_send(live, "co_refund.json") for _ in range(2)]
    assert said == [{"sent": 2, "answers": {"processed": 2}}] * 2
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert lines[-1]["done"] == lines[-1]["total"] == 2


def test_a_refused_event_ends_the_command_with_its_code(live: Live, tmp_path: pathlib.Path) -> None:
    wrong = telling.sample("es_ride")[0]
    wrong["data"]["payment"]["amount"] = 24.2
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps([wrong]), encoding="utf-8")
    with pytest.raises(CommandError, match="1 of 1 were refused"):
        _send(live, str(file))


def test_a_file_that_is_no_list_of_events_is_named(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "events.json"
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(CommandError, match="a JSON list"):
        call_command("send_events", str(file))


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
