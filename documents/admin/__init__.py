"""The Document Center: Django's admin, read-only, for staff. Importing this package registers its pages.

It is mounted as `from documents.admin.site import site`.
"""

from documents.admin import (
    api_keys,
    audit_log,
    custody,
    deliveries,
    documents,
    events,
    incidents,
    issuers,
    legal_holds,
    loading,
    parties,
    people,
)

__all__ = [
    "api_keys",
    "audit_log",
    "custody",
    "deliveries",
    "documents",
    "events",
    "incidents",
    "issuers",
    "legal_holds",
    "loading",
    "parties",
    "people",
]
