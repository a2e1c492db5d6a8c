"""Which stores there are: the present one (VAULT_URL), and a former one (VAULT_FORMER_URL), which is only read.

A document's row names its store by the canonical address.
"""

from django.conf import settings

from documents.vault import address


def here() -> str:
    """Return how a row names the store of VAULT_URL, into which everything is put."""
    return address.canonical(url=settings.VAULT_URL)


def is_former(*, url: str) -> bool:
    """Return whether a row names another store than VAULT_URL's; a row that names none has nothing stored yet."""
    return bool(url) and url != here()


def is_known(*, url: str) -> bool:
    """Return whether the store that a row names can be opened."""
    return url in known()


def known() -> list[str]:
    """Return how rows name the stores that can be opened."""
    former = settings.VAULT_FORMER_URL
    return [here(), address.canonical(url=former)] if former else [here()]
