"""What is personal and old is erased by a function of the owner's, which looks at its time itself.

The runtime role may call it and has no other way: neither the periods nor the columns are its own to change.
"""

from django.db import migrations, models

from audit import guard, leaf

# Whether a matter is about a thing, by its public id: a matter, whom it is over, and of each document that it holds the
# document, its event, those that it answers, its owner, its mails and links. The same as `legal_holds.is_held`.
ON_HOLD = """
DO $do$ BEGIN EXECUTE format($format$
CREATE OR REPLACE FUNCTION %1$I.documents_on_hold(about text) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, %1$I, pg_temp AS $hold$
WITH live AS MATERIALIZED (
  SELECT scope.*, matter.public_id, matter.country_id
    FROM documents_legalhold AS matter JOIN documents_holdscope AS scope ON scope.hold_id = matter.id
   WHERE matter.state <> 'RELEASED'
), concerned AS (
  SELECT id FROM documents_document WHERE public_id = about
  UNION ALL
  SELECT document.id FROM documents_event AS event JOIN documents_document AS document ON document.event_id = event.id
   WHERE event.public_id = about
  UNION ALL
  SELECT unnest(document_ids) FROM documents_event WHERE public_id = about
  UNION ALL
  SELECT document.id FROM documents_party AS party JOIN documents_document AS document ON document.owner_id = party.id
   WHERE party.public_id = about
  UNION ALL
  SELECT document_id FROM documents_delivery WHERE public_id = about
  UNION ALL
  SELECT document_id FROM documents_link WHERE public_id = about
)
SELECT EXISTS (SELECT FROM live) AND (
  EXISTS (SELECT FROM live WHERE public_id = about)
  OR EXISTS (SELECT FROM live JOIN documents_party AS party ON party.id = live.party_id WHERE party.public_id = about)
  OR EXISTS (
    SELECT FROM concerned JOIN documents_document AS document ON document.id = concerned.id
      JOIN live ON live.document_id = document.id
           OR live.party_id = document.owner_id AND live.country_id = document.country_id
              AND (live.first_date IS NULL OR live.first_date <= document.issue_date)
              AND (live.last_date IS NULL OR live.last_date >= document.issue_date)
              AND (live.kinds = '{}' OR document.kind = ANY (live.kinds))))
$hold$
$format$, current_schema()); END $do$"""
# Whatever calls it, what it takes is past its time, and is on record: so the runtime role may. It looks at so many rows
# in the order of their ids, says up to where, and says nothing once all of them were too young: those after them are
# younger. Of an event that is over, the body goes and the moment of its fact stays, which later events are compared
# with. What waits keeps its body, and so does what a person must still compare; a cancellation of an order names nobody,
# and whatever comes of the order afterwards reads it.
ERASE = """
DO $do$ BEGIN EXECUTE format($format$
CREATE OR REPLACE FUNCTION %1$I.documents_erase(
    given text, after bigint, upto integer, erases boolean, OUT erased integer, OUT last bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $erase$
DECLARE
    before timestamptz;
    ids bigint[];
BEGIN
    SELECT clock_timestamp() - period.days * interval '1 day' INTO before
      FROM documents_erasureperiod AS period WHERE period.what = given;
    IF given = 'details' THEN
        SELECT CASE WHEN bool_or(seen.past) THEN max(seen.id) END,
               array_agg(seen.id) FILTER (WHERE CASE WHEN seen.past THEN NOT documents_on_hold(seen.object_id) END)
          INTO last, ids
          FROM (SELECT event.id, event.object_id, event.at < before AS past
                  FROM audit_eventdetail AS detail JOIN audit_event AS event ON event.id = detail.event_id
                 WHERE detail.event_id > after ORDER BY detail.event_id LIMIT upto) AS seen;
        IF erases THEN
            WITH gone AS (DELETE FROM audit_eventdetail WHERE event_id = ANY (ids) RETURNING event_id)
            SELECT array_agg(event_id) INTO ids FROM gone;
        END IF;
    ELSIF given = 'bodies' THEN
        SELECT CASE WHEN bool_or(seen.past) THEN max(seen.id) END,
               array_agg(seen.id) FILTER (WHERE CASE WHEN seen.past AND seen.over THEN
                 NOT documents_on_hold(seen.public_id)
                 AND NOT EXISTS (SELECT FROM documents_discrepancy AS gap
                                  WHERE gap.resolved_at IS NULL AND gap.event_id = seen.id)
                 AND NOT EXISTS (SELECT FROM documents_document AS document
                                   JOIN documents_discrepancy AS gap ON gap.document_id = document.id
                                  WHERE gap.resolved_at IS NULL AND document.event_id = seen.id) END)
          INTO last, ids
          FROM (SELECT id, public_id, received_at < before AS past,
                       body IS NOT NULL AND type <> 'ORDER_CANCELED' AND (
                         status IN ('processed', 'ignored', 'refused') OR superseded_by_id IS NOT NULL) AS over
                  FROM documents_event WHERE id > after ORDER BY id LIMIT upto) AS seen;
        IF erases THEN
            SELECT array_agg(free.id) INTO ids
              FROM (SELECT id FROM documents_event WHERE id = ANY (ids) FOR NO KEY UPDATE SKIP LOCKED) AS free;
            UPDATE documents_event AS event
               SET body = NULL,
                   happened_at = CASE WHEN event.status = 'processed' THEN (
                     convert_from(event.body, 'UTF8')::jsonb #>> stated.path::text[])::timestamptz END
              FROM documents_event AS same LEFT JOIN (VALUES
                ('PAYMENT_CAPTURED', '{data,payment,captured_at}'),
                ('ORDER_COMPLETED', '{data,order,completed_at}'),
                ('ORDER_ADJUSTED', '{data,adjustment,made_at}')
              ) AS stated (type, path) ON stated.type = same.type
             WHERE same.id = event.id AND event.id = ANY (ids);
        END IF;
    END IF;
    erased := coalesce(cardinality(ids), 0);
    IF erases AND erased > 0 THEN
        PERFORM audit_append(jsonb_build_object(<texts>, 'count', erased) || jsonb_build_object(
            'action', CASE given WHEN 'details' THEN 'audit.details_erased' ELSE 'event.bodies_erased' END,
            'object_type', CASE given WHEN 'details' THEN 'audit_event' ELSE 'event' END,
            'object_id', (SELECT concat(min(id), '-', max(id)) FROM unnest(ids) AS id),
            'actor_kind', 'system', 'actor_id', 'erasure', 'outcome', 'ok', 'code', given || '_expired'), '');
    END IF;
END
$erase$
$format$, current_schema()); END $do$"""
TEXTS = ", ".join(f"'{name}', ''" for name in leaf.STATED if name not in {"count", "facts"})


class Migration(migrations.Migration):
    runs = "before"
    beside = {
        "RunSQL": "functions that the former code does not call",
    }
    dependencies = [("documents", "0011_disposal")]

    operations = [
        migrations.CreateModel(
            name="ErasurePeriod",
            fields=[
                ("what", models.CharField(help_text="of `Erased`", max_length=10, primary_key=True, serialize=False)),
                ("days", models.PositiveIntegerField()),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddField(
            model_name="event",
            name="happened_at",
            field=models.DateTimeField(help_text="of the fact, once the body that says it has been erased", null=True),
        ),
        migrations.RunSQL(
            sql=[
                ON_HOLD,
                ERASE.replace("<texts>", TEXTS),
                f"REVOKE ALL ON FUNCTION {guard.ON_HOLD}, {guard.ERASE} FROM PUBLIC",
            ],
            reverse_sql=[f"DROP FUNCTION {guard.ERASE}", f"DROP FUNCTION {guard.ON_HOLD}"],
        ),
    ]
