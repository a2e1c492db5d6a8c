"""Secrets are exchanged by docs/operations/rotate.md under load: no sender is answered 5xx, no link or session ends."""

import email
import email.policy
import http.client
import re
import time
from collections.abc import Iterator
from http import HTTPStatus

from tests.deployment import event_load, losses, outside, pages, production

PAUSE_S, WAIT_S = 0.5, 180.0
OPEN = (
    "SELECT (SELECT count(*) FROM documents_document WHERE status <> 'LOCKED'),"
    " (SELECT count(*) FROM documents_delivery WHERE status = 'QUEUED' AND channel = 'EMAIL')"
)
SCRIPT, SECOND_KEYS = "/root/rotation.sh", "for a second pair of keys"
LINK = re.compile(rf"https://{re.escape(production.PUBLIC_HOST)}(/l/[A-Za-z0-9_-]{{43}}/)")


def findings(*, built: production.Production) -> Iterator[str]:
    """Yield who noticed something of it."""
    path, cookie = _opened(built=built)
    blocks = pages.blocks(page="rotate.md")
    others = [block.occasion for block in blocks].index(SECOND_KEYS)
    with _load(built=built, seed=801) as load:
        for block in blocks[:others]:
            built.follow(block=block)
            if "draw a value" in block.occasion:
                text = built.hosts["worker1"].read(SCRIPT)
                for name in ("web1", "web2", "worker2"):
                    built.hosts[name].put({SCRIPT: text})
            if (
                "forget" in block.occasion
            ):  # a month early: what the old one made is over, and a new mail has a new link
                path, cookie = _opened(built=built)
            if (status := _ask(method="GET", path=path, cookie=cookie)[0]) != HTTPStatus.OK:
                yield f"after {block.occasion!r} the session of a link is answered {status}"
    yield from load.findings
    yield from _given_by_others(built=built, blocks=blocks[others:])
    status, body, _ = _ask(method="POST", path=f"{path}download/", cookie=cookie)
    if status != HTTPStatus.OK or not body.startswith(b"%PDF"):
        yield f"after the exchange a link's download is answered {status}"


def _given_by_others(*, built: production.Production, blocks: list[pages.CommandBlock]) -> Iterator[str]:
    """Exchange what others give out, each first one withdrawn before the load ends; yield who noticed something."""
    with _load(built=built, seed=802) as load:
        for block in blocks:
            _others_do(box=built.outside, before=block.occasion)
            built.follow(block=block)
        built.outside.know(first=False, second=True)
        withdrawn = time.time()
    yield from load.findings
    yield from _locked_and_mailed(built=built, since=withdrawn)


def _others_do(*, box: outside.OutsideServices, before: str) -> None:
    """Make and withdraw what others give out, as they do before a block is typed."""
    if before == SECOND_KEYS:
        box.open_to(first=True, second=True)
    elif before == "once the first pair is withdrawn":
        box.open_to(first=False, second=True)
    elif before == "for a second login":
        box.know(first=True, second=True)


def _locked_and_mailed(*, built: production.Production, since: float) -> Iterator[str]:
    """Yield what is not locked with the second keys, or not mailed with the second login."""
    until = time.monotonic() + WAIT_S
    while (still := built.sql(host="db1", query=OPEN)) != "0|0" and time.monotonic() < until:
        time.sleep(1)
    if still != "0|0":
        yield f"documents not locked | mails not sent: {still}"
    if not any(file.stat().st_mtime > since for file in built.outside.mail.glob("*.eml")):
        yield "no mail has come by the second login"


def _load(*, built: production.Production, seed: int) -> event_load.EventSender:
    told = losses.ToldFacts(keys=set(), answers={})
    return event_load.EventSender(built=built, told=told, seed=seed, pause_s=PAUSE_S)


def _opened(*, built: production.Production) -> tuple[str, str]:
    """Open the newest receipt's link as its customer does; return its path and the cookie of the session."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for path in _links(box=built.outside):
            status, _, cookie = _ask(method="POST", path=f"{path}open/")
            if status == HTTPStatus.SEE_OTHER and cookie:
                return path, cookie
        time.sleep(1)
    raise LookupError("no mail with a link that opens without a question has come")


def _links(*, box: outside.OutsideServices) -> Iterator[str]:
    for file in sorted(box.mail.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        part = message.get_body(preferencelist=("plain",))
        if part is not None:
            yield from LINK.findall(part.get_content())


def _ask(*, method: str, path: str, cookie: str = "") -> tuple[int, bytes, str]:
    """Return status, body and the first cookie of one request, tried once."""
    connection = http.client.HTTPSConnection(production.PUBLIC_HOST, timeout=70)
    form = {"Content-Type": "application/x-www-form-urlencoded", **({"Cookie": cookie} if cookie else {})}
    try:
        connection.request(method, path, headers=form)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers.get("Set-Cookie", "").partition(";")[0]
    finally:
        connection.close()
