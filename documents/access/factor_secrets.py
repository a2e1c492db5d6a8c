"""How the secrets of second factors lie in the database: encrypted by a key that is made of SECRET_KEY.

A copy of the database alone gives nobody a code. Where SECRET_KEY changes, the former one stands in
SECRET_KEY_FALLBACKS, or staff enrol anew.
"""

import base64
import functools

from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class FactorSecrets(DefaultMFAAdapter):
    """What django-allauth asks to encrypt and decrypt (the setting MFA_ADAPTER)."""

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return _box().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret.

        :raises cryptography.fernet.InvalidToken: it was encrypted by another key
        """
        return _box().decrypt(encrypted_text.encode()).decode()


@functools.cache
def _box() -> MultiFernet:
    """Return what encrypts by the first key and decrypts by all."""
    secrets = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    return MultiFernet([Fernet(_key(secret=secret)) for secret in secrets])


def _key(*, secret: str) -> bytes:
    """Return a key for this purpose alone."""
    made = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"second factors").derive(secret.encode())
    return base64.urlsafe_b64encode(made)
