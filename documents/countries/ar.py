"""Argentina. Which withholdings reach drivers is not certain: the cell is absent."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

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
        "EXENTO": (
            Rate(
                rate="0",
                source=Source(text="Ley 23.349 (IVA), art. 7", certainty="M"),
                legal_reason=Words(es="Exento: Ley de IVA, art. 7", en="Exempt: VAT Act, section 7"),
            ),
        ),
        "NO_GRAVADO": (
            Rate(
                rate="0",
                source=Source(text="Ley 23.349 (IVA), art. 1, a contrario", certainty="M"),
                legal_reason=Words(
                    es="No gravado: fuera del objeto de la Ley de IVA, art. 1",
                    en="Not taxed: outside the scope of the VAT Act, section 1",
                ),
            ),
        ),
    },
    tax_ids={
        "CUIT": TaxId(name="CUIT", module="ar.cuit", pattern="[0-9]{11}", source=_CUIT),
        "CUIL": TaxId(name="CUIL", module="ar.cuit", pattern="[0-9]{11}", source=_CUIT),
        "CDI": TaxId(
            name="CDI",
            module="ar.cuit",
            pattern="[0-9]{11}",
            source=Source(text="RG ARCA (ex AFIP) sobre la clave de identificación", certainty="M"),
        ),
        "DNI": TaxId(
            name="DNI", pattern="[0-9]{7,8}", source=Source(text="Documento nacional de identidad", certainty="M")
        ),
        "PASSPORT": TaxId(
            name="Pasaporte",
            pattern="[A-Z0-9]{5,15}",
            source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
        ),
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
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
    fiscal_record=Words(es="CAE (ARCA)", en="CAE (ARCA)"),
)
