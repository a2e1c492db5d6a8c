"""TABLE: what can be wrong with the sealed log, in words; and the outer checkpoints that it is held against."""

import dataclasses
from collections.abc import Mapping

from audit import tlog

# TABLE: what can be wrong with the log -> what that says, in Spanish and English.
FAULTS: Mapping[str, tuple[str, str]] = {
    "changed": ("no es lo que se selló", "is not what was sealed"),
    "missing": ("se selló y ya no está", "was sealed and is gone"),
    "reordered": ("no está en el lugar que le toca", "is not in its place"),
    "among": ("alguno no es lo que se selló", "one of them is not what was sealed"),
    "doubled": ("está más de una vez", "is there more than once"),
    "future": ("nombra una transacción que aún no ha habido", "names a transaction that has not been"),
    "inserted": ("se metió antes de lo ya sellado", "was put in before what is sealed already"),
    "details_changed": ("tiene otros datos personales", "has other personal details"),
    "details_missing": (
        "ya no tiene los datos personales que debía conservar",
        "has lost the personal details it still owes",
    ),
    "details_swapped": ("tiene los datos personales de otro evento", "has another event's personal details"),
    "place_missing": ("falta su lugar en el árbol", "has no place in the tree"),
    "place_changed": ("tiene otra huella en el árbol", "has another hash in the tree"),
    "tile_changed": ("no es la hoja de huellas del árbol", "is not the tile of the tree"),
    "tile_missing": ("falta en el árbol", "is missing in the tree"),
    "tile_invented": ("no es de este árbol", "is of no part of the tree"),
    "table_replaced": ("no es la tabla de la bitácora", "is not the table of the log"),
    "unsigned": ("tiene un lugar que ninguna raíz firmada cubre", "has a place that no signed root covers"),
    "head_changed": ("no es la raíz del árbol", "is not the root of the tree"),
    "head_forged": ("no está firmado por una clave de la bitácora", "is not signed by a key of the log"),
    "head_missing": ("no está en la base de datos", "is not in the database"),
    "document_missing": ("se resguardó y ya no tiene fila", "was locked and has no row any more"),
    "file_changed": ("no es el fichero que se selló", "is not the file that was sealed"),
    "file_missing": ("su fichero ya no está en la bóveda", "its file is no longer in the vault"),
    "cut_tail": ("dice más eventos de los que hay", "names more events than there are"),
    "differs": ("difiere de la base de datos", "differs from the database"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class OuterCheckpoint:
    """A checkpoint that lies outside of PostgreSQL, and where."""

    source: str
    note: str

    @property
    def checkpoint(self) -> tlog.Checkpoint:
        """Return what it says.

        :raises ValueError: where it is none
        """
        return tlog.checkpoint_of(text=self.note.rpartition("\n\n")[0] + "\n")

    @property
    def name(self) -> str:
        """Return by what a finding names it."""
        return f"checkpoint {self.checkpoint.size} ({self.source})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogFinding:
    """What is wrong: a code of FAULTS, and of which row."""

    code: str
    row: str

    def __str__(self) -> str:
        """Say it in both languages."""
        es, en = FAULTS[self.code]
        return f"{self.row}: {es} · {en} ({self.code})"
