"""Country packs: complete, sourced, honest about dates, and open to a seventh country by one file."""

import datetime as dt
import itertools
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
from documents.countries import pack, proof, sources
from documents.emission import locking
from documents.models import Country, Document, Issuer, Status
from tests.payouts import telling
from tests.services import force

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
    cells = [country.retention.source, *country.sources.values(), *(kind.source for kind in country.tax_ids.values())]
    cells += [rate.source for rates in country.tax_codes.values() for rate in rates]
    cells += [
        rate.valid_from_source for rates in country.tax_codes.values() for rate in rates if rate.valid_from_source
    ]
    cells += [seen.source for seen in country.withholdings_seen]
    assert all(source.text and source.certainty in ("S", "M") for source in cells)
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
        named = code.lstrip(string.ascii_uppercase + "_")
        assert (named or "0") == percent.replace(".", ""), "only what charges nothing has a name without percent"


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
        ("CL", "ILA315", dt.date(2014, 9, 30)),
        ("ES", "IGIC3", dt.date(2012, 6, 30)),
        ("ES", "IGIC7", dt.date(2019, 12, 31)),
        ("ES", "IVA0", dt.date(2022, 4, 9)),
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
    source = sources.Source(text="a law", certainty="M")
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


LISTED = {
    "ES": "IVA21 IVA10 IVA4 IVA0 EXENTO IGIC0 IGIC3 IGIC7 IGIC95 IGIC15 IPSI05 IPSI1 IPSI2 IPSI4 IPSI8 IPSI10",
    "MX": "IVA16 IVA8 IVA0 EXENTO",
    "CO": "IVA19 IVA5 INC8 IVA0 EXCLUIDO",
    "AR": "IVA21 IVA105 IVA27 EXENTO NO_GRAVADO",
    "CL": "IVA19 ILA10 ILA18 ILA205 ILA315 EXENTO",
    "PE": "IGV18 EXONERADO INAFECTO",
}


@pytest.mark.parametrize("name", LISTED)
def test_no_tax_that_a_country_charges_today_is_left_out(name: str) -> None:
    country = pack.required(name)
    assert set(LISTED[name].split()) == set(country.tax_codes)
    for code in country.tax_codes:
        rate, reason = country.rate_on(code=code, date=DATE), country.legal_reason(code=code, date=DATE)
        assert (rate.fraction == 0) == (reason is not None), "what charges nothing says by which law"


def test_a_rate_that_was_suspended_for_a_year_is_not_in_force_in_it() -> None:
    spain = pack.required("ES")
    assert spain.rate_on(code="IGIC7", date=dt.date(2018, 12, 31)).rate == "0.07"
    assert spain.rate_on(code="IGIC7", date=dt.date(2020, 1, 1)).rate == "0.07"
    with pytest.raises(errors.Problem):
        spain.rate_on(code="IGIC7", date=dt.date(2019, 6, 1))


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


@pytest.mark.django_db
def test_a_seventh_country_is_one_file_and_lives_its_week(seventh: Path) -> None:
    source = Path(str(countries.__file__)).with_name("cl.py").read_text(encoding="utf-8")
    new = source.replace('country="CL"', 'country="GQ"').replace('currency="CLP"', 'currency="XAF"')
    new = new.replace('locale="es-CL"', 'locale="es-GQ"')
    (seventh / "gq.py").write_text(new, encoding="utf-8")
    guinea = pack.required("GQ")
    assert proof.complete(guinea, today=TODAY) == []
    assert money.digits("XAF") == 0
    assert call_command("check") is None
    with force.by_force():
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
