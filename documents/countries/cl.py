"""Chile. The peso has no smaller unit."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

_RUT = Source(text="DFL 3 de 1969 (RUT)", certainty="M")
_NUMBER = "[1-9][0-9]{5,7}[0-9K]"
# Additional taxes on drinks, charged beside the IVA on the same base.
_DRINKS = Source(text="DL 825, art. 42", certainty="M")
_SINCE_2014 = Source(text="Ley 20.780", certainty="M")
_ILA = {
    f"ILA{name}": (Rate(rate=rate, source=_DRINKS, valid_from=dt.date(2014, 10, 1), valid_from_source=_SINCE_2014),)
    for name, rate in (("10", "0.1"), ("18", "0.18"), ("205", "0.205"), ("315", "0.315"))
}

PACK = Pack(
    country="CL",
    name=Words(es="Chile", en="Chile"),
    currency="CLP",
    decimals=0,
    decimals_shown=0,
    locale="es-CL",
    time_zone="America/Santiago",
    tax_name="IVA",
    tax_codes={
        "IVA19": (
            Rate(
                rate="0.19",
                source=Source(text="DL 825, art. 14", certainty="M"),
                valid_from=dt.date(2003, 10, 1),
                valid_from_source=Source(text="Ley 19.888", certainty="M"),
            ),
        ),
        **_ILA,
        "EXENTO": (
            Rate(
                rate="0",
                source=Source(text="DL 825, arts. 12 y 13", certainty="M"),
                legal_reason=Words(
                    es="Exento de IVA: DL 825, arts. 12 y 13", en="Exempt from VAT: DL 825, sections 12, 13"
                ),
            ),
        ),
    },
    tax_ids={
        "RUT": TaxId(name="RUT", module="cl.rut", pattern=_NUMBER, check_digit_after_dash=True, source=_RUT),
        "RUN": TaxId(name="RUN", module="cl.rut", pattern=_NUMBER, check_digit_after_dash=True, source=_RUT),
        "PASSPORT": TaxId(
            name="Pasaporte",
            pattern="[A-Z0-9]{5,15}",
            source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
        ),
    },
    tax_id_default="RUT",
    retention=Retention(years=6, source=Source(text="Código Tributario, arts. 17 y 200", certainty="S")),
    titles=TITLES,
    labels=LABELS | {"tax": Words(es="IVA", en="VAT"), "net": Words(es="Total sin impuestos", en="Total before tax")},
    legal_notice=Words(
        es="Este documento no sustituye al documento tributario electrónico (DTE) del SII.",
        en="This document does not replace the electronic tax document (DTE) of the SII.",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz; Magallanes e Isla de Pascua la traen en order.time_zone", certainty="S"),
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
    fiscal_record=Words(es="DTE (SII)", en="DTE (SII)"),
    withholdings_seen=(
        SeenWithholding(
            name="Retención de honorarios",
            rates=("0.1525",),
            source=Source(text="Boletas de honorarios y de terceros en 2026", certainty="S"),
        ),
    ),
)
