"""Lets a document out of quarantine in a person's name, after a fresh look at its bytes and their lock."""

import argparse
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Q
from django.utils import timezone

from audit import log
from config.management import reasons
from documents import errors
from documents.access import actors, roles, scope
from documents.custody import quarantine
from documents.models import Document


class Command(BaseCommand):
    """`make manage ARGS="release_document NUMBER --by LOGIN --reason '...'"`."""

    help = "Release a document from quarantine if its bytes and their lock check out now."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("document", help="its number, or its id (doc_...)")
        parser.add_argument("--by", required=True, help="login of the person of the role compliance who decides")
        parser.add_argument(
            "--reason", type=reasons.stated, required=True, help="at least 10 characters; it is put on record"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        """Release one document.

        :raises CommandError: the person may not, the document is in no quarantine, or it still does not check out
        """
        user = User.objects.filter(username=options["by"]).first()
        if user is None:
            raise CommandError(f"--by: nobody has the login {options['by']!r}")
        document = Document.objects.filter(Q(number=options["document"]) | Q(public_id=options["document"])).first()
        if document is None:
            raise CommandError(f"no document is called {options['document']!r}")
        self.check_right(user=user, document=document)
        try:
            released = quarantine.release(
                document=document, reason=options["reason"], actor=actors.person(user=user), now=timezone.now()
            )
        except errors.Problem as error:
            said = f"{error.row.es} · {error.row.en}"
            raise CommandError(f"{document.number} sigue en cuarentena · stays: {error.code} ({said})") from error
        if not released:
            raise CommandError(f"{document.number} no está en cuarentena · is in no quarantine ({document.status})")
        self.stdout.write(
            f"✓ {document.number}: liberado, bytes y bloqueo comprobados · released, bytes and lock checked"
        )

    def check_right(self, *, user: User, document: Document) -> None:
        """Refuse, on record, a person who may not release this document.

        :raises CommandError: the role or the country is missing
        """
        code = ""
        if not (user.is_staff and roles.may(user=user, right="release")):
            code = "role_not_allowed"
        elif not scope.documents_for(user=user).filter(pk=document.pk).exists():
            code = "country_out_of_scope"
        if code:
            log.deny(actor=actors.person(user=user), object_type="document", object_id=document.public_id, code=code)
            raise CommandError(f"--by: {errors.CODES[code].es} · {errors.CODES[code].en}")
