"""Orders of a month that change hands, or are canceled: what their owners no longer have, and who has it then."""

import datetime as dt
from typing import TYPE_CHECKING

from tests.payouts import account, making
from tests.payouts.account import HOUR, Due, Loss

if TYPE_CHECKING:
    from tests.payouts.making import EventJson
    from tests.payouts.month import Month

LATEST = dt.timedelta(days=9)  # until when after its completion
Owed = list[tuple[str, Due]]  # each with whom it is owed to


def legal_name(party: str) -> str:
    return f"Flota {party}, S.L." if party.startswith("flt_") else f"Conductora {party}"


def change(*, month: "Month", order: str, owed: Owed, at: dt.datetime) -> None:
    """Let one of these happen to an order, sometimes; nobody forgets what is taken back of one with adjustments."""
    is_adjusted = any(one.word == "adjustment" for _, one in owed)
    if month.happens("canceled before") and not is_adjusted:
        _cancel_before(month=month, order=order, owed=owed, at=at)
        return
    later = month.moment(at + HOUR, LATEST)
    if month.happens("order canceled"):
        forgotten = month.happens("forgotten") and not is_adjusted
        cancel(month=month, order=order, owed=owed, at=later, forgotten=forgotten)
    elif month.happens("reassigned"):
        forgotten = month.happens("forgotten") and not is_adjusted
        reassign(month=month, order=order, owed=owed, at=later, forgotten=forgotten)


def plant_forgotten(*, month: "Month") -> None:
    """Name what was paid in vain and never taken off again."""
    for payee, dues in month.due.items():
        for one in dues:
            if one.lost and one.paid_in_vain():
                month.plant(one.lost.code, f"{one.order}:{payee}", one.paid_in_vain())
                month.count(forgotten=one.paid_in_vain())


def _cancel_before(*, month: "Month", order: str, owed: Owed, at: dt.datetime) -> None:
    """An order that nobody is owed anything of: it is ignored, or issued and taken back, as the two arrive."""
    month.ignored.add(f"evt_{order}")
    month.tell(making.order_canceled(order, at=account.text(at - HOUR)))
    both = set[str]()
    for payee, one in owed:
        month.due[payee].remove(one)
        both |= {one.key, _canceled_key(one)}
        month.count(earned=-one.net)
    month.keys -= both
    month.either.append(both)


def cancel(*, month: "Month", order: str, owed: Owed, at: dt.datetime, forgotten: bool) -> None:
    month.tell(making.order_canceled(order, at=account.text(at)))
    for _, one in owed:
        if one.word == "order" or one.at < at:  # what is adjusted since may be a fee for it
            key = _canceled_key(one)
            one.lost = Loss(code="paid_for_canceled", at=at, credit=one.name, key=key, forgotten=forgotten)
            month.keys.add(key)
            month.count(earned=-one.net)


def _canceled_key(one: Due) -> str:
    return f"CREDIT_NOTE:{one.word}:{one.name}:{one.key.split(':')[3]}:canceled"


def reassign(*, month: "Month", order: str, owed: Owed, at: dt.datetime, forgotten: bool) -> None:
    """Give what is the beneficiary's to another one of the same sort; the partner's part stays."""
    moving = [(payee, one) for payee, one in owed if one.key.split(":")[3] == "beneficiary"]
    giver = moving[0][0]
    takers = [payee for payee in month.payees if payee[:3] == giver[:3] and payee != giver]
    if not takers:
        return
    name, taker = f"ra_{order}", month.dice.choice(takers)
    to = {"id": taker, "legal_name": legal_name(taker)}
    month.tell(making.reassignment(name, order, giver=giver, to=to, at=account.text(at)))
    for _, one in moving:
        suffix = f"beneficiary:{one.name}" if one.word == "adjustment" else "beneficiary"
        note, mine = f"CREDIT_NOTE:reassignment:{name}:{suffix}", f"ORDER_FINAL_STATEMENT:reassignment:{name}:{suffix}"
        if one.word == "order" or one.at < at:
            one.lost = Loss(code="paid_to_former_owner", at=at, credit=name, key=note, forgotten=forgotten)
            month.keys.add(note)
            month.count(earned=-one.net)
        else:  # it is the new owner's from the start; where the reassignment comes last, it was issued for the former
            month.due[giver].remove(one)
            month.keys.remove(one.key)
            month.either.append({one.key, note})
            month.count(earned=-one.net)
        facts: EventJson = {"word": one.word, "name": one.name, "order": order, "net": one.net, "cash": one.cash}
        month.owe(taker, key=mine, at=max(at, one.at), moved=True, **facts)
