"""Spain."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

_RATES = Source(text="Ley 37/1992, arts. 90 y 91", certainty="S")
_SINCE_2012 = Source(text="RDL 20/2012, y resolución de la DGT sobre sus tipos", certainty="S")
_NIF = Source(text="RD 1065/2007 (NIF)", certainty="M")
_LEY_4_2012 = Source(text="Ley 4/2012 de Canarias, arts. 51 a 61", certainty="M")
_SINCE_2012_07 = Source(text="Ley 4/2012, disposición final", certainty="M")
_LEY_19_2019 = Source(text="Ley 19/2019 de Presupuestos de Canarias", certainty="M")
_LEY_7_2018 = Source(text="Ley 7/2018 de Presupuestos de Canarias: 6,5 % en 2019", certainty="M")
# The Canary Islands are outside the territory of the IVA.
_IGIC = {
    "IGIC0": (
        Rate(
            rate="0",
            source=_LEY_4_2012,
            legal_reason=Words(
                es="Tipo cero del IGIC: Ley 4/2012, art. 52", en="IGIC zero rate: Act 4/2012, section 52"
            ),
            valid_from=dt.date(2012, 7, 1),
            valid_from_source=_SINCE_2012_07,
        ),
    ),
    "IGIC3": (Rate(rate="0.03", source=_LEY_4_2012, valid_from=dt.date(2012, 7, 1), valid_from_source=_SINCE_2012_07),),
    "IGIC7": (
        Rate(
            rate="0.07",
            source=_LEY_7_2018,
            valid_from=dt.date(2012, 7, 1),
            valid_from_source=_SINCE_2012_07,
            valid_to=dt.date(2018, 12, 31),
        ),
        Rate(rate="0.07", source=_LEY_4_2012, valid_from=dt.date(2020, 1, 1), valid_from_source=_LEY_19_2019),
    ),
    "IGIC95": (
        Rate(rate="0.095", source=_LEY_4_2012, valid_from=dt.date(2012, 7, 1), valid_from_source=_SINCE_2012_07),
    ),
    "IGIC15": (Rate(rate="0.15", source=_LEY_4_2012, valid_from=dt.date(2020, 1, 1), valid_from_source=_LEY_19_2019),),
}
# Ceuta and Melilla: the cities' ordinances choose among these; their first days were not read.
_LEY_8_1991 = Source(text="Ley 8/1991, art. 18, y ordenanzas fiscales de Ceuta y Melilla", certainty="M")
_IPSI = {
    f"IPSI{name}": (Rate(rate=rate, source=_LEY_8_1991),)
    for name, rate in (("05", "0.005"), ("1", "0.01"), ("2", "0.02"), ("4", "0.04"), ("8", "0.08"), ("10", "0.1"))
}

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
        "IVA0": (
            Rate(
                rate="0",
                source=Source(text="Ley 37/1992, art. 91.Cuatro (donativos)", certainty="M"),
                legal_reason=Words(
                    es="Tipo cero: Ley 37/1992, art. 91.Cuatro", en="Zero rate: Act 37/1992, section 91.Four"
                ),
                valid_from=dt.date(2022, 4, 10),
                valid_from_source=Source(text="Ley 7/2022, disposición final tercera", certainty="M"),
            ),
        ),
        "EXENTO": (
            Rate(
                rate="0",
                source=Source(text="Ley 37/1992, art. 20", certainty="M"),
                legal_reason=Words(
                    es="Operación exenta de IVA: Ley 37/1992, art. 20",
                    en="Exempt from VAT: Act 37/1992, section 20",
                ),
            ),
        ),
        **_IGIC,
        **_IPSI,
    },
    tax_ids={
        "DNI": TaxId(name="NIF", module="es.dni", source=_NIF),
        "NIE": TaxId(name="NIE", module="es.nie", source=_NIF),
        "NIF": TaxId(name="NIF", module="es.nif", source=_NIF),
        "CIF": TaxId(name="NIF", module="es.cif", source=_NIF),  # the CIF is called NIF since 2008
        # The VAT number of another member state has a digit of its own kind.
        "VAT": TaxId(
            name="NIF-IVA",
            module="es.nif",
            without_digit="(?!ES|VAT|NIF|CIF|IVA)[A-Z]{2}[0-9A-Z+*]{2,12}",
            source=Source(text="RD 1065/2007, art. 25 (NIF-IVA)", certainty="M"),
        ),
        "PASSPORT": TaxId(
            name="Pasaporte",
            pattern="[A-Z0-9]{5,15}",
            source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
        ),
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
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
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
