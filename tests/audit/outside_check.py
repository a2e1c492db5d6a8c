"""What an outside implementation says of a log of ours: `make tlog-lab` runs it, in a Python that has it and not us."""

import json
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import aics_tlog

LAB = pathlib.Path(__file__).parent
PROGRAM = pathlib.Path(sys.executable).parent / "aics-tlog"
LOG, KEYS, FORMER = LAB / "log", LAB / "keys", LAB / "former.note"


def main() -> None:
    """Verify everything, then see that nothing is verified that was changed."""
    answer = verified("the signature of the checkpoint", "verify-checkpoint")
    size = int(answer["size"])
    root = aics_tlog.parse_checkpoint(aics_tlog.parse_note((LOG / "checkpoint").read_bytes()).text).root
    report = walk(log=LOG, size=size, root=root)
    say(f"verified: {report.tiles} tiles and {report.bundles} bundles of entries of a tree of {size}")
    for index in (0, 1, 255, 256, 699, 65_535, 65_536, size - 2, size - 1):
        verified(f"inclusion of entry {index}", "verify-inclusion", "--index", str(index))
    answer = verified("consistency", "verify-consistency", "--old-checkpoint", str(FORMER))
    say(f"verified: the tree of {answer['new_size']} goes on from that of {answer['old_size']}")
    text = (LOG / "checkpoint").read_bytes()
    partial = f"tile/entries/{size // 256:03}.p/{size % 256}"
    for what, path, place in (
        ("the root in the checkpoint", "checkpoint", text.index(b"\n", text.index(b"\n") + 1) + 4),
        ("the signature", "checkpoint", len(text) - 8),
        ("a full tile of leaves", "tile/0/100", 77),
        ("a full tile above", "tile/1/000", 77),
        ("a full bundle of entries", "tile/entries/100", 77),
        ("the bundle that is not full", partial, 77),
    ):
        refused(what=what, path=path, place=place, size=size, root=root)
    say(f"aics-tlog {aics_tlog.__version__}, Python {sys.version.split()[0]}: all as it should be")


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def asked(*words: str, log: pathlib.Path = LOG) -> dict[str, Any]:
    """Run one of its commands and return what it answers."""
    command = [str(PROGRAM), *words, "--tiles", str(log), "--vkey-file", str(KEYS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"ok": False, "said": (done.stdout + done.stderr)[-500:]}
    return dict(json.loads(done.stdout))


def verified(what: str, *words: str) -> dict[str, Any]:
    answer = asked(*words)
    if not answer["ok"]:
        sys.exit(f"REFUSED: {what}: {answer}")
    say(f"verified: {what}")
    return answer


def walk(*, log: pathlib.Path, size: int, root: bytes) -> Any:
    """Look at every tile and every bundle of entries."""
    return aics_tlog.audit_tiles(aics_tlog.FileSystemTileReader(log), size, root)


def refused(*, what: str, path: str, place: int, size: int, root: bytes) -> None:
    """Flip a bit of a file of a copy, which must then not be verified."""
    copy = LAB / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(LOG, copy)
    body = bytearray((copy / path).read_bytes())
    body[place] ^= 1
    (copy / path).write_bytes(body)
    if asked("verify-checkpoint", log=copy)["ok"]:
        try:
            walk(log=copy, size=size, root=root)
        except (aics_tlog.TileVerificationError, aics_tlog.TileMissingError):
            pass
        else:
            sys.exit(f"ACCEPTED, with a bit flipped: {what}")
    say(f"refused, with a bit flipped: {what}")


if __name__ == "__main__":
    main()
