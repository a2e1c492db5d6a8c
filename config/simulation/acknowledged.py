"""The events of a file that an address has answered for, remembered beside the file until it has for all of them."""

import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from config.simulation import sender


class Acknowledged:
    """A small file of digests, one a line: it outlives a break, and forgets whatever was changed or goes elsewhere."""

    def __init__(self, *, events_file: pathlib.Path, url: str, resume: bool) -> None:
        self.path, self.url, self.fault = events_file.with_name(f"{events_file.name}.acknowledged"), url, ""
        self._known = frozenset(self._read()) if resume else frozenset()
        self._added = 0
        self._kept = resume

    def left(self, *, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the events that are not known to be acknowledged, in their order."""
        return [event for event in events if self._digest(event) not in self._known]

    def add(self, event: Mapping[str, Any], answer: sender.PostedEvent) -> None:
        """Remember an event that was acknowledged (2xx); where nothing can be written, sending goes on without."""
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES or self.fault:
            return
        try:
            with self.path.open("a" if self._kept or self._added else "w", encoding="ascii") as file:
                file.write(f"{self._digest(event)}\n")
            self._added += 1
        except OSError as error:
            self.fault = str(error)

    def forget(self) -> None:
        """Remove the file: the whole list has been answered."""
        if not self.fault:
            self.path.unlink(missing_ok=True)

    def _read(self) -> list[str]:
        """Return the digests of a run before; nothing where there is no such file."""
        try:
            return self.path.read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return []

    def _digest(self, event: Mapping[str, Any]) -> str:
        return hashlib.sha256(f"{self.url}\n{json.dumps(event, sort_keys=True)}".encode()).hexdigest()
