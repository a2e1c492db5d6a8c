"""TABLE: what beat rings, and how often. Each row is also done by the worker's own poller, so that nothing depends on it."""

SCHEDULE: dict[str, dict[str, object]] = {
    "sweep": {"task": "documents.sweep", "schedule": 30.0, "options": {"expires": 30}},
}
