"""The WSGI application that gunicorn serves."""

import gc
import importlib
import re
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.utils import timezone

from config import env

BOUNDARY = re.compile(r';\s*boundary\s*=\s*("[^"]*"|[^;\s]*)', re.IGNORECASE)

env.put(name="DJANGO_SETTINGS_MODULE", value=env.text(name="DJANGO_SETTINGS_MODULE", default="config.settings"))
gc.disable()  # until Django is set up (`config.apps`)
_django = get_wsgi_application()
# Only now can models be imported. A number that an old database would give again is passed before any is taken.
_actors, _restore = (importlib.import_module(name) for name in ("documents.access.actors", "documents.custody.restore"))
_restore.begin(actor=_actors.program(name="restore", channel="web"), clock=timezone.now)
connections.close_all()  # each thread has its own


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one request, whose texts are UTF-8 whatever character set it names.

    Django reads even the address by the character set in `Content-Type`: `charset=utf-7` spells a NUL that
    `access.middleware` does not see, `charset=rot13` is a fault at every address, and an unknown one in the spelling
    `charset*=` a fault before any middleware. So only the media type and a form's boundary are left of that header.
    """
    given = str(environ.get("CONTENT_TYPE", ""))
    boundary = BOUNDARY.search(given)
    environ["CONTENT_TYPE"] = given.partition(";")[0].strip() + (f"; boundary={boundary[1]}" if boundary else "")
    return _django(environ, start_response)
