"""Django's settings, read once from `config.env`. Anything a person may want to change is a variable there."""

import logging
from datetime import timedelta
from urllib.parse import urlsplit

from config import env, logs, production, schedule
from config.unfold import UNFOLD  # noqa: F401 - a setting
from documents.access import style

production.refuse_unsafe()

BASE_DIR = env.BASE_DIR
ENVIRONMENT = env.environment()
DEBUG = False
SECRET_KEY = env.secret(name="SECRET_KEY", demo="demo-only-secret-key-that-production-refuses")
SECRET_KEY_FALLBACKS = env.items(name="SECRET_KEY_FALLBACKS")  # former ones: what they encrypted is still read
LINK_KEY_FORMER = env.items(name="LINK_KEY_FORMER")  # what they made still opens: links, codes, invitations
LINK_KEY = env.secret(name="LINK_KEY", demo="demo-only-link-key-that-production-refuses")
API_KEY_PEPPER_FORMER = env.items(name="API_KEY_PEPPER_FORMER")  # keys that were made under them still open
API_KEY_PEPPER = env.secret(name="API_KEY_PEPPER", demo="demo-only-api-key-pepper-that-production-refuses")
AUDIT_KEY_FORMER = env.text(name="AUDIT_KEY_FORMER")  # signs beside the newer one while both are known
AUDIT_KEY = env.secret(name="AUDIT_KEY", demo="demo-only-audit-key-that-production-refuses")
WEBHOOK_SECRETS = env.webhook_secrets()
PUBLIC_URL = env.public_url(name="PUBLIC_URL", default="http://127.0.0.1:8000")
ALLOWED_HOSTS = env.items(name="ALLOWED_HOSTS") or [
    str(urlsplit(PUBLIC_URL).hostname),
    *([] if env.production() else ["127.0.0.1", "localhost", "[::1]", "testserver"]),
]
TRUSTED_PROXIES = env.networks(name="TRUSTED_PROXIES")
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "guardian",
    "allauth",
    "allauth.account",  # which the next one asks for; nothing of it is reachable
    "allauth.mfa",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "django_structlog",
    "audit",
    "documents",
    "payouts",
    "config",
]
MIDDLEWARE = [
    "documents.access.proxies.ClientAddress",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "documents.access.middleware.RequestLog",
    "documents.access.middleware.HealthByAddress",
    "documents.access.middleware.DriverLatency",
    "documents.access.http_metrics.CountedViews",
    "documents.access.middleware.RequestContext",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
# Of django-prometheus' histograms: a statement takes a millisecond, an answer that takes 30 s is given up.
PROMETHEUS_LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # said though the first answer is not read
APPEND_SLASH = False  # one spelling of each URL: the access table knows every route by name
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "documents.access.nonces.in_forms",
            ],
        },
    },
]

LOGGING = logs.settings(level=env.log_level(name="LOG_LEVEL"))
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # who it was stands in the audit log, under the same request id
DJANGO_STRUCTLOG_USER_ID_FIELD = ""
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO  # the caller's mistake, and no news for the operator
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG

DATABASES = {
    # The runtime role owns nothing: see the command `provision`.
    "default": dict(env.database(name="DATABASE_URL")),
    # Denials survive the rollback of the request that was refused, so they need a connection of their own.
    "denials": dict(env.database(name="DATABASE_URL")),
    "owner": dict(env.database(name="DATABASE_OWNER_URL", fallback=env.text(name="DATABASE_URL"))),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "guardian.backends.ObjectPermissionBackend"]
ANONYMOUS_USER_NAME = None  # guardian: nobody anonymous owns anything
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}}
]

LANGUAGE_CODE = "es"
LANGUAGES = [("es", "Español"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True

# Staff without a second factor may only enrol one; whoever tries the demo has no app at hand. Who has one is asked.
SECOND_FACTOR = ENVIRONMENT != "demo"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ADAPTER = "documents.access.factor_secrets.FactorSecrets"
MFA_TOTP_TOLERANCE = 1  # steps of 30 s before and after, for clocks that differ

SESSION_ENGINE = "documents.access.session_store"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 8 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if PUBLIC_URL.startswith("https://") else 0
SECURE_REFERRER_POLICY = "no-referrer"
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = "/admin/login/"
CSRF_FAILURE_VIEW = "documents.access.problems.csrf_failure"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "documents.access.keys.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PERMISSION_CLASSES": ["documents.access.routes.DeclaredRule"],
    "EXCEPTION_HANDLER": "documents.access.problems.rest",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is answered 405: an operation is described by the documentation
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "documents.api.openapi.RuledSchema",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "billing-docs",
    "DESCRIPTION": "Legally numbered documents of a marketplace: who sees what, and what it may do.",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "DocumentStatus": "documents.models.Status",
        "DocumentKind": "documents.models.Kind",
        "PaidStatus": "documents.models.PayoutStatus",
        "EventStatus": "documents.models.EventStatus",
        "PayoutState": "payouts.models.PayoutState",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "documents.api.openapi.add_events",
    ],
}

# Strict by default: nothing but a page's own style sheet, images and forms. `documents.admin.site` replaces it for
# /admin/ by the same package; nothing else writes the header.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "style-src": style.SOURCES,
        "img-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}

REDIS_URL = env.text(name="REDIS_URL", default="redis://127.0.0.1:1/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_BEAT_SCHEDULE = schedule.SCHEDULE
VAULT_CANARY_URL = env.text(name="VAULT_CANARY_URL")  # a bucket without documents, which is probed in full
VAULT_URL = env.vault(default=f"file://{BASE_DIR / 'var' / 'vault'}")
VAULT_FORMER_URL = env.former_vault()
VAULT_FORMER_KEYS = (env.text(name="AWS_FORMER_ACCESS_KEY_ID"), env.text(name="AWS_FORMER_SECRET_ACCESS_KEY"))
ALERT_URL = env.text(name="ALERT_URL")
ALERT_URL_2 = env.text(name="ALERT_URL_2")  # takes what the first one does not
MAIL_URL = env.text(name="MAIL_URL", default=f"file://{BASE_DIR / 'var' / 'mail'}")
DEFAULT_FROM_EMAIL = env.text(name="MAIL_FROM", default="Aventide Documentos <documentos@aventide.example>")
MAIL = env.mail(url=MAIL_URL)
EMAIL_BACKEND = MAIL["backend"]
EMAIL_HOST, EMAIL_PORT = MAIL["host"], MAIL["port"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL["user"], MAIL["password"]
EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL["tls"], MAIL["ssl"]
EMAIL_TIMEOUT = 10  # as the row `mail` of `resilience.dependencies`
EMAIL_FILE_PATH = MAIL["folder"]

# --- limits and periods of the product (units in the name) ---
EVENT_BODY_BYTES_MAX = 1024 * 1024
WEBHOOK_TOLERANCE_S = 300
PARKED_LIMIT_S = env.number(name="PARKED_LIMIT_S")
HOST_NAME = env.host_name()  # of this machine, as alerts name it
BACKLOG_LIMIT_S = env.number(name="BACKLOG_LIMIT_S")  # longer is an incident
METRICS_FOLDER = env.metrics_folder()  # of the processes of this host
METRICS_TOKEN = env.text(name="METRICS_TOKEN")  # who has it reads /metrics and the long /readyz
# Who needs no token: this machine, where there is none. A server before this one may be on the same machine.
INNER_NETWORKS = env.networks(name="INNER_NETWORKS", default="" if METRICS_TOKEN else "127.0.0.0/8 ::1")
METRICS_BIND = env.bind(name="METRICS_BIND")  # where a worker shows its own /metrics
LEASE_S = env.number(name="LEASE_S")  # renewed every sweep while the worker lives
SWEEP_EVERY_S = env.number(name="SWEEP_EVERY_S")
# What is personal is erased after so many days. `provision` writes both where the workers cannot change them.
AUDIT_DETAILS_DAYS = env.number(name="AUDIT_DETAILS_DAYS")
EVENT_BODIES_DAYS = env.number(name="EVENT_BODIES_DAYS")
CUSTODY_ROUND_S = env.number(name="CUSTODY_ROUND_S")  # between the starts of two rounds
LINK_LIFE = timedelta(days=7)
LINK_DOWNLOADS_MAX = 5
API_REQUESTS_MAX = env.number(name="API_REQUESTS_MAX")  # a minute, of one key
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * EVENT_BODY_BYTES_MAX
