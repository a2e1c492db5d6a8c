"""The documents floor: issue, lock, deliver, let in."""

from django.apps import AppConfig

REFUSED = (401, 403)


class DocumentsConfig(AppConfig):
    """Registers the app."""

    name = "documents"
    verbose_name = "Documentos"

    def ready(self) -> None:
        """Make the alerts the listener of outages; their modules import models, which are loaded only now."""
        from documents import errors, latency, metrics
        from documents.alerts import outages
        from documents.resilience import calls, dependencies

        calls.LISTENERS[:] = [outages.LISTENER]
        metrics.begin(
            worm_codes=[code for code in errors.CODES if code.startswith("worm_")],
            refusals=[code for code, row in errors.CODES.items() if row.status in REFUSED],
            dependencies=dependencies.DEPENDENCIES,
            countries=latency.countries(),
        )
