"""Documents that are due are looked for kind by kind, the oldest first."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """Put the kind in front of the moment."""

    dependencies: ClassVar = [("documents", "0011_keys_in_the_c_locale")]
    operations: ClassVar = [
        migrations.RemoveIndex(model_name="document", name="document_due"),
        migrations.AddIndex(
            model_name="document",
            index=models.Index(
                fields=["kind", "next_try_at", "id"], condition=models.Q(status="ISSUED"), name="document_due"
            ),
        ),
    ]
