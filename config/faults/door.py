"""The product's door as its callers see it: one request, one answer, and how long it took."""

import http.client
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

LIMIT_S = 30.0
SIGN_IN = "/admin/login/"
TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True, kw_only=True)
class DoorAnswer:
    """What the door said, and how long it took; status 0: nothing at all."""

    status: int
    seconds: float
    retry_after: str = ""
    cookies: tuple[str, ...] = ()
    body: bytes = b""

    @property
    def is_good(self) -> bool:
        """Return whether it is a 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


def ask(
    *, base_url: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> DoorAnswer:
    """Make one request; that nobody is there, or says anything in time, is an answer, too."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=LIMIT_S)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        response = connection.getresponse()
        said = response.read()
    except (OSError, http.client.HTTPException):
        return DoorAnswer(status=0, seconds=time.monotonic() - began)
    finally:
        connection.close()
    return DoorAnswer(
        status=response.status,
        seconds=time.monotonic() - began,
        retry_after=str(response.getheader("Retry-After", "")),
        cookies=tuple(response.headers.get_all("Set-Cookie") or ()),
        body=said,
    )


def sign_in(*, base_url: str, login: str, password: str) -> str:
    """Sign a member of staff in and return the cookies of the session; "" where the door does not let her in."""
    form = ask(base_url=base_url, method="GET", path=SIGN_IN)
    token = TOKEN.search(form.body)
    if token is None:
        return ""
    typed = {"username": login, "password": password, "csrfmiddlewaretoken": token[1].decode(), "next": "/admin/"}
    headers = {
        "Cookie": _cookies(form),
        "Content-Type": "application/x-www-form-urlencoded",
        "Referer": f"{base_url}{SIGN_IN}",
    }
    answer = ask(base_url=base_url, method="POST", path=SIGN_IN, body=urlencode(typed).encode(), headers=headers)
    return _cookies(answer)


def _cookies(answer: DoorAnswer) -> str:
    held = SimpleCookie()
    for cookie in answer.cookies:
        held.load(cookie)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in held.items())
