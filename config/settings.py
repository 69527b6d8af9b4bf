"""Django settings. Defaults are the embedded mode; `.env.example` lists every variable."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import env

django_stubs_ext.monkeypatch()
env.read_dotenv(env.path("POP_DOTENV", env.BASE_DIR / ".env"))
# No library may send usage data, whoever imports it.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")

BASE_DIR = env.BASE_DIR
VAR_DIR = env.path("POP_VAR_DIR", BASE_DIR / "var")
# Texts, scores, password hashes: other accounts of a shared machine have no business here.
VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
PRODUCTION = env.text("POP_ENV", "embedded") == "production"
DEBUG = env.flag("POP_DEBUG", False)
HTTPS = env.flag("POP_HTTPS", PRODUCTION)
# Where `manage.py up` listens; production passes its own address to gunicorn.
BIND_HOST = env.text("POP_HOST", "127.0.0.1")
BIND_PORT = env.whole("POP_PORT", 8000)


def _secret_key() -> str:
    """The key from the environment; in embedded mode one is made and kept in `var/secret_key`."""
    given = env.text("DJANGO_SECRET_KEY", "")
    if PRODUCTION:
        if len(given) < 50 or given.startswith("change-me"):
            raise ImproperlyConfigured(
                "Set DJANGO_SECRET_KEY (or DJANGO_SECRET_KEY_FILE) to at least 50 random characters."
            )
        return given
    if given:
        return given
    from config.secret import kept_secret

    return kept_secret(VAR_DIR / "secret_key")


def _embedded(name: str, default: str) -> str:
    """The embedded mode's own service. Production must name its own, so that no data stays in a container."""
    if PRODUCTION and not env.text(name, ""):
        raise ImproperlyConfigured(f"Set {name} (or {name}_FILE) to the server that production uses.")
    return default


SECRET_KEY = _secret_key()
ALLOWED_HOSTS = env.words("POP_ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.words("POP_TRUSTED_ORIGINS", [])
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("Set POP_ALLOWED_HOSTS to the host names this server answers to.")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "knox",
    "axes",
    "csp",
    "annotation",
    "training",
    "frontend",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    # Its refusal has headers of safety too, and nothing before it reads a body.
    "config.middleware.UploadLimitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "frontend.refusals.DomainErrorMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- database -------------------------------------------------------------------------------------
DATABASES = {
    "default": env.database("DATABASE_URL", _embedded("DATABASE_URL", f"sqlite:///{VAR_DIR}/db.sqlite3"))
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USING_SQLITE = "sqlite" in str(DATABASES["default"]["ENGINE"])
if USING_SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 30,  # seconds a writer waits for the one before it
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    postgres: dict[str, object] = {"pool": {"min_size": 1, "max_size": env.whole("POP_DB_POOL_SIZE", 8)}}
    postgres["server_side_binding"] = env.flag("POP_DB_PREPARE", True)  # config/wsgi.py prepares statements
    DATABASES["default"]["OPTIONS"] = postgres

# --- who may come in ------------------------------------------------------------------------------
AUTH_USER_MODEL = "annotation.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "config.people.PeopleBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AXES_FAILURE_LIMIT = env.whole("POP_LOGIN_ATTEMPTS", 8)
AXES_COOLOFF_TIME = timedelta(minutes=env.whole("POP_LOGIN_COOLOFF_MINUTES", 10))
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_HTTP_RESPONSE_CODE = 429
AXES_LOCKOUT_TEMPLATE = "frontend/locked_out.html"
PROXY_COUNT = env.whole("POP_PROXY_COUNT", 0)
AXES_CLIENT_IP_CALLABLE = "config.clients.address"
AXES_VERBOSE = False

SESSION_ENGINE = "config.people"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = int(timedelta(days=14).total_seconds())
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_HSTS_SECONDS = int(timedelta(days=365).total_seconds()) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

# --- API ------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "annotation.api.authentication.ScopedTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "annotation.api.pagination.Pages",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "annotation.api.errors.handle",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PoP Studio",
    "DESCRIPTION": "Preference-over-preference labels, datasets and training runs.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "integer", "format": "int64", "minimum": 1}},
    "ENUM_NAME_OVERRIDES": {
        "ProjectState": "annotation.models.Project.State",
        "ProjectKind": "annotation.models.Project.Kind",
        "ImportState": "annotation.models.PreferenceImport.State",
        "DatasetState": "annotation.models.PopDataset.State",
        "RunState": "training.models.Run.State",
        "RunKind": "training.models.Run.Kind",
        "SourceRole": "training.models.RunLink.Role",
        "MemberRole": "annotation.models.Role",
        "InviteRole": ["admin", "annotator"],
        "TokenScope": "annotation.models.ApiToken.Scope",
        "GoldAnswer": "annotation.models.Gold.Answer",
        "ShownSide": ["first", "second"],
        "DeliveryState": "annotation.models.WebhookDelivery.State",
        "JobState": "annotation.models.DatasetPush.State",
        "StudyState": ["absent", "partial", "complete", "broken"],
    },
}
# ApiToken stands in for the table of knox, which would only make TRUNCATE fail on PostgreSQL.
MIGRATION_MODULES = {"knox": None}
KNOX_TOKEN_MODEL = "annotation.ApiToken"  # noqa: S105 - a model, not a secret
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token", "TOKEN_PREFIX": "pop_"}

# --- webhooks -------------------------------------------------------------------------------------
WEBHOOK_ALLOW_PRIVATE = env.flag("POP_WEBHOOK_ALLOW_PRIVATE", not PRODUCTION)

# --- files ----------------------------------------------------------------------------------------
MAX_UPLOAD_BYTES = env.whole("POP_MAX_UPLOAD_MB", 2048) * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = str(VAR_DIR / "uploads")
S3_BUCKET = env.text("POP_S3_BUCKET", "")
_FILES: dict[str, object] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": str(VAR_DIR / "files")},
}
if S3_BUCKET:
    _FILES = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": S3_BUCKET,
            "endpoint_url": env.text("POP_S3_ENDPOINT", "") or None,
            "access_key": env.text("POP_S3_ACCESS_KEY", "") or None,
            "secret_key": env.text("POP_S3_SECRET_KEY", "") or None,
            "default_acl": "private",
            "file_overwrite": False,
            "max_memory_size": 16 * 1024 * 1024,  # larger files are read through a temporary file
        },
    }
STORAGES = {
    "default": _FILES,
    "staticfiles": {"BACKEND": "frontend.staticfiles.HashedStatic"},
}
STATIC_URL = "/static/"
STATIC_ROOT = env.path("POP_STATIC_DIR", VAR_DIR / "static")  # a container image brings its own
STATICFILES_FINDERS = [
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
    "frontend.staticfiles.PlotlyFinder",
]

# --- training -------------------------------------------------------------------------------------
RUNS_DIR = env.path("POP_RUNS_DIR", VAR_DIR / "runs")
CACHE_DIR = env.path("POP_CACHE_DIR", VAR_DIR / "cache")
STUDY_DIR = env.path("POP_STUDY_DIR", VAR_DIR / "study")  # what the study was told as --out
MODEL_DIRS: list[Path] = [
    Path(item).expanduser().resolve() for item in env.words("POP_MODEL_DIRS", [str(VAR_DIR / "models")])
]
BENCHMARK_DIR = env.path("POP_BENCHMARK_DIR", VAR_DIR / "benchmarks")  # on the web host and on workers
JUDGE_URL = env.text("POP_JUDGE_URL", "")  # an OpenAI-compatible endpoint, for AlpacaEval
JUDGE_KEY = env.text("POP_JUDGE_KEY", "")
RUN_SLOTS = env.whole("POP_RUN_SLOTS", 1)  # runs trained at once by one worker
RUN_STALE_SECONDS = env.whole("POP_RUN_STALE_SECONDS", 60)
RUN_GRACE_SECONDS = env.whole("POP_RUN_GRACE_SECONDS", 120)  # for the checkpoint after SIGTERM
RUN_INSIST_SECONDS = 3600  # an ending is written again and again while the database is away
ENGINE_PYTHON = env.text("POP_ENGINE_PYTHON", "") or sys.executable

# --- background work ------------------------------------------------------------------------------
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", _embedded("CELERY_BROKER_URL", "filesystem://"))
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"training.tasks.train": {"queue": "gpu"}}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
_EVERY: dict[str, float] = {
    "annotation.tasks.expire_leases": 30.0,
    "annotation.tasks.fold_answers": 10.0,
    "annotation.tasks.ring_again": 30.0,
    "annotation.tasks.tell_targets": 30.0,
    "training.tasks.reap_runs": 15.0,
}
# What nobody took by the next turn is dropped: without a worker the messages must not pile up.
CELERY_BEAT_SCHEDULE = {
    task: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
    for task, seconds in _EVERY.items()
}
CELERY_BEAT_MAX_LOOP_INTERVAL = 1.0  # seconds: how long an ending worker may wait for its beat
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
if CELERY_BROKER_URL.startswith("filesystem"):
    BROKER_DIR = VAR_DIR / "broker"
    for _name in ("queue", "control", "processed"):
        (BROKER_DIR / _name).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "processed_folder": str(BROKER_DIR / "processed"),
        "store_processed": False,
    }
else:
    # A run is claimed by its row, so a second delivery after this many seconds is harmless.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_connect_timeout": 5}

# --- words and logs -------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "json" if PRODUCTION else "plain"}
    },
    "root": {"handlers": ["stderr"], "level": env.text("POP_LOG_LEVEL", "INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        # A folder as broker has no host name, and kombu would say so each time.
        "kombu.connection": {"level": "ERROR"},
    },
}
for _folder in (VAR_DIR / "uploads", VAR_DIR / "files", RUNS_DIR, STATIC_ROOT):
    _folder.mkdir(parents=True, exist_ok=True)
