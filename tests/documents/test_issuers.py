"""Issuers live: what is stated of one changes with its history, and another series is opened in mid-year."""

import datetime as dt
import io
import json
import pathlib
import struct
import threading
import zlib
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from PIL import Image, ImageFile

from audit.models import Event as AuditEvent
from config import env
from documents import errors
from documents.custody import restore
from documents.emission import custody, issuers, numbering
from documents.models import Country, Document, FormerIssuer, Issuer, Kind, Series, Status
from documents.operations import ledger_gauges
from tests import cast, factories
from tests.documents import center
from tests.documents.test_emission import advance
from tests.payouts import making, telling
from tests.services import force

pytestmark = [
    pytest.mark.django_db(databases=["default", "denials"]),
    pytest.mark.usefixtures("vault_folder"),
]
OFS, REASON = Kind.ORDER_FINAL_STATEMENT, "Cambio inscrito en el registro"
FORMER, NEW = "Aventide Iberia, S.L.", "Aventide Movilidad Ibérica, S.A."
LATER = telling.NOW + dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _world() -> None:
    telling.issuers()


def png(colour: str) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(body, "PNG")
    return body.getvalue()


def issued(name: str, now: dt.datetime = telling.NOW) -> Document:
    telling.tell(making.order(name), now=now)
    return telling.document(f"ORDER_FINAL_STATEMENT:order:{name}:beneficiary")


def drawn(document: Document) -> bytes:
    return custody._render(document=Document.objects.get(pk=document.pk), plain=False).pdf


def change(issuer: Issuer, now: dt.datetime = telling.NOW + dt.timedelta(minutes=1), **facts: Any) -> bool:
    return issuers.change(issuer=issuer, reason=REASON, actor=telling.ACTOR, now=now, **facts)


def the_series(issuer: Issuer) -> Series:
    return Series.objects.filter(issuer=issuer, kind=OFS, year=telling.NOW.year).latest("part")


def test_what_was_issued_before_a_change_is_drawn_again_byte_for_byte_and_what_comes_after_prints_the_new() -> None:
    locked, waiting = issued("ord_1"), issued("ord_2")
    issuer, name = locked.issuer, locked.issuer.legal_name
    before = [drawn(locked), drawn(waiting)]
    assert advance(locked).status == Status.LOCKED
    assert change(issuer, legal_name=NEW, address="Gran Vía 2, 28013 Madrid", logo=png("navy"))
    assert change(issuer, logo=png("red"), now=telling.NOW + dt.timedelta(minutes=2))
    assert [drawn(locked), drawn(waiting)] == before
    assert advance(waiting).status == Status.LOCKED
    after = issued("ord_3", now=LATER)
    stated = json.loads(after.content)["issuer"]
    assert (stated["legal_name"], stated["address"]) == (NEW, "Gran Vía 2, 28013 Madrid")
    assert issuers.logo_of(document=after) == png("red")
    assert issuers.logo_of(document=Document.objects.get(pk=waiting.pk)) is None
    page = Client().get(f"/v/{locked.verification_code}").content.decode()
    assert (name in page, NEW in page) == (True, False)


def test_a_change_is_on_record_keeps_what_was_and_nothing_changes_without_its_event() -> None:
    issuer = issued("ord_1").issuer
    former = issuer.legal_name
    assert change(issuer, legal_name=NEW)
    assert not change(issuer, legal_name=NEW)
    assert not change(issuer)
    (event,) = AuditEvent.objects.filter(action="issuer.changed")
    assert (event.object_id, event.code) == (issuer.slug, "legal_name")
    assert event.detail.details == {"reason": REASON, "legal_name": NEW}
    (kept,) = FormerIssuer.objects.all()
    assert (kept.legal_name, kept.issuer) == (former, issuer)


def test_the_command_changes_an_issuer_and_says_what_is_wrong(tmp_path: pathlib.Path) -> None:
    issuer = issued("ord_1").issuer
    broken, good = tmp_path / "broken.png", tmp_path / "good.png"
    broken.write_bytes(png("navy")[:40])
    good.write_bytes(png("navy"))
    for arguments, said in (
        (["nobody", "--address", "x"], "no issuer"),
        ([issuer.slug], "nothing to change"),
        ([issuer.slug, "--logo", str(broken)], "whole PNG"),
        ([issuer.slug, "--address", "x" * 501], "at most 500"),
        ([issuer.slug, "--legal-name", "Aventide \u202eS.L."], "printable"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("change_issuer", *arguments, "--reason", REASON)
    call_command("change_issuer", issuer.slug, "--logo", str(good), "--address", "Gran Vía 2", "--reason", REASON)
    issuer.refresh_from_db()
    assert (issuer.address, bytes(issuer.logo or b"")) == ("Gran Vía 2", png("navy"))


def test_the_year_of_a_series_begins_where_its_issuer_is() -> None:
    night = dt.datetime(2027, 1, 1, 2, tzinfo=dt.UTC)
    for country, year in (("MX", 2026), ("CO", 2026), ("ES", 2027)):
        issuer = factories.issuer(slug=f"aventide-{country.lower()}", code=f"A{country}", country_code=country)
        assert numbering.year_of(issuer=issuer, first_day=None, now=night) == year
        assert numbering.year_of(issuer=issuer, first_day=dt.date(2028, 3, 1), now=night) == 2028


def test_another_series_in_mid_year_gives_the_numbers_from_its_first_day_and_the_former_no_more() -> None:
    first = issued("ord_1")
    issuer, year = first.issuer, f"{telling.NOW.year}"
    day = (telling.NOW + dt.timedelta(days=10)).date()
    common = ["--year", year, "--reason", "Nueva autorización"]
    call_command("open_series", issuer.slug, "OFS", "--first", "500", "--last", "501", "--from", f"{day}", *common)
    assert issued("ord_2").series == first.series
    begun = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    codes = [issued(f"ord_{number}", now=begun).number for number in (3, 4)]
    assert codes == [f"{issuer.code}-OFS2-{year}-0000500", f"{issuer.code}-OFS2-{year}-0000501"]
    assert advance(telling.document("ORDER_FINAL_STATEMENT:order:ord_4:beneficiary")).status == Status.LOCKED
    answer = telling.tell(making.order("ord_5"), now=begun)
    assert answer.status < 500
    assert not Document.objects.filter(subject="order:ord_5").exists()  # used up: not the former again
    assert ledger_gauges._fullest(now=begun) == 1.0
    call_command("open_series", issuer.slug, "OFS", "--from", f"{day}", *common)
    assert ledger_gauges._fullest(now=begun) == 0.0  # the alert that had another one opened is over
    telling.catch_up()
    assert the_series(issuer).part == 3
    assert [event.code for event in AuditEvent.objects.filter(action="series.added", object_id__contains="OFS3")] == [
        ""
    ]


def test_a_series_that_cannot_be_opened_is_refused_in_words() -> None:
    issuer = issued("ord_1").issuer
    for arguments, said in (
        (["nobody", "OFS"], "no issuer"),
        ([issuer.slug, "XX"], "no kind"),
        ([issuer.slug, "OFS", "--first", "9", "--last", "3"], "ends after"),
        ([issuer.slug, "OFS", "--from", "2026-05-02", "--until", "2026-05-01"], "ends after"),
        ([issuer.slug, "OFS", "--year", "2019"], "No series"),
        ([issuer.slug, "OFS", "--first", "1" + "0" * 15], "15 digits"),
        ([issuer.slug, "OFS", "--authority", "x" * 101], "--authority"),
        ([issuer.slug, "OFS", "--from", "2027-03-01", "--year", "2026"], "another year"),
        ([issuer.slug, "OFS", "--until", "2026-01-05", "--year", "2026"], "over already"),
    ):
        with pytest.raises(CommandError, match=said):
            call_command("open_series", *arguments, "--reason", REASON)


def a_png(*, width: int, height: int, pixels: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("lenient", [False, True], ids=["alone", "after the rendering engine was loaded"])
def test_a_mark_that_would_be_drawn_wrong_or_at_the_cost_of_every_document_is_refused(
    monkeypatch: pytest.MonkeyPatch, lenient: bool
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    jpeg = io.BytesIO()
    Image.new("RGB", (9, 9)).save(jpeg, "JPEG")
    large = zlib.compress(b"\0" * (1 + 13000 // 8) * 13000, 9)
    hostile = {  # what it is -> its bytes
        "large": a_png(width=13000, height=13000, pixels=large),
        "garbage": a_png(width=60, height=40, pixels=b"no stream"),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "jpeg": jpeg.getvalue(),
        "empty": b"",
    }
    for body in hostile.values():
        with pytest.raises(ValueError, match="whole PNG"):
            issuers.checked_logo(body=body)
    assert issuers.checked_logo(body=png("navy")) == png("navy")
    assert lenient is ImageFile.LOAD_TRUNCATED_IMAGES


def test_another_logo_of_a_company_that_is_there_is_refused_by_add_issuer_and_its_own_is_not(
    tmp_path: pathlib.Path,
) -> None:
    samples = json.loads((env.BASE_DIR / "config" / "samples" / "issuers.json").read_text(encoding="utf-8"))
    file, logo = tmp_path / "issuers.json", tmp_path / "logo.png"
    file.write_text(json.dumps({**samples[0], "slug": "nueva-es", "code": "NUE"}), encoding="utf-8")
    logo.write_bytes(png("navy"))
    for _ in range(2):
        call_command("add_issuer", str(file), logo=logo)
    logo.write_bytes(png("red"))
    with pytest.raises(CommandError, match="another logo: see the command change_issuer"):
        call_command("add_issuer", str(file), logo=logo)


def test_the_reason_of_a_command_says_something_as_that_of_a_page_does() -> None:
    issuer = issued("ord_1").issuer
    for command in (
        ["change_issuer", issuer.slug, "--address", "Gran Vía 2"],
        ["open_series", issuer.slug, "OFS"],
        ["move_series", f"{issuer.code}-OFS-2026", "--next", "9"],
        ["limit_issuing", issuer.slug, "--minute", "9"],
        ["release_document", "AES-OFS-2026-0000001", "--by", "carmen"],
    ):
        for reason in ("", "   ", "breve", "Con un\nsalto de línea", "x" * 201):
            with pytest.raises(CommandError, match="printable"):
                call_command(*command, "--reason", reason)
    assert not FormerIssuer.objects.exists()


@pytest.mark.django_db(transaction=True, databases=["default", "denials"])
def test_two_changes_at_once_take_turns_and_neither_undoes_the_other(committed_db: None) -> None:
    issuer = issued("ord_1").issuer
    before, stale = issuer.legal_name, Issuer.objects.get(pk=issuer.pk)
    done = threading.Event()

    def rename() -> None:
        change(stale, legal_name=NEW)
        done.set()
        connection.close()

    with transaction.atomic():
        change(issuer, address="Gran Vía 2, 28013 Madrid")
        other = threading.Thread(target=rename)
        other.start()
        assert not done.wait(0.5)
    other.join(timeout=20)
    issuer.refresh_from_db()
    assert (issuer.legal_name, issuer.address) == (NEW, "Gran Vía 2, 28013 Madrid")
    kept = FormerIssuer.objects.order_by("pk").values_list("legal_name", "address")
    assert [*kept] == [(before, stale.address), (before, "Gran Vía 2, 28013 Madrid")]


def test_facts_that_an_existing_series_does_not_have_are_refused_and_those_it_has_are_not() -> None:
    issuer = issued("ord_1").issuer
    stated: dict[str, Any] = {"issuer": issuer, "kind": OFS, "year": telling.NOW.year}
    numbering.require_as_stated(**stated)
    numbering.require_as_stated(**stated, first=1, last=None)
    numbering.require_as_stated(issuer=issuer, kind=OFS, year=2031, first=77)
    with pytest.raises(errors.Problem) as refused:
        numbering.require_as_stated(**stated, first=124)
    assert refused.value.values["cause"] == "series_exists"


def test_after_a_restore_a_part_of_a_series_is_known_by_its_numbers() -> None:
    issuer = factories.issuer()
    number = f"{issuer.code}-OFS2-2026-0000041"
    assert list(restore.numbers_in(text=f"Subject: {number}")) == [number]
    with force.by_force():
        moved = restore.move_past(numbers=[number], actor=telling.ACTOR)
    assert moved == {f"{issuer.code}-OFS2-2026": 42}
    assert Series.objects.get(code=f"{issuer.code}-OFS2-2026").part == 2


def test_the_role_admin_changes_an_issuer_and_opens_a_series_and_nobody_else_does() -> None:
    issuer = issued("ord_1").issuer
    page = f"{center.ADMIN}documents/issuer/{issuer.pk}/"
    everywhere = [country.pk for country in Country.objects.all()]
    admin = center.client(member=center.staff(roles=["admin"], countries=everywhere))
    shown = admin.get(page).content.decode()
    assert ("Cambiar los datos del emisor" in shown, "No han cambiado nunca." in shown) == (True, True)
    typed = {"legal_name": NEW, "address": issuer.address, "reason": REASON, "password": cast.PASSWORD}
    assert admin.post(f"{page}change/", {**typed, "logo": io.BytesIO(b"no picture")}).status_code == 400
    logo = io.BytesIO(png("navy"))
    logo.name = "logo.png"
    assert admin.post(f"{page}change/", {**typed, "logo": logo}).status_code == 302
    issuer.refresh_from_db()
    assert (issuer.legal_name, bytes(issuer.logo or b"")) == (NEW, png("navy"))
    assert admin.post(f"{page}change/", typed).status_code == 409
    sent = {"kind": OFS, "first": "7", "last": "3", "reason": REASON, "password": cast.PASSWORD}
    assert admin.post(f"{page}series/", sent).status_code == 400
    sent |= {"last": "99", "valid_from": f"{telling.NOW:%Y-%m-%d}"}
    assert admin.post(f"{page}series/", sent).status_code == 302
    assert (the_series(issuer).part, the_series(issuer).last) == (2, 99)
    assert FORMER[:8] in admin.get(page).content.decode()
    shown = admin.get(f"{page}change/").content.decode()
    assert 'name="initial-legal_name"' in shown
    stale = {f"initial-{name}": typed[name] for name in ("legal_name", "address")}
    assert change(issuer, address="Gran Vía 2")  # by another person, while the page is open
    assert admin.post(f"{page}change/", {**typed, **stale, "legal_name": "Aventide Tres"}).status_code == 302
    issuer.refresh_from_db()
    assert (issuer.legal_name, issuer.address) == ("Aventide Tres", "Gran Vía 2")
    assert admin.post(f"{page}change/", {**typed, "legal_name": "Aventide \u202e"}).status_code == 400
    finance = center.client(member=center.staff(roles=["finance"], countries=everywhere))
    assert "Cambiar los datos" not in finance.get(page).content.decode()
    assert finance.post(f"{page}change/", typed).status_code == 403
