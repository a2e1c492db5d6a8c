"""The reason that a command asks for: it stands in the log, so it says something, as one that a page asks for does."""

import argparse

from documents.access import roles


def stated(text: str) -> str:
    """Return a reason without the blanks around it.

    :raises argparse.ArgumentTypeError: it is shorter or longer than a reason is, or has characters that are not printed
    """
    reason = text.strip()
    if not roles.REASON_LENGTH_MIN <= len(reason) <= roles.REASON_LENGTH_MAX or not reason.isprintable():
        raise argparse.ArgumentTypeError(
            f"between {roles.REASON_LENGTH_MIN} and {roles.REASON_LENGTH_MAX} printable characters"
        )
    return reason
