"""The servers under test: how each is configured, started, reloaded, frozen and ended, what it logs,
and what it cannot do."""

import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import servers

HERE = Path(__file__).resolve().parent
APP = HERE / "app"


@dataclass(frozen=True)
class Kind:
    """A make of server. Signals go to its main process, as an operator sends them."""
    name: str
    package: str
    config: str                      # A template in config/.
    command: object                  # From a Server to the command that runs it.
    shapes: tuple                    # Which of SHAPES it can produce.
    reload: object = signal.SIGHUP   # Or a function of the Server.
    graceful: int = signal.SIGTERM   # Ends it, but lets requests in flight finish.
    fast: int = signal.SIGTERM       # Ends it at once.
    hints: bool = False              # It can send Keep-Alive: timeout=N.
    max_requests: int = 0            # After how many it is to end a connection, where it can.
    beyond_limit: int = 0            # How many more it answers, the last one with Connection: close.
    has_workers: bool = True         # Processes that answer, and may be killed while it keeps the port.
    logs_answers: bool = True        # What its log says was answered has been handed to the system.
    is_front: bool = True            # It has app.js behind it, rather than running an application itself.
    tls: str = ""                    # What makes it speak TLS, behind its address in `config`.


# Answers unlike the usual one, by the path that asks for them: HTTP's version, whether they are
# chunked, of how many pieces, and whether the connection is kept.
SHAPES = {
    "/chunked/": ("HTTP/1.1", True, 20, True),
    "/close/": ("HTTP/1.1", False, 20, False),   # For want of a length, it ends with the connection.
    "/old/": ("HTTP/1.0", False, 20, False),     # Likewise.
    "/old-kept/": ("HTTP/1.0", False, 1, True),  # With Connection: keep-alive on both sides.
}


def caddy_reload(server):
    request = urllib.request.Request(f"http://127.0.0.1:{server.admin_port}/load", method="POST",
                                     data=server.config.read_bytes(), headers={"Content-Type": "text/caddyfile"})
    try:  # Past any proxy of the user's.
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30).close()
    except OSError as error:
        raise servers.Failure(f"caddy does not reload: {error}")


# nginx, Caddy and Node answer a request of HTTP/1.1 in HTTP/1.1, whatever is behind them. Apache and
# lighttpd can be told to answer it in HTTP/1.0, and then end the connection; gunicorn can do both.
# These three use chunks wherever HTTP/1.1 allows it, and so have no /close/.
#
# Apache hints only if it is asked to keep the connection; Caddy, gunicorn and lighttpd never do. Caddy
# has no limit on requests per connection, and writes its log before it flushes the answer. gunicorn's
# limit is on those of a worker, which then goes. Caddy and lighttpd are single processes, and Node gives
# up the port with its last worker.
NGINX = Kind("nginx", "nginx", "nginx.conf",
             lambda s: ["nginx", "-p", s.directory, "-c", s.config, "-e", "stderr"],
             ("/chunked/", "/close/"), graceful=signal.SIGQUIT, hints=True, max_requests=100)
CADDY = Kind("caddy", "caddy", "Caddyfile",
             lambda s: ["caddy", "run", "--config", s.config, "--adapter", "caddyfile"],
             ("/chunked/", "/close/"), reload=caddy_reload, fast=signal.SIGQUIT, has_workers=False,
             logs_answers=False)
KINDS = [
    NGINX,
    replace(NGINX, name="nginx-tls", tls=" ssl;\n    ssl_protocols TLSv1.2 TLSv1.3;\n"
                                         "    ssl_certificate certificates/server.pem;\n"
                                         "    ssl_certificate_key certificates/server.key"),
    Kind("apache", "apache2-bin", "apache.conf",
         lambda s: ["apache2", "-DFOREGROUND", "-f", s.config],
         ("/chunked/", "/old/"), reload=signal.SIGUSR1, graceful=signal.SIGWINCH, hints=True, max_requests=100, beyond_limit=1),
    CADDY,
    # Its TLS is Go's, where that of all others is OpenSSL's.
    replace(CADDY, name="caddy-tls", tls="\n\ttls certificates/server.pem certificates/server.key"),
    Kind("gunicorn", "gunicorn", "gunicorn.conf.py",
         lambda s: [servers.PYTHON, "-m", "gunicorn", "--config", s.config],
         ("/chunked/", "/old/", "/old-kept/"), fast=signal.SIGQUIT, max_requests=2000, is_front=False),
    Kind("node", "nodejs", "node.generation",
         lambda s: [shutil.which("node"), APP / "app.js", str(s.port), s.directory, s.config,
                    *(str(s.settings[name]) for name in ("keep_alive", "hint", "max_requests"))],
         ("/chunked/", "/close/"), fast=signal.SIGKILL, hints=True, max_requests=100,
         has_workers=False, is_front=False),
    Kind("lighttpd", "lighttpd", "lighttpd.conf",
         lambda s: ["lighttpd", "-D", "-f", s.config],
         ("/chunked/", "/old/"), reload=signal.SIGUSR1, graceful=signal.SIGINT, max_requests=100, beyond_limit=1,
         has_workers=False),
]


def filled(template, values):
    text = (HERE / "config" / template).read_text()
    return re.sub(r"@([a-z_]+)@", lambda match: str(values[match[1]]), text)


class Server:
    """One of a kind, in a rig's directory, on a free port, with what it serves."""

    def __init__(self, rig, kind):
        self.rig, self.kind, self.directory = rig, kind, rig.directory
        self.port, self.app_port, self.admin_port = (servers.free_port() for _ in range(3))
        self.url = f"https://localhost:{self.port}" if kind.tls else f"http://127.0.0.1:{self.port}"
        self.ca = servers.certificates(self.directory) / "ca.pem" if kind.tls else None
        self.config = self.directory / kind.config
        self.generation = 0
        self.settings = {}
        self.process = None

    # --- its life ---------------------------------------------------------------------------------

    def start(self, keep_alive=2, hint=True, max_requests=1_000_000, worker_class="gthread"):
        """With a keep-alive of so many seconds, which it tells the client if it can and `hint` is set."""
        self.settings = {"keep_alive": keep_alive, "hint": keep_alive if hint else "",
                         "max_requests": max_requests, "worker_class": worker_class}
        self.directory.chmod(0o755)  # Apache's workers are not root.
        (self.directory / "documents").mkdir()
        (self.directory / "documents" / "hello").write_text("hello")
        (self.directory / "arrivals.log").touch()
        if self.kind.is_front:
            app = [shutil.which("node"), APP / "app.js", str(self.app_port), self.directory]
            self.rig.start("app", app, self.app_port)
        self.start_again()

    def start_again(self):
        self.configure()
        self.process = self.rig.start(self.kind.name, self.kind.command(self), self.port)

    def configure(self):
        """Writes the configuration of its next generation, whose answers name it in X-Generation."""
        self.generation += 1
        values = {"directory": self.directory, "app": APP, "port": self.port, "app_port": self.app_port,
                  "admin_port": self.admin_port, "generation": self.generation, "tls": self.kind.tls, "scheme": "https" if self.kind.tls else "http",
                  **self.settings}
        self.config.write_text(filled(self.kind.config, values))

    def reload(self):
        self.configure()
        if callable(self.kind.reload):
            self.kind.reload(self)
        else:
            self.process.send_signal(self.kind.reload)

    def end(self, number):
        """Sends the signal, and returns when the main process has ended."""
        self.process.send_signal(number)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            raise servers.Failure(f"{self.kind.name} does not end within 60 s of signal {number}")

    def kill_workers(self):
        pid = self.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        # All of them first stand still: one that lives on for a moment could take what the other lost.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for worker in workers:
                os.kill(int(worker), number)

    def freeze(self):
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self):
        os.killpg(self.process.pid, signal.SIGCONT)

    # --- what it says -----------------------------------------------------------------------------

    def arrivals(self):
        """(method, token) of each request that the application has seen, as often as it has seen it."""
        return [tuple(line.split()) for line in (self.directory / "arrivals.log").read_text().splitlines()]

    def access(self):
        """(connection, method, path, status) of each request in its log, which is complete once it has ended."""
        for line in (self.directory / "access.log").read_text().splitlines():
            if self.kind.package == "caddy":
                entry = json.loads(line)
                request = entry["request"]
                yield request["remote_port"], request["method"], request["uri"], entry["status"]
            else:
                connection, method, path, status = line.split()
                # Apache marks what it could not send to the end with an X, and the rest with a + or a -.
                yield connection, method, path, 0 if status.endswith("X") else int(status.rstrip("+-"))

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        if not self.kind.tls:
            return connection
        return ssl.create_default_context(cafile=self.ca).wrap_socket(connection, server_hostname="localhost")

    def closing_times(self):
        """How long after an answer it closes an idle connection, in seconds: tried with a few, begun at
        different times, since some servers look at their clock but once a second."""
        answered, times = {}, []
        try:
            for _ in range(4):
                connection = self.connect()
                answered[connection] = 0
                connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while not answer.endswith(b"hello"):
                    more = connection.recv(65536)
                    if not more:
                        raise servers.Failure(f"{self.kind.name} does not answer: {answer[:60]}")
                    answer += more
                answered[connection] = time.monotonic()
                time.sleep(0.2)
            while len(times) < len(answered):
                still_open = [connection for connection in answered if connection.fileno() >= 0]
                closed = select.select(still_open, [], [], 30)[0]
                if not closed:
                    raise servers.Failure(f"{self.kind.name} closes no idle connection")
                for connection in closed:
                    times.append(time.monotonic() - answered[connection])
                    connection.close()
        finally:
            for connection in answered:
                connection.close()
        return times
