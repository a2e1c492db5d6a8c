"""The WSGI application that gunicorn serves."""

from django.core.wsgi import get_wsgi_application

from config import env

env.put(name="DJANGO_SETTINGS_MODULE", value=env.text(name="DJANGO_SETTINGS_MODULE", default="config.settings"))
application = get_wsgi_application()
