"""The rows of `catalog.ALERTS` about what is sent: mails and links."""

from collections.abc import Mapping
from types import MappingProxyType

from documents.alerts.owners import Owner
from documents.alerts.rows import AlertRow
from documents.countries.sources import Words

ALERTS: Mapping[str, AlertRow] = MappingProxyType(
    {
        "delivery_failed": AlertRow(
            severity="P2",
            page="mail.md",
            owner=Owner.OPERATIONS,
            sentences={
                "": Words(
                    es="El correo a {recipient} se ha dado por perdido ({failure:title}).",
                    en="Mail to {recipient} was given up ({failure:title}).",
                ),
                "notice": Words(
                    es="La dirección anterior de {recipient} no se enteró de su cambio ({failure:title}).",
                    en="The former address of {recipient} did not hear of its change ({failure:title}).",
                ),
            },
            meanwhile=Words(
                es="El documento está en el panel; los enlaces a una dirección anterior se anularon",
                en="The document is in the panel; links to a former address were revoked",
            ),
            ends_by_hand=True,
        ),
        "link_revoked": AlertRow(
            severity="P2",
            page="links.md",
            owner=Owner.OPERATIONS,
            sentences={
                "wrong_answers": Words(
                    es="{tries} respuestas erróneas seguidas en un enlace seguro: anulado.",
                    en="{tries} wrong answers in a row at a secure link: revoked.",
                ),
                "wrong_person": Words(
                    es="Un enlace seguro llegó a otra persona, que lo dijo: revisa la dirección que consta.",
                    en="A secure link reached the wrong person, who said so: check the address on file.",
                ),
            },
            ends_by_hand=True,
        ),
        "link_guessing": AlertRow(
            severity="P2",
            page="links.md",
            owner=Owner.OPERATIONS,
            sentences={
                "party": Words(
                    es="Más de {most} respuestas erróneas en un día en los enlaces de {recipient}.",
                    en="More than {most} wrong answers in a day at the links of {recipient}.",
                ),
                "address": Words(
                    es="Más de {most} respuestas erróneas en una hora desde una dirección de {network}.",
                    en="More than {most} wrong answers in an hour from one address of {network}.",
                ),
                "network": Words(
                    es="Más de {most} respuestas erróneas en una hora desde la red {network}.",
                    en="More than {most} wrong answers in an hour from the network {network}.",
                ),
            },
            meanwhile=Words(
                es="No se mira ninguna respuesta más hasta que acabe el plazo; los enlaces siguen vigentes",
                en="No further answer is looked at until the period ends; the links stay valid",
            ),
            ends_by_hand=True,
        ),
    }
)
