"""A server of this machine that answers each path in its own, mostly bad, way."""

import contextlib
import gzip
import hashlib
import socket
import struct
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
            case "/error":
                self.send(500, b"broken")
            case "/too-short":
                self.send(200, self.server.content, length=len(self.server.content) - 5)
            case "/no-number":
                self.send(200, self.server.content, length="many")
            case "/loop":
                self.send_response(302)
                self.send_header("Location", "/loop")
                self.end_headers()
            case "/reset":
                self.send(200, self.server.content[:10], length=len(self.server.content))
                # Closing at once, with nothing sent after it, resets the connection.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            case "/drip":
                self.trickle(b"HTTP/1.0 200 OK\r\n\r\n", b"x")
            case "/drip-of-headers":
                self.trickle(b"HTTP/1.0 200 OK\r\n", b"X: x\r\n")
            case "/endless":
                self.trickle(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 2**16, pause=0)
            case "/bomb":
                content = gzip.compress(bytes(5 * 2**20))
                self.send(200, content, encoding="gzip")
            case "/second-try" if len(self.server.asked) == 1:
                self.send(503, b"busy")
            case _:
                self.send(200, self.server.content)

    def trickle(self, start: bytes, piece: bytes, pause: float = 0.05, seconds: float = 3) -> None:
        """Send pieces until the reader has gone, in a test at the latest after a few seconds."""
        end = time.monotonic() + seconds
        with contextlib.suppress(OSError):
            self.wfile.write(start)
            while time.monotonic() < end:
                self.wfile.write(piece)
                time.sleep(pause)

    def send(self, status: int, content: bytes, length: int | str | None = None, encoding: str = "") -> None:
        self.send_response(status)
        if encoding:
            self.send_header("Content-Encoding", encoding)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
