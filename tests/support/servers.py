"""Functions for scripts that need real servers: Debian's packages without their services, servers
on loopback that end with the script, and builds of our programs. Standard library only."""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build-release"
PYTHON = "/usr/bin/python3"  # Debian's own, which finds Debian's packages; PATH may name another
POLICY = Path("/usr/sbin/policy-rc.d")

# The packages for building ferry, and the commands that may be there instead of a package.
BUILD_PACKAGES = ["g++", "meson", "ninja-build", "libasio-dev", "doctest-dev", "node-llhttp", "pkg-config", "libssl-dev", "openssl", "libidn2-dev",
                  "zlib1g-dev", "libbrotli-dev", "libzstd-dev", "nlohmann-json3-dev", "libpsl-dev"]
COMMANDS = {"g++": "g++", "meson": "meson", "ninja-build": "ninja", "pkg-config": "pkg-config", "openssl": "openssl", "nodejs": "node"}
# Packages that contain a service, and the service's name.
SERVICES = {"nginx": "nginx", "lighttpd": "lighttpd", "caddy": "caddy", "squid": "squid", "dante-server": "danted"}


class Failure(Exception):
    """An error that ends the script; its text is all that the user needs."""


def main(run):
    """Calls run(); SIGTERM and SIGHUP end it as Ctrl-C does, so that every `finally` runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: sys.exit(128 + signum))
    try:
        sys.exit(run())
    except Failure as failure:
        sys.exit(f"{Path(sys.argv[0]).resolve().relative_to(ROOT)}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)


def must_run(*command, **options):
    """Runs a command and shows its output on stderr."""
    if subprocess.run(command, stdout=sys.stderr, **options).returncode != 0:
        raise Failure("failed: " + " ".join(map(str, command)))


# --- packages -----------------------------------------------------------------------------------


def add_install_option(parser, packages):
    parser.add_argument("--install", action="store_true",
                        help="first install what is missing of: " + " ".join(packages))


@contextlib.contextmanager
def packages(names, install):
    """If packages are missing, fails with the command that installs them, or installs them (as root).
    Prints the installed ones at the end of the `with` block."""
    lost = [name for name in names if not is_there(name)]
    if lost and not install:
        raise Failure("missing packages; run this (or run again as root with --install):\n"
                      "  apt-get install --no-install-recommends " + " ".join(lost))
    if lost and os.geteuid() != 0:
        raise Failure("--install needs root")
    if lost:
        install_without_services(lost)
    try:
        yield
    finally:
        say_what_stays(lost)


def is_there(package):
    if package in COMMANDS and shutil.which(COMMANDS[package]):
        return True
    query = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}", package],
                           capture_output=True, text=True)
    return query.stdout.startswith("ii")


def install_without_services(packages):
    """Installs packages without starting their services: nginx, lighttpd and Caddy would start on ports 80 and 443,
    squid on every interface. Debian's policy-rc.d prevents that, with systemd and without. An existing file is
    not changed, because it is not this script's."""
    ours = not POLICY.exists()
    if not ours and subprocess.run([POLICY, "nginx", "start"], stdout=subprocess.DEVNULL).returncode != 101:
        raise Failure(f"{POLICY} exists and lets services start; install by hand: " + " ".join(packages))
    try:
        if ours:
            POLICY.write_text("#!/bin/sh\nexit 101\n")
            POLICY.chmod(0o755)
        environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
            must_run("apt-get", *command, env=environment)
    finally:
        if ours:
            POLICY.unlink(missing_ok=True)


def say_what_stays(installed):
    if not installed:
        return
    print("\nStays installed: " + " ".join(installed))
    services = [service for package, service in SERVICES.items() if package in installed]
    if services:
        print("Not started, but Debian enables them for the next boot: systemctl disable " + " ".join(services))


# --- servers ------------------------------------------------------------------------------------


def free_port():
    """A free port outside the range that the kernel uses for outgoing connections. While a server is down, a client
    that dials a port in that range may be connected to itself, and the server could not bind the port again."""
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [*range(10000, first), *range(last + 1, 65536)]
    for port in random.sample(ports, len(ports)):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise Failure(f"no port is free outside of {first} to {last}")


def connect(port):
    """Connects to a port of this machine, or to a Unix socket."""
    if isinstance(port, int):
        return socket.create_connection(("127.0.0.1", port), timeout=1)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(port))
    except OSError:
        connection.close()
        raise
    return connection


class Servers:
    """Child processes, each in its own process group, with a temporary directory as their home.
    The end of the `with` block ends all of them and removes the directory."""

    def __enter__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="ferry-servers-"))
        self.running = []
        # Nothing of the user's environment: no proxy variables, no netrc, no Caddy or npm configuration.
        self.environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8",
                            "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(self.directory),
                            "XDG_CONFIG_HOME": str(self.directory), "XDG_DATA_HOME": str(self.directory)}
        return self

    def __exit__(self, *reason):
        self.stop_all()
        shutil.rmtree(self.directory)

    def log(self, name):
        return self.directory / f"{name}.log"

    def start(self, name, command, port, cwd=None):
        """Starts `command` and returns its process once the process accepts connections on `port`, which may also be
        the path of a Unix socket."""
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=cwd or self.directory, env=self.environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.running.append(process)
        for attempt in range(400):
            try:
                connect(port).close()
                return process
            except OSError:
                try:
                    process.wait(timeout=0.05)
                    break
                except subprocess.TimeoutExpired:
                    pass
        raise Failure(f"{name} does not answer on port {port}:\n{self.log(name).read_text()[-2000:]}")

    def stop_all(self):
        """Ends each server and its child processes, the last server first. The logs stay until the
        `with` block ends."""
        while self.running:
            process = self.running.pop()
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(timeout=5)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    pass

    def gunicorn(self, folder, *options):
        port = free_port()
        # --worker-tmp-dir: the heartbeat file that each worker touches must not wait for a disk.
        self.start("gunicorn", [PYTHON, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-tmp-dir", "/dev/shm",
                          *options], port, cwd=folder)
        return f"http://127.0.0.1:{port}/"

    def caddy(self, directive):
        """Caddy with one directive for every request. It gets a configuration, because `caddy reverse-proxy`
        listens on every interface, and `--from http://127.0.0.1:...` makes 2.6 turn on HTTPS with its own CA,
        which it installs into the system's trust store."""
        port = free_port()
        config = self.directory / "Caddyfile"
        config.write_text("{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n}\n"
                          f"http://:{port} {{\n\tbind 127.0.0.1\n\t{directive}\n}}\n")
        self.start("caddy", ["caddy", "run", "--config", config, "--adapter", "caddyfile"], port)
        return f"http://127.0.0.1:{port}/"


def json_of(command, **options):
    """Runs one of our client programs and returns the line of JSON that it prints."""
    try:
        run = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **options)
    except subprocess.TimeoutExpired:
        raise Failure(f"{Path(command[0]).name}: not done after 300 s")
    if run.returncode != 0:
        raise Failure(f"{Path(command[0]).name}: {run.stderr.strip() or f'exit code {run.returncode}'}")
    return json.loads(run.stdout)


def certificates(directory):
    """Makes the certificates of certificates.sh in a new folder in `directory`, and returns that folder."""
    folder = directory / "certificates"
    must_run("bash", HERE / "certificates.sh", folder)
    return folder


# --- our programs -------------------------------------------------------------------------------


def build(target, folder):
    """Builds `target`, of the meson.build in `folder`, optimised, and returns the program's path."""
    if not (BUILD / "build.ninja").exists():
        must_run("meson", "setup", BUILD, "--buildtype=release", cwd=ROOT)
    must_run("ninja", "-C", BUILD, "build.ninja")  # New targets are known only after this.
    must_run("meson", "compile", "-C", BUILD, target, cwd=ROOT)
    return BUILD / folder / target
