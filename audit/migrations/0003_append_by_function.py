"""The log is appended to by its function alone, which runs as the owner: the runtime role needs no INSERT."""

from django.db import migrations

from audit import guard


class Migration(migrations.Migration):
    """`audit_append` as SECURITY DEFINER, under a search path of its own."""

    dependencies = [("audit", "0002_append_only")]

    operations = [
        migrations.RunSQL(
            sql=[
                f"DO $path$ BEGIN EXECUTE format('ALTER FUNCTION {guard.APPEND} SECURITY DEFINER"
                " SET search_path = pg_catalog, %I, pg_temp', current_schema()); END $path$",
                f"REVOKE ALL ON FUNCTION {guard.APPEND} FROM PUBLIC",
            ],
            reverse_sql=[
                f"ALTER FUNCTION {guard.APPEND} SECURITY INVOKER RESET search_path",
                f"GRANT EXECUTE ON FUNCTION {guard.APPEND} TO PUBLIC",
            ],
        )
    ]
