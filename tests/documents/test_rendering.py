"""The PDF as a product: conforming, the same everywhere, saying all that was frozen and nothing that was not."""

import datetime as dt
import hashlib
import io
import json
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import page as validator
import pikepdf
import pytest
from PIL import Image

from documents import canonical, catalog, errors
from documents.countries import pack
from documents.models import Kind
from documents.rendering import child, render
from documents.rendering import pool as renderer_pool
from tests.documents import pdf_contents, pdf_reading

ISSUED_AT = dt.datetime(2026, 2, 24, 9, 30, tzinfo=dt.UTC)
KINDS = ("PAYMENT_RECEIPT", "ORDER_FINAL_STATEMENT", "PAYOUT_STATEMENT", "PAYOUT_REVERSAL_NOTICE", "CREDIT_NOTE")


@pytest.fixture(scope="module")
def pool() -> Iterator[renderer_pool.Pool]:
    """One child for the module."""
    found = renderer_pool.Pool(size=1)
    yield found
    found.close()


def rendered(pool: renderer_pool.Pool, content: pdf_contents.ContentJson, **options: Any) -> render.Rendered:
    return render.render(content=content, issued_at=ISSUED_AT, pool=pool, **options)


def failures(pdf: bytes) -> list[str]:
    found = []
    for profile in (validator.ValidationProfile.PDF_A_3A, validator.ValidationProfile.PDF_UA_1):
        report = validator.validate_pdf_bytes(pdf, profile=profile)
        found += [
            f"{failure.rule_id}: {failure.message}"
            for failure in report.failures
            if "METADATA-FILTER" not in failure.rule_id
        ]
    return found


@pytest.mark.parametrize("plain", [False, True], ids=["own template", "plain"])
@pytest.mark.parametrize("name", pdf_contents.EVERY)
def test_every_kind_is_pdf_a_3a_and_pdf_ua_1(pool: renderer_pool.Pool, name: str, *, plain: bool) -> None:
    assert failures(rendered(pool, pdf_contents.EVERY[name](), plain=plain).pdf) == []


def test_no_document_is_unlucky_with_the_end_of_a_stream(pool: renderer_pool.Pool) -> None:
    """A stream whose last byte is a carriage return: one in 256, so one document in twenty."""
    content = pdf_contents.receipt()
    for number in range(40):
        pdf = rendered(pool, content | {"number": f"AES-PR-2026-{number:07d}"}).pdf
        report = validator.validate_pdf_bytes(pdf, profile=validator.ValidationProfile.PDF_A_3A)
        assert not report.failures, number


@pytest.mark.parametrize("plain", [False, True], ids=["own template", "plain"])
@pytest.mark.parametrize("name", pdf_contents.EVERY)
def test_every_leaf_of_the_content_is_in_the_text_of_the_pdf(
    pool: renderer_pool.Pool, name: str, *, plain: bool
) -> None:
    content = pdf_contents.EVERY[name]()
    text = pdf_reading.squashed(pdf_reading.text(rendered(pool, content, plain=plain).pdf))
    assert pdf_reading.unprinted(content=content, said=text) == []
    assert "Códigos" not in text


def test_a_leaf_that_no_template_knows_is_printed_all_the_same(pool: renderer_pool.Pool) -> None:
    content = pdf_contents.receipt() | {"later": {"idea": ["algo que nadie previó"]}}
    assert "later.idea.1: algo que nadie previó" in pdf_reading.text(rendered(pool, content).pdf)


@pytest.mark.parametrize("name", pdf_contents.EVERY)
def test_the_attachment_is_the_canonical_content_and_nothing_else(pool: renderer_pool.Pool, name: str) -> None:
    content = pdf_contents.EVERY[name]()
    with pikepdf.open(io.BytesIO(rendered(pool, content).pdf)) as opened:
        assert list(opened.attachments) == ["content.json"]
        assert opened.attachments["content.json"].get_file().read_bytes() == canonical.encode(value=content)
        files = list(opened.Root.AF)
        assert len(files) == 1
        assert files[0].AFRelationship == "/Data"


def test_the_metadata_names_the_standards_once_and_the_moment_of_issue(pool: renderer_pool.Pool) -> None:
    with pikepdf.open(io.BytesIO(rendered(pool, pdf_contents.receipt()).pdf)) as opened:
        assert str(opened.docinfo["/CreationDate"]) == str(opened.docinfo["/ModDate"]) == "D:20260224093000Z"
        assert opened.docinfo["/Title"] == "Recibo de pago AES-PR-2026-0000001"
        assert opened.Root.Lang == "es"
        packet = opened.Root.Metadata.read_bytes().decode()
        assert packet.count("<rdf:RDF") == 1
        with opened.open_metadata() as metadata:
            assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"], metadata["pdfuaid:part"]) == (
                "3",
                "A",
                "1",
            )


@pytest.mark.parametrize("name", ["receipt", "adjustment", "payout"])
def test_the_bytes_do_not_depend_on_the_process_its_hash_seed_its_zone_or_its_locale(name: str) -> None:
    found = set()
    for environment in (
        {},
        {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C", "HOME": "/nonexistent"},
        {"PYTHONHASHSEED": "4242", "TZ": "America/Lima", "LC_ALL": "es_ES.UTF-8", "LANG": "tr_TR.UTF-8"},
    ):
        pool = renderer_pool.Pool(size=1, environment=environment)
        for _ in range(2):
            found.add(hashlib.sha256(rendered(pool, pdf_contents.EVERY[name]()).pdf).hexdigest())
        pool.close()
    assert len(found) == 1


def test_the_short_ways_through_the_engine_give_the_engines_own_bytes() -> None:
    """`documents/rendering/weasyprint_patches.py` may save time and nothing else."""
    program = (
        "import hashlib, json, pathlib, sys\n"
        "from documents.rendering import child, render\n"
        "press = child.Press(folder=render.BUNDLE, tuned=sys.argv[1] == 'tuned')\n"
        "for job in json.load(sys.stdin):\n"
        "    print(hashlib.sha256(press.print(job=job, logo=b'')[1]).hexdigest())\n"
    )
    contents = [make() for make in pdf_contents.EVERY.values()] + [
        pdf_contents.order(lines=40),
        pdf_contents.payout(rows=70),
    ]
    jobs = [render.job_for(content=content, issued_at=ISSUED_AT) for content in contents]
    environment = {
        "FONTCONFIG_FILE": str(render.BUNDLE / "fonts" / "fonts.conf"),
        "PYTHONPATH": str(renderer_pool.ROOT),
    }
    tuned, plain = (
        subprocess.run(
            [sys.executable, "-c", program, how],
            input=json.dumps(jobs),
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        ).stdout
        for how in ("tuned", "plain")
    )
    assert len(tuned.split()) == len(jobs)
    assert tuned == plain


def test_only_the_bundled_fonts_are_ever_used(pool: renderer_pool.Pool) -> None:
    content = pdf_contents.receipt()
    content["owner"]["legal_name"] = "王小明 🚕 Ana"
    with pikepdf.open(io.BytesIO(rendered(pool, content).pdf)) as opened:
        fonts = {str(found.BaseFont).partition("+")[2] for found in opened.pages[0].Resources.Font.values()}
    assert fonts == {"IBM-Plex-Sans", "IBM-Plex-Sans-Semi-Bold", "Billing-Docs-Box"}


def test_the_result_says_what_its_bytes_depend_on(pool: renderer_pool.Pool) -> None:
    first, second = rendered(pool, pdf_contents.receipt()), rendered(pool, pdf_contents.credit())
    assert first.template == "pdf/payment_receipt/v1.html"
    assert first.pages == 1
    assert len(first.bundle_digest) == 64
    assert first.bundle_digest != second.bundle_digest
    assert first.engine.startswith("weasyprint=")
    assert len(first.engine) <= 200
    assert {"pango=", "harfbuzz=", "zlib="} <= {part.partition("=")[0] + "=" for part in first.engine.split()}


def test_another_logo_or_another_watermark_is_another_bundle(pool: renderer_pool.Pool) -> None:
    image = io.BytesIO()
    Image.new("RGBA", (40, 10), (200, 60, 30, 128)).save(image, "PNG")
    bare = rendered(pool, pdf_contents.receipt())
    with_logo = rendered(pool, pdf_contents.receipt(), logo=image.getvalue())
    marked = rendered(pool, pdf_contents.receipt(), watermark="ENTORNO DE PRUEBAS")
    assert len({bare.bundle_digest, with_logo.bundle_digest, marked.bundle_digest}) == 3
    assert failures(with_logo.pdf) == failures(marked.pdf) == []
    assert "ENTORNO DE PRUEBAS" in pdf_reading.text(marked.pdf)


def test_a_logo_that_is_no_image_does_not_stop_a_document(pool: renderer_pool.Pool) -> None:
    assert rendered(pool, pdf_contents.receipt(), logo=b"not an image").pages == 1


@pytest.mark.parametrize("country", pack.registry())
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_template_in_every_country(kind: str, country: str) -> None:
    name = render.template_for(kind=kind, country=country, version=catalog.TABLE[Kind(kind)].template_version)
    assert (render.TEMPLATES / name).is_file()


def test_a_kind_without_a_template_is_named() -> None:
    with pytest.raises(errors.Problem) as caught:
        render.template_for(kind="ANNUAL_SUMMARY", country="ES", version="v1")
    assert (caught.value.values["cause"], caught.value.values["kind"]) == ("template", "ANNUAL_SUMMARY")


def test_a_countrys_own_template_wins(tmp_path: pathlib.Path) -> None:
    for folder in ("es/payment_receipt", "payment_receipt"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "v1.html").write_text("")

    def found(country: str) -> str:
        return render.template_for(kind="PAYMENT_RECEIPT", country=country, version="v1", bundle=tmp_path)

    assert found("ES") == "pdf/es/payment_receipt/v1.html"
    assert found("MX") == "pdf/payment_receipt/v1.html"


def test_a_document_keeps_its_version_when_a_newer_one_stands_beside_it(tmp_path: pathlib.Path) -> None:
    folder = tmp_path / "pdf"
    shutil.copytree(render.BUNDLE, folder)
    newer = (folder / "payment_receipt" / "v1.html").read_text().replace("{{ standing.figure.es }}", "Pagaste")
    (folder / "payment_receipt" / "v2.html").write_text(newer)
    old, new = pdf_contents.receipt(), pdf_contents.receipt() | {"template_version": "v2"}
    beside = renderer_pool.Pool(size=1, bundle=folder)
    try:
        before, kept, changed = (rendered(beside, one) for one in (old, pdf_contents.receipt(), new))
    finally:
        beside.close()
    assert before.pdf == kept.pdf
    assert (kept.template, changed.template) == ("pdf/payment_receipt/v1.html", "pdf/payment_receipt/v2.html")
    assert "Total pagado" in pdf_reading.text(kept.pdf)
    assert "Pagaste" in pdf_reading.text(changed.pdf)


def test_a_version_that_nobody_has_is_an_error_and_no_other_version(pool: renderer_pool.Pool) -> None:
    with pytest.raises(errors.Problem) as caught:
        rendered(pool, pdf_contents.receipt() | {"template_version": "v9"})
    assert (caught.value.values["cause"], caught.value.values["version"]) == ("template", "v9")


def test_pesos_are_printed_whole_until_one_of_them_is_not(pool: renderer_pool.Pool) -> None:
    meal = pdf_contents.meal()
    whole = pdf_reading.text(rendered(pool, meal).pdf)
    assert "54.000 COP" in whole
    assert "54.000,00" not in whole
    meal["lines"][0]["amount"], meal["lines"][1]["amount"] = "20000.50", "29999.50"
    split = pdf_reading.text(rendered(pool, meal).pdf)
    assert "20.000,50" in split
    assert "54.000,00 COP" in split


def test_the_engine_is_told_apart_by_every_source_that_decides_bytes() -> None:
    bundle = child.Bundle(folder=render.BUNDLE)
    before = bundle.digest(name="payment_receipt/v1.html", extras=b"")
    for name in ("print.css", "base.html", "parts/lines.html", "fonts/IBMPlexSans-Regular.ttf"):
        kept = bundle.files[name]
        bundle.files[name] = kept + b" "
        assert bundle.digest(name="payment_receipt/v1.html", extras=b"") != before, name
        bundle.files[name] = kept
    assert bundle.digest(name="payment_receipt/v1.html", extras=b"") == before


def test_nothing_calls_itself_an_invoice(pool: renderer_pool.Pool) -> None:
    for make in pdf_contents.EVERY.values():
        assert "factura" not in pdf_reading.text(rendered(pool, make()).pdf).lower()


def test_a_preview_is_a_page_as_wide_as_asked(pool: renderer_pool.Pool) -> None:
    pdf = rendered(pool, pdf_contents.payout(rows=60)).pdf
    with Image.open(io.BytesIO(render.preview(pdf=pdf, page=2, width=840))) as image:
        assert (image.format, image.width) == ("PNG", 840)
    with pytest.raises(IndexError):
        render.preview(pdf=pdf, page=99, width=840)
    with pytest.raises(ValueError, match="width"):
        render.preview(pdf=pdf, page=1, width=100_000)
