"""Compose a page: the content as written (`printout`), lines by section, where each cent comes from. Pure.

Runs inside the renderer's child process. A sum that is printed and not frozen (a section's, or one carried over to the
next page) is added up here from amounts that are both printed and frozen.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from documents.rendering.printout import Leaves, Writer, decimals, long_date, monogram, rest

Content = Mapping[str, Any]
BENEFICIARY = {"es": "Beneficiario/a", "en": "Payee"}
LONG_TABLE_ROWS = 20  # from here on, sums carried over stand at the foot and head of each page
# TABLE: section of a statement -> its name, and the kinds of line in it. What is in no row is "Otros conceptos".
SECTIONS: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("Servicio", "Service", frozenset({"FARE", "SURCHARGE", "ITEM"})),
    ("Propinas", "Tips", frozenset({"TIP"})),
    ("Peajes", "Tolls", frozenset({"TOLL"})),
    ("Incentivos", "Bonuses", frozenset({"BONUS"})),
    ("Promociones", "Promotions", frozenset({"PROMOTION"})),
    ("Comisiones de la plataforma", "Platform fees", frozenset({"PLATFORM_FEE"})),
    ("Ajustes y devoluciones", "Adjustments and refunds", frozenset({"ADJUSTMENT", "REFUND_ITEM", "CORRECTION"})),
)
OTHER = ("Otros conceptos", "Other")
MIXED = {OTHER, *((es, en) for es, en, kinds in SECTIONS if len(kinds) > 1)}


@dataclass(kw_only=True)
class Explained:
    """One line with its amounts: `base` without tax, its `codes` with their rates, their `tax`, `total`; as written."""

    line: Leaves
    codes: str = ""
    base: str = ""
    tax: str = ""
    total: str = ""
    amount: Decimal = Decimal(0)


@dataclass(kw_only=True)
class Section:
    """Lines of one sort, and their sum with tax; `mixed`: each line says which kind it is."""

    es: str
    en: str
    mixed: bool
    total: str = ""
    lines: list[Explained] = field(default_factory=list)


@dataclass(kw_only=True)
class Settled:
    """A document that a payout pays: its row, what it consists of, and the sums carried over around it."""

    row: Leaves
    parts: list[Leaves]
    before: str = ""
    after: str = ""


@dataclass(kw_only=True)
class Table:
    """Settled documents of one period, and their sum."""

    prior: bool
    total: str
    rows: list[Settled]
    long: bool


def compose(*, content: Content, texts: Mapping[str, Any], characters: frozenset[int]) -> dict[str, Any]:
    """Return the template's context: `doc` (the content as written) and what is derived from it.

    `texts` are the country's (locale, title, labels, legal_notice, decimals), and `standing`: what the document says of
    its fact. `characters` are the fonts' code points.
    """
    locale = texts["locale"]
    writer = Writer(
        locale=locale, characters=characters, decimals=decimals(content=content, shown=texts.get("decimals", 9))
    )
    doc = writer.tree(content)
    signs = [line["amount"].startswith("-") for line in content.get("lines", ())]
    lines = list(zip(doc.get("lines", ()), signs, strict=True))
    return {
        "doc": doc,
        "w": texts["labels"],
        "title": texts["title"],
        "legal_notice": texts["legal_notice"],
        "monogram": writer.text(monogram(content["issuer"]["legal_name"])),
        "long": {key: long_date(text=content[key], locale=locale) for key in ("issue_date", "operation_date")},
        "earnings": [line for line, negative in lines if not negative],
        "deductions": [line for line, negative in lines if negative],
        "role": role(content=content, labels=texts["labels"]),
        "standing": _standing(standing=texts["standing"], content=content, writer=writer),
        "result": _result(totals=content["totals"], writer=writer),
        "flags": sorted(writer.flags),
        **_explained(content=content, doc=doc, writer=writer),
        "rest": lambda: list(rest(leaves=doc)),  # called by the small print, after everything else was read
    }


def compose_plain(*, content: Content, texts: Mapping[str, Any], characters: frozenset[int]) -> dict[str, Any]:
    """Return the context of the plain template, asking nothing of the content's shape.

    An object is one row, whatever it has in it: a payout's 7,500 rows of explanation would not be printed in time as
    45,000 leaves.
    """
    writer = Writer(locale=texts["locale"], characters=characters)
    doc = writer.tree(content)
    rows = list(_records(leaves=doc))
    return {"doc": doc, "title": texts["title"], "rows": rows, "flags": sorted(writer.flags), "rest": ()}


def _records(*, leaves: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, "key: leaf · key: leaf") of each object, and (path, leaf) of leaves in lists."""
    if isinstance(leaves, list):
        for place, member in enumerate(leaves, start=1):
            yield from _records(leaves=member, path=f"{path}.{place}")
    elif isinstance(leaves, Leaves):
        own = [f"{key}: {member}" for key, member in leaves.items() if not isinstance(member, Leaves | list)]
        if own:
            yield path, " · ".join(own)
        for key, member in leaves.items():
            if isinstance(member, Leaves | list):
                yield from _records(leaves=member, path=f"{path}.{key}" if path else key)
    else:
        yield path, leaves


def role(*, content: Content, labels: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """Return what the owner is called: by the audience that ends the document's key."""
    audience = (content["document_key"].split(":") + [""] * 4)[3]
    if audience in {"customer", "partner"}:
        return labels[audience]
    return labels["driver"] if audience == "beneficiary" and "driver" not in content else BENEFICIARY


def _standing(*, standing: Mapping[str, Any], content: Content, writer: Writer) -> dict[str, Any]:
    """Return what the document says of its fact: each sentence with its first part apart, which is printed in bold."""
    owed = f"{writer.amount(standing['debt'])} {content['currency']}" if standing["debt"] else ""
    sentences = []
    for sentence in standing["sentences"]:
        es, en = (sentence[language].replace("{debt}", owed) for language in ("es", "en"))
        first, stop, others = es.partition(". ")
        sentences.append(
            {"first": first + stop.rstrip(), "others": others, "es": es, "en": en, "tone": sentence["tone"]}
        )
    return {"figure": standing["figure"], "base": standing["base"], "sentences": sentences}


def _result(*, totals: Mapping[str, str], writer: Writer) -> str:
    """Return what a payout comes to before its debt is carried over, as written; "" where it leaves none.

    So the debt is printed with one sign: the result is what is transferred and what is carried over.
    """
    closing = totals.get("closing_carry_over", "0")
    return writer.amount(str(Decimal(totals["amount"]) + Decimal(closing))) if closing.startswith("-") else ""


# -- where each cent comes from --


def _explained(*, content: Content, doc: Leaves, writer: Writer) -> dict[str, Any]:
    """Return sections, tables of settled documents, and each explained effect on the total."""
    explained = list(zip(content.get("explanation", ()), doc.get("explanation", ()), strict=True))
    own = [(raw, row) for raw, row in explained if "number" not in raw]
    by_number: dict[str, list[Leaves]] = {}
    for raw, row in explained:
        if "number" in raw:
            by_number.setdefault(raw["number"], []).append(row)
    member = "lines" if "lines" in content else "adjustments"
    return {
        "sections": _sections(raws=content.get(member, ()), lines=doc.get(member, ()), explained=own, writer=writer),
        "tables": _tables(content=content, doc=doc, by_number=by_number, writer=writer),
        "cash": [row for raw, row in explained if raw["rule"] == "cash_collected"],
        "effects": _effects(content=content, doc=doc, own=own, writer=writer),
        "withheld": [
            (row, _taken(row, "amount", amount=raw["amount"], writer=writer))
            for raw, row in zip(content.get("withholdings", ()), doc.get("withholdings", ()), strict=True)
        ],
    }


def _sections(
    *,
    raws: Sequence[Content],
    lines: Sequence[Leaves],
    explained: Iterable[tuple[Content, Leaves]],
    writer: Writer,
) -> list[Section]:
    """Sort the lines into their sections, each with its own amount, its tax and their sum."""
    rows: dict[str, dict[str, list[tuple[Content, Leaves]]]] = {}
    for raw, row in explained:
        if "line" in raw:
            rows.setdefault(raw["line"], {}).setdefault(raw["rule"], []).append((raw, row))
    sections: dict[tuple[str, str], Section] = {}
    for raw, line in zip(raws, lines, strict=True):
        name = next(((es, en) for es, en, kinds in SECTIONS if raw["kind"] in kinds), OTHER)
        section = sections.setdefault(name, Section(es=name[0], en=name[1], mixed=name in MIXED))
        if not section.mixed:
            _printed(line, "kind")
        section.lines.append(_line(line=line, raw=raw, rows=rows.get(raw["id"], {}), writer=writer))
    order = [*((es, en) for es, en, _ in SECTIONS), OTHER]
    for section in sections.values():
        section.total = writer.amount(str(sum((line.amount for line in section.lines), Decimal(0))))
    return [sections[name] for name in order if name in sections]


def _line(
    *, line: Leaves, raw: Content, rows: Mapping[str, Sequence[tuple[Content, Leaves]]], writer: Writer
) -> Explained:
    """Put one line's own amount and its share of each tax side by side."""
    if "line" not in rows:  # a document from before its lines were explained
        codes = " + ".join(line.get("taxes", [line.get("tax", "")]))
        _printed(line, "tax", "taxes")
        return Explained(line=line, codes=codes, total=line["amount"], amount=Decimal(raw["amount"]))
    ((own, own_row),) = rows["line"]
    explained = Explained(line=line, base=own_row["amount"])
    _printed(own_row, "order", "line", "kind", "rule")
    taxes = rows.get("tax", ())
    explained.codes = " + ".join(f"{row['tax']} {row['rate']}" for _raw, row in taxes)
    explained.tax = " + ".join(row["amount"] for _raw, row in taxes)
    _printed(line, "tax", "taxes")
    for _raw, row in taxes:
        _printed(row, "order", "line", "rule")
    amount = sum((Decimal(share["amount"]) for share, _row in taxes), Decimal(own["amount"]))
    explained.amount, explained.total = amount, writer.amount(str(amount))
    if dict.__getitem__(line, "amount") in {explained.base, explained.total}:
        _printed(line, "amount")
    return explained


def _tables(*, content: Content, doc: Leaves, by_number: Mapping[str, list[Leaves]], writer: Writer) -> list[Table]:
    """Return what a payout pays in a table for each period of its orders, the payout's own period first."""
    rows = list(zip(content.get("settles", ()), doc.get("settles", ()), strict=True))
    begins = content["period"]["from"] if rows else ""
    tables = []
    for prior in (False, True):
        mine = [(raw, row) for raw, row in rows if (raw.get("order_date", raw["operation_date"]) < begins) is prior]
        if not mine:
            continue
        long, total, settled = len(mine) > LONG_TABLE_ROWS, Decimal(0), []
        for place, (raw, row) in enumerate(mine):
            before, total = total, total + Decimal(raw["amount"])
            parts = by_number.get(raw["number"], [])
            for part in parts:
                _printed(part, "order", "number", "rule")
            paid = Settled(row=row, parts=[part for part in parts if part["rule"] != "cash_collected"])
            if long:
                paid.before = writer.amount(str(before)) if place else ""
                paid.after = writer.amount(str(total)) if place < len(mine) - 1 else ""
            settled.append(paid)
        tables.append(Table(prior=prior, total=writer.amount(str(total)), rows=settled, long=long))
    return tables


def _effects(*, content: Content, doc: Leaves, own: Iterable[tuple[Content, Leaves]], writer: Writer) -> dict[str, str]:
    """Return the totals that reduce the sum, with the sign of their effect, as written."""
    for raw, row in own:
        if raw["rule"] == "cash_collected":
            _printed(row, "rule")
        elif "line" not in raw:
            _printed(row, "order", "rule", "name", "rate", "amount")
    totals = content["totals"]
    names = [name for name in ("withheld", "cash_collected", "closing_carry_over") if name in totals]
    return {name: _taken(doc["totals"], name, amount=totals[name], writer=writer) for name in names}


def _taken(row: Leaves, key: str, *, amount: str, writer: Writer) -> str:
    """Return an amount with the sign of its effect; "-16,80" prints "16,80" too."""
    effect = writer.amount(_turned(amount))
    if dict.__getitem__(row, key) in effect:
        _printed(row, key)
    return effect


def _turned(amount: str) -> str:
    """Return an amount's text with the other sign; zero stays zero."""
    return amount.removeprefix("-") if amount.startswith("-") else f"-{amount}" if amount.strip("0.") else amount


def _printed(row: Leaves, *keys: str) -> None:
    """Note that leaves are printed, as text or beside others of the same value."""
    row.read.update(keys)
