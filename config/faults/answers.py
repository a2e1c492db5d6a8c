"""What a dependency says that is busy, broken or empty, in the protocol that its client speaks. Nothing is random."""

import enum
import hashlib
import struct

RETRY_AFTER_S = 7
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104  # what libpq asks before it says who it is
GARBAGE_BYTES = 300


class Protocol(enum.StrEnum):
    """What is spoken at a port."""

    S3 = "s3"
    HTTP = "http"
    SMTP = "smtp"
    REDIS = "redis"
    POSTGRESQL = "postgresql"


def busy(*, protocol: Protocol, asked: bytes, turn: int) -> bytes:
    """Return the answer of a server that asks to come again; HTTP says 503 and 429 in turn, with Retry-After."""
    if protocol is Protocol.SMTP:
        return b"421 4.3.2 try again later\r\n"
    if protocol is Protocol.REDIS:
        return b"-LOADING the dataset is being read into memory\r\n" * max(1, asked.count(b"*"))
    if protocol is Protocol.POSTGRESQL:
        return _postgresql_refusal(asked=asked)
    status = "503 Slow Down" if turn % 2 == 0 else "429 Too Many Requests"
    body = b"<Error><Code>SlowDown</Code><Message>reduce your rate</Message></Error>"
    return _http(status=status, body=body, headers=f"Retry-After: {RETRY_AFTER_S}\r\nContent-Type: application/xml\r\n")


def empty() -> bytes:
    """Return an answer that says yes and nothing else."""
    return _http(status="200 OK", body=b"", headers="")


def garbage(*, seed: int, turn: int) -> bytes:
    """Return bytes of no protocol, others each time and the same for a seed."""
    return hashlib.shake_128(f"{seed}:{turn}".encode()).digest(GARBAGE_BYTES)


def is_prelude(*, asked: bytes) -> bool:
    """Say whether these are libpq's questions for encryption, which are answered before anything else."""
    return len(asked) == struct.calcsize("!II") and struct.unpack("!II", asked)[1] in {SSL_REQUEST, GSS_REQUEST}


def content_length(*, head: bytes) -> int:
    """Return how many bytes follow the head of a request; none where its sender waits for leave to send them."""
    length = 0
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length" and value.strip().isdigit():
            length = int(value)
        if name == b"expect":
            return 0
    return length


def _postgresql_refusal(*, asked: bytes) -> bytes:
    if is_prelude(asked=asked):
        return b"N"
    fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


def _http(*, status: str, body: bytes, headers: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body
