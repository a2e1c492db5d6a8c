"""What every cell of a country pack is made of: texts in both languages, and where a cell comes from. Pure."""

from dataclasses import dataclass
from typing import Literal

Certainty = Literal["S", "M"]  # S: read in a legal or official source; M: general knowledge. Unsure cells are absent.


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a cell comes from, and how sure its writer was."""

    text: str
    certainty: Certainty


@dataclass(frozen=True, kw_only=True)
class Words:
    """One text in both languages of the service."""

    es: str
    en: str
