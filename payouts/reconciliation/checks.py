"""TABLE: the queries of reconciliation. Each compares two records of the same money that are written separately.

A comparison reads one range of keys in one statement, so it sees one moment and stays bounded whatever the tables
hold; it gives a row per difference: `key`, `country_id`, `document_id`, `event_id` and `facts`, in which names that
end in `_minor` are amounts in `currency`'s minor units. Amounts inside a frozen content carry exactly their currency's
digits, so without their point they are minor units.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from payouts.reconciliation import undone_checks


class FindingCode(StrEnum):
    """The discrepancies that reconciliation opens."""

    DOCUMENT = "document_does_not_add_up"
    BOOKS = "books_differ"
    STATUS = "payout_status_differs"
    BALANCE = "balance_chain_broken"
    PAYOUT = "payout_and_statement_differ"
    PAID_TWICE = "paid_twice"
    CASH = "cash_differs"
    PAID_FORMER_OWNER = "paid_to_former_owner"
    PAID_CANCELED = "paid_for_canceled"
    RETURNED_LESS = "returned_less"
    EVENT = "event_and_document_differ"
    EVENT_ALONE = "event_without_document"
    REFUND = "refund_status_differs"
    CANCELED = "canceled_fact_differs"


# What intake opens of orders that were taken back, by their own keys.
IN_VAIN = (FindingCode.PAID_FORMER_OWNER, FindingCode.PAID_CANCELED)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`sql` takes %(low)s and %(high)s, a range of the keys of `over`, and %(country)s, which may be null."""

    code: FindingCode
    over: str
    sql: str


# What a payee earned, what payouts settled of it, what was transferred: one row per payee, issuer and currency, also
# where they agree. The balance that is carried on comes from their chain.
BOOKS = """
WITH owed AS (
  SELECT d.owner_id AS payee_id, d.issuer_id, d.currency, d.country_id, coalesce(d.payout_status, 'PENDING') AS status,
    CASE d.kind WHEN 'CREDIT_NOTE' THEN -d.total_minor ELSE d.total_minor END AS net, s.settled, s.parts
  FROM documents_document d
  LEFT JOIN documents_document o ON o.id = d.corrects_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS settled, count(*) AS parts
    FROM payouts_settlement WHERE document_id = d.id AND effective) s
  WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
    AND (d.kind = 'ORDER_FINAL_STATEMENT'
      OR d.kind = 'CREDIT_NOTE' AND (o.kind = 'ORDER_FINAL_STATEMENT' OR s.parts > 0))
), statements AS (
  SELECT payee_id, issuer_id, currency, country_id, sum(net) AS earned, sum(settled) AS settled,
    coalesce(sum(net - settled) FILTER (WHERE status = 'PENDING'), 0) AS pending,
    coalesce(sum(net - settled) FILTER (WHERE status = 'SENT' AND parts = 0), 0) AS announced,
    coalesce(sum(settled - net) FILTER (WHERE status = 'SENT' AND parts > 0), 0) AS overpaid
  FROM owed GROUP BY payee_id, issuer_id, currency, country_id
), moved AS (
  SELECT p.payee_id, p.issuer_id, p.currency, p.country_id, sum(p.amount_minor) AS paid, sum(s.included) AS included,
    sum(t.adjustments) AS adjustments, sum(t.withheld) AS withheld, sum(t.cash) AS cash_collected,
    sum(t.printed) AS printed
  FROM payouts_payout p
  JOIN documents_document d ON d.id = p.statement_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount_minor), 0) AS included FROM payouts_settlement WHERE payout_id = p.id AND effective) s
  CROSS JOIN LATERAL (
    SELECT replace(c #>> '{totals,adjustments}', '.', '')::bigint AS adjustments,
      replace(c #>> '{totals,withheld}', '.', '')::bigint AS withheld,
      replace(c #>> '{totals,cash_collected}', '.', '')::bigint AS cash,
      replace(coalesce(c ->> 'difference', '0'), '.', '')::bigint AS printed
    FROM (SELECT d.content::jsonb AS c) content) t
  WHERE p.payee_id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR p.country_id = %(country)s)
    AND p.returned_at IS NULL
  GROUP BY p.payee_id, p.issuer_id, p.currency, p.country_id
)
SELECT payee.platform_id AS payee, issuer.slug AS issuer, books.currency, books.country_id,
  coalesce(earned, 0)::bigint AS earned_minor, coalesce(settled, 0)::bigint AS settled_minor,
  coalesce(pending, 0)::bigint AS pending_minor, coalesce(announced, 0)::bigint AS announced_minor,
  coalesce(overpaid, 0)::bigint AS overpaid_minor, coalesce(paid, 0)::bigint AS paid_minor,
  coalesce(included, 0)::bigint AS included_minor, coalesce(adjustments, 0)::bigint AS adjustments_minor,
  coalesce(withheld, 0)::bigint AS withheld_minor, coalesce(cash_collected, 0)::bigint AS cash_collected_minor,
  coalesce(printed, 0)::bigint AS printed_minor
FROM (statements FULL JOIN moved USING (payee_id, issuer_id, currency, country_id)) AS books
JOIN documents_party payee ON payee.id = books.payee_id
JOIN documents_issuer issuer ON issuer.id = books.issuer_id
ORDER BY books.payee_id, books.issuer_id, books.currency
"""

# The live status is SENT by the payout that completed the net, in the order in which the money was sent. A statement
# that was issued as SENT may wait for its payout: then an event that names it is parked or held.
_STATUS = """
WITH running AS (
  SELECT d.id, d.total_minor AS net, p.statement_id, p.sent_at, p.payout_id,
    sum(s.amount_minor) OVER (PARTITION BY d.id ORDER BY p.sent_at, p.payout_id) AS settled
  FROM documents_document d
  JOIN payouts_settlement s ON s.document_id = d.id AND s.effective
  JOIN payouts_payout p ON p.id = s.payout_id
  WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND d.kind = 'ORDER_FINAL_STATEMENT'
), completed AS (
  SELECT DISTINCT ON (id) id, statement_id FROM running
  WHERE net >= 0 AND settled >= net OR net < 0 AND settled <= net ORDER BY id, sent_at, payout_id
)
SELECT d.document_key AS key, d.country_id, d.id AS document_id, NULL::bigint AS event_id, jsonb_build_object(
  'currency', d.currency, 'shown', d.payout_status, 'shown_by', shown.number,
  'settlements_say', CASE WHEN c.id IS NULL THEN 'PENDING' ELSE 'SENT' END, 'settlements_by', due.number) AS facts
FROM documents_document d
LEFT JOIN completed c ON c.id = d.id
LEFT JOIN documents_document shown ON shown.id = d.settled_by_id
LEFT JOIN documents_document due ON due.id = c.statement_id
WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND d.kind = 'ORDER_FINAL_STATEMENT'
  AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
  AND (d.payout_status, d.settled_by_id) IS DISTINCT FROM
    (CASE WHEN c.id IS NULL THEN 'PENDING' ELSE 'SENT' END, c.statement_id)
  AND NOT (c.id IS NULL AND d.payout_status = 'SENT' AND d.payout_status_at_issue = 'SENT' AND d.settled_by_id IS NULL
    AND NOT EXISTS (SELECT FROM payouts_settlement WHERE document_id = d.id)
    AND EXISTS (
      SELECT FROM documents_event e
      WHERE e.status IN ('parked', 'held') AND e.type = 'PAYOUT_SENT' AND e.superseded_by_id IS NULL AND position(
        '"' || coalesce(nullif(split_part(d.document_key, ':', 5), ''), split_part(d.subject, ':', 2)) || '"'
        IN convert_from(e.body, 'UTF8')) > 0))
"""

# The payout's row, its statement, its settlements and its reversal notices say the same.
_PAYOUT = """
SELECT p.payout_id AS key, p.country_id, d.id AS document_id, p.event_id, jsonb_strip_nulls(jsonb_build_object(
  'currency', p.currency, 'payout', p.payout_id, 'statement', d.number, 'state', p.state,
  'amount_minor', p.amount_minor, 'statement_amount_minor', d.total_minor,
  'opening_minor', p.opening_minor, 'statement_opening_minor', t.opening,
  'closing_minor', p.closing_minor, 'statement_closing_minor', t.closing,
  'settled_minor', s.settled, 'statement_included_minor', t.included,
  'settlements', s.parts, 'statement_lines', t.lines, 'settlements_in_effect', s.effective, 'notices', n.notices,
  'same_owner', d.owner_id = p.payee_id AND s.strangers = 0)) AS facts
FROM payouts_payout p
LEFT JOIN documents_document d ON d.id = p.statement_id AND d.kind = 'PAYOUT_STATEMENT'
LEFT JOIN LATERAL (
  SELECT replace(c #>> '{totals,opening_carry_over}', '.', '')::bigint AS opening,
    replace(c #>> '{totals,closing_carry_over}', '.', '')::bigint AS closing,
    replace(c #>> '{totals,included}', '.', '')::bigint AS included, jsonb_array_length(c -> 'settles') AS lines,
    (SELECT count(DISTINCT line ->> 'number') FROM jsonb_array_elements(c -> 'settles') line) AS paid,
    (SELECT array_agg(line ->> 'number') FROM jsonb_array_elements(c -> 'settles') line) AS numbers
  FROM (SELECT d.content::jsonb AS c) content) t ON d.id IS NOT NULL
CROSS JOIN LATERAL (
  SELECT coalesce(sum(part.amount_minor), 0)::bigint AS settled, count(*) AS parts,
    count(*) FILTER (WHERE part.effective) AS effective,
    count(*) FILTER (WHERE paid.kind = 'CREDIT_NOTE' AND paid.subject LIKE 'reassignment:%%'
      AND paid.number <> ALL (t.numbers)) AS later,
    count(*) FILTER (WHERE paid.owner_id <> p.payee_id OR paid.issuer_id <> p.issuer_id) AS strangers
  FROM payouts_settlement part JOIN documents_document paid ON paid.id = part.document_id WHERE part.payout_id = p.id) s
CROSS JOIN LATERAL (
  SELECT count(*) AS notices, count(*) FILTER (WHERE owner_id <> p.payee_id OR total_minor > p.amount_minor
    -- less may have failed to arrive before anybody knew what was sent: `returned_less` is open
    OR total_minor < p.amount_minor AND (content::jsonb ->> 'outcome' <> 'failed'
      OR content::jsonb #> '{payout,fee}' IS NOT NULL)) AS strange
  FROM documents_document
  WHERE subject = 'payout:' || p.payout_id AND kind = 'PAYOUT_REVERSAL_NOTICE') n
WHERE p.payee_id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR p.country_id = %(country)s)
  AND (d.id IS NULL
    OR (d.owner_id, d.issuer_id, d.country_id, d.currency, d.total_minor, d.event_id)
      <> (p.payee_id, p.issuer_id, p.country_id, p.currency, p.amount_minor, p.event_id)
    OR (t.opening, t.closing, t.included) <> (p.opening_minor, p.closing_minor, s.settled)
    -- an order's statement may be paid for what the payee was to have of it, too, until that one has its own; and one
    -- note of a reassignment may be taken off for its other ones, which come later
    OR s.parts - s.later NOT BETWEEN t.paid AND t.lines
    OR s.strangers > 0 OR n.strange > 0
    OR s.effective <> CASE WHEN p.returned_at IS NULL THEN s.parts ELSE 0 END
    OR (p.returned_at IS NULL) <> (p.state IN ('SENT', 'CLOSED'))
    OR (p.returned_at IS NULL) <> (n.notices = 0))
UNION ALL
SELECT d.document_key, d.country_id, d.id, d.event_id, jsonb_build_object(
  'currency', d.currency, 'statement', d.number, 'statement_amount_minor', d.total_minor)
FROM documents_document d LEFT JOIN payouts_payout p ON p.statement_id = d.id
WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
  AND d.kind = 'PAYOUT_STATEMENT' AND p.id IS NULL
"""

# The same key and facts as the discrepancy that the payout itself opens: one that is missing is opened, none doubled.
# What was paid of a statement that was taken back whole is compared by the order, with all that its owner has of it.
_PAID_TWICE = """
SELECT d.document_key AS key, d.country_id, d.id AS document_id, NULL::bigint AS event_id, jsonb_build_object(
  'document_key', d.document_key, 'currency', d.currency, 'earned_minor', n.net, 'settled_minor', s.settled,
  'difference_minor', s.settled - least(greatest(s.settled, least(0, n.net)), greatest(0, n.net)),
  'payouts', s.payouts) AS facts
FROM documents_document d
CROSS JOIN LATERAL (
  SELECT CASE d.kind WHEN 'CREDIT_NOTE' THEN -d.total_minor ELSE d.total_minor END AS net) n
JOIN LATERAL (
  SELECT sum(part.amount_minor)::bigint AS settled, jsonb_agg(p.payout_id ORDER BY p.sent_at, p.payout_id) AS payouts
  FROM payouts_settlement part JOIN payouts_payout p ON p.id = part.payout_id
  WHERE part.document_id = d.id AND part.effective) s ON s.settled IS NOT NULL
WHERE d.owner_id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
  AND d.kind IN ('ORDER_FINAL_STATEMENT', 'CREDIT_NOTE')
  AND s.settled <> least(greatest(s.settled, least(0, n.net)), greatest(0, n.net))
  AND NOT EXISTS (
    SELECT FROM documents_document t WHERE t.corrects_id = d.id AND t.kind = 'CREDIT_NOTE'
      AND split_part(t.subject, ':', 1) IN ('order', 'adjustment', 'reassignment'))
"""

# What the event states and what the document that it caused prints. Events whose body has been stripped are left out.
_EVENT = """
SELECT e.public_id || ':' || stated.path || ':' || d.audience AS key, d.country_id, d.id AS document_id,
  e.id AS event_id, jsonb_build_object('currency', d.currency, 'field', stated.path, 'event_states',
    convert_from(e.body, 'UTF8')::jsonb #>> stated.path::text[], 'document_prints',
    d.content::jsonb #>> stated.printed::text[]) AS facts
FROM documents_event e
JOIN documents_document d ON d.event_id = e.id
JOIN (VALUES
  ('PAYMENT_CAPTURED', 'customer', '{data,payment,amount}', '{totals,gross}'),
  ('REFUND_ISSUED', 'customer', '{data,totals,gross}', '{totals,gross}'),
  ('REFUND_ISSUED', 'customer', '{data,refund,amount}', '{totals,gross}'),
  ('DISPUTE_LOST', 'customer', '{data,dispute,amount}', '{totals,gross}'),
  ('ORDER_COMPLETED', 'beneficiary', '{data,totals,payable}', '{totals,payable}'),
  ('ORDER_COMPLETED', 'beneficiary', '{data,cash_collected}', '{cash_collected}'),
  ('ORDER_COMPLETED', 'partner', '{data,totals,partner_payable}', '{totals,payable}'),
  ('PAYOUT_SENT', 'payee', '{data,payout,amount}', '{totals,amount}'),
  ('PAYOUT_SENT', 'payee', '{data,cash_collected}', '{totals,cash_collected}'),
  ('PAYOUT_SENT', 'payee', '{data,opening_carry_over}', '{totals,opening_carry_over}'),
  ('PAYOUT_SENT', 'payee', '{data,closing_carry_over}', '{totals,closing_carry_over}'),
  ('PAYOUT_PERIOD_CLOSED', 'payee', '{data,payout,amount}', '{totals,amount}'),
  ('PAYOUT_PERIOD_CLOSED', 'payee', '{data,cash_collected}', '{totals,cash_collected}'),
  ('PAYOUT_PERIOD_CLOSED', 'payee', '{data,opening_carry_over}', '{totals,opening_carry_over}'),
  ('PAYOUT_PERIOD_CLOSED', 'payee', '{data,closing_carry_over}', '{totals,closing_carry_over}'),
  ('PAYOUT_FAILED', 'payee', '{data,payout,amount}', '{payout,amount}'),
  ('PAYOUT_FAILED', 'payee', '{data,payout,fee}', '{payout,fee}'),
  ('PAYOUT_RETURNED', 'payee', '{data,payout,amount}', '{payout,amount}'),
  ('PAYOUT_RETURNED', 'payee', '{data,payout,fee}', '{payout,fee}')
) AS stated (type, audience, path, printed) ON stated.type = e.type AND stated.audience = d.audience
WHERE e.id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR d.country_id = %(country)s)
  AND e.body IS NOT NULL AND e.status = 'processed'
  -- issued by two people's decision, with the balance that was known; `reconciliation_difference` has both
  AND NOT (stated.path = '{data,opening_carry_over}' AND EXISTS (
    SELECT FROM payouts_settlementrequest a WHERE a.event_id = e.public_id AND a.state = 'APPROVED'))
  AND (convert_from(e.body, 'UTF8')::jsonb #>> stated.path::text[])::numeric
    <> (d.content::jsonb #>> stated.printed::text[])::numeric
"""

# Every processed event about money has its documents, and every payout event its payout. A cancellation has none where
# its fact was ignored, or where other credits had taken all that the fact's documents gave.
_EVENT_ALONE = """
SELECT e.public_id AS key, country.code AS country_id, NULL::bigint AS document_id, e.id AS event_id,
  jsonb_build_object('event', e.event_id, 'type', e.type, 'subject', e.subject, 'documents', e.document_ids) AS facts
FROM documents_event e
LEFT JOIN documents_country country ON country.code = e.country_code
LEFT JOIN payouts_payout p ON p.payout_id = split_part(e.subject, ':', 2) AND e.subject LIKE 'payout:%%'
WHERE e.id BETWEEN %(low)s AND %(high)s AND (%(country)s::text IS NULL OR e.country_code = %(country)s)
  AND e.status = 'processed' AND e.type <> 'CONTACT_CHANGED'
  AND (cardinality(e.document_ids) = 0 AND NOT (right(e.type, 9) = '_CANCELED' AND (
      EXISTS (
        SELECT FROM documents_event f
        WHERE f.subject = e.subject AND f.status = 'ignored' AND f.code = 'canceled_before')
      OR (SELECT bool_and(d.total_minor <= (
          SELECT coalesce(sum(n.total_minor), 0) FROM documents_document n
          WHERE n.corrects_id = d.id AND n.kind = 'CREDIT_NOTE'))
        FROM documents_document d
        WHERE d.subject = e.subject AND d.kind IN ('PAYMENT_RECEIPT', 'ORDER_FINAL_STATEMENT'))))
    OR EXISTS (
      SELECT FROM unnest(e.document_ids) AS listed (id) WHERE NOT EXISTS (
        SELECT FROM documents_document d WHERE d.id = listed.id))
    OR e.type IN ('PAYOUT_SENT', 'PAYOUT_PERIOD_CLOSED') AND p.id IS NULL)
"""

COMPARISONS: tuple[Comparison, ...] = (
    Comparison(code=FindingCode.STATUS, over="payees", sql=_STATUS),
    Comparison(code=FindingCode.PAYOUT, over="payees", sql=_PAYOUT),
    Comparison(code=FindingCode.PAID_TWICE, over="payees", sql=_PAID_TWICE),
    Comparison(code=FindingCode.REFUND, over="payees", sql=undone_checks.REFUND),
    Comparison(code=FindingCode.CANCELED, over="events", sql=undone_checks.CANCELED),
    Comparison(code=FindingCode.EVENT, over="events", sql=undone_checks.REASSIGNED),
    Comparison(code=FindingCode.EVENT, over="events", sql=_EVENT),
    Comparison(code=FindingCode.EVENT_ALONE, over="events", sql=_EVENT_ALONE),
)
# TABLE: what is compared, and how many keys at a time.
RANGES: Mapping[str, int] = {"documents": 500, "payees": 200, "events": 500}
