"""The reason that every decision of a person about money has."""

from pydantic import TypeAdapter, ValidationError

from documents import errors
from documents.access import roles
from documents.events import fields

_TEXT: TypeAdapter[str] = TypeAdapter(fields.Text)


def reason(text: str) -> str:
    """Return a reason with its spaces normalised, checked to be long enough to explain a decision later.

    :raises errors.Problem: `validation_error`
    """
    try:
        reason_text = _TEXT.validate_python(" ".join(text.split()))
    except ValidationError:
        reason_text = ""
    if not roles.REASON_LENGTH_MIN <= len(reason_text) <= roles.REASON_LENGTH_MAX:
        limits: dict[str, errors.Value] = {"min": roles.REASON_LENGTH_MIN, "max": roles.REASON_LENGTH_MAX}
        fault = errors.Fault(pointer="/reason", code="reason", values=limits)
        raise errors.Problem(code="validation_error", errors=[fault])
    return reason_text
