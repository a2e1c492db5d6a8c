"""One row per country pack: the places that staff scope can be granted on."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from documents.countries import pack


def add_countries(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Add the countries that have a pack; provisioning repeats it for packs added later."""
    country = apps.get_model("documents", "Country")
    for code, one in pack.registry().items():
        country.objects.using(schema_editor.connection.alias).get_or_create(code=code, defaults={"name": one.name.es})


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [("documents", "0002_guards")]
    operations = [migrations.RunPython(add_countries, migrations.RunPython.noop)]
