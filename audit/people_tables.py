"""The rows of `tables.TABLES` about people: logins, roles, scopes, what they may do until when, invitations."""

from audit.actions import Action
from audit.entries import USER
from audit.guard import Guard, TableRights, state_actions

_OF_USER, _OF_FORMER = f"'{USER}' || NEW.user_id", f"'{USER}' || OLD.user_id"
_LOGIN = f"'{USER}' || NEW.id"
# What comes as given and goes as withdrawn: a role, or the scope of a country or party.
_GIVEN = TableRights(
    guards=(
        Guard(word="born", born=True, about=_OF_USER, actions=(Action.ACCESS_GRANTED,)),
        Guard(word="gone", gone=True, about=_OF_FORMER, actions=(Action.ACCESS_WITHDRAWN,)),
    ),
)

ROWS: dict[str, TableRights] = {
    "auth_user": TableRights(
        working=("last_login",),
        guards=(
            # The user of a program, which is no person, is made with its first role.
            Guard(word="born", born=True, about=_LOGIN, actions=(Action.PERSON_ADDED, Action.ACCESS_GRANTED)),
            Guard(
                word="password",
                columns=("password",),
                about=_LOGIN,
                # A login renews a hash of fewer rounds than are made today.
                actions=(Action.CREDENTIAL_CHANGED, Action.SESSION_LOGIN, Action.SESSION_CONFIRMED),
            ),
            Guard(
                word="staff",
                columns=("is_staff",),
                about=_LOGIN,
                actions=(Action.ACCESS_GRANTED, Action.ACCESS_WITHDRAWN),
            ),
        ),
    ),
    "auth_user_groups": _GIVEN,
    "guardian_userobjectpermission": _GIVEN,
    # What django-allauth keeps beside the factors is not used: nobody writes it.
    "account_emailaddress": TableRights(),
    "account_emailconfirmation": TableRights(),
    "mfa_authenticator": TableRights(
        guards=(
            Guard(word="born", born=True, about=_OF_USER, actions=(Action.FACTOR_ADDED,)),
            Guard(
                word="used",
                columns=("data", "last_used_at"),
                about=_OF_USER,
                actions=(Action.FACTOR_USED, Action.FACTOR_ADDED, Action.FACTOR_RENAMED),
            ),
            Guard(word="gone", gone=True, about=_OF_FORMER, actions=(Action.FACTOR_REMOVED,)),
        ),
    ),
    "documents_grant": TableRights(
        guards=(
            Guard(
                word="given",
                born=True,
                columns=("expires_at",),
                about=_OF_USER,
                actions=(Action.ACCESS_GRANTED,),
            ),
            Guard(
                word="withdrawn",
                columns=("withdrawn_at",),
                about=_OF_USER,
                actions=(Action.ACCESS_WITHDRAWN,),
                only="OLD.withdrawn_at IS NULL",
            ),
        ),
    ),
    "documents_invitation": TableRights(
        working=("attempts", "lease", "lease_until_at", "next_try_at"),
        guards=(
            Guard(born=True, columns=("status",), states=state_actions("delivery.", "QUEUED", "SENT", "BOUNCED")),
            Guard(
                word="tried",
                columns=("cause", "sent_at"),
                actions=(Action.DELIVERY_SENT, Action.DELIVERY_FAILED, Action.DELIVERY_BOUNCED),
            ),
            Guard(
                word="ended",
                columns=("ended_at",),
                about=_OF_USER,
                actions=(Action.CREDENTIAL_CHANGED, Action.PERSON_INVITED),
                only="OLD.ended_at IS NULL",
            ),
        ),
    ),
    "documents_person": TableRights(
        guards=(
            Guard(word="born", born=True, actions=(Action.PERSON_ADDED,)),
            Guard(word="limited", columns=("access_until_at",), actions=(Action.PERSON_LIMITED,)),
            Guard(
                word="suspended",
                columns=("suspended_at",),
                actions=(Action.PERSON_SUSPENDED, Action.PERSON_RESUMED),
            ),
        ),
    ),
}
