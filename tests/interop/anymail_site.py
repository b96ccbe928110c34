"""A Django site whose only part is the PyPI package `django-anymail`, receiving SparkPost webhooks.

    python anymail_site.py SECRET

prints the port that it listens on, then each event that its tracking signal gives, as a line of JSON.
"""

import json
import sys

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="any",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["anymail"],
    MIDDLEWARE=[],
    ANYMAIL={"WEBHOOK_SECRET": sys.argv[1]},
    LOGGING_CONFIG=None,
)
django.setup()

from anymail.signals import tracking  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.dispatch import receiver  # noqa: E402
from django.urls import include, path  # noqa: E402
from wsgiref.simple_server import WSGIRequestHandler, make_server  # noqa: E402

urlpatterns = [path("anymail/", include("anymail.urls"))]


@receiver(tracking)
def tell(sender, event, esp_name, **_):
    known = {name: getattr(event, name) for name in (
        "event_type", "event_id", "message_id", "recipient", "reject_reason",
        "mta_response", "tags", "metadata", "click_url", "user_agent",
    )}
    known["timestamp"] = event.timestamp and int(event.timestamp.timestamp())
    # Which of the contract's types it was made from.
    (fields,) = event.esp_event["msys"].values()
    known["original"] = fields["type"]
    print(json.dumps(known), flush=True)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
