"""The renderer's child process: one warm WeasyPrint that reads jobs from a socket and answers with PDF bytes.

Started by `rendering.pool` as `python -m documents.rendering.child <socket> <bundle folder> <address space>`. Once
warm it can write no file and open no connection: an audit hook refuses both, and so do the kernel's limits. Its output
depends on the job, the template bundle and the engine, and on nothing else of the machine.
"""

import gc
import hashlib
import io
import json
import os
import pathlib
import re
import resource
import signal
import struct
import sys
import time
import traceback
from typing import Any

FRAME = struct.Struct(">II")  # length of the header (JSON), length of the body (bytes)
TEMPLATE_TAG = re.compile(r"""\{%\s*(?:extends|include)\s+"([^"]+)""")
FONT_FILES = ("IBMPlexSans-Regular.ttf", "IBMPlexSans-SemiBold.ttf")
SOURCES = (
    "child.py",
    "printout.py",
    "composition.py",
    "conformance.py",
    "weasyprint_patches.py",
    "weasyprint_text_patches.py",
)
OPEN_FILES_MAX = 64


def limit(*, address_space_bytes: int) -> None:
    """Limit the resources of the process; files cannot grow at all, so nothing can be written."""
    resource.setrlimit(resource.RLIMIT_AS, (address_space_bytes, address_space_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES_MAX, OPEN_FILES_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def die_with_parent() -> None:
    """End the process within a second of its parent's death, even in the middle of a job."""
    parent = os.getppid()

    def look(*_args: object) -> None:
        if os.getppid() != parent:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)


def refuse(event: str, args: tuple[Any, ...]) -> None:
    """Refuse, as an audit hook, to connect, to start programs and to write files."""
    if event.startswith(("socket.", "subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "os.system", "os.fork")):
        raise PermissionError(event)
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        raise PermissionError(event)


class Bundle:
    """The files of the template folder, read once, and the digest of those that a template uses."""

    def __init__(self, *, folder: pathlib.Path) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.files = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
        here = pathlib.Path(__file__).parent
        self.sources = {f"documents/rendering/{name}": (here / name).read_bytes() for name in SOURCES}

    def templates(self) -> dict[str, str]:
        """Return every template by the name that `extends` and `include` use."""
        return {name: body.decode() for name, body in self.files.items() if name.endswith(".html")}

    def used_by(self, name: str) -> set[str]:
        """Return a template and all it extends or includes."""
        used, waiting = set[str](), [name]
        while waiting:
            template = waiting.pop()
            if template not in used:
                used.add(template)
                waiting += TEMPLATE_TAG.findall(self.files[template].decode())
        return used

    def digest(self, *, name: str, extras: bytes) -> str:
        """Return the SHA-256 over all that the bytes depend on, except content and engine."""
        shared = {file for file in self.files if file.startswith("fonts/") and not file.endswith((".md", ".txt"))}
        names = self.used_by(name) | shared | {"print.css"}
        parts = {file: hashlib.sha256(self.files[file]).hexdigest() for file in names}
        parts |= {file: hashlib.sha256(body).hexdigest() for file, body in self.sources.items()}
        parts["extras"] = hashlib.sha256(extras).hexdigest()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def characters(self) -> frozenset[int]:
        """Return the code points that every text font has, and the box."""
        from fontTools.ttLib import TTFont

        fonts = [TTFont(io.BytesIO(self.files[f"fonts/{name}"]), lazy=True) for name in FONT_FILES]
        common = frozenset.intersection(*(frozenset(font.getBestCmap()) for font in fonts))
        return frozenset(point for point in common if chr(point).isprintable()) | {0x25AF}


class Press:
    """The parts that are prepared once: template engine, parsed style sheet, one font configuration."""

    def __init__(self, *, folder: pathlib.Path, tuned: bool = True) -> None:
        import django.conf
        import django.template
        from weasyprint import CSS
        from weasyprint.text.fonts import FontConfiguration

        from documents.rendering import (
            composition,
            conformance,
            weasyprint_patches,
        )

        self.conformance, self.composition = conformance, composition
        if tuned:
            weasyprint_patches.apply()
        django.conf.settings.configure(USE_I18N=False)
        self.bundle = Bundle(folder=folder)
        loaders = [("django.template.loaders.locmem.Loader", self.bundle.templates())]
        cached = [("django.template.loaders.cached.Loader", loaders)]
        self.engine = django.template.Engine(loaders=cached, autoescape=True)
        self.context = django.template.Context
        self.characters = self.bundle.characters()
        self.fonts = FontConfiguration()  # one per process: each new one leaks a quarter of a mebibyte
        sheet = self.bundle.files["print.css"].decode()
        self.sheet = CSS(string=sheet, font_config=self.fonts, url_fetcher=conformance.fetcher({}))

    def print(self, *, job: dict[str, Any], logo: bytes) -> tuple[dict[str, Any], bytes]:
        """Render one job; the answer's header has pages, flags and the bundle's digest."""
        compose = self.composition.compose_plain if job["plain"] else self.composition.compose
        context = compose(content=job["content"], texts=job["words"], characters=self.characters)
        payload = job["canonical"].encode()
        extras = json.dumps([job["words"], job["watermark"], hashlib.sha256(logo).hexdigest()], sort_keys=True)
        images = {"logo": logo} if logo else {}
        url = "" if job["plain"] else job["content"].get("verification", {}).get("url", "")
        if url:
            images["qr"] = self.conformance.qr(url)
        digest = hashlib.sha256(payload).digest()
        context |= {
            "content_sha256": digest.hex(),
            "created": job["created"],
            "watermark": job["watermark"],
            "logo": bool(logo),
            "qr": bool(url),
        }
        html = self.engine.get_template(job["template"]).render(self.context(context))
        pdf, pages = self.conformance.write(
            html=html,
            images=images,
            sheet=self.sheet,
            fonts=self.fonts,
            payload=payload,
            created=job["created"],
            digest=digest,
        )
        bundle = self.bundle.digest(name=job["template"], extras=extras.encode())
        return {"ok": True, "pages": pages, "flags": context["flags"], "bundle_digest": bundle}, pdf


def cause(error: BaseException) -> str:
    """Return an error's name and place without its message, which may quote a person's data."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {pathlib.PurePath(frame.filename).name}:{frame.lineno}"


def receive(descriptor: int, size: int) -> bytes:
    """Read exactly `size` bytes; end the process where the parent has gone."""
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1 << 20))
        if not part:
            sys.exit(0)
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def send(descriptor: int, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one frame."""
    text = json.dumps(header).encode()
    view = memoryview(FRAME.pack(len(text), len(body)) + text + body)
    while view:
        view = view[os.write(descriptor, view) :]


def serve(*, descriptor: int, press: Press) -> None:
    """Answer jobs until the parent closes the socket.

    Garbage is collected after the answer, not during the work. A job that is out of CPU time is ended by the kernel
    (SIGPROF), one that is out of memory ends the process: the parent starts another.
    """
    while True:
        header_size, body_size = FRAME.unpack(receive(descriptor, FRAME.size))
        job = json.loads(receive(descriptor, header_size))
        logo = receive(descriptor, body_size)
        signal.setitimer(signal.ITIMER_PROF, job["cpu_s"])
        started = time.process_time()
        try:
            header, pdf = press.print(job=job, logo=logo)
        except MemoryError:
            os._exit(3)
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent hears its name
            header, pdf = {"ok": False, "cause": cause(error)}, b""
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        send(descriptor, header | {"ticket": job["ticket"], "cpu_s": time.process_time() - started}, pdf)
        del job, logo, header, pdf
        gc.collect()


def main() -> None:
    """Warm up, say hello with the engine's versions (or what is missing), and serve."""
    descriptor, folder, address_space_bytes = int(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    die_with_parent()
    gc.disable()
    try:
        press = Press(folder=folder)
        engine = press.conformance.engine()
        press.conformance.rehearse(press)
        limit(address_space_bytes=address_space_bytes)
    except Exception as error:  # noqa: BLE001 - a machine without Pango must say so, not vanish
        send(descriptor, {"ok": False, "cause": f"{type(error).__name__}: {error}"[:300]})
        return
    gc.collect()
    gc.freeze()
    sys.addaudithook(refuse)
    send(descriptor, {"ok": True, "engine": engine})
    serve(descriptor=descriptor, press=press)


if __name__ == "__main__":
    main()
