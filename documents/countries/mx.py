"""Mexico."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

_DATE = "[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"  # of birth, or of the company's deed

PACK = Pack(
    country="MX",
    name=Words(es="México", en="Mexico"),
    currency="MXN",
    decimals=2,
    decimals_shown=2,
    locale="es-MX",
    time_zone="America/Mexico_City",
    tax_name="IVA",
    tax_codes={
        "IVA16": (
            Rate(
                rate="0.16",
                source=Source(text="LIVA, art. 1", certainty="S"),
                valid_from=dt.date(2010, 1, 1),
                valid_from_source=Source(text="Reforma de la LIVA, DOF 7-12-2009", certainty="M"),
            ),
        ),
        # The border stimulus lives from one decree to the next; the last day of the present one was not read.
        "IVA8": (
            Rate(
                rate="0.08",
                source=Source(text="Decreto de estímulos fiscales, región fronteriza norte", certainty="S"),
                valid_from=dt.date(2019, 1, 1),
                valid_from_source=Source(text="El mismo decreto, DOF 31-12-2018", certainty="M"),
            ),
        ),
        "IVA0": (
            Rate(
                rate="0",
                source=Source(text="LIVA, art. 2-A", certainty="M"),
                legal_reason=Words(es="Tasa 0 %: LIVA, art. 2-A", en="Zero rate: VAT Act, section 2-A"),
            ),
        ),
        "EXENTO": (
            Rate(
                rate="0",
                source=Source(text="LIVA, arts. 9, 15, 20 y 25", certainty="M"),
                legal_reason=Words(
                    es="Exento: LIVA, arts. 9, 15, 20 y 25", en="Exempt: VAT Act, sections 9, 15, 20 and 25"
                ),
            ),
        ),
    },
    tax_ids={
        "RFC": TaxId(
            name="RFC",
            module="mx.rfc",
            pattern=f"([A-Z&Ñ]{{4}}|[A-Z&Ñ]{{3}}){_DATE}[0-9A-Z]{{3}}",
            without_digit=f"[A-Z&Ñ]{{4}}{_DATE}",  # a person's, before the SAT has given the last three characters
            # Sales to the public at large, and to residents abroad.
            generics=frozenset({"XAXX010101000", "XEXX010101000"}),
            # Real RFCs exist whose check digit fails the published algorithm: refusing them would hold people's money.
            check_digit_optional=True,
            source=Source(text="CFF, art. 29-A.IV; los genéricos, en la RMF (sección 2.7.1)", certainty="M"),
        ),
        "CURP": TaxId(
            name="CURP",
            module="mx.curp",
            pattern=f"[A-Z]{{4}}{_DATE}[HMX][A-Z]{{5}}[0-9A-Z][0-9]",
            source=Source(text="Instructivo normativo para la asignación de la CURP (RENAPO)", certainty="M"),
        ),
        "PASSPORT": TaxId(
            name="Pasaporte",
            pattern="[A-Z0-9]{5,15}",
            source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
        ),
    },
    tax_id_default="RFC",
    # CFF art. 30 counts from the day the annual return was or should have been filed: 30 April for persons.
    retention=Retention(
        years=5, anchor_month=4, anchor_day=30, anchor_years=1, source=Source(text="CFF, art. 30", certainty="S")
    ),
    titles=TITLES,
    labels=LABELS | {"tax": Words(es="IVA", en="VAT"), "net": Words(es="Total sin impuestos", en="Total before tax")},
    legal_notice=Words(
        es="Este documento no sustituye al comprobante fiscal digital por internet (CFDI).",
        en="This document does not replace the digital fiscal voucher (CFDI).",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz; otras zonas la traen en order.time_zone", certainty="S"),
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
    fiscal_record=Words(es="CFDI 4.0 (SAT)", en="CFDI 4.0 (SAT)"),
    withholdings_seen=(
        SeenWithholding(
            name="ISR", rates=("0.021",), source=Source(text="LISR, art. 113-A: transporte y entrega", certainty="S")
        ),
        SeenWithholding(
            name="IVA", rates=("0.5",), source=Source(text="LIVA, art. 18-J: la mitad del cobrado", certainty="S")
        ),
    ),
)
