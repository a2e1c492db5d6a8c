"""TABLE: the tasks. Pure: settings and schedule name them too."""

import enum


class TaskName(enum.StrEnum):
    """The name of each task, of every floor. The start compares them with those that Celery knows."""

    ADVANCE = "documents.advance"
    ADVANCE_PAYOUT = "documents.advance_payout"
    DELIVER = "documents.deliver"
    NOTIFY = "documents.notify"
    INVITE = "documents.invite"
    MAIL_CODE = "documents.mail_code"
    RESUME = "documents.resume"
    ISSUE_HELD = "documents.issue_held"
    SWEEP = "documents.sweep"
    VERIFY_LOG = "documents.verify_log"
    ERASE = "documents.erase"
    RECONCILE = "payouts.reconcile"
