"""Chile. The peso has no smaller unit."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding, Source, TaxId, Words

_RUT = Source(text="DFL 3 de 1969 (RUT)", certainty="M")

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
    },
    tax_ids={
        "RUT": TaxId(name="RUT", module="cl.rut", check_digit_after_dash=True, source=_RUT),
        "RUN": TaxId(name="RUN", module="cl.rut", check_digit_after_dash=True, source=_RUT),
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
    },
    reviewed_date=dt.date(2026, 11, 22),
    fiscal_record=Words(es="DTE (SII)", en="DTE (SII)"),
    withholdings_seen=(
        SeenWithholding(
            name="Retención de honorarios",
            rates=("0.1525",),
            source=Source(text="Boletas de honorarios y de terceros en 2026", certainty="S"),
        ),
    ),
)
