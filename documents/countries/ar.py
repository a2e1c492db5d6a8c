"""Argentina. Which withholdings reach drivers is not certain: the cell is absent."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, Source, TaxId, Words

# First days are absent: the present texts of art. 28 were reached in several steps that were not read.
_LEY_IVA = Source(text="Ley 23.349 (IVA), art. 28", certainty="S")
_CUIT = Source(text="Ley 11.683; RG ARCA (ex AFIP) sobre CUIT y CUIL", certainty="M")

PACK = Pack(
    country="AR",
    name=Words(es="Argentina", en="Argentina"),
    currency="ARS",
    decimals=2,
    decimals_shown=2,
    locale="es-AR",
    time_zone="America/Argentina/Buenos_Aires",
    tax_name="IVA",
    tax_codes={
        "IVA21": (Rate(rate="0.21", source=_LEY_IVA),),
        "IVA105": (Rate(rate="0.105", source=_LEY_IVA),),
        "IVA27": (Rate(rate="0.27", source=_LEY_IVA),),
    },
    tax_ids={
        "CUIT": TaxId(name="CUIT", module="ar.cuit", source=_CUIT),
        "CUIL": TaxId(name="CUIL", module="ar.cuit", source=_CUIT),
        "DNI": TaxId(name="DNI", module="ar.dni", source=Source(text="Documento nacional de identidad", certainty="M")),
    },
    tax_id_default="CUIT",
    # Art. 328 counts from the last entry; where the anchor is unsure, it is 31 December of the issue year.
    retention=Retention(years=10, source=Source(text="Código Civil y Comercial, art. 328", certainty="M")),
    titles=TITLES,
    labels=LABELS | {"tax": Words(es="IVA", en="VAT"), "net": Words(es="Total sin impuestos", en="Total before tax")},
    legal_notice=Words(
        es="Este documento no sustituye al comprobante autorizado por ARCA (CAE).",
        en="This document does not replace the voucher authorised by ARCA (CAE).",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz", certainty="S"),
    },
    reviewed_date=dt.date(2026, 11, 22),
    fiscal_record=Words(es="CAE (ARCA)", en="CAE (ARCA)"),
)
