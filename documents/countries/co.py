"""Colombia."""

import datetime as dt

from documents.countries.pack import LABELS, TITLES, Pack, Rate, Retention, SeenWithholding
from documents.countries.sources import Source, Words
from documents.countries.tax_ids import TaxId

# Sales to the public at large.
_FINAL_CONSUMER = frozenset({"222222222222"})
_FOREIGNERS = Source(
    text="Migración Colombia: CE, PEP (Res. 5797/2017) y PPT (Dec. 216/2021), sin dígito", certainty="M"
)
_PASSPORT = TaxId(
    name="Pasaporte",
    pattern="[A-Z0-9]{5,15}",
    source=Source(text="OACI, documento 9303: sin dígito de control en el número impreso", certainty="M"),
)

PACK = Pack(
    country="CO",
    name=Words(es="Colombia", en="Colombia"),
    currency="COP",
    decimals=2,
    decimals_shown=0,  # nobody pays in centavos, but taxes still produce them
    locale="es-CO",
    time_zone="America/Bogota",
    tax_name="IVA",
    tax_codes={
        "IVA19": (
            Rate(
                rate="0.19",
                source=Source(text="Estatuto Tributario, art. 468", certainty="S"),
                valid_from=dt.date(2017, 1, 1),
                valid_from_source=Source(text="Ley 1819/2016", certainty="M"),
            ),
        ),
        "IVA5": (
            Rate(
                rate="0.05",
                source=Source(text="Estatuto Tributario, arts. 468-1 y 468-3", certainty="S"),
                valid_from=dt.date(2013, 1, 1),
                valid_from_source=Source(text="Ley 1607/2012", certainty="M"),
            ),
        ),
        "IVA0": (
            Rate(
                rate="0",
                source=Source(text="Estatuto Tributario, arts. 477 y 481", certainty="M"),
                legal_reason=Words(
                    es="Exento, tarifa 0 %: Estatuto Tributario, arts. 477 y 481",
                    en="Exempt at 0 %: Tax Code, sections 477 and 481",
                ),
            ),
        ),
        "EXCLUIDO": (
            Rate(
                rate="0",
                source=Source(text="Estatuto Tributario, arts. 424 y 476", certainty="M"),
                legal_reason=Words(
                    es="Excluido de IVA: Estatuto Tributario, arts. 424 y 476",
                    en="Excluded from VAT: Tax Code, sections 424 and 476",
                ),
            ),
        ),
        # National consumption tax: restaurants.
        "INC8": (
            Rate(
                rate="0.08",
                source=Source(text="Estatuto Tributario, arts. 512-1 y 512-9", certainty="S"),
                valid_from=dt.date(2013, 1, 1),
                valid_from_source=Source(text="Ley 1607/2012", certainty="M"),
            ),
        ),
    },
    tax_ids={
        "NIT": TaxId(
            name="NIT",
            module="co.nit",
            check_digit_after_dash=True,
            generics=_FINAL_CONSUMER,
            source=Source(text="Estatuto Tributario, art. 555-1", certainty="M"),
        ),
        "CC": TaxId(
            name="CC",
            pattern="[1-9][0-9]{5,9}",
            generics=_FINAL_CONSUMER,
            source=Source(text="Cédula de ciudadanía: sin dígito de control", certainty="M"),
        ),
        "CE": TaxId(name="CE", pattern="[0-9]{6,7}", source=_FOREIGNERS),
        "PPT": TaxId(name="PPT", pattern="[0-9]{6,8}", source=_FOREIGNERS),
        "PEP": TaxId(name="PEP", pattern="[0-9]{13,16}", source=_FOREIGNERS),
        "PA": _PASSPORT,
        "PASSPORT": _PASSPORT,
        "TI": TaxId(
            name="TI",
            pattern="[0-9]{10,11}",
            source=Source(text="Tarjeta de identidad de menores: sin dígito de control", certainty="M"),
        ),
    },
    tax_id_default="NIT",
    retention=Retention(years=10, source=Source(text="Ley 962/2005, art. 28", certainty="S")),
    titles=TITLES,
    labels=LABELS
    | {
        "tax": Words(es="Impuesto (IVA / INC)", en="Tax (VAT / INC)"),
        "net": Words(es="Total sin impuestos", en="Total before tax"),
        "driver": Words(es="Domiciliario/a o conductor/a", en="Driver"),
    },
    legal_notice=Words(
        es="Este documento no sustituye al documento electrónico validado por la DIAN.",
        en="This document does not replace the electronic document validated by the DIAN.",
    ),
    sources={
        "currency": Source(text="ISO 4217", certainty="S"),
        "locale": Source(text="CLDR", certainty="S"),
        "time_zone": Source(text="IANA tz", certainty="S"),
        "first_date": Source(text="Antes de 2010 no había plataformas de viajes y reparto en el país", certainty="M"),
    },
    reviewed_date=dt.date(2026, 11, 27),
    first_date=dt.date(2010, 1, 1),
    fiscal_record=Words(es="CUFE / CUDE (DIAN)", en="CUFE / CUDE (DIAN)"),
    withholdings_seen=(
        SeenWithholding(
            name="ReteFuente",
            rates=("0.01", "0.035", "0.04", "0.06"),
            source=Source(text="Retención en la fuente, con bases mínimas en UVT", certainty="S"),
        ),
    ),
)
