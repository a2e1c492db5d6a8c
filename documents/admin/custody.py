"""The rounds of custody: what was read again, when, what is left unread for longest, and what was wrong."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from documents.admin import base, cells
from documents.admin.site import site
from documents.alerts import channel
from documents.custody import missing
from documents.models import Alert, CustodyRound

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.utils.safestring import SafeString

FINDINGS_MAX = 50


@admin.register(CustodyRound, site=site)
class CustodyRoundAdmin(base.DocumentCenterAdmin[CustodyRound]):
    """One row per round. It counts documents of every country and names none, so all staff who see documents see it."""

    key = "pk"
    ordering = ("-began_at",)
    list_before_template = "admin/dc/custody_intro.html"
    empty_note = _("La primera ronda empieza con el primer worker: relee lo resguardado y dice lo que encuentra.")
    list_display = ("began_cell", "state_cell", "verified", "findings_cell", "missing_cell", "overdue", "oldest_cell")
    list_display_links = ("began_cell",)

    def scoped(self, *, request: HttpRequest, rows: "QuerySet[CustodyRound]") -> "QuerySet[CustodyRound]":
        """Return every row: a round names nobody."""
        return rows

    @admin.display(description=_("comenzada"))
    def began_cell(self, row: CustodyRound) -> "SafeString | str":
        """Write when it began."""
        return cells.moment(row.began_at)

    @admin.display(description=_("situación"))
    def state_cell(self, row: CustodyRound) -> "SafeString":
        """Write whether it is over, and whether something was wrong."""
        if row.ended_at is None:
            return cells.state("READING")
        return cells.state("FOUND" if row.findings or row.missing else "SOUND")

    @admin.display(description=_("hallazgos"))
    def findings_cell(self, row: CustodyRound) -> "SafeString":
        """Write how many documents it withheld."""
        return cells.count(row.findings)

    @admin.display(description=_("sin fila"))
    def missing_cell(self, row: CustodyRound) -> "SafeString":
        """Write how many documents have no row."""
        return cells.count(row.missing)

    @admin.display(description=_("la más antigua sin verificar"))
    def oldest_cell(self, row: CustodyRound) -> "SafeString | str":
        """Write when the document was verified that has waited for longest."""
        return cells.moment(row.oldest_at)

    def detail(self, *, request: HttpRequest, row: CustodyRound) -> dict[str, Any]:
        """Return a round's page: what it read, and what is wrong now."""
        facts = [
            base.Fact(label=_("Comenzada"), value=cells.moment(row.began_at, seconds=True)),
            base.Fact(label=_("Terminada"), value=cells.moment(row.ended_at, seconds=True)),
            base.Fact(label=_("Documentos verificados"), value=row.verified),
            base.Fact(label=_("Puestos en cuarentena"), value=self.findings_cell(row)),
            base.Fact(label=_("Emitidos y sin fila"), value=self.missing_cell(row)),
            base.Fact(label=_("No leídos por un fallo nuestro"), value=cells.count(len(row.unread))),
            base.Fact(label=_("Sin verificar más de 90 días"), value=cells.count(row.overdue)),
            base.Fact(label=_("La más antigua sin verificar"), value=cells.moment(row.oldest_at)),
        ]
        wrong = Alert.objects.filter(code__in=("document_quarantined", missing.CODE), resolved_at=None)
        findings = base.Card(
            title=_("Abierto ahora"),
            note=_("De esta ronda o de otra: lo que sigue sin resolver."),
            heads=(_("Gravedad"), _("Detalle"), _("Abierta")),
            rows=[
                (
                    cells.state(alert.severity),
                    cells.sentence(cells.link(alert, text=channel.sentence(alert=alert, language=cells.locale()))),
                    cells.moment(alert.opened_at),
                )
                for alert in wrong.order_by("-pk")[:FINDINGS_MAX]
            ],
            empty=_("Nada: todo lo que se ha leído es lo que se resguardó."),
            wide=True,
        )
        return {
            "badges": [self.state_cell(row)],
            "cards": [base.Card(title=_("Ronda"), facts=facts), findings],
        }
