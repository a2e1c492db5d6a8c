"""Verifies an evidence pack of billing-docs on any machine: this one file, Python and the package `cryptography`.

    python -I verify_pack.py PACK.zip [--key NAME+ID+KEY] [--checkpoint FILE]

It imports nothing of the product, so that a mistake of the product cannot hide in its own verifier. Exit code: 0 where
all of it holds, 1 where something does not (it says what), 2 where the file cannot be read at all. What does not hold
is raised as PackRefused, wherever it is found.
"""

import argparse
import base64
import hashlib
import io
import json
import pathlib
import re
import sys
import zipfile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MANIFEST, KEYS, CHECKPOINT, RECEIPT = "manifest.json", "keys.txt", "checkpoint.txt", "receipt.json"
CONTENT, PDF, COMMITMENT, GROWTH = "content.json", "document.pdf", "commitment.txt", "commitment.consistency"
HASH_BYTES, KEY_BYTES = 32, 33  # the latter with the byte that says Ed25519
MOMENT = (1980, 1, 1, 0, 0, 0)
ERASED = "erased"


class PackRefused(Exception):
    """Something in the pack does not hold."""


def main() -> int:
    """Verify the pack that the command line names."""
    parser = argparse.ArgumentParser(description="Verifica un paquete de evidencia · Verifies an evidence pack")
    parser.add_argument("pack")
    parser.add_argument("--key", help="the key of the log, got from somewhere else than this pack")
    parser.add_argument("--checkpoint", help="a checkpoint of the log of your own")
    options = parser.parse_args()
    try:
        own = pathlib.Path(options.checkpoint).read_text(encoding="utf-8") if options.checkpoint else ""
        said = verify(body=pathlib.Path(options.pack).read_bytes(), key=options.key or "", own=own)
    except PackRefused as refusal:
        sys.stdout.write(f"NO VÁLIDO · NOT VALID: {refusal}\n")
        return 1
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        sys.stdout.write(f"NO VÁLIDO · NOT VALID: {type(error).__name__}: {error}\n")
        return 1
    except OSError as error:
        sys.stdout.write(f"no se puede leer · cannot be read: {error}\n")
        return 2
    sys.stdout.write("".join(f"✓ {line}\n" for line in said) + "VÁLIDO · VALID\n")
    return 0


def verify(*, body: bytes, key: str = "", own: str = "") -> list[str]:
    """Return what was verified, in words."""
    files = unpack(body=body)
    manifest = json.loads(files[MANIFEST])
    keys = [read_key(text=line) for line in ([key] if key else files[KEYS].decode().split())]
    origin, size, root = read_checkpoint(note=files[CHECKPOINT].decode(), keys=keys)
    said = [f"{len(files)} archivos · files: {MANIFEST}", f"checkpoint {origin}, {size} eventos · events"]
    if own:
        own_origin, own_size, own_root = read_checkpoint(note=own, keys=keys)
        if own_origin != origin or (own_size == size and own_root != root):
            raise PackRefused("your checkpoint is of another log, or of another past of this one")
        said.append(f"tu checkpoint · your checkpoint: {own_size}")
    document = manifest["document"]
    facts, actions = events(files=files, document=document["id"], size=size, root=root)
    for name in ("number", "document_key", "content_sha256"):
        if facts.get(name) != document[name]:
            raise PackRefused(f"{name}: the sealed log says {facts.get(name)}")
    said.append(f"{len(actions)} eventos sellados · sealed events: {', '.join(actions)}")
    said += [f"{facts['number']}, conservar hasta · keep until {facts.get('retain_until', '-')}"]
    return said + contents(files=files, facts=facts, actions=actions) + committed(files=files, size=size, root=root)


def unpack(*, body: bytes) -> dict[str, bytes]:
    """Return the files of a pack, each of which its manifest names with its hash, and nothing besides."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, OSError, KeyError) as error:
        raise PackRefused(f"no ZIP: {error}") from error
    if packed(files=files) != body:
        raise PackRefused("the container is not the one of its files")
    try:
        manifest = json.loads(files[MANIFEST])
        named = manifest["files"]
        canonical = encoded(value=manifest)
    except (KeyError, TypeError, ValueError) as error:
        raise PackRefused("no manifest") from error
    if canonical != files[MANIFEST]:
        raise PackRefused("the manifest is not written as manifests are")
    hashes = {name: hashlib.sha256(body).hexdigest() for name, body in files.items() if name != MANIFEST}
    wrong = sorted(name for name in hashes.keys() | named.keys() if hashes.get(name) != named.get(name))
    if wrong:
        raise PackRefused(f"not what the manifest names: {', '.join(wrong)}")
    for name in (KEYS, CHECKPOINT, RECEIPT):
        if name not in files:
            raise PackRefused(f"{name} is missing")
    return files


def packed(*, files: dict[str, bytes]) -> bytes:
    """Return the ZIP of files, of which each byte is determined."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name, date_time=MOMENT)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, body)
    return target.getvalue()


def encoded(*, value: object) -> bytes:
    """Return RFC 8785 bytes of a value of texts, integers, lists and objects with plain names."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def events(*, files: dict[str, bytes], document: str, size: int, root: bytes) -> tuple[dict[str, str], list[str]]:
    """Return what the sealed events say of the document, and their actions in the order of the log."""
    facts: dict[str, str] = {}
    actions, last = [], -1
    for name in sorted(name for name in files if name.startswith("events/") and name.endswith(".json")):
        leaf, proof = files[name], files.get(name.removesuffix(".json") + ".tlog-proof")
        if proof is None:
            raise PackRefused(f"{name} has no proof")
        index, hashes, note = read_proof(text=proof.decode())
        if note != files[CHECKPOINT].decode():
            raise PackRefused(f"the proof of {name} is of another checkpoint")
        if index <= last or not included(leaf=leaf, index=index, size=size, proof=hashes, root=root):
            raise PackRefused(f"{name} is not in the log where its proof says")
        event = json.loads(leaf)
        if (event["object_type"], event["object_id"]) != ("document", document):
            raise PackRefused(f"{name} is about something else")
        details(name=name, event=event, body=files.get(name.removesuffix(".json") + ".details"))
        facts |= event["facts"]
        actions.append(event["action"])
        last = index
    if "document.issued" not in actions:
        raise PackRefused("no event says that it was issued")
    return facts, actions


def details(*, name: str, event: dict[str, object], body: bytes | None) -> None:
    """Compare the personal details of an event, where they have not been erased, with what was sealed."""
    if body is None or body == ERASED.encode():
        return
    salt, _, text = body.partition(b"\n")
    if hashlib.sha256(bytes.fromhex(salt.decode()) + text).hexdigest() != event["details_digest"]:
        raise PackRefused(f"{name}: its details are not those that were sealed")


def contents(*, files: dict[str, bytes], facts: dict[str, str], actions: list[str]) -> list[str]:
    """Compare the file, its content and its lock with what was sealed, and say so."""
    said, receipt = [], json.loads(files[RECEIPT])
    if CONTENT in files:
        if hashlib.sha256(files[CONTENT]).hexdigest() != facts["content_sha256"]:
            raise PackRefused("content.json is not what was issued")
        content = json.loads(files[CONTENT])
        if (content["number"], content["document_key"]) != (facts["number"], facts["document_key"]):
            raise PackRefused("content.json is of another document")
        said.append("content.json: lo que se emitió · what was issued")
    if "document.locked" in actions:
        sealed = {name: facts.get(name, "") for name in ("file_sha256", "vault_version", "retain_until")}
        if {name: receipt.get(name, "") for name in sealed} != sealed:
            raise PackRefused("the receipt of the vault is not what was sealed")
        said.append(f"recibo de la bóveda · receipt of the vault: {receipt['mode']} {receipt['vault_version']}")
    if PDF in files:
        if hashlib.sha256(files[PDF]).hexdigest() != facts.get("file_sha256"):
            raise PackRefused("document.pdf is not what was locked")
        said.append("document.pdf: lo que se resguardó, byte a byte · what was locked, byte for byte")
    return said


def committed(*, files: dict[str, bytes], size: int, root: bytes) -> list[str]:
    """Open the commitment that the document names, and say up to where it binds the document to the log."""
    digest = json.loads(files.get(CONTENT, b"{}")).get("log_commitment")
    if not digest:
        return []
    blind, _, note = files.get(COMMITMENT, b"").partition(b"\n")
    if hashlib.sha256(bytes.fromhex(blind.decode()) + note).hexdigest() != digest:
        raise PackRefused("the commitment that the document names is not opened")
    _, then, root_then = checkpoint_of(text=note.decode())
    proof = [decoded(text=line) for line in files.get(GROWTH, b"").decode().split()]
    if not grown(size1=then, root1=root_then, size2=size, root2=root, proof=proof):
        raise PackRefused("the log that the document names is not the beginning of this one")
    return [f"compromiso impreso · printed commitment {digest[:16]}: {then} eventos · events"]


def grown(*, size1: int, root1: bytes, size2: int, root2: bytes, proof: list[bytes]) -> bool:
    """Return whether the tree with the first root is the beginning of the one with the second (RFC 9162, 2.1.4.2)."""
    if not 0 < size1 < size2 or any(len(hashed) != HASH_BYTES for hashed in (root1, root2, *proof)):
        return (size1, root1, proof) == (size2, root2, []) and size1 > 0
    path = proof if size1 & (size1 - 1) else [root1, *proof]
    place, last = size1 - 1, size2 - 1
    while place % 2:
        place, last = place // 2, last // 2
    first = second = path[0] if path else b""
    for other in path[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            first, second = (hashlib.sha256(b"\x01" + other + right).digest() for right in (first, second))
            while place and not place % 2:
                place, last = place // 2, last // 2
        else:
            second = hashlib.sha256(b"\x01" + second + other).digest()
        place, last = place // 2, last // 2
    return last == 0 and (first, second) == (root1, root2)


def read_key(*, text: str) -> tuple[str, bytes, bytes]:
    """Return name, id and public half of a key of the log."""
    name, _, rest = text.strip().partition("+")
    hexed, _, encoded_key = rest.partition("+")
    body = decoded(text=encoded_key)
    if (
        len(body) != KEY_BYTES
        or body[0] != 1
        or hashlib.sha256(name.encode() + b"\n" + body).digest()[:4].hex() != hexed
    ):
        raise PackRefused("no key of a log")
    return name, bytes.fromhex(hexed), body[1:]


def read_checkpoint(*, note: str, keys: list[tuple[str, bytes, bytes]]) -> tuple[str, int, bytes]:
    """Return origin, size and root of a checkpoint that one of the keys, and none of them wrongly, has signed."""
    text, blank, tail = note.rpartition("\n\n")
    text += "\n"
    signed = 0
    for line in tail.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"— (\S+) (\S+)", line)
        if not blank or match is None:
            raise PackRefused("no signed checkpoint")
        signature = decoded(text=match[2])
        for name, key_id, public in keys:
            if (name, key_id) == (match[1], signature[:4]):
                try:
                    Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
                except InvalidSignature as error:
                    raise PackRefused("the signature of the checkpoint is wrong") from error
                signed += 1
    if not signed:
        raise PackRefused("no checkpoint that a known key has signed")
    return checkpoint_of(text=text)


def checkpoint_of(*, text: str) -> tuple[str, int, bytes]:
    """Return origin, size and root that the text of a checkpoint says, whoever signed it."""
    match = re.match(r"([^\n]+)\n([1-9][0-9]{0,18})\n([^\n]+)\n", text, re.ASCII)
    if match is None:
        raise PackRefused("no checkpoint")
    return match[1], int(match[2]), decoded(text=match[3])


def read_proof(*, text: str) -> tuple[int, list[bytes], str]:
    """Return index, hashes and checkpoint of a proof by c2sp.org/tlog-proof."""
    head, blank, note = text.partition("\n\n")
    lines = head.split("\n")
    match = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[1], re.ASCII) if len(lines) > 1 else None
    if not blank or lines[0] != "c2sp.org/tlog-proof@v1" or match is None:
        raise PackRefused("no proof of a log")
    return int(match[1]), [decoded(text=line) for line in lines[2:]], note


def included(*, leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Return whether a leaf stands at `index` in the tree of `size` leaves with this root (RFC 9162, 2.1.3.2)."""
    hashed, place, last = hashlib.sha256(b"\x00" + leaf).digest(), index, size - 1
    if not 0 <= index < size:
        return False
    for other in proof:
        if last == 0 or len(other) != HASH_BYTES:
            return False
        if place % 2 or place == last:
            hashed = hashlib.sha256(b"\x01" + other + hashed).digest()
            while place and not place % 2:
                place, last = place // 2, last // 2
        else:
            hashed = hashlib.sha256(b"\x01" + hashed + other).digest()
        place, last = place // 2, last // 2
    return last == 0 and hashed == root


def decoded(*, text: str) -> bytes:
    """Return the bytes of base64."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise PackRefused("no base64") from error


if __name__ == "__main__":
    sys.exit(main())
