"""The finder: a process that has a file with a checkpoint and a URL that only reads, and says what is wrong.

For each line it runs `manage.py verify_audit` on the database as it is now, and answers with the exit code and the
findings. It knows no key of the log: AUDIT_KEY is one of its own.
"""

import contextlib
import io
import json
import os
import sys
from typing import Any

import django


def main() -> None:
    """Verify once for each line, until there is none."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(verified(checkpoint=json.loads(line)["checkpoint"])) + "\n")
        sys.stdout.flush()


def verified(*, checkpoint: str) -> dict[str, Any]:
    from django.core.management import CommandError, call_command

    out, said, code = io.StringIO(), io.StringIO(), 0
    try:
        with contextlib.redirect_stderr(said):
            call_command("verify_audit", "--checkpoint", checkpoint, "--no-vault", stdout=out, stderr=said)
    except SystemExit as end:
        code = int(end.code or 0)
    except CommandError as error:
        return {"code": 1, "error": str(error), "findings": []}
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return {"code": code, "findings": [[line["finding"], line["row"]] for line in lines if "finding" in line]}


if __name__ == "__main__":
    main()
