"""A cell of the table of outcomes: what each place says. A name in braces is a value; `VALUES` lists them. Pure."""

from dataclasses import dataclass
from typing import Literal

from documents.countries.sources import Words

Tone = Literal["", "good", "warn"]
VALUES = ("number", "notes", "debt")  # another document's number, credit notes with their causes, a debt with currency
NOTHING = Words(es="", en="")  # this place says nothing of it, on purpose


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What is said of one outcome of one kind. No member may be left out: what says nothing is NOTHING.

    `overrides`: what was so when the document was issued is no longer, and is not shown beside it.
    """

    badge: Words  # the Document Center's strip
    figure: Words  # PDF: the name of the amount
    printed: Words  # PDF: a sentence, its first one in bold
    subject: Words  # mail
    letter: Words  # mail: a sentence
    label: Words  # page of the link: the name of the amount
    shown: Words  # page of the link, and the Document Center: a sentence
    public: Words  # page of the code: a sentence without names and amounts
    tone: Tone = ""
    sign: str = "alert"
    overrides: bool = False
