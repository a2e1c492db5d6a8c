"""The web server's settings, its master's log among them: `gunicorn --config python:config.gunicorn`."""

from config import env, logs

wsgi_app = "config.wsgi"
worker_class, workers, threads = "gthread", 2, 8
timeout, graceful_timeout = 60, 5
logconfig_dict = logs.settings(level=env.log_level())
