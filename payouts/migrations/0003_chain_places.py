"""A payout's place in the chain of balances: its own moment and id, or those of the payout that it replaces.

The table may be large and payouts go on: no step holds it for longer than a moment, and each can be repeated.
"""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from audit import guard, patience

# The code of before writes payouts without a place: their own, until 0008_former_code has run.
FILLED = """
CREATE OR REPLACE FUNCTION payouts_payout_filled() RETURNS trigger LANGUAGE plpgsql AS $filled$
BEGIN
    NEW.chained_at := coalesce(NEW.chained_at, NEW.sent_at);
    NEW.chained_as := coalesce(NEW.chained_as, NEW.payout_id);
    RETURN NEW;
END
$filled$
"""
COLUMNS = [
    "ALTER TABLE payouts_payout ADD COLUMN IF NOT EXISTS chained_at timestamp with time zone,"
    " ADD COLUMN IF NOT EXISTS chained_as varchar(64)",
    FILLED,
    *guard.path_sql(function="payouts_payout_filled"),
    "DROP TRIGGER IF EXISTS payouts_payout_filled ON payouts_payout",
    "CREATE TRIGGER payouts_payout_filled BEFORE INSERT ON payouts_payout FOR EACH ROW"
    " EXECUTE FUNCTION payouts_payout_filled()",
]
# Of those before, none had another's place.
OWN_PLACE = """
UPDATE payouts_payout SET chained_at = sent_at, chained_as = payout_id
 WHERE id > {after} AND id <= {upto} AND chained_at IS NULL
"""
IDS, AT_ONCE = (
    "SELECT coalesce(min(id) - 1, 0), coalesce(max(id), 0) FROM payouts_payout WHERE chained_at IS NULL",
    5000,
)
# What is proven to be so already, PostgreSQL does not read the table for.
PROMISED = [
    "ALTER TABLE payouts_payout DROP CONSTRAINT IF EXISTS payout_has_place",
    "ALTER TABLE payouts_payout ADD CONSTRAINT payout_has_place"
    " CHECK (chained_at IS NOT NULL AND chained_as IS NOT NULL) NOT VALID",
]
PROVEN = "ALTER TABLE payouts_payout VALIDATE CONSTRAINT payout_has_place"
NEEDED = [
    "ALTER TABLE payouts_payout ALTER COLUMN chained_at SET NOT NULL, ALTER COLUMN chained_as SET NOT NULL",
    "ALTER TABLE payouts_payout DROP CONSTRAINT payout_has_place",
]
INDEX = models.Index(fields=["payee", "issuer", "currency", "chained_at"], name="payout_of_payee")
REPLACED = "SELECT indexdef LIKE '%%chained_at%%' FROM pg_indexes WHERE indexname = 'payout_of_payee'"


def fill_places(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Give every payout its own place, and ask for one from now on."""
    using = editor.connection.alias
    patience.run_at_once(using=using, statements=COLUMNS)
    with editor.connection.cursor() as cursor:
        cursor.execute(IDS)
        first, last = cursor.fetchone()
        for after in range(first, last, AT_ONCE):
            patience.run_at_once(using=using, statements=[OWN_PLACE.format(after=after, upto=after + AT_ONCE)])
        patience.run_at_once(using=using, statements=PROMISED)
        cursor.execute(PROVEN)
    patience.run_at_once(using=using, statements=NEEDED)


def exchange_index(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Make the index by the place beside the one by the moment, and let it take its name."""
    with editor.connection.cursor() as cursor:
        cursor.execute(REPLACED)
        if cursor.fetchone() == (True,):
            return
    editor.execute("DROP INDEX CONCURRENTLY IF EXISTS payout_of_payee_next")  # whose making broke off
    editor.execute(
        "CREATE INDEX CONCURRENTLY payout_of_payee_next ON payouts_payout (payee_id, issuer_id, currency, chained_at)"
    )
    patience.run_at_once(
        using=editor.connection.alias,
        statements=[
            "DROP INDEX IF EXISTS payout_of_payee",
            "ALTER INDEX payout_of_payee_next RENAME TO payout_of_payee",
        ],
    )


def drop_places(_apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the columns, and the index by them."""
    editor.execute("DROP FUNCTION IF EXISTS payouts_payout_filled() CASCADE")
    editor.execute("ALTER TABLE payouts_payout DROP COLUMN chained_at, DROP COLUMN chained_as")
    editor.execute("CREATE INDEX payout_of_payee ON payouts_payout (payee_id, issuer_id, currency, sent_at)")


class Migration(migrations.Migration):
    runs = "before"
    atomic = False
    beside = {
        "RunPython": "a trigger fills in the former code's own place; what is there is filled in by the thousand",
    }
    dependencies = [("payouts", "0002_frozen_rows")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunPython(fill_places, drop_places),
                migrations.RunPython(exchange_index, migrations.RunPython.noop),
            ],
            state_operations=[
                migrations.AddField(model_name="payout", name="chained_at", field=models.DateTimeField()),
                migrations.AddField(model_name="payout", name="chained_as", field=models.CharField(max_length=64)),
                migrations.RemoveIndex(model_name="payout", name="payout_of_payee"),
                migrations.AddIndex(model_name="payout", index=INDEX),
            ],
        ),
    ]
