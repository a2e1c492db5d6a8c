"""Whatever is wrong with a pack, the start-up check names the cell, and that cell alone."""

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from config import checks
from documents.countries import pack, proof, sources
from documents.countries.sources import Words

TODAY = dt.date(2026, 11, 28)
SOURCE = sources.Source(text="a law", certainty="S")
REASON = Words(es="Exento por ley", en="Exempt by law")
PERU, MEXICO, CHILE, SPAIN = (pack.required(code) for code in ("PE", "MX", "CL", "ES"))
SEEN = pack.SeenWithholding(name="IR", rates=("0.08",), source=SOURCE)


def whole(**cells: Any) -> pack.Pack:
    return replace(PERU, **cells)


def title(kind: str, **words: Any) -> pack.Pack:
    given = PERU.titles.get(kind, Words(es="Nota", en="Note"))
    return whole(titles={**PERU.titles, kind: replace(given, **words)})


def label(key: str, **words: Any) -> pack.Pack:
    given = PERU.labels.get(key, Words(es="Nota", en="Note"))
    return whole(labels={**PERU.labels, key: replace(given, **words)})


def rate(**cells: Any) -> pack.Pack:
    return whole(tax_codes={"IGV18": (replace(PERU.tax_codes["IGV18"][0], **cells),)})


def rates(*given: tuple[dt.date | None, dt.date | None]) -> pack.Pack:
    made = (
        pack.Rate(
            rate="0.1", source=SOURCE, valid_from=first, valid_from_source=SOURCE if first else None, valid_to=last
        )
        for first, last in given
    )
    return whole(tax_codes={"IGV": tuple(made)})


def tax_id(type: str, country: pack.Pack = PERU, **cells: Any) -> pack.Pack:  # noqa: A002 - the platform's own word
    return replace(country, tax_ids={**country.tax_ids, type: replace(country.tax_ids[type], **cells)})


def retention(**cells: Any) -> pack.Pack:
    return whole(retention=replace(PERU.retention, **cells))


def seen(**cells: Any) -> pack.Pack:
    return whole(withholdings_seen=(SEEN, replace(SEEN, **cells)))


def source(**cells: Any) -> sources.Source:
    return replace(SOURCE, **cells)


def without(table: Any, key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


Y2015, Y2020 = dt.date(2015, 1, 1), dt.date(2020, 1, 1)
BROKEN: dict[str, tuple[pack.Pack, str]] = {
    "country empty": (whole(country=""), "country"),
    "country in small letters": (whole(country="pe"), "country"),
    "name in one language": (whole(name=Words(es="Perú", en="")), "name.en"),
    "title missing": (whole(titles=without(PERU.titles, "CREDIT_NOTE")), "titles.CREDIT_NOTE"),
    "title empty": (title("CREDIT_NOTE", en=""), "titles.CREDIT_NOTE.en"),
    "title of spaces": (title("CREDIT_NOTE", es="   "), "titles.CREDIT_NOTE.es"),
    "title that is no text": (title("CREDIT_NOTE", es=None), "titles.CREDIT_NOTE.es"),
    "title without languages": (
        whole(titles={**PERU.titles, "CREDIT_NOTE": "Nota"}),
        "titles.CREDIT_NOTE",
    ),
    "title of no kind": (title("NOTA"), "titles.NOTA"),
    "title Factura": (title("PAYMENT_RECEIPT", es="FACTURA simplificada"), "titles.PAYMENT_RECEIPT.es"),
    "title Invoice": (title("PAYMENT_RECEIPT", en="Tax invoice"), "titles.PAYMENT_RECEIPT.en"),
    "label missing": (whole(labels=without(PERU.labels, "net")), "labels.net"),
    "label empty": (label("tax", en=""), "labels.tax.en"),
    "label that nothing prints": (label("taxx"), "labels.taxx"),
    "label Factura": (label("order", es="Factura"), "labels.order.es"),
    "notice empty": (whole(legal_notice=Words(es="", en="x")), "legal_notice.es"),
    "notice Factura": (whole(legal_notice=Words(es="Es una factura.", en="x")), "legal_notice.es"),
    "fiscal record half": (whole(fiscal_record=Words(es="CPE", en=" ")), "fiscal_record.en"),
    "currency empty": (whole(currency=""), "currency"),
    "currency unknown": (whole(currency="XQX"), "currency"),
    "decimals of another currency": (whole(decimals=0, decimals_shown=0), "decimals"),
    "decimals of the peso without cents": (replace(CHILE, decimals=2), "decimals"),
    "decimals negative": (whole(decimals=-1), "decimals"),
    "decimals that are no number": (whole(decimals="2"), "decimals"),
    "more shown than there are": (whole(decimals_shown=5), "decimals_shown"),
    "shown negative": (whole(decimals_shown=-1), "decimals_shown"),
    "locale empty": (whole(locale=""), "locale"),
    "locale unknown": (whole(locale="xx-PE"), "locale"),
    "locale of another country": (whole(locale="es-CL"), "locale"),
    "time zone empty": (whole(time_zone=""), "time_zone"),
    "time zone unknown": (whole(time_zone="America/Lina"), "time_zone"),
    "time zone that is a folder": (whole(time_zone="America"), "time_zone"),
    "tax name empty": (whole(tax_name=" "), "tax_name"),
    "rounding unknown": (whole(tax_rounding="per_line"), "tax_rounding"),
    "no tax codes": (whole(tax_codes={}), "tax_codes"),
    "code without rates": (whole(tax_codes={**PERU.tax_codes, "IGV19": ()}), "tax_codes.IGV19"),
    "rate without its comma": (
        whole(tax_codes={"IGV18": PERU.tax_codes["IGV18"][0]}),
        "tax_codes.IGV18",
    ),
    **{
        f"rate {value!r}": (rate(rate=value), "tax_codes.IGV18[0].rate")
        for value in ("18 %", "18", "1.01", "-0.18", "1/3", "1e-1", ".18", "0,18", " 0.18", "", 0.18, None)
    },
    "rate of nothing without its reason": (rate(rate="0"), "tax_codes.IGV18[0].legal_reason"),
    "rate of nothing with a reason in one language": (
        rate(rate="0.0", legal_reason=Words(es="Exento", en=" ")),
        "tax_codes.IGV18[0].legal_reason.en",
    ),
    "rate that is charged with a reason not to": (rate(legal_reason=REASON), "tax_codes.IGV18[0].legal_reason"),
    "rate without source": (rate(source=None), "tax_codes.IGV18[0].source"),
    "rate with a blank source": (rate(source=source(text=" ")), "tax_codes.IGV18[0].source.text"),
    "rate of unknown certainty": (rate(source=source(certainty="?")), "tax_codes.IGV18[0].source.certainty"),
    "first day without source": (rate(valid_from_source=None), "tax_codes.IGV18[0].valid_from_source"),
    "first day with a blank source": (
        rate(valid_from_source=source(text="")),
        "tax_codes.IGV18[0].valid_from_source.text",
    ),
    "first day as text": (rate(valid_from="2011-03-01"), "tax_codes.IGV18[0].valid_from"),
    "last day before the first": (rate(valid_to=dt.date(2011, 2, 28)), "tax_codes.IGV18[0].valid_to"),
    "overlap without end": (rates((None, None), (Y2015, None)), "tax_codes.IGV[1].valid_from"),
    "overlap of one day": (rates((None, Y2015), (Y2015, None)), "tax_codes.IGV[1].valid_from"),
    "overlap in any order": (
        rates((Y2020, None), (None, Y2015), (Y2015, dt.date(2019, 12, 31))),
        "tax_codes.IGV[2].valid_from",
    ),
    "no tax ids": (whole(tax_ids={}), "tax_ids"),
    "default tax id unknown": (whole(tax_id_default="RUX"), "tax_id_default"),
    "tax id module unknown": (tax_id("RUC", module="pe.rucc"), "tax_ids.RUC.module"),
    "tax id module that is a folder": (tax_id("RUC", module="pe"), "tax_ids.RUC.module"),
    "tax id pattern broken": (tax_id("DNI", pattern="[0-9{8}"), "tax_ids.DNI.pattern"),
    "tax id pattern that takes nothing": (tax_id("DNI", pattern="[0-9]*"), "tax_ids.DNI.pattern"),
    "tax id with neither": (tax_id("DNI", pattern=""), "tax_ids.DNI"),
    "tax id without digit broken": (tax_id("RFC", MEXICO, without_digit="[A-Z{4}"), "tax_ids.RFC.without_digit"),
    "tax id without digit that takes nothing": (tax_id("RFC", MEXICO, without_digit=".*"), "tax_ids.RFC.without_digit"),
    "tax id without digit of a type that has none": (
        tax_id("DNI", without_digit="[0-9]{7}"),
        "tax_ids.DNI.without_digit",
    ),
    "tax id pattern of a module that cannot compute its digit": (
        tax_id("CIF", SPAIN, pattern="[A-W][0-9]{8}"),
        "tax_ids.CIF.pattern",
    ),
    "tax id name empty": (tax_id("RUC", name=""), "tax_ids.RUC.name"),
    "tax id without source": (tax_id("RUC", source=None), "tax_ids.RUC.source"),
    "tax id of unknown certainty": (
        tax_id("DNI", source=source(certainty="")),
        "tax_ids.DNI.source.certainty",
    ),
    "tax id type in small letters": (
        whole(tax_ids={"RUC": PERU.tax_ids["RUC"], "dni": PERU.tax_ids["DNI"]}),
        "tax_ids.dni",
    ),
    "generic in small letters": (
        tax_id("RFC", MEXICO, generics=frozenset({"xaxx010101000"})),
        "tax_ids.RFC.generics",
    ),
    "generics that are one text": (tax_id("RFC", MEXICO, generics="XAXX010101000"), "tax_ids.RFC.generics"),
    "optional digit that the module insists on": (
        tax_id("RUC", check_digit_optional=True),
        "tax_ids.RUC.check_digit_optional",
    ),
    "optional digit of a pattern": (
        tax_id("DNI", check_digit_optional=True),
        "tax_ids.DNI.check_digit_optional",
    ),
    "dash before no digit": (
        tax_id("DNI", check_digit_after_dash=True),
        "tax_ids.DNI.check_digit_after_dash",
    ),
    "dash before a digit that the module has not": (
        tax_id("CIF", SPAIN, check_digit_after_dash=True),
        "tax_ids.CIF.check_digit_after_dash",
    ),
    "no retention": (whole(retention=None), "retention"),
    "kept for no time": (retention(years=0), "retention.years"),
    "kept for less than that": (retention(years=-5), "retention.years"),
    "kept until before the issue": (retention(anchor_years=-1), "retention.anchor_years"),
    "kept from 31 February": (retention(anchor_month=2, anchor_day=31), "retention.anchor_day"),
    "kept from 29 February": (retention(anchor_month=2, anchor_day=29), "retention.anchor_day"),
    "kept from month 13": (retention(anchor_month=13), "retention.anchor_day"),
    "retention without source": (retention(source=None), "retention.source"),
    "retention with a blank source": (retention(source=source(text="")), "retention.source.text"),
    "time zone without source": (whole(sources=without(PERU.sources, "time_zone")), "sources.time_zone"),
    "locale with a blank source": (
        whole(sources={**PERU.sources, "locale": source(text="")}),
        "sources.locale.text",
    ),
    "never reviewed": (whole(reviewed_date=None), "reviewed_date"),
    "reviewed in words": (whole(reviewed_date="ayer"), "reviewed_date"),
    "reviewed at a moment": (whole(reviewed_date=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)), "reviewed_date"),
    "reviewed tomorrow": (whole(reviewed_date=TODAY + dt.timedelta(days=1)), "reviewed_date"),
    "no first day": (whole(first_date=None), "first_date"),
    "first day at a moment": (whole(first_date=dt.datetime(2010, 1, 1, tzinfo=dt.UTC)), "first_date"),
    "first day too late": (whole(first_date=dt.date(2015, 1, 2)), "first_date"),
    "first day of facts without source": (whole(sources=without(PERU.sources, "first_date")), "sources.first_date"),
    "withholdings without their comma": (whole(withholdings_seen=SEEN), "withholdings_seen"),
    "withholding without name": (seen(name=""), "withholdings_seen[1].name"),
    "withholding without rates": (seen(rates=()), "withholdings_seen[1].rates"),
    "withholding rate in words": (seen(rates=("uno",)), "withholdings_seen[1].rates"),
    "withholding rate without its comma": (seen(rates="0.08"), "withholdings_seen[1].rates"),
    "withholding without source": (seen(source=None), "withholdings_seen[1].source"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_cell_is_named_and_no_other(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, cell = BROKEN[name]
    (fault,) = proof.complete(broken, today=TODAY)
    assert fault.partition(": ")[0] == cell
    assert fault.partition(": ")[2]
    monkeypatch.setattr(pack, "registry", lambda: {"PE": broken})
    monkeypatch.setattr(checks, "timezone", SimpleNamespace(now=lambda: dt.datetime(2026, 11, 28, 9, tzinfo=dt.UTC)))
    assert [message.msg for message in checks.check_tables(None)] == [f"country pack PE: {fault}"]


@pytest.mark.parametrize(
    "good",
    [
        whole(fiscal_record=None),
        whole(withholdings_seen=(SEEN,)),
        whole(reviewed_date=TODAY),
        rate(rate="0", legal_reason=REASON),
        whole(first_date=dt.date(2015, 1, 1)),
        tax_id("DNI", pattern="[0-9]{8}", generics=frozenset({"00000000"})),
        rate(rate="1"),
        rates((None, dt.date(2014, 12, 31)), (Y2015, None)),
        rates((Y2020, None), (None, Y2015)),
        retention(anchor_month=2, anchor_day=28),
    ],
)
def test_what_a_law_may_say_is_no_fault(good: pack.Pack) -> None:
    assert proof.complete(good, today=TODAY) == []


def test_every_fault_of_a_pack_is_told_at_once() -> None:
    broken = replace(rate(rate="18 %"), titles={}, sources={}, locale="", retention=None)  # type: ignore[arg-type]  # the point of the test
    cells = {fault.partition(": ")[0] for fault in proof.complete(broken, today=TODAY)}
    assert cells == {
        *(f"titles.{kind}" for kind in pack.KINDS),
        *(f"sources.{cell}" for cell in pack.SOURCED),
        "locale",
        "retention",
        "tax_codes.IGV18[0].rate",
    }


def test_a_review_of_today_is_never_tomorrow_wherever_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 23:30 UTC it is already the next day in Madrid: who reviews a pack there must not stop the service."""
    monkeypatch.setattr(pack, "registry", lambda: {"PE": whole(reviewed_date=dt.date(2026, 11, 26))})
    late = dt.datetime(2026, 11, 25, 23, 30, tzinfo=dt.UTC)
    monkeypatch.setattr(checks, "timezone", SimpleNamespace(now=lambda: late))
    assert list(checks.check_tables(None)) == []
