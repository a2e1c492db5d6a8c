"""Whether the renderer fails, or a document does: one incident for the former, whatever waits for it.

No call is refused: one hostile document must not delay the others. But failures of several documents in a row, with no
success between, are the renderer's own, which costs none of them its last tries and calls nobody once a document.
"""

from documents import errors
from documents.resilience import calls

NAME = "renderer"
CODES = frozenset({"render_failed", "render_timeout"})
PAUSE_MAX_S = 30.0  # while it fails: what waits goes on soon after it is well
_last: dict[str, int] = {}  # the document that failed last in this process


def failed(*, document_id: int, problem: errors.Problem) -> None:
    """Count a document that could not be printed; the same one again says nothing new of the renderer."""
    if problem.code not in CODES:
        return
    if _last.get(NAME) != document_id:
        _last[NAME] = document_id
        calls.note_failure(dependency=NAME, cause=problem)


def succeeded() -> None:
    """Count a document that was printed."""
    _last.clear()
    calls.note_success(dependency=NAME)


def forget() -> None:
    """Forget which document failed last."""
    _last.clear()


def fails() -> bool:
    """Tell whether the renderer itself fails."""
    return calls.BREAKERS[NAME].state != "closed"
