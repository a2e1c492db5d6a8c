"""Contents of every kind as emission freezes them, for the tests of the PDF and for its benchmark."""

import hashlib
import random
from decimal import Decimal
from typing import Any

ContentJson = dict[str, Any]
NAMES = (
    "Ana", "Ruiz", "Pardo", "Lucía", "Peña", "Ortiz", "Íñigo", "Muñoz", "Zoë", "Castellanos", "Gutiérrez", "Xochilt",
    "Chávez", "Jhon", "Bjørn", "Łukasz", "Szczęsny", "Åse", "Çelik", "Ağaoğlu", "transporte", "nocturno", "entrega",
)  # fmt: skip
CODE = "7KQ4-M2XD-9FTR-3BWA"
ISSUERS = {
    "ES": {
        "legal_name": "Aventide Iberia, S.L.", "tax_id": "B12345674", "tax_id_name": "NIF",
        "address": "Calle de Alcalá 1, 28014 Madrid",
    },
    "MX": {
        "legal_name": "Aventide México, S.A. de C.V.", "tax_id": "EKU9003173C9", "tax_id_name": "RFC",
        "address": "Av. Reforma 222, 06600 Ciudad de México",
    },
    "CO": {
        "legal_name": "Restaurante Andes S.A.S.", "tax_id": "901234567-7", "tax_id_name": "NIT",
        "address": "Carrera 7 # 71-21, Bogotá",
    },
    "CL": {
        "legal_name": "Aventide Chile SpA", "tax_id": "76543210-3", "tax_id_name": "RUT",
        "address": "Av. Apoquindo 3000, Las Condes, Santiago",
    },
}  # fmt: skip
PLACES = {
    "ES": ("EUR", "Europe/Madrid", "2032-12-31"),
    "MX": ("MXN", "America/Mexico_City", "2032-04-30"),
    "CO": ("COP", "America/Bogota", "2036-12-31"),
    "CL": ("CLP", "America/Santiago", "2032-12-31"),
}
ANA = {"id": "drv_77A1", "legal_name": "Ana Ruiz Pardo", "tax_id": "12345678Z", "tax_id_name": "NIF"}
CAMILA = {"id": "cus_55", "legal_name": "Camila Rojas", "tax_id": "1018123456", "tax_id_name": "CC"}
XOCHILT = {
    "id": "drv_MX42", "legal_name": "Xochilt Casas Chávez", "tax_id": "CACX7605101P8", "tax_id_name": "RFC",
    "address": "Calle Durango 14, Roma Norte",
}  # fmt: skip


def _document(
    *, kind: str, country: str, number: str, owner: dict[str, str], subject: str, day: str, **own: object
) -> ContentJson:
    currency, zone, until = PLACES[country]
    return {
        "kind": kind,
        "number": number,
        "document_key": f"{kind}:{subject}",
        "country": country,
        "currency": currency,
        "language": "es",
        "template_version": "v1",
        "log_commitment": "6b1f" * 16,
        "issuer": dict(ISSUERS[country]),
        "owner": dict(owner),
        "operation_date": day,
        "issue_date": "2026-02-24",
        "time_zone": zone,
        "retain_until": until,
        "verification": {"code": CODE, "url": f"https://docs.example/v/{CODE}"},
        **own,
    }


def _explained(content: ContentJson, **about: str) -> list[dict[str, str]]:
    """Where each cent of an order comes from: its lines, and the tax of each."""
    rates, rows = {group["code"]: group["rate"] for group in content["tax_groups"]}, []
    for line in content["lines"]:
        own = {**about, "line": line["id"]}
        rows.append(own | {"rule": "line", "kind": line["kind"], "amount": line["amount"]})
        if "tax" in line:
            share = Decimal(line["amount"]) * Decimal(rates[line["tax"]])
            tax = {"rule": "tax", "tax": line["tax"], "rate": rates[line["tax"]], "amount": f"{share:.2f}"}
            rows.append(own | tax)
    held = [(one["name"], one["rate"], one["amount"]) for one in content["withholdings"]]
    return rows + [
        {**about, "rule": "withholding", "name": name, "rate": rate, "amount": f"-{amount}"}
        for name, rate, amount in held
    ]


def receipt() -> ContentJson:
    """Lucía's ride in Madrid."""
    return _document(
        kind="PAYMENT_RECEIPT", country="ES", number="AES-PR-2026-0000001", subject="payment:pay_01JM8:customer",
        owner={"id": "cus_9", "legal_name": "Lucía Peña Ortiz"}, day="2026-02-21",
        payment={"id": "pay_01JM8", "method": "card", "brand": "visa", "last4": "4242"},
        order={"id": "ord_9F2K", "service": "PASSENGER_RIDE", "city": "Madrid"}, prices="net",
        lines=[{"id": "1", "kind": "FARE", "description": "Servicio de transporte", "amount": "22.00", "tax": "IVA10"}],
        tax_groups=[{"code": "IVA10", "rate": "0.1", "base": "22.00", "tax": "2.20"}],
        totals={"net": "22.00", "tax": "2.20", "gross": "24.20"},
    )  # fmt: skip


def meal() -> ContentJson:
    """Camila's meal in Bogotá: thousands, and another decimal sign than in Mexico."""
    return _document(
        kind="PAYMENT_RECEIPT", country="CO", number="RAN-PR-2026-0000001", subject="payment:pay_CO1:customer",
        owner=CAMILA, day="2026-02-20", payment={"id": "pay_CO1", "method": "card", "brand": "mastercard", "last4": "5454"},
        order={"id": "ord_CO1", "service": "FOOD_DELIVERY", "city": "Bogotá"}, prices="net",
        lines=[
            {"id": "1", "kind": "ITEM", "description": "Bandeja paisa", "amount": "20000.00", "tax": "INC8"},
            {"id": "2", "kind": "ITEM", "description": "Ajiaco para dos", "amount": "30000.00", "tax": "INC8"},
        ],
        tax_groups=[{"code": "INC8", "rate": "0.08", "base": "50000.00", "tax": "4000.00"}],
        totals={"net": "50000.00", "tax": "4000.00", "gross": "54000.00"},
    )  # fmt: skip


def pesos() -> ContentJson:
    """A receipt in Chile: a currency without decimals, prices with the tax in them."""
    return _document(
        kind="PAYMENT_RECEIPT", country="CL", number="ACL-PR-2026-0000001", subject="payment:pay_CL1:customer",
        owner={"id": "cus_7", "legal_name": "Matías Ñancupil"}, day="2026-02-21",
        payment={"id": "pay_CL1", "method": "webpay"}, order={"id": "ord_CL1", "service": "DELIVERY"}, prices="gross",
        lines=[{"id": "1", "kind": "FARE", "description": "Entrega", "amount": "4500", "tax": "IVA19"}],
        tax_groups=[{"code": "IVA19", "rate": "0.19", "base": "3782", "tax": "718"}],
        totals={"net": "3782", "tax": "718", "gross": "4500"},
    )  # fmt: skip


def order(*, lines: int = 0) -> ContentJson:
    """Ana's order, not paid out yet; with `lines`, a long one."""
    own = [
        {
            "id": "1",
            "kind": "FARE",
            "description": "Servicio de transporte de viajeros",
            "amount": "22.00",
            "tax": "IVA10",
        },
        {"id": "2", "kind": "TIP", "description": "Propina", "amount": "3.00"},
        {"id": "3", "kind": "PLATFORM_FEE", "description": "Comisión 20 %", "amount": "-4.40", "tax": "IVA21"},
    ]
    own += [
        {
            "id": str(place),
            "kind": "ITEM",
            "description": f"Concepto {place} del pedido",
            "amount": "1.00",
            "tax": "IVA10",
        }
        for place in range(4, lines + 1)
    ]
    found = _document(
        kind="ORDER_FINAL_STATEMENT", country="ES", number="AES-OFS-2026-0000001", subject="order:ord_9F2K:beneficiary",
        owner=ANA, day="2026-02-21", audience="beneficiary",
        order={"id": "ord_9F2K", "service": "PASSENGER_RIDE", "city": "Madrid"}, prices="net", lines=own,
        tax_groups=[
            {"code": "IVA10", "rate": "0.1", "base": "22.00", "tax": "2.20"},
            {"code": "IVA21", "rate": "0.21", "base": "-4.40", "tax": "-0.92", "supply": "platform"},
        ],
        withholdings=[], totals={"earnings": "25.00", "deductions": "-4.40", "tax": "1.28", "withheld": "0.00", "payable": "21.88"},
        payout_status="PENDING",
    )  # fmt: skip
    return found | {"explanation": _explained(found, order="ord_9F2K")}


def adjustment() -> ContentJson:
    """A late tip for a fleet's driver, already sent: every optional part of an order's statement."""
    found = order()
    found |= {
        "number": "AES-OFS-2026-0000002",
        "document_key": found["document_key"] + ":adj_1",
        "owner": {
            "id": "flt_3",
            "legal_name": "Flota Norte, S.L.",
            "tax_id": "B87654321",
            "tax_id_name": "NIF",
            "address": "Ría 3, Bilbao",
        },
        "driver": {"id": "drv_77A1", "legal_name": "Ana Ruiz Pardo"},
        "adjustment": {"id": "adj_1", "reason": "LATE_TIP", "corrects": "AES-OFS-2026-0000001"},
        "withholdings": [
            {
                "name": "IRPF",
                "rate": "0.15",
                "base": "22.00",
                "amount": "3.30",
                "legal_ref": "RD 439/2007, art. 95",
                "status": "declared",
            }
        ],
        "cash_collected": "5.00",
        "totals": {"earnings": "25.00", "deductions": "-4.40", "tax": "1.28", "withheld": "3.30", "payable": "18.58"},
        "payout_status": "SENT",
    }
    return found | {"explanation": _explained(found, order="ord_9F2K")}


def partner() -> ContentJson:
    """The restaurant's side of an order in Bogotá."""
    found = _document(
        kind="ORDER_FINAL_STATEMENT", country="CO", number="ACO-OFS-2026-0000002", subject="order:ord_CO7:partner",
        owner={"id": "ptn_andes", "legal_name": "Restaurante Andes S.A.S.", "tax_id": "901234567-7", "tax_id_name": "NIT"},
        day="2026-02-22", audience="partner", order={"id": "ord_CO7", "service": "FOOD_DELIVERY", "city": "Bogotá"}, prices="net",
        lines=[
            {"id": "3", "kind": "ITEM", "description": "Bandeja paisa", "amount": "25000.00", "tax": "INC8"},
            {"id": "4", "kind": "PLATFORM_FEE", "description": "Comisión 20 %", "amount": "-5000.00", "tax": "IVA19"},
        ],
        tax_groups=[
            {"code": "INC8", "rate": "0.08", "base": "25000.00", "tax": "2000.00"},
            {"code": "IVA19", "rate": "0.19", "base": "-5000.00", "tax": "-950.00", "supply": "platform"},
        ],
        withholdings=[],
        totals={"earnings": "25000.00", "deductions": "-5000.00", "tax": "1050.00", "withheld": "0.00", "payable": "21050.00"},
        payout_status="PENDING",
    )  # fmt: skip
    return found | {"explanation": _explained(found, order="ord_CO7")}


def _settled(*, rows: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """So many settled statements, and where each of their cents comes from: a fare, a fee, and their tax."""
    chance, settles, explanation = random.Random(rows), [], []
    for place in range(1, rows + 1):
        fare, order, number = chance.randint(50, 900), f"ord_{chance.getrandbits(40):010X}", f"AMX-OFS-2026-{place:07d}"
        parts = [
            ("1", {"rule": "line", "kind": "FARE"}, Decimal(fare)),
            ("1", {"rule": "tax", "tax": "IVA16", "rate": "0.16"}, Decimal(fare) * 16 / 100),
            ("2", {"rule": "line", "kind": "PLATFORM_FEE"}, Decimal(-fare) / 4),
            ("2", {"rule": "tax", "tax": "IVA16", "rate": "0.16"}, Decimal(-fare) * 4 / 100),
        ]
        net = f"{sum(amount for _, _, amount in parts):.2f}"
        day = f"2026-02-{16 + place * 6 // rows:02d}"
        settles.append({"order": order, "number": number, "operation_date": day, "net": net, "amount": net})
        explanation += [
            {"order": order, "number": number, "line": line, **rule, "amount": f"{amount:.2f}"}
            for line, rule, amount in parts
        ]
    return settles, explanation


def payout(*, rows: int = 2) -> ContentJson:
    """Xochilt's week in Mexico, with every optional part of a payout statement."""
    settles, explanation = _settled(rows=rows)
    settles[-1] |= {"adjustment": "adj_9", "order_date": "2026-02-11"}
    explanation += [
        {"rule": "line", "line": "1", "kind": "BONUS", "amount": "50.00"},
        {"rule": "tax", "line": "1", "tax": "IVA16", "rate": "0.16", "amount": "8.00"},
        {"rule": "withholding", "name": "ISR", "rate": "0.021", "amount": "-16.80"},
        {"rule": "withholding", "name": "IVA", "rate": "0.5", "amount": "-64.00"},
        {"rule": "cash_collected", "order": settles[0]["order"], "number": settles[0]["number"], "amount": "-100.00"},
        {"rule": "opening_carry_over", "amount": "-7.25"},
        {"rule": "closing_carry_over", "amount": "-3.11"},
        {"rule": "difference", "amount": "-0.02"},
    ]
    return _document(
        kind="PAYOUT_STATEMENT", country="MX", number="AMX-PS-2026-0000001", subject="payout:po_5TQ8:payee", owner=XOCHILT,
        day="2026-02-23", payout={"id": "po_5TQ8", "method": "SPEI", "destination_masked": "CLABE ****6789", "reference": "AVT-5TQ8"},
        period={"from": "2026-02-16", "to": "2026-02-22"}, settles=settles,
        adjustments=[{"id": "1", "kind": "BONUS", "description": "Incentivo semanal", "amount": "50.00", "tax": "IVA16"}],
        tax_groups=[{"code": "IVA16", "rate": "0.16", "base": "50.00", "tax": "8.00"}],
        withholdings=[
            {"name": "ISR", "rate": "0.021", "base": "800.00", "amount": "16.80", "legal_ref": "LISR art. 113-A", "status": "checked"},
            {"name": "IVA", "rate": "0.5", "base": "128.00", "amount": "64.00", "legal_ref": "LIVA art. 18-J", "status": "declared"},
        ],
        difference="-0.02", replaces="AMX-PS-2026-0000009", explanation=explanation,
        concepts=[{"concept": "FARE", "amount": "1300.00"}, {"concept": "tax", "amount": "396.00"}],
        totals={
            "included": "1696.00", "adjustments": "58.00", "withheld": "80.80", "cash_collected": "100.00",
            "opening_carry_over": "-7.25", "closing_carry_over": "3.11", "amount": "1562.82",
        },
    )  # fmt: skip


def reversal() -> ContentJson:
    """The bank sent Xochilt's money back."""
    return _document(
        kind="PAYOUT_REVERSAL_NOTICE", country="MX", number="AMX-PRN-2026-0000001", subject="payout:po_5TQ8:payee:returned",
        owner=XOCHILT, day="2026-02-24", payout={"id": "po_5TQ8", "amount": "565.20"}, statement={"number": "AMX-PS-2026-0000001"},
        outcome="returned", reason={"code": "ACCOUNT_CLOSED", "text": "La cuenta de destino está cerrada"},
        next_step="Actualiza tu cuenta bancaria", totals={"amount": "565.20"},
    )  # fmt: skip


def reversal_with_fee() -> ContentJson:
    """The bank kept something of it."""
    content = reversal()
    payout = {"id": "po_5TQ8", "amount": "515.20", "fee": "30.00", "missing": "20.00"}  # both, so that both are printed
    return content | {"payout": payout}


def credit() -> ContentJson:
    """Camila's missing dish."""
    return _document(
        kind="CREDIT_NOTE", country="CO", number="RAN-CN-2026-0000001", subject="refund:rf_9A:customer", owner=CAMILA, day="2026-02-21",
        original={
            "number": "RAN-PR-2026-0000001", "issue_date": "2026-02-20", "document_key": "PAYMENT_RECEIPT:payment:pay_CO1:customer",
            "content_sha256": hashlib.sha256(b"the receipt").hexdigest(),
        },
        refund={"id": "rf_9A", "reason": "ORDER_ITEM_MISSING"}, prices="net",
        lines=[{"id": "1", "kind": "REFUND_ITEM", "description": "Bandeja paisa (no entregada)", "amount": "20000.00", "tax": "INC8"}],
        tax_groups=[{"code": "INC8", "rate": "0.08", "base": "20000.00", "tax": "1600.00"}],
        totals={"net": "20000.00", "tax": "1600.00", "gross": "21600.00"},
    )  # fmt: skip


EVERY = {
    "receipt": receipt, "meal": meal, "pesos": pesos, "order": order, "adjustment": adjustment, "partner": partner,
    "payout": payout, "reversal": reversal, "reversal with a fee": reversal_with_fee, "credit": credit,
}  # fmt: skip
