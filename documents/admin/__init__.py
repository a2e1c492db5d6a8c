"""The Document Center: Django's admin, read-only, for staff. Importing this package registers its pages.

It is mounted as `from documents.admin.site import site`.
"""

from documents.admin import channels, documents, events, log, people, work

__all__ = ["channels", "documents", "events", "log", "people", "work"]
