"""An authorization server on Django: PKCE, rotation with reuse detection, device codes, revocation, OpenID Connect.

    django-oauth.py DIRECTORY

Its first line is {"issuer": URL}. A line "secret ID SECRET" on its standard input gives a client another secret, and "forget" ends all
grants; each is answered by "{}". Ends with its standard input.
"""

import json
import os
import socketserver
import sys
import threading
import wsgiref.simple_server
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import include, path


class Handler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True


directory = Path(sys.argv[1])
server = wsgiref.simple_server.make_server("127.0.0.1", 0, None, Server, Handler)
issuer = f"http://127.0.0.1:{server.server_port}/o"
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
SECRET = "fake-secret-of-the-strangers"


def key():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, pkcs8, plain = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.private_bytes(pem, pkcs8, plain).decode()


settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="fake-key-of-the-strangers",
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(directory / "django.sqlite3"),
            "OPTIONS": {"timeout": 20},
        }
    },
    # The tables as they are now: their history takes seconds.
    MIGRATION_MODULES=dict.fromkeys(["auth", "contenttypes", "sessions", "oauth2_provider"]),
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "oauth2_provider",
    ],
    STATIC_URL="/static/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                ]
            },
        }
    ],
    LOGIN_URL="/login",
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": key(),
        "OIDC_ISS_ENDPOINT": issuer,
        "PKCE_REQUIRED": True,
        "SCOPES": {"openid": "Who you are", "read": "Reading"},
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "OAUTH_DEVICE_VERIFICATION_URI": f"{issuer}/device/",
        "DEVICE_FLOW_INTERVAL": 1,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http", "https"],
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    },
)
django.setup()


def sign_in(request):
    """Signs in whom the address names, and goes on."""
    from django.contrib.auth import get_user_model, login
    from django.http import HttpResponseRedirect

    user = get_user_model().objects.get(username=request.GET["user"])
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponseRedirect(request.GET["next"])


def metadata():
    from oauth2_provider.urls import metadata_urlpatterns

    return include((metadata_urlpatterns, "oauth2_metadata"))


urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    # RFC 8414 has it at the root of the server.
    path("", metadata()),
    path("login", sign_in),
]


def client(name, kind, grant):
    from oauth2_provider.models import Application

    Application.objects.create(
        client_id=name,
        client_secret=SECRET,
        client_type=kind,
        authorization_grant_type=grant,
        redirect_uris="http://127.0.0.1/callback",
        algorithm="RS256",
    )


def fill():
    from django.contrib.auth import get_user_model
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0, run_syncdb=True)
    for user in ("alice", "bob"):
        get_user_model().objects.create(username=user)
    client("fake-confidential", Application.CLIENT_CONFIDENTIAL, Application.GRANT_AUTHORIZATION_CODE)
    client("fake-public", Application.CLIENT_PUBLIC, Application.GRANT_AUTHORIZATION_CODE)
    client("fake-device", Application.CLIENT_PUBLIC, Application.GRANT_DEVICE_CODE)


def change_secret(name, secret):
    from oauth2_provider.models import Application

    application = Application.objects.get(client_id=name)
    application.client_secret = secret
    application.save()


def forget():
    from oauth2_provider.models import AccessToken, RefreshToken

    RefreshToken.objects.all().delete()
    AccessToken.objects.all().delete()


fill()
server.set_app(get_wsgi_application())
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"issuer": issuer}), flush=True)
for line in sys.stdin:
    command, *arguments = line.split()
    change_secret(*arguments) if command == "secret" else forget()
    print("{}", flush=True)
