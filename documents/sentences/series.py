"""The sentences about series, and what they cannot do; see `faults`."""

from collections.abc import Mapping

from documents.countries.sources import Words

TABLE: Mapping[str, Words] = {
    "validation_error.no_series": Words(es="Ninguna serie es {series}.", en="No series has the code {series}."),
    "validation_error.series_exists": Words(
        es="La serie {series} ya existe con otros datos: adelántala (move_series) o abre otra (open_series).",
        en="The series {series} exists with other facts: move it on (move_series) or open another (open_series).",
    ),
    "validation_error.other_year": Words(
        es="La serie {series} no daría ningún número: su primer día o su último es de otro año.",
        en="The series {series} would give no number: its first or its last day is in another year.",
    ),
    "validation_error.over": Words(
        es="La serie {series} ya habría acabado, el {last}: no daría ningún número, y la anterior tampoco.",
        en="The series {series} would be over already, since {last}: it would give no number, nor would the former.",
    ),
    "validation_error.not_forward": Words(
        es="La serie {series} da ahora el {next}: solo avanza.",
        en="The series {series} gives {next} next: it only goes up.",
    ),
    "validation_error.past_range": Words(
        es="La serie {series} da ahora el {next} y llega hasta el {last}.",
        en="The series {series} gives {next} next and goes up to {last}.",
    ),
}
