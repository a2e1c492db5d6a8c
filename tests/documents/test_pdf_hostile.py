"""Names and texts as people and attackers write them: nothing is fetched, nothing is run, nothing stops a document."""

import datetime as dt
import pathlib
import shutil
from collections.abc import Iterator

import page as validator
import pytest

from documents import canonical, errors
from documents.rendering import child, conformance, render
from documents.rendering import pool as renderer_pool
from tests.documents import pdf_contents, pdf_reading

ISSUED_AT = dt.datetime(2026, 2, 24, 9, 30, tzinfo=dt.UTC)
BOX = "\u25af"


@pytest.fixture(scope="module")
def pool() -> Iterator[renderer_pool.Pool]:
    """One child for the module."""
    found = renderer_pool.Pool(size=1)
    yield found
    found.close()


def named(name: str) -> pdf_contents.ContentJson:
    content = pdf_contents.receipt()
    content["owner"]["legal_name"] = name
    return content


def without_failures(pdf: bytes) -> bool:
    profiles = (validator.ValidationProfile.PDF_A_3A, validator.ValidationProfile.PDF_UA_1)
    return not any(validator.validate_pdf_bytes(pdf, profile=profile).failures for profile in profiles)


def every_text_hostile(value: object, attack: str) -> object:
    """The same content with an attack in every text that a person could have written."""
    written = {
        "legal_name",
        "address",
        "description",
        "city",
        "reason",
        "text",
        "next_step",
        "legal_ref",
        "reference",
        "name",
    }
    if isinstance(value, dict):
        return {
            key: attack if key in written and isinstance(member, str) else every_text_hostile(member, attack)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [every_text_hostile(member, attack) for member in value]
    return value


@pytest.mark.parametrize(
    "attack",
    [
        '<img src="file:///etc/hostname"><link rel="attachment" href="file:///etc/passwd">',
        '</td></tr></table><style>@import "http://127.0.0.1:9/x.css";td{background:url(http://127.0.0.1:9/y)}</style>',
        "<script>alert(1)</script>{% include 'print.css' %}{{ doc }}{% load x %}",
        '"><svg onload=x><image href="file:///etc/hostname"/></svg><!-- ]]> &amp; &#0; &nbsp;',
    ],
)
@pytest.mark.parametrize("name", pdf_contents.EVERY)
def test_markup_in_a_text_is_printed_as_text(pool: renderer_pool.Pool, name: str, attack: str) -> None:
    content = every_text_hostile(pdf_contents.EVERY[name](), attack)
    assert isinstance(content, dict)
    for plain in (False, True):
        found = render.render(content=content, issued_at=ISSUED_AT, plain=plain, pool=pool)
        assert pdf_reading.squashed(attack) in pdf_reading.squashed(pdf_reading.text(found.pdf))
        assert found.pdf.count(b"/EmbeddedFile") <= 1
        assert found.flags == []


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/hostname",
        "http://127.0.0.1:9/",
        "https://example.com/",
        "ftp://example.com/",
        "data:image/png;base64,AAAA",
        "bundle:other",
        "bundle:../print.css",
        "BUNDLE:qr",
        "//example.com/",
    ],
)
def test_the_fetcher_serves_the_jobs_own_images_and_nothing_else(url: str) -> None:
    fetcher = conformance.fetcher({"qr": b"png"})
    assert fetcher.fetch("bundle:qr").read() == b"png"
    with pytest.raises(PermissionError):
        fetcher(url)


def test_a_template_that_asks_for_a_file_of_the_machine_gets_nothing(tmp_path: pathlib.Path) -> None:
    secret = tmp_path / "secret.css"
    secret.write_text("h1::after { content: 'LEAKED' }")
    bundle = tmp_path / "bundle"
    shutil.copytree(render.BUNDLE, bundle)
    template = bundle / "payment_receipt" / "v1.html"
    template.write_text(
        '{% extends "base.html" %}{% block body %}<link rel="stylesheet" href="' + secret.as_uri() + '"/>'
        '<link rel="attachment" href="' + secret.as_uri() + '"/><h2>Sigue</h2>{% endblock %}'
    )
    pool = renderer_pool.Pool(size=1, bundle=bundle)
    found = render.render(content=pdf_contents.receipt(), issued_at=ISSUED_AT, pool=pool)
    pool.close()
    assert "Sigue" in pdf_reading.text(found.pdf)
    assert "LEAKED" not in pdf_reading.text(found.pdf)


@pytest.mark.parametrize(
    ("event", "arguments"),
    [
        ("socket.connect", ()),
        ("socket.getaddrinfo", ("example.com",)),
        ("subprocess.Popen", ()),
        ("os.system", ("true",)),
        ("os.posix_spawn", ()),
        ("open", ("/tmp/x", "w", 0)),
        ("open", ("/tmp/x", "ab", 0)),
    ],
)
def test_a_warm_renderer_connects_to_nothing_starts_nothing_and_writes_nothing(
    event: str, arguments: tuple[object, ...]
) -> None:
    with pytest.raises(PermissionError):
        child.refuse(event, arguments)
    child.refuse("open", ("/usr/share/x", "r", 0))


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("王小明", BOX * 3),
        ("Ana 🚕", f"Ana {BOX}"),
        ("Familia 👨\u200d👩\u200d👧 Ruiz", f"Familia {BOX} Ruiz"),
        ("مرحبا Ana", f"{BOX * 5} Ana"),
        ("q\u0308\u0331x", f"{BOX}x"),
    ],
)
def test_a_name_that_the_fonts_cannot_draw_is_boxed_and_flagged_and_true_inside(
    pool: renderer_pool.Pool, name: str, seen: str
) -> None:
    content = named(name)
    found = render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    assert found.flags == ["glyph_substituted"]
    text = pdf_reading.text(found.pdf)
    assert pdf_reading.squashed(seen) in pdf_reading.squashed(text)
    assert f"El signo {BOX} sustituye" in text
    assert without_failures(found.pdf), "a .notdef glyph, or worse"
    assert canonical.encode(value=content) in pdf_reading.attachment(found.pdf)


@pytest.mark.parametrize(
    "name",
    [
        "Łukasz Ñuñez Ağaoğlu Šebök Ångström Œuvre Þór",
        "Ḥasan Ệ",
        "Ωμέγα Жук",
        "q\u0308x",
        "María\u00a0José \u2013 «L·l»",
        "fi ffl 'a\u00adb'",
    ],
)
def test_european_names_are_printed_as_they_are(pool: renderer_pool.Pool, name: str) -> None:
    found = render.render(content=named(name), issued_at=ISSUED_AT, pool=pool)
    assert found.flags == []
    assert pdf_reading.squashed(name.replace("\u00ad", "")) in pdf_reading.squashed(pdf_reading.text(found.pdf))
    assert without_failures(found.pdf)


def test_every_plane_of_unicode_ends_as_a_conforming_document(pool: renderer_pool.Pool) -> None:
    every = [
        chr(point) for point in (*range(0x20, 0x3000, 7), *range(0x3000, 0x20000, 613)) if not 0xD800 <= point < 0xE000
    ]
    content = named("x")
    content["lines"] = [
        content["lines"][0] | {"description": "".join(every[start : start + 200])}
        for start in range(0, len(every), 200)
    ]
    found = render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    assert found.flags == ["glyph_substituted"]
    assert without_failures(found.pdf)


def test_eight_marks_on_every_letter_and_500_characters_without_a_blank_stay_on_the_page(
    pool: renderer_pool.Pool,
) -> None:
    content = named("a\u0301\u0300\u0302\u0303\u0308\u0301\u0300\u0302" * 55)
    content["lines"][0]["description"] = "W" * 500
    found = render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    assert "W" * 500 in pdf_reading.squashed(pdf_reading.text(found.pdf))
    assert without_failures(found.pdf)


def test_two_thousand_lines_stay_readable_and_within_the_limits(pool: renderer_pool.Pool) -> None:
    content = pdf_contents.payout(rows=2000)
    found = render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    assert found.pages > 30
    text = pdf_reading.text(found.pdf)
    assert all(row["order"] in text for row in content["settles"])
    assert text.count("Suma y sigue") == text.count("Suma anterior") > 30
    assert text.count("Liquidado MXN") >= text.count("Suma y sigue"), "each page repeats the head"


def test_the_sum_carried_over_is_the_sum_of_the_rows_before_it(pool: renderer_pool.Pool) -> None:
    content = pdf_contents.payout(rows=40)
    text = pdf_reading.text(render.render(content=content, issued_at=ISSUED_AT, pool=pool).pdf)
    carried = text.split("Suma y sigue ")[1].split(" MXN")[0]
    sums, total = set(), 0
    for row in content["settles"]:
        total += int(row["amount"].replace(".", ""))
        sums.add(f"{total / 100:,.2f}")
    assert carried in sums
    assert f"Suma anterior {carried}" in text


def test_a_content_of_no_known_shape_still_ends_as_a_plain_document(pool: renderer_pool.Pool) -> None:
    content = {"number": "X-1", "rows": [{"a": "uno"}, ["dos", {"b": ""}]], "n": 3, "nothing": None, "yes": True}
    with pytest.raises(errors.Problem):
        render.render(content=content, issued_at=ISSUED_AT, pool=pool)
    found = render.render(content=content, issued_at=ISSUED_AT, plain=True, pool=pool)
    assert found.template == "pdf/plain/v1.html"
    assert {"uno", "dos", "3", "X-1"} <= set(pdf_reading.text(found.pdf).split())
    assert without_failures(found.pdf)
