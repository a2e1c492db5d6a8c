"""docs/countries.md says what the packs say, never something older."""

from pathlib import Path

from documents.countries import pack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "countries.md"
BEGIN, END = "<!-- facts: begin -->", "<!-- facts: end -->"


def percent(rate: pack.Rate) -> str:
    """Write a rate as people read it, with its first day and certainty."""
    text = f"{float(rate.fraction * 100):g} % [{rate.source.certainty}]"
    if rate.valid_from and rate.valid_from_source:
        text += f" desde {rate.valid_from} [{rate.valid_from_source.certainty}]"
    return f"{text} hasta {rate.valid_to}" if rate.valid_to else text


def facts() -> str:
    """Return the page's table, a row a country."""
    rows = [
        "| país | moneda, decimales (impresos) | zona | impuestos | identificación fiscal | primer día | conservar | revisado |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in pack.registry().values():
        taxes = "; ".join(f"`{code}` {', '.join(map(percent, rates))}" for code, rates in found.tax_codes.items())
        ids = ", ".join(
            f"{kind}*" if kind == found.tax_id_default else kind for kind, row in found.tax_ids.items() if row.module
        )
        others = ", ".join(kind for kind, row in found.tax_ids.items() if not row.module)
        rule = found.retention
        year = "año siguiente" if rule.anchor_years else "año de emisión"
        kept = f"{rule.years} años desde {rule.anchor_day:02}-{rule.anchor_month:02} del {year}"
        cells = [
            f"{found.country} {found.name.es}",
            f"{found.currency} {found.decimals} ({found.decimals_shown})",
            found.time_zone,
            taxes,
            f"{ids}; sin dígito: {others}",
            found.first_date.isoformat(),
            f"{kept} ({rule.source.text}) [{rule.source.certainty}]",
            found.reviewed_date.isoformat(),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_page_never_lags_behind_the_packs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    written = page.partition(BEGIN)[2].partition(END)[0].strip()
    assert written == facts(), f"paste between the marks of {PAGE.name}:\n{facts()}"
