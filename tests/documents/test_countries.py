"""Country packs: complete, sourced, honest about dates, and open to a seventh country by one file."""

import datetime as dt
import itertools
import re
import string
import sys
import zoneinfo
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import babel
import pytest
from babel import numbers
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from config.simulation import sample_week
from documents import countries, errors, money
from documents.countries import pack, proof
from documents.emission import locking
from documents.models import Country, Document, Issuer, Status
from tests.payouts import telling

DATE = dt.date(2026, 2, 21)
COUNTRIES = ("AR", "CL", "CO", "ES", "MX", "PE")
TODAY = dt.date.today()  # noqa: DTZ011 - a calendar date, whatever the zone


@pytest.fixture(params=tuple(pack.registry()))
def country(request: pytest.FixtureRequest) -> pack.Pack:
    """Give every pack of the folder in turn: a country added is held to the same as the six."""
    return pack.required(request.param)


@pytest.fixture
def seventh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder where a new file is a new country, for this test only."""
    monkeypatch.setattr(countries, "__path__", [*countries.__path__, str(tmp_path)])
    pack.registry.cache_clear()
    money.digits.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    sys.modules.pop(f"{countries.__name__}.gq", None)  # or the next test would be given this one's file
    pack.registry.cache_clear()
    money.digits.cache_clear()


def test_the_six_countries_are_there() -> None:
    assert set(COUNTRIES) <= set(pack.registry())
    assert pack.for_country("FR") is None


def test_an_unknown_country_is_refused_by_name() -> None:
    with pytest.raises(errors.Problem) as caught:
        pack.required("FR")
    assert caught.value.code == "country_unsupported"


def test_no_needed_cell_is_missing(country: pack.Pack) -> None:
    assert proof.complete(country, today=TODAY) == []


def test_a_pack_shared_by_all_threads_cannot_be_changed(country: pack.Pack) -> None:
    with pytest.raises(TypeError):
        country.tax_codes["FREE"] = ()  # type: ignore[index]  # the point of the test


def test_locale_time_zone_and_currency_exist_outside_this_repository(country: pack.Pack) -> None:
    assert babel.Locale.parse(country.locale, sep="-").territory == country.country
    assert zoneinfo.ZoneInfo(country.time_zone)
    assert country.currency in numbers.list_currencies()
    assert money.digits(country.currency) == country.decimals
    assert 0 <= country.decimals_shown <= country.decimals


def test_nothing_is_called_factura_without_permission(country: pack.Pack) -> None:
    printed = [*country.titles.values(), *country.labels.values(), country.legal_notice]
    assert not [words for words in printed if "factura" in words.es.lower() or "invoice" in words.en.lower()]


def test_every_cell_says_where_it_comes_from(country: pack.Pack) -> None:
    sources = [country.retention.source, *country.sources.values(), *(kind.source for kind in country.tax_ids.values())]
    sources += [rate.source for rates in country.tax_codes.values() for rate in rates]
    sources += [
        rate.valid_from_source for rates in country.tax_codes.values() for rate in rates if rate.valid_from_source
    ]
    sources += [seen.source for seen in country.withholdings_seen]
    assert all(source.text and source.certainty in ("S", "M") for source in sources)
    assert country.reviewed_date <= TODAY


def test_rates_of_one_code_never_overlap_nor_run_backwards(country: pack.Pack) -> None:
    for rates in country.tax_codes.values():
        for rate in rates:
            assert 0 <= rate.fraction <= 1
            assert money.rate_text(rate.fraction) == rate.rate
            assert rate.valid_from is None or rate.valid_to is None or rate.valid_from <= rate.valid_to
        for before, after in itertools.pairwise(rates):
            assert before.valid_to is not None
            assert after.valid_from is not None
            assert before.valid_to < after.valid_from


def test_the_percent_in_a_codes_name_is_its_newest_rate(country: pack.Pack) -> None:
    for code, rates in country.tax_codes.items():
        percent = money.rate_text(rates[-1].fraction * 100)  # 10.5 % is named 105
        assert code.lstrip(string.ascii_uppercase) == percent.replace(".", "")


@pytest.mark.parametrize(
    ("name", "code", "last_day_without"),
    [
        ("ES", "IVA21", dt.date(2012, 8, 31)),
        ("ES", "IVA10", dt.date(2012, 8, 31)),
        ("MX", "IVA16", dt.date(2009, 12, 31)),
        ("MX", "IVA8", dt.date(2018, 12, 31)),
        ("CO", "IVA19", dt.date(2016, 12, 31)),
        ("CO", "INC8", dt.date(2012, 12, 31)),
        ("CL", "IVA19", dt.date(2003, 9, 30)),
        ("PE", "IGV18", dt.date(2011, 2, 28)),
    ],
)
def test_a_rate_never_applies_before_its_law(name: str, code: str, last_day_without: dt.date) -> None:
    country = pack.required(name)
    assert country.rate_on(code=code, date=last_day_without + dt.timedelta(days=1)).rate
    with pytest.raises(errors.Problem) as caught:
        country.rate_on(code=code, date=last_day_without)
    assert caught.value.code == "tax_rate_not_in_force"


def test_a_rate_that_changed_is_chosen_by_the_operations_date_last_day_included() -> None:
    source = pack.Source(text="a law", certainty="M")
    old = pack.Rate(rate="0.1", valid_to=dt.date(2026, 6, 30), source=source)
    new = pack.Rate(rate="0.11", valid_from=dt.date(2026, 7, 1), source=source)
    country = replace(pack.required("ES"), tax_codes={"IVA": (old, new)})
    assert country.rate_on(code="IVA", date=dt.date(2026, 6, 30)) is old
    assert country.rate_on(code="IVA", date=dt.date(2026, 7, 1)) is new


def test_a_tax_code_of_another_country_is_unknown_here() -> None:
    with pytest.raises(errors.Problem) as caught:
        pack.required("ES").rate_on(code="IGV18", date=DATE)
    assert caught.value.code == "tax_code_unknown"
    with pytest.raises(errors.Problem):
        pack.required("ES").rates_on(codes=["IVA10", "IGV18"], date=DATE)


@pytest.mark.parametrize(
    ("name", "until"),
    [
        ("ES", dt.date(2032, 12, 31)),
        ("MX", dt.date(2032, 4, 30)),
        ("CO", dt.date(2036, 12, 31)),
        ("AR", dt.date(2036, 12, 31)),
        ("CL", dt.date(2032, 12, 31)),
        ("PE", dt.date(2031, 12, 31)),
    ],
)
def test_a_document_is_never_released_before_its_countrys_law_says(name: str, until: dt.date) -> None:
    country = pack.required(name)
    for issued in (dt.date(2026, 1, 1), DATE, dt.date(2026, 12, 31)):
        assert country.retain_until(issue_date=issued) == until


@settings(max_examples=200, deadline=None)
@given(issued=st.dates(dt.date(2000, 1, 1), dt.date(2100, 12, 31)), name=st.sampled_from(COUNTRIES))
def test_retention_never_lasts_less_than_the_years_it_promises(issued: dt.date, name: str) -> None:
    country = pack.required(name)
    until = country.retain_until(issue_date=issued)
    assert until.year - issued.year >= country.retention.years
    assert until >= dt.date(issued.year + country.retention.years, issued.month, min(issued.day, 28))


@pytest.mark.parametrize(
    ("name", "value", "kind", "normal", "printed"),
    [
        ("ES", "12345678z", None, "12345678Z", "NIF"),
        ("ES", "B-12345674", "NIF", "B12345674", "NIF"),
        ("ES", "X-1234567-L", "NIE", "X1234567L", "NIE"),
        ("MX", "CACX7605101P8", None, "CACX7605101P8", "RFC"),
        ("MX", "EKU9003173C9", None, "EKU9003173C9", "RFC"),
        ("MX", "xaxx010101000", None, "XAXX010101000", "RFC"),
        ("MX", "XEXX010101000", "RFC", "XEXX010101000", "RFC"),
        ("CO", "901234567-7", None, "901234567-7", "NIT"),
        ("CO", "900.765.432-6", "NIT", "900765432-6", "NIT"),
        ("CO", "1032456789", "CC", "1032456789", "CC"),
        ("CO", "1.018.123.456", "CC", "1018123456", "CC"),
        ("AR", "30-71234567-1", None, "30712345671", "CUIT"),
        ("CL", "76.543.210-3", None, "76543210-3", "RUT"),
        ("PE", "20601234565", None, "20601234565", "RUC"),
        ("PE", "40123456", "DNI", "40123456", "DNI"),
    ],
)
def test_a_good_tax_id_is_taken_however_it_is_written(
    name: str, value: str, kind: str | None, normal: str, printed: str
) -> None:
    country = pack.required(name)
    found = country.check_tax_id(value=value, type=kind)
    assert tuple(found) == (normal, printed, None)
    assert country.check_tax_id(value=found.value, type=kind) == found, "checking again changes nothing"


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("ES", "12345678A", None),
        ("ES", "B12345675", None),
        ("MX", "NOT AN RFC", None),
        ("MX", "CACX7613101P8", None),  # month 13
        ("CO", "901234567-8", None),
        ("CO", "12345", "CC"),
        ("CO", "12345678901", "CC"),
        ("CO", "٣" * 8, "CC"),
        ("AR", "30712345672", None),
        ("CL", "76543210-4", None),
        ("PE", "20601234566", None),
        ("ES", "", None),
        ("ES", "9" * 500, None),
        ("ES", "12345678Z", "PASSPORT"),
    ],
)
def test_a_wrong_tax_id_never_reaches_a_document(name: str, value: str, kind: str | None) -> None:
    with pytest.raises(errors.Problem) as caught:
        pack.required(name).check_tax_id(value=value, type=kind)
    assert caught.value.code == "tax_id_invalid"


def test_a_refused_tax_id_is_not_repeated_in_the_logs() -> None:
    with pytest.raises(errors.Problem) as caught:
        pack.required("ES").check_tax_id(value="12345678A")
    assert "12345678A" not in str(caught.value)


def test_a_mexican_whose_check_digit_fails_is_paid_all_the_same_with_a_warning() -> None:
    found = pack.required("MX").check_tax_id(value="CACX7605101P9")
    assert found.value == "CACX7605101P9"
    assert found.warning is not None


@settings(max_examples=200, deadline=None)
@given(value=st.text(max_size=60), name=st.sampled_from(COUNTRIES), data=st.data())
def test_no_text_whatever_breaks_the_tax_id_check(value: str, name: str, data: st.DataObject) -> None:
    country = pack.required(name)
    kind = data.draw(st.sampled_from([None, *country.tax_ids]))
    try:
        found = country.check_tax_id(value=value, type=kind)
    except errors.Problem as problem:
        assert problem.code == "tax_id_invalid"  # noqa: PT017 - either answer is right, a third is not
    else:
        assert re.fullmatch("[0-9A-ZÑ&-]+", found.value)


@pytest.mark.django_db
def test_a_seventh_country_is_one_file_and_lives_its_week(seventh: Path, vault_folder: Path) -> None:
    source = Path(str(countries.__file__)).with_name("cl.py").read_text(encoding="utf-8")
    new = source.replace('country="CL"', 'country="GQ"').replace('currency="CLP"', 'currency="XAF"')
    new = new.replace('locale="es-CL"', 'locale="es-GQ"')
    (seventh / "gq.py").write_text(new, encoding="utf-8")
    guinea = pack.required("GQ")
    assert proof.complete(guinea, today=TODAY) == []
    assert money.digits("XAF") == 0
    assert call_command("check") is None
    home = Country.objects.create(code="GQ", name="Guinea Ecuatorial")
    Issuer.objects.create(
        slug="aventide-gq", country=home, code="AGQ", legal_name="Aventide Guinea S.A.", tax_id="1", address="-"
    )
    assert set(telling.told(sample_week.week(pack=guinea, issuer="aventide-gq"))) == {"processed"}
    now = dt.datetime.now(tz=dt.UTC)
    for pk in locking.due(now=now).values_list("pk", flat=True):
        locking.advance(document_id=pk, now=now)
    assert {row.document_key_id for row in Document.objects.filter(status=Status.LOCKED)} == {
        key.replace("{C}", "GQ") for key in sample_week.KEYS
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PACK = 1\n",
        "from documents.countries.es import PACK\n",
        "from documents.countries.pack import Pack\nPACK = Pack(country='GQ')\n",
    ],
)
def test_a_file_that_is_no_pack_stops_the_start_instead_of_a_document(seventh: Path, text: str) -> None:
    (seventh / "gq.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"gq\.py must define PACK"):
        pack.registry()
