"""A server of this machine that answers each path in its own, mostly bad, way."""

import hashlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONTENT = b"PK\x05\x06" + b"\0" * 18  # an empty zip


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers each path in its own, mostly bad, way; ends within the test."""

    daemon_threads = True
    content = CONTENT
    asked: list[str]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        html = b"<!DOCTYPE html><html>We have moved.</html>"
        match self.path:
            case "/gone":
                self.send(404, b"gone")
            case "/html":
                self.send(200, b"\n " + html)
            case "/truncated":
                self.send(200, self.server.content[:10], length=len(self.server.content))
            case "/slow":
                time.sleep(1)
            case "/garbage":
                self.send(200, b"no zip at all")
            case "/second-try" if len(self.server.asked) == 1:
                self.send(503, b"busy")
            case _:
                self.send(200, self.server.content)

    def send(self, status: int, content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
