"""Peru. Which withholdings reach drivers is not certain: the cell is absent."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

_FOREIGNERS = Source(text="SUNAT, catálogo 06; Migraciones (carné de extranjería y PTP): sin dígito", certainty="M")

PACK = Pack(
    country="PE",
    name=Words(es="Perú", en="Peru"),
    currency="PEN",
    decimals=2,
    decimals_shown=2,
    locale="es-PE",
    time_zone="America/Lima",
    tax_name="IGV",
    tax_codes={
        # 16 % IGV and 2 % IPM, always charged together.
        "IGV18": (
            Rate(
                rate="0.18",
                source=Source(text="TUO de la Ley del IGV, art. 17, con el IPM", certainty="M"),
                valid_from=dt.date(2011, 3, 1),
                valid_from_source=Source(text="Ley 29666", certainty="M"),
            ),
        ),
        "EXONERADO": (
            Rate(
                rate="0",
                source=Source(text="TUO de la Ley del IGV, art. 5 y apéndices I y II", certainty="M"),
                legal_reason=Words(
                    es="Exonerado: Ley del IGV, art. 5 y apéndices I y II",
                    en="Exempt: IGV Act, section 5 and appendices I and II",
                ),
            ),
        ),
        "INAFECTO": (
            Rate(
                rate="0",
                source=Source(text="TUO de la Ley del IGV, art. 2", certainty="M"),
                legal_reason=Words(es="Inafecto: Ley del IGV, art. 2", en="Not subject: IGV Act, section 2"),
            ),
        ),
    },
    tax_ids={
        "RUC": TaxId(
            name="RUC",
            module="pe.ruc",
            pattern="[0-9]{11}",
            source=Source(text="Ley del RUC (DL 943)", certainty="M"),
        ),
        "DNI": TaxId(
            name="DNI", pattern="[0-9]{8}", source=Source(text="Documento nacional de identidad", certainty="M")
        ),
        "CE": TaxId(name="CE", pattern="(?!CE)[0-9A-Z]{9,12}", source=_FOREIGNERS),
        "PTP": TaxId(name="PTP", pattern="[0-9A-Z]{9,15}", source=_FOREIGNERS),
        "PASSPORT": TaxId(
            name="Pasaporte",
            pattern="[A-Z0-9]{5,15}",
            source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
        ),
    },
    tax_id_default="RUC",
    retention=Retention(years=5, source=Source(text="Código Tributario, art. 87.7", certainty="M")),
    titles=TITLES,
    labels=LABELS
    | {"tax": Words(es="IGV", en="VAT (IGV)"), "net": Words(es="Total sin impuestos", en="Total before tax")},
    legal_notice=Words(
        es="Este documento no sustituye al comprobante de pago electrónico (CPE) de la SUNAT.",
        en="This document does not replace the electronic payment voucher (CPE) of the SUNAT.",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz", certainty="S"),
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
    fiscal_record=Words(es="CPE (SUNAT)", en="CPE (SUNAT)"),
)
