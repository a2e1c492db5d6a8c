"""PostgreSQL whose standby has what was committed: `resilience.postgres` with one more promise (`base.py`)."""
