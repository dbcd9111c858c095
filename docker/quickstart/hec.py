#!/usr/bin/env python3
"""A Splunk HTTP Event Collector for one demo: enough of the protocol for Docker's `splunk` log driver.

The driver sends, for each container that it logs for:

    OPTIONS /services/collector/event/1.0      is a collector there? once, before the container starts, without a token
    POST    /services/collector/event/1.0      `Authorization: Splunk TOKEN`; JSON events one after another, perhaps gzip

Each event becomes one line on standard output, `token TOKEN: event "TEXT"`; a POST with a token other than the expected
one gets 403, as from Splunk, and a line that says so. The listener is on 127.0.0.1 only, on a port that the system
picks; `--port-file` receives the number once it listens.
"""

import argparse
import gzip
import json
import os
import sys
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/services/collector/event/1.0"
LARGEST_BODY = 4 << 20


def events(body):
    """The event texts of a POST: JSON values that follow one another without a separator."""
    decoder = json.JSONDecoder()
    text, position = body.decode("utf-8", "replace"), 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return
        value, position = decoder.raw_decode(text, position)
        event = value.get("event", value)
        # splunk-format inline (the default) wraps the container's line; raw sends it alone.
        yield event.get("line", event) if isinstance(event, dict) else event


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def answer(self, status, text, code):
        body = json.dumps({"text": text, "code": code}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def token(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        return token if scheme == "Splunk" else None

    def lost(self):
        if self.path == PATH:
            return False
        self.answer(404, "The requested URL was not found on this server.", 404)
        return True

    def refused(self):
        """Answers for Splunk when the token is not one to accept; the codes are Splunk's."""
        if self.token() is None:
            self.answer(401, "Token is required", 2)
        elif self.server.expected and self.token() != self.server.expected:
            print(f"token {self.token()}: refused", flush=True)
            self.answer(403, "Invalid token", 4)
        else:
            return False
        return True

    def do_OPTIONS(self):
        if not self.lost():
            self.answer(200, "Success", 0)

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            return self.answer(413, "Request entity too large", 413)
        body = self.rfile.read(length)
        if self.lost() or self.refused():
            return
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            lines = list(events(body))
        except (OSError, EOFError, ValueError, zlib.error):
            return self.answer(400, "Invalid data format", 6)
        for line in lines:
            print(f"token {self.token()}: event {json.dumps(line)}", flush=True)
        self.answer(200, "Success", 0)

    def log_message(self, *_):
        """The lines printed above are the log."""


def main():
    parser = argparse.ArgumentParser(description="A small Splunk HTTP Event Collector on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 (the default) lets the system pick")
    parser.add_argument("--port-file", help="receives the port once the listener accepts")
    parser.add_argument("--expect", default=os.environ.get("HEC_EXPECT"), help="refuse every other token")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", arguments.port), Collector)
    server.daemon_threads = True
    server.expected = arguments.expect
    if arguments.port_file:
        # Written aside and renamed: a reader that sees the file sees the whole number.
        with open(arguments.port_file + ".new", "w") as file:
            file.write(str(server.server_port))
        os.rename(arguments.port_file + ".new", arguments.port_file)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
