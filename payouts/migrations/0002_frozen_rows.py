"""Who asked for a difference approval, and for what, stays: a function that refuses, and its trigger.

A database that was upgraded to the base line has both; so each statement can be repeated.
"""

from django.db import migrations

from audit import guard

FREEZE = """
CREATE OR REPLACE FUNCTION payouts_settlementrequest_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        RAISE EXCEPTION 'a settlement request is never deleted' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF OLD.state <> 'REQUESTED' OR (OLD.event_id, OLD.requested_by_id, OLD.reason, OLD.difference_minor, OLD.currency)
        IS DISTINCT FROM (NEW.event_id, NEW.requested_by_id, NEW.reason, NEW.difference_minor, NEW.currency) THEN
        RAISE EXCEPTION 'settlement request % stays as it is', OLD.public_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$stays$
"""


class Migration(migrations.Migration):
    runs = "before"
    dependencies = [("payouts", "0001_baseline")]

    operations = guard.frozen_operations(
        function="payouts_settlementrequest_stays",
        body=FREEZE,
        triggers={
            "payouts_settlementrequest_rows_stay": "BEFORE UPDATE OR DELETE ON payouts_settlementrequest FOR EACH ROW"
        },
    )
