"""TABLE: queries about what was undone: refunds that failed, facts that were canceled, orders that changed hands."""

# A refund's credit note is FAILED where none of its refunds stands: each has failed, or another replaces it. They have
# its payment, and those that replace another have its amount.
REFUND = """
WITH refunds AS (
  SELECT d.id, split_part(d.subject, ':', 2) AS refund FROM documents_document d
  WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND d.kind = 'CREDIT_NOTE' AND d.subject LIKE 'refund:%%'
  UNION ALL
  SELECT r.note_id, r.refund FROM payouts_refundreplacement r JOIN documents_document d ON d.id = r.note_id
  WHERE d.owner_id BETWEEN %(low)s AND %(high)s
), known AS (
  SELECT t.id, t.refund, EXISTS (
      SELECT FROM payouts_refundreplacement r WHERE r.note_id = t.id AND r.replaces = t.refund) AS replaced,
    EXISTS (
      SELECT FROM documents_event e WHERE e.subject = 'refund:' || t.refund AND e.type = 'REFUND_FAILED'
        AND e.status IN ('processed', 'parked')) AS failed
  FROM refunds t
), notes AS (
  SELECT id, jsonb_agg(refund ORDER BY refund) FILTER (WHERE failed) AS failed,
    jsonb_agg(refund ORDER BY refund) FILTER (WHERE NOT failed AND NOT replaced) AS standing
  FROM known GROUP BY id
)
SELECT d.document_key AS key, d.country_id, d.id AS document_id, NULL::bigint AS event_id,
  jsonb_strip_nulls(jsonb_build_object('currency', d.currency, 'number', d.number, 'shown', d.refund_status,
    'failed', n.failed, 'standing', n.standing)) AS facts
FROM documents_document d LEFT JOIN notes n ON n.id = d.id
WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND d.kind = 'CREDIT_NOTE'
  AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
  AND (d.refund_status = 'FAILED') <> (n.id IS NOT NULL AND n.standing IS NULL)
"""

# A fact is ignored only where a cancellation of it is known and no document is. A cancellation sleeps, without a timer,
# only while nothing is known of its fact; one that has been run has credited all that remained. Of one that has no
# documents at all `event_without_document` says so.
CANCELED = """
WITH found AS (
  SELECT e.id, 'ignored_and_issued' AS cause, (
    SELECT min(d.id) FROM documents_document d JOIN documents_event f ON f.id = d.event_id
    WHERE d.subject = e.subject AND f.type = e.type) AS document_id
  FROM documents_event e
  WHERE e.id BETWEEN %(low)s AND %(high)s AND e.status = 'ignored' AND e.code = 'canceled_before'
  UNION ALL
  SELECT e.id, 'ignored_alone', NULL
  FROM documents_event e
  WHERE e.id BETWEEN %(low)s AND %(high)s AND e.status = 'ignored' AND e.code = 'canceled_before'
    -- what is about an order that was ignored is ignored without a cancellation of its own
    AND e.type NOT IN ('ORDER_ADJUSTED', 'ORDER_REASSIGNED') AND NOT EXISTS (
    SELECT FROM documents_event c
    WHERE c.subject = e.subject AND right(c.type, 9) = '_CANCELED' AND c.status IN ('processed', 'parked'))
  UNION ALL
  SELECT e.id, 'asleep', f.document_ids[1]
  FROM documents_event e JOIN documents_event f ON f.subject = e.subject
    AND f.type IN ('PAYMENT_CAPTURED', 'ORDER_COMPLETED', 'PAYOUT_SENT', 'PAYOUT_PERIOD_CLOSED')
    AND (f.status = 'processed' OR f.status = 'ignored' AND f.code = 'canceled_before')
  WHERE e.id BETWEEN %(low)s AND %(high)s AND right(e.type, 9) = '_CANCELED' AND e.status = 'parked'
    AND e.next_try_at IS NULL
  UNION ALL
  SELECT e.id, 'not_whole', d.id
  FROM documents_event e
  JOIN documents_document d ON d.subject = e.subject AND d.kind = 'PAYMENT_RECEIPT'
  WHERE e.id BETWEEN %(low)s AND %(high)s AND e.type = 'PAYMENT_CANCELED' AND e.status = 'processed'
    AND cardinality(e.document_ids) > 0 AND d.total_minor > (
      SELECT coalesce(sum(n.total_minor), 0) FROM documents_document n
      WHERE n.corrects_id = d.id AND n.kind = 'CREDIT_NOTE')
  UNION ALL
  SELECT e.id, 'not_whole', d.id
  FROM documents_event e
  JOIN documents_document d ON d.subject = e.subject AND d.kind = 'ORDER_FINAL_STATEMENT'
    AND split_part(d.document_key, ':', 5) = ''
  WHERE e.id BETWEEN %(low)s AND %(high)s AND e.type = 'ORDER_CANCELED' AND e.status = 'processed'
    AND d.total_minor <> (
      SELECT coalesce(sum(n.total_minor), 0) FROM documents_document n
      WHERE n.corrects_id = d.id AND n.kind = 'CREDIT_NOTE')
)
SELECT e.public_id || ':' || found.cause AS key, country.code AS country_id, found.document_id, e.id AS event_id,
  jsonb_build_object('event', e.event_id, 'type', e.type, 'subject', e.subject, 'cause', found.cause,
    'document', d.number) AS facts
FROM found
JOIN documents_event e ON e.id = found.id
LEFT JOIN documents_country country ON country.code = e.country_code
LEFT JOIN documents_document d ON d.id = found.document_id
WHERE (found.cause <> 'ignored_and_issued' OR found.document_id IS NOT NULL)
  AND (%(country)s::text IS NULL OR e.country_code = %(country)s)
"""

# Of a reassignment, the new statement is the new owner's, and the one that it takes over was taken back whole.
REASSIGNED = """
SELECT e.public_id || ':' || wrong.path AS key, d.country_id, d.id AS document_id, e.id AS event_id,
  jsonb_build_object('currency', d.currency, 'field', wrong.path, 'event_states', wrong.stated,
    'document_prints', wrong.shown) AS facts
FROM payouts_reassignment r
JOIN documents_event e ON e.id = r.event_id
JOIN documents_party former ON former.id = r.former_id
JOIN documents_party mine ON mine.id = r.owner_id
JOIN documents_document d
  ON d.document_key = 'ORDER_FINAL_STATEMENT:reassignment:' || r.reassignment_id || ':beneficiary'
JOIN documents_document f ON f.number = d.content::jsonb #>> '{reassignment,replaces}'
CROSS JOIN LATERAL (
  SELECT coalesce(sum(n.total_minor), 0)::bigint AS credited FROM documents_document n
  WHERE n.corrects_id = f.id AND n.kind = 'CREDIT_NOTE') taken
CROSS JOIN LATERAL (VALUES
  ('{data,to,id}', d.owner_id <> r.owner_id, mine.platform_id, d.number),
  ('{data,from,id}', f.owner_id <> r.former_id OR f.total_minor <> taken.credited, former.platform_id, f.number)
) AS wrong (path, holds, stated, shown)
WHERE e.id BETWEEN %(low)s AND %(high)s AND wrong.holds AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
"""
