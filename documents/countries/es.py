"""Spain."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding, Source, TaxId, Words

_RATES = Source(text="Ley 37/1992, arts. 90 y 91", certainty="S")
_SINCE_2012 = Source(text="RDL 20/2012, y resolución de la DGT sobre sus tipos", certainty="S")
_NIF = Source(text="RD 1065/2007 (NIF)", certainty="M")

PACK = Pack(
    country="ES",
    name=Words(es="España", en="Spain"),
    currency="EUR",
    decimals=2,
    decimals_shown=2,
    locale="es-ES",
    time_zone="Europe/Madrid",
    tax_name="IVA",
    tax_codes={
        "IVA21": (Rate(rate="0.21", source=_RATES, valid_from=dt.date(2012, 9, 1), valid_from_source=_SINCE_2012),),
        # Passenger transport.
        "IVA10": (Rate(rate="0.1", source=_RATES, valid_from=dt.date(2012, 9, 1), valid_from_source=_SINCE_2012),),
        "IVA4": (
            Rate(
                rate="0.04",
                source=_RATES,
                valid_from=dt.date(1995, 1, 1),
                valid_from_source=Source(text="Ley 41/1994", certainty="M"),
            ),
        ),
    },
    tax_ids={
        "NIF": TaxId(name="NIF", module="es.nif", source=_NIF),
        "DNI": TaxId(name="NIF", module="es.dni", source=_NIF),
        "NIE": TaxId(name="NIE", module="es.nie", source=_NIF),
        "CIF": TaxId(name="NIF", module="es.cif", source=_NIF),  # the CIF is called NIF since 2008
    },
    tax_id_default="NIF",
    retention=Retention(years=6, source=Source(text="Código de Comercio, art. 30", certainty="S")),
    titles=TITLES | {"CREDIT_NOTE": Words(es="Nota de abono", en="Credit note")},
    labels=LABELS | {"tax": Words(es="IVA", en="VAT"), "net": Words(es="Total sin impuestos", en="Total before tax")},
    legal_notice=Words(
        es="Este documento no sustituye al comprobante fiscal que exija el RD 1619/2012.",
        en="This document does not replace the fiscal voucher that RD 1619/2012 may require.",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz; Canarias la trae en order.time_zone", certainty="S"),
    },
    reviewed_date=dt.date(2026, 11, 22),
    fiscal_record=Words(
        es="VeriFactu: sociedades desde 2027-01-01, los demás desde 2027-07-01",
        en="VeriFactu: companies from 2027-01-01, others from 2027-07-01",
    ),
    withholdings_seen=(
        SeenWithholding(
            name="IRPF",
            rates=("0.15", "0.07", "0.01"),
            source=Source(text="IRPF, entre empresarios y profesionales", certainty="S"),
        ),
    ),
)
