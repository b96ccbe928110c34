"""django-oauth-toolkit with its JSON backend: token requests as JSON, and a target that takes the tokens.

Usage: oauth.py. Prints its port, then a JSON line per token request at /token and per POST at /hook.
The target has the provider revoke each token once it has served seven POSTs.
"""

import json
import warnings
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

# The backend is there for clients like ours, and not for ever.
warnings.simplefilter("ignore", DeprecationWarning)

USES = 7

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="for this process alone",
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
    # One thread serves all, so this is one database.
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    OAUTH2_PROVIDER={
        "OAUTH2_BACKEND_CLASS": "oauth2_provider.oauth2_backends.JSONOAuthLibCore",
        "SCOPES": {"events": "POST events"},
    },
)
django.setup()

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauth2_provider.views import TokenView

names = {}
uses = {}


def tell(**line):
    print(json.dumps(line), flush=True)


@csrf_exempt
def token(request):
    response = TokenView.as_view()(request)
    tell(token_request=response.status_code, type=request.content_type)
    return response


@csrf_exempt
def hook(request):
    valid, _ = get_oauthlib_core().verify_request(request, scopes=["events"])
    text = request.headers.get("Authorization", "").removeprefix("Bearer ")
    name = names.setdefault(text, len(names))
    if valid:
        uses[text] = uses.get(text, 0) + 1
        if uses[text] == USES:
            AccessToken.objects.get(token=text).revoke()
    status = 200 if valid else 401
    events = sum(1 for event in json.loads(request.body) if event["msys"])
    tell(hook=status, token=name, events=events)
    return HttpResponse(status=status)


urlpatterns = [path("token", token), path("hook", hook)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


call_command("migrate", verbosity=0)
Application.objects.create(
    client_id="postrider",
    client_secret="s3cret: with/odd+ signs",
    client_type=Application.CLIENT_CONFIDENTIAL,
    authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
)
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
