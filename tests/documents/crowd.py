"""Tables as full as a year leaves them, for plans and timings.

The rows are poured in by a superuser with the triggers off: they have no log and no bytes.
"""

import psycopg

from config.embedded import services
from tests import factories

OWNERS, FLEET = 2000, "drv_crowd_1"  # the fleet owns every tenth document

_POUR = """
SET session_replication_role = replica;
CREATE TEMPORARY TABLE crowd AS
SELECT n, 'order:ord_' || n AS subject, 'ORDER_FINAL_STATEMENT:order:ord_' || n || ':beneficiary' AS key,
  %(now)s::timestamptz - (%(rows)s - n) * %(apart)s::interval AS at, n %% 4 < 2 AS statement,
  'pty_crowd' || CASE WHEN n %% 10 = 0 THEN 1 ELSE 1 + (n::bigint * 7919) %% %(owners)s END AS owner
FROM generate_series(1, %(rows)s) n;

INSERT INTO documents_party (public_id, platform_id, legal_name, tax_id, tax_id_type, email, locale)
SELECT 'pty_crowd' || n, 'drv_crowd_' || n, 'Owner ' || n, '', '', '', 'es' FROM generate_series(1, %(owners)s) n;

INSERT INTO documents_event (public_id, event_id, service, type, country_code, issuer_slug, subject, occurred_at,
  received_at, body_sha256, payload_sha256, status, code, errors, missing, attempts, repeats, document_ids)
SELECT 'evt_crowd' || n, 'evt_' || n, 'orders', 'ORDER_COMPLETED', 'ES', 'aventide-es', subject, at,
  at, md5('b' || n), '', 'processed', '', '[]', '[]', 0, 0, '{}'
FROM crowd;

INSERT INTO documents_documentkey (key, fingerprint) SELECT key, '0' FROM crowd;

INSERT INTO documents_document (public_id, document_key, kind, audience, country_id, issuer_id, owner_id, event_id,
  subject, series_id, sequence, number, currency, total_minor, operation_date, issue_date, issued_at, retain_until,
  payout_status_at_issue, verification_code, content, content_sha256, flags, status, payout_status, attempts, cause,
  template, bundle_digest, engine, vault_url, vault_key, vault_version, vault_mode, file_sha256, file_bytes, locked_at)
SELECT 'doc_crowd' || n, key,
  CASE WHEN statement THEN 'ORDER_FINAL_STATEMENT' WHEN n %% 4 = 2 THEN 'PAYMENT_RECEIPT' ELSE 'CREDIT_NOTE' END,
  'beneficiary', (ARRAY['ES', 'ES', 'MX', 'CO'])[1 + n / 4 %% 4], %(issuer)s, p.id, e.id,
  crowd.subject, 0, n, 'AES-OFS-' || to_char(at, 'YYYY') || '-' || lpad(n::text, 7, '0'), 'EUR', n,
  at::date, at::date, at, at::date + 2000,
  CASE WHEN statement THEN 'PENDING' END, 'VC' || n,
  '{"totals": {"payable": "1.00"}, "pad": "' || repeat(md5(n::text), 20) || '"}',
  encode(sha256(('c' || n)::bytea), 'hex'), '{}',
  CASE WHEN n > %(rows)s - 20 THEN 'ISSUED' WHEN n %% 20000 = 7 THEN 'QUARANTINED' ELSE 'LOCKED' END,
  CASE WHEN statement THEN CASE WHEN n %% 500 = 1 THEN 'PENDING' ELSE 'SENT' END END,
  0, '', 't', '', '', 'file:///vault', 'k' || n, '1', 'LOCAL_IMMUTABLE', encode(sha256(('f' || n)::bytea), 'hex'), 1, at
FROM crowd JOIN documents_party p ON p.public_id = owner JOIN documents_event e ON e.public_id = 'evt_crowd' || n
ORDER BY n;
RESET session_replication_role;
ANALYZE;
"""


def pour(*, stack: services.Stack, rows: int, owners: int = OWNERS, apart: str = "5 min", database: str = "") -> None:
    """Fill the tables; whoever asks for it replaces the database afterwards (`committed_db`).

    :param apart: the time between two documents, as PostgreSQL writes it
    :param database: that of the default connection, where it is not the service's own
    """
    facts = {
        "rows": rows,
        "owners": owners,
        "apart": apart,
        "issuer": factories.issuer().pk,
        "now": factories.NOW.isoformat(),
    }
    url = stack.postgres.url(database=database or services.DATABASE)
    with psycopg.connect(url, autocommit=True, cursor_factory=psycopg.ClientCursor) as superuser:
        superuser.execute(_POUR, facts)
