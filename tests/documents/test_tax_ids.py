"""Nobody goes unpaid for the document that he has, nor for how it is written; a mistyped figure is still noticed.

The check digits here are computed by this file's own code, never by the product's or its library's.
"""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from documents import errors
from documents.countries import pack, tax_ids

COUNTRIES = ("AR", "CL", "CO", "ES", "MX", "PE")
DIGITS, LETTERS = string.digits, string.ascii_uppercase
TEN = [5, 4, 3, 2, 7, 6, 5, 4, 3, 2]  # weights of a CUIT and of a RUC
UNVERIFIED, WARNED = "tax_id_unverified", "tax_id_warning"


def figures(size: int) -> st.SearchStrategy[str]:
    return st.text(DIGITS, min_size=size, max_size=size)


def weighted(number: str, weights: list[int]) -> int:
    return sum(int(figure) * weight for figure, weight in zip(number, weights, strict=True))


def spanish(number: str) -> str:
    """Orden INT/2058/2008: the letter of the remainder by 23."""
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def spanish_company(number: str) -> str:
    """Orden EHA/451/2008: Luhn over seven figures."""
    doubled = sum(sum(divmod(2 * int(figure), 10)) for figure in number[0::2])
    return str(-(doubled + sum(int(figure) for figure in number[1::2])) % 10)


def modulo_11(number: str, weights: list[int]) -> int:
    return (11 - weighted(number, weights) % 11) % 11


def peruvian(number: str) -> str:
    """SUNAT: eleven less the remainder, of which ten is 0 and eleven is 1."""
    return str((11 - weighted(number, TEN) % 11) % 10)


def colombian(number: str) -> str:
    """DIAN, orden administrativa 4/1989: primes from the right."""
    primes = [3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71][: len(number)]
    rest = weighted(number[::-1], primes) % 11
    return str(rest if rest < 2 else 11 - rest)


def chilean(number: str) -> str:
    """DFL 3 de 1969: two to seven from the right."""
    weights = [2 + place % 6 for place in range(len(number))]
    return "0123456789K"[modulo_11(number[::-1], weights)]


TABLE = {sign: place for place, sign in enumerate("0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ Ñ")}  # anexo III, SAT


def mexican(number: str) -> str:
    """SAT, anexo del RFC: thirteen to two over twelve places."""
    padded = number.rjust(12)
    rest = sum(TABLE[sign] * (13 - place) for place, sign in enumerate(padded)) % 11
    return "0" if rest == 0 else "A" if rest == 1 else str(11 - rest)


def curp(number: str) -> str:
    """RENAPO: eighteen to two, modulo ten; the Ñ has a place of its own between N and O."""
    places = {sign: place for place, sign in enumerate("0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ")}
    return str(-sum(places[sign] * (18 - place) for place, sign in enumerate(number)) % 10)


BIRTH = st.dates().map(lambda day: f"{day:%y%m%d}" if day.year > 999 else "760510")


def cuit(prefixes: str) -> st.SearchStrategy[str]:
    """Only numbers whose digit is one figure: where it would be ten, the office changes the prefix."""
    bodies = st.tuples(st.sampled_from(prefixes.split()), figures(8)).map("".join)
    return bodies.filter(lambda body: modulo_11(body, TEN) != 10).map(lambda body: f"{body}{modulo_11(body, TEN)}")


PERSON = st.tuples(st.text(LETTERS, min_size=4, max_size=4), BIRTH).map("".join)
NIFS = st.one_of(
    figures(8).map(lambda body: body + spanish(body)),
    st.tuples(st.sampled_from("KLM"), figures(7)).map(lambda part: part[0] + part[1] + spanish(part[1])),
    st.tuples(st.sampled_from("ABEH"), figures(7)).map(lambda part: part[0] + part[1] + spanish_company(part[1])),
)
NIES = st.tuples(st.sampled_from("XYZ"), figures(7)).map(
    lambda part: part[0] + part[1] + spanish(str("XYZ".index(part[0])) + part[1])
)
# (country, type) -> ids as the office writes them, without separators.
DIGITED: dict[tuple[str, str], st.SearchStrategy[str]] = {
    ("ES", "DNI"): figures(8).map(lambda body: body + spanish(body)),
    ("ES", "NIE"): NIES,
    ("ES", "NIF"): NIFS,
    ("ES", "CIF"): st.tuples(st.sampled_from("ABEH"), figures(7)).map(
        lambda part: part[0] + part[1] + spanish_company(part[1])
    ),
    ("ES", "VAT"): NIFS,
    ("MX", "RFC"): st.one_of(
        st.tuples(PERSON, st.text(DIGITS + LETTERS, min_size=2, max_size=2)).map("".join),
        st.tuples(st.text(LETTERS + "&Ñ", min_size=3, max_size=3), BIRTH, figures(2)).map("".join),
    ).map(lambda body: body + mexican(body)),
    ("MX", "CURP"): st.tuples(
        PERSON,
        st.sampled_from("HMX"),
        st.sampled_from(["DF", "JC", "NE", "VZ"]),
        st.text("BCDFGHJKLMNPQRSTVWXYZ", min_size=3, max_size=3),
        st.sampled_from("0A"),
    ).map(lambda parts: "".join(parts) + curp("".join(parts))),
    ("CO", "NIT"): st.tuples(st.sampled_from("189"), figures(8)).map("".join).map(lambda body: body + colombian(body)),
    ("AR", "CUIT"): cuit("20 23 24 25 26 27 30 33 34"),
    ("AR", "CUIL"): cuit("20 23 24 25 26 27"),
    ("AR", "CDI"): cuit("20 23 27 50 51 55"),
    ("CL", "RUT"): st.integers(1_000_000, 99_999_999).map(lambda body: f"{body}{chilean(str(body))}"),
    ("CL", "RUN"): st.integers(1_000_000, 29_999_999).map(lambda body: f"{body}{chilean(str(body))}"),
    ("PE", "RUC"): st.tuples(st.sampled_from(["10", "15", "16", "17", "20"]), figures(8))
    .map("".join)
    .map(lambda body: body + peruvian(body)),
}
PASSPORTS = st.tuples(st.text(LETTERS, min_size=1, max_size=3), figures(6)).map("".join)
PLAIN: dict[tuple[str, str], st.SearchStrategy[str]] = {
    **{(country, "PASSPORT"): PASSPORTS for country in COUNTRIES},
    **{(country, "PASAPORTE"): PASSPORTS for country in COUNTRIES},
    ("CO", "PA"): PASSPORTS,
    ("CO", "CC"): st.integers(100_000, 9_999_999_999).map(str),
    ("CO", "CE"): figures(6),
    ("CO", "PPT"): figures(7),
    ("CO", "PEP"): figures(15),
    ("CO", "TI"): figures(11),
    ("PE", "DNI"): figures(8),
    ("PE", "CE"): figures(9),
    ("PE", "PTP"): figures(9),
    ("AR", "DNI"): figures(8),
}


@st.composite
def written(draw: st.DrawFn, number: str) -> str:
    """Write an id as somebody may: with separators between the figures, small letters, a blank at either end."""
    marks = draw(
        st.lists(
            st.sampled_from(["", "", ".", "-", " ", "\N{NO-BREAK SPACE}", "\N{EN DASH}", "/"]),
            min_size=len(number),
            max_size=len(number),
        )
    )
    text = "".join(sign + mark for sign, mark in zip(number, marks, strict=True))
    return draw(st.sampled_from([text, text.lower(), f" {text} "]))


def bare(value: str) -> str:
    return value.replace("-", "")


def check(*, country: str, value: str, declared: str | None) -> tax_ids.CheckedTaxId:
    return pack.required(country).check_tax_id(value=value, type=declared)


def test_every_type_of_every_country_is_tried_here() -> None:
    tried = {*DIGITED, *PLAIN} - {(country, "PASAPORTE") for country in COUNTRIES}
    assert tried == {(country.country, kind) for country in pack.registry().values() for kind in country.tax_ids}


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("place", DIGITED, ids=":".join)
@given(data=st.data())
def test_a_right_id_is_never_held_however_it_is_written(place: tuple[str, str], data: st.DataObject) -> None:
    country, kind = place
    number = data.draw(DIGITED[place])
    prefix = data.draw(st.sampled_from(["", "", country]))
    found = check(
        country=country,
        value=data.draw(written(prefix + number)),
        declared=data.draw(st.sampled_from([kind, kind.lower()])),
    )
    assert (bare(found.value), found.type, found.flag) == (number, kind, "")
    assert check(country=country, value=found.value, declared=found.type) == found, "reading it again changes nothing"


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("place", DIGITED, ids=":".join)
@given(data=st.data())
def test_a_mistyped_check_digit_is_held_and_that_of_an_rfc_only_flagged(
    place: tuple[str, str], data: st.DataObject
) -> None:
    country, kind = place
    number = data.draw(DIGITED[place])
    signs = DIGITS if number[-1] in DIGITS else LETTERS
    wrong = data.draw(st.sampled_from([sign for sign in signs if sign != number[-1]]))
    text = data.draw(written(number[:-1] + wrong))
    if kind == "RFC":
        assert check(country=country, value=text, declared=kind) == (number[:-1] + wrong, "RFC", "RFC", WARNED)
        return
    with pytest.raises(errors.Problem) as caught:
        check(country=country, value=text, declared=kind)
    assert caught.value.code == "tax_id_invalid"
    assert bare(text).strip().upper() not in str(caught.value), "an id is never repeated in a log"


@settings(max_examples=12, deadline=None)
@pytest.mark.parametrize("place", PLAIN, ids=":".join)
@given(data=st.data())
def test_a_document_without_check_digit_is_taken_and_flagged(place: tuple[str, str], data: st.DataObject) -> None:
    country, kind = place
    number = data.draw(PLAIN[place])
    found = check(country=country, value=data.draw(written(number)), declared=kind)
    assert (found.value, found.flag) == (number, UNVERIFIED)


@settings(max_examples=100, deadline=None)
@given(
    country=st.sampled_from(COUNTRIES),
    declared=st.sampled_from(["SSN", "Permiso de residencia", "CI", "🛂"]),
    value=st.text(LETTERS + DIGITS, min_size=1, max_size=30),
)
def test_a_type_that_nobody_listed_is_taken_as_it_is_stated_and_flagged(
    country: str, declared: str, value: str
) -> None:
    generics = {generic for kind in pack.required(country).tax_ids.values() for generic in kind.generics}
    if value not in generics:
        assert check(country=country, value=value, declared=declared) == (value, declared, declared, UNVERIFIED)


@settings(max_examples=120, deadline=None)
@given(value=st.text(max_size=60), country=st.sampled_from(COUNTRIES), data=st.data())
def test_no_text_whatever_breaks_the_reading(value: str, country: str, data: st.DataObject) -> None:
    kinds = pack.required(country).tax_ids
    declared = data.draw(st.sampled_from([None, *kinds]))
    found = pack.required(country).read_tax_id(value=value, stated_type=declared)
    if isinstance(found, tax_ids.CheckedTaxId):
        assert 0 < len(found.value) <= tax_ids.LENGTH_MAX + 1
        assert any(sign.isalnum() for sign in found.value)


@pytest.mark.parametrize(
    ("country", "value", "declared", "expected"),
    [
        ("ES", "12345678z", None, ("12345678Z", "NIF", "NIF", "")),
        ("ES", "ES-B12345674", "VAT", ("B12345674", "NIF-IVA", "VAT", "")),
        ("ES", "FR 40 303 265 045", "VAT", ("FR40303265045", "NIF-IVA", "VAT", UNVERIFIED)),
        ("ES", "PAB123456", "PASSPORT", ("PAB123456", "Pasaporte", "PASSPORT", UNVERIFIED)),
        ("ES", "\N{FULLWIDTH DIGIT ONE}2345678Z", "D.N.I.", ("12345678Z", "NIF", "DNI", "")),
        ("MX", "EKU9003173C9", None, ("EKU9003173C9", "RFC", "RFC", "")),
        ("MX", "xaxx010101000", None, ("XAXX010101000", "RFC", "RFC", "")),
        ("MX", "XEXX-010101-000", "RFC", ("XEXX010101000", "RFC", "RFC", "")),
        ("MX", "CACX760510", None, ("CACX760510", "RFC", "RFC", UNVERIFIED)),
        ("MX", "CACX760510MDFSHC05", "CURP", ("CACX760510MDFSHC05", "CURP", "CURP", "")),
        ("CO", "900.765.432-6", "NIT", ("900765432-6", "NIT", "NIT", "")),
        ("CO", "NIT 901234567-7", None, ("901234567-7", "NIT", "NIT", "")),
        ("CO", "222.222.222.222", None, ("222222222222", "NIT", "NIT", "")),
        ("CO", "222222222222", "CC", ("222222222222", "CC", "CC", "")),
        ("CO", "1234567", "PPT", ("1234567", "PPT", "PPT", UNVERIFIED)),
        ("CO", "12345", "CC", ("12345", "CC", "CC", UNVERIFIED)),
        (
            "AR",
            "25-20304050-" + str(modulo_11("2520304050", TEN)),
            "CUIL",
            ("2520304050" + str(modulo_11("2520304050", TEN)), "CUIL", "CUIL", ""),
        ),
        ("CL", "76.543.210-3", None, ("76543210-3", "RUT", "RUT", "")),
        ("PE", "A1234567", "PASAPORTE", ("A1234567", "Pasaporte", "PASSPORT", UNVERIFIED)),
        ("PE", "Pasaporte A12345", "PASSPORT", ("A12345", "Pasaporte", "PASSPORT", UNVERIFIED)),
        ("PE", "C.E. 001 788 673", "CE", ("001788673", "CE", "CE", UNVERIFIED)),
        ("PE", "PTP: 369564079", "PTP", ("369564079", "PTP", "PTP", UNVERIFIED)),
        ("CO", "PA0149014", "PA", ("PA0149014", "Pasaporte", "PA", UNVERIFIED)),  # Panama's begin like that
        ("ES", "NIF-IVA: FR12345678901", "VAT", ("FR12345678901", "NIF-IVA", "VAT", UNVERIFIED)),
    ],
)
def test_an_id_that_people_have_is_printed_like_this(
    country: str, value: str, declared: str | None, expected: tuple[str, ...]
) -> None:
    assert check(country=country, value=value, declared=declared) == expected


@pytest.mark.parametrize(
    ("country", "value", "declared", "taken_as"),
    [
        ("ES", "X1234567L", "DNI", "NIE"),
        ("ES", "12345678Z", "NIE", "DNI"),
        ("ES", "B12345674", "DNI", "NIF"),
        ("MX", "CACX760510MDFSHC05", "RFC", "CURP"),
        ("MX", "EKU9003173C9", "CURP", "RFC"),
        ("AR", "20267565393", "DNI", "CUIT"),
        ("PE", "20601234565", "DNI", "RUC"),
    ],
)
def test_an_id_declared_as_another_type_is_taken_as_what_its_digit_says(
    country: str, value: str, declared: str, taken_as: str
) -> None:
    found = check(country=country, value=value, declared=declared)
    assert (found.value, found.type, found.flag) == (value, taken_as, "")


@pytest.mark.parametrize(
    ("country", "value", "declared", "reason"),
    [
        ("ES", "12345678A", None, "check_digit"),
        ("ES", "12345678", None, "shape"),
        ("ES", "VAT: ES-B12345675", "VAT", "check_digit"),
        ("ES", "NIF: ES-B12345675", "VAT", "shape"),
        ("ES", " .-. ", "PASSPORT", "shape"),
        ("ES", "9" * 33, "PASSPORT", "length"),
        ("MX", "NOT AN RFC", None, "shape"),
        ("MX", "CACX7613101P8", None, "shape"),  # month 13
        ("CO", "901234567-8", None, "check_digit"),
        ("AR", "30712345672", None, "check_digit"),
        ("CL", "76543210-4", "RUN", "check_digit"),
        ("PE", "20601234566", None, "check_digit"),
    ],
)
def test_what_is_wrong_with_an_id_is_known(country: str, value: str, declared: str | None, reason: str) -> None:
    found = pack.required(country).read_tax_id(value=value, stated_type=declared)
    assert isinstance(found, tax_ids.WrongTaxId)
    assert found.reason == reason
