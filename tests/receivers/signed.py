"""A receiver that takes only what `standardwebhooks` verifies.

Usage: signed.py SECRET. Prints its port, then a JSON line per POST. The first POST of every batch
but the test POST's is answered 503 although it verifies, so that each comes again.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook

TEST = "77c2b630-d712-11e4-9642-efc2723b99c1"
webhook = Webhook(sys.argv[1])
seen = set()


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = dict(self.headers)
        try:
            events = len(webhook.verify(body, headers))
            error = ""
        except Exception as fault:
            events, error = 0, str(fault) or type(fault).__name__
        batch = self.headers.get("webhook-id", "")
        status = 401 if error else 200 if batch in seen or batch == TEST else 503
        seen.add(batch)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        told = {
            "status": status,
            "error": error,
            "events": events,
            "batch": batch,
            "same_id": batch == self.headers.get("X-MessageSystems-Batch-ID"),
            "timestamp": int(self.headers.get("webhook-timestamp", 0)),
        }
        print(json.dumps(told), flush=True)

    def log_message(self, *args):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
