"""What the longest payout costs in memory, where it is taken in and where it is run again, issued and printed."""

import pathlib

import psutil
import psycopg

from tests.services.live import Live, live, order, payout

__all__ = ["live"]

ORDERS = 1500
PATIENCE_S = 240.0  # some seconds, on a machine that does nothing else
GROWTH_BYTES_MAX = 110 * 1024**2  # a worker parses the long PDF before the lock and after it
PAYOUT_KEY = "PAYOUT_STATEMENT:payout:{}:payee"

# Copies of one statement, as like it as its own orders would have been; a superuser writes them with the triggers off.
_COPIES = """
SET session_replication_role = replica;
INSERT INTO documents_documentkey SELECT replace(key, %(name)s, %(name)s || '_' || n), fingerprint
FROM documents_documentkey, generate_series(1, %(copies)s) n WHERE key = %(key)s;
INSERT INTO documents_document
SELECT (jsonb_populate_record(d, jsonb_build_object(
  'id', d.id * 10000 + n, 'public_id', d.public_id || n, 'sequence', d.sequence * 10000 + n,
  'document_key', replace(d.document_key, %(name)s, %(name)s || '_' || n), 'subject', d.subject || '_' || n,
  'number', d.number || '-' || n, 'verification_code', 'VC' || (d.id * 10000 + n),
  'content', replace(replace(d.content, %(name)s, %(name)s || '_' || n), d.number, d.number || '-' || n)))).*
FROM documents_document d, generate_series(1, %(copies)s) n WHERE d.document_key = %(key)s
"""


def peak(process: psutil.Process) -> int:
    """Return the most memory that a process has had since `forget`, in bytes."""
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024


def forget(process: psutil.Process) -> int:
    """Let the peak of a process begin at what it has now, and return that."""
    pathlib.Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return peak(process)


def servers(live: Live, name: str) -> list[psutil.Process]:
    """Return the Python processes of the web server or the worker, without the renderers, which have their own limit."""
    process = live.process_group.processes[name].process
    assert process is not None
    root = psutil.Process(process.pid)
    family = [root, *root.children(recursive=True)]
    return [member for member in family if "documents.rendering.child" not in member.cmdline()]


def many_orders(live: Live, *, name: str, driver: str) -> list[str]:
    """Have one order issued, and ORDERS - 1 copies of its statement in the tables; return the ids of all."""
    event = order(name=name, driver=driver)
    assert live.post(event).status == 201
    key = f"ORDER_FINAL_STATEMENT:order:ord_{name}:beneficiary"
    live.await_locked(keys=[key])
    facts = {"name": f"ord_{name}", "key": key, "copies": ORDERS - 1}
    with psycopg.connect(live.stack.superuser_url, autocommit=True, cursor_factory=psycopg.ClientCursor) as superuser:
        superuser.execute(_COPIES, facts)
    return [f"ord_{name}", *(f"ord_{name}_{number}" for number in range(1, ORDERS))]


def long_payout(*, name: str, driver: str, orders: list[str]) -> dict[str, object]:
    """Return a transfer that settles so many equal orders."""
    return payout(name=name, payee=driver, orders=orders, amount=f"{len(orders) * 2188 / 100:.2f}")


def test_a_payout_of_1500_orders_does_not_fill_the_memory_of_a_web_process_or_a_worker(live: Live) -> None:
    waits_for = order(name="last", driver="drv_late")
    late = [*many_orders(live, name="late", driver="drv_late"), "ord_last"]
    early = many_orders(live, name="early", driver="drv_early")
    assert live.post(long_payout(name="late", driver="drv_late", orders=late)).body["missing"] == ["order:ord_last"]
    before = {process: forget(process) for name in ("web", "worker") for process in servers(live, name)}

    # The worker runs the parked one again, issues and prints it; a web process issues the other.
    live.post(waits_for)
    live.await_locked(keys=[PAYOUT_KEY.format("po_late")], within_s=PATIENCE_S)
    answer = live.post(long_payout(name="early", driver="drv_early", orders=early), timeout_s=PATIENCE_S)

    assert (answer.status, len(answer.body["documents"][0]["settles"])) == (201, ORDERS)
    grown = {process.pid: peak(process) - rest for process, rest in before.items()}
    assert max(grown.values()) < GROWTH_BYTES_MAX, grown
