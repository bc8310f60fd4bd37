#!/usr/bin/python3
"""Runs what the guide shows side by side, with ferry and with the clients that it is compared with: each
client's snippets as one program, against a server that remembers what it was asked, and that has to have
been the same by all. A client whose package is not there is skipped. Ends with "N passed, N failed, N skipped"."""

import argparse
import base64
import email
import itertools
import json
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.dont_write_bytecode = True  # leave no __pycache__ in the source tree
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import servers  # noqa: E402

PAGE = servers.ROOT / "include" / "ferry" / "README.md"
TASKS = 10
BIG = bytes(range(256)) * 4096
BOOST = "libboost-dev"  # Or libboost1.81-dev, which cannot be installed beside it.
MAIN = "int main() {{\n{}\n}}\n"
COROUTINE = r"""
asio::awaitable<void> tasks(ferry::Client client) {{
  const auto context = co_await asio::this_coro::executor;
{}
}}
int main() {{
  asio::io_context context{{1}};
  ferry::ClientOptions options;
  options.base_url = "http://localhost:8080/";
  asio::co_spawn(context, tasks(ferry::Client(context, options)), [](std::exception_ptr e) {{
    if (e) std::rethrow_exception(e);
  }});
  context.run();
}}
"""


@dataclass
class Kind:
    """A client: what it is made of, and how its snippets become a program."""
    name: str
    fence: str  # Behind the three backticks.
    packages: list[str]
    begin: str
    main: str = MAIN
    flags: tuple[str, ...] = ()
    c_sources: tuple[str, ...] = ()


KINDS = [
    Kind("ferry", "cpp", ["g++", "libasio-dev", "node-llhttp"],
         "#include <iostream>\n#include <asio.hpp>\n#include <ferry/auth.hpp>\n#include <ferry/download.hpp>\n"
         "#include <ferry/ferry.hpp>\n#include <ferry/multipart.hpp>\nusing namespace std::chrono_literals;\n", COROUTINE,
         (f"-I{servers.ROOT}/include", "-isystem/usr/share/include/llhttp", "-DLLHTTP_STRICT_MODE=1"),
         ("/usr/share/llhttp/api.c", "/usr/share/llhttp/http.c", "/usr/share/llhttp/llhttp.c")),
    Kind("libcurl", "cpp libcurl", ["g++", "libcurl4-openssl-dev"],
         "#include <cstdio>\n#include <curl/curl.h>\n#include <iostream>\n#include <string>\n#include <vector>\n", flags=("-lcurl",)),
    Kind("cpp-httplib", "cpp cpp-httplib", ["g++", "libcpp-httplib-dev", "libssl-dev"],
         "#include <atomic>\n#include <fstream>\n#include <httplib.h>\n#include <iostream>\n#include <thread>\nusing namespace std::chrono_literals;\n",
         # Without these, which Debian's library was built with, it is another class.
         flags=("-DCPPHTTPLIB_OPENSSL_SUPPORT", "-DCPPHTTPLIB_ZLIB_SUPPORT", "-DCPPHTTPLIB_BROTLI_SUPPORT", "-lcpp-httplib", "-lssl", "-lcrypto")),
    Kind("Beast", "cpp Beast", ["g++", BOOST],
         "#include <fstream>\n#include <iostream>\n#include <utility>\n#include <boost/asio.hpp>\n#include <boost/beast.hpp>\nusing namespace std::chrono_literals;\n"),
    Kind("requests", "python requests", ["python3-requests"], "import concurrent.futures\nimport requests\nimport requests.adapters\n"),
]


def snippets(page, fence):
    """Those of one client, a task each, in order: the number of the line where it begins, and the text."""
    begin = page.index("## Moving from libcurl")
    found = [(page.count("\n", 0, at.start(1)) + 1, at[1])
             for at in re.compile(rf"^```{fence}\n(.*?)^```", re.DOTALL | re.MULTILINE).finditer(page, begin)]
    if len(found) != TASKS:
        raise servers.Failure(f"{fence}: {len(found)} snippets, not {TASKS}")
    return found


def program(kind, found, port):
    """What the first snippet names is there for the others, whose names are their own."""
    here = lambda text: text.replace("8080", str(port)).replace("localhost", "127.0.0.1")  # noqa: E731
    if kind.fence.startswith("python"):
        return here(kind.begin + "".join(text for _, text in found))
    parts = [f'#line {line} "{PAGE.relative_to(servers.ROOT)}"\n{text}' for line, text in found]
    return here(kind.begin + kind.main.format("\n".join([parts[0], *(f"{{\n{part}}}" for part in parts[1:])])))


# --- the server ---------------------------------------------------------------------------------


@dataclass
class Asked:
    connection: int
    method: str
    path: str
    headers: email.message.Message
    body: bytes


class Server:
    """Answers everything, and keeps its connections."""

    def __init__(self):
        self.asked = asked = []
        numbers = itertools.count()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle(self):
                try:
                    super().handle()
                except ConnectionError:  # Some clients reset what they are done with.
                    pass

            def setup(self):
                super().setup()
                self.number = next(numbers)

            def answer(self):
                size = int(self.headers.get("Content-Length", 0))
                asked.append(Asked(self.number, self.command, self.path, self.headers, self.rfile.read(size)))
                body = BIG if self.path == "/big.iso" else b"hello"
                self.send_response(404 if self.path == "/missing" else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 100  # All that come at once.

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def judge(asked, folder):
    """What is not as the guide says it is."""
    of = lambda path: [one for one in asked if urllib.parse.urlsplit(one.path).path == path]  # noqa: E731
    gets = of("/get")
    if len(gets) != 104:
        yield f"{len(gets)} requests for /get"
    if len({one.connection for one in gets[-100:]}) != 1:
        yield "8: not one connection"
    search = of("/search")
    if [(urllib.parse.parse_qs(urllib.parse.urlsplit(one.path).query), one.headers["Accept"]) for one in search] != [({"q": ["a & b"]}, "text/html")]:
        yield "2: another query, or another Accept"
    if any(one.headers["Accept"] == "text/html" for one in asked if one not in search):
        yield "2: the header stays"
    if [(one.method, one.headers["Content-Type"], json.loads(one.body)) for one in of("/users")] != [("POST", "application/json", {"name": "Ada"})]:
        yield "3: another POST"
    uploads = [(one.method, parts(one)) for one in of("/upload")]
    if uploads != [("POST", [("title", None, b"Logo"), ("image", "hostname", Path("/etc/hostname").read_bytes())])]:
        yield f"4: another form: {uploads}"
    if len(of("/big.iso")) != 1 or (folder / "big.iso").read_bytes() != BIG:
        yield "5: another file"
    credentials = [one.headers["Authorization"] for one in asked if "Authorization" in one.headers]
    if credentials != ["Basic " + base64.b64encode(b"ada:secret").decode(), "Bearer a-token"]:
        yield f"7: other credentials: {credentials}"
    many = [one for one in asked if one.path[1:].isdigit()]
    if sorted(int(one.path[1:]) for one in many) != list(range(100)):
        yield f"9: other requests: {[one.path for one in many]}"
    if len({one.connection for one in many}) > 8:
        yield f"9: {len({one.connection for one in many})} connections"
    if len(of("/missing")) != 1:
        yield "10: not asked"


def parts(asked):
    """The parts of a form: name, file name, content."""
    head = b"Content-Type: " + asked.headers["Content-Type"].encode() + b"\r\n\r\n"
    return [(part.get_param("name", header="Content-Disposition"), part.get_filename(), part.get_payload(decode=True))
            for part in email.message_from_bytes(head + asked.body).get_payload()]


# --- running them -------------------------------------------------------------------------------


def try_out(kind, page):
    """What is wrong with a client's snippets."""
    with tempfile.TemporaryDirectory(prefix="ferry-peers-") as name, Server() as server:
        folder = Path(name)
        if kind.fence.startswith("python"):
            source = folder / "program.py"
            command = [servers.PYTHON, source]
        else:
            source = folder / "program.cpp"
            command = [folder / "program"]
        source.write_text(program(kind, snippets(page, kind.fence), server.port))
        if source.suffix == ".cpp":
            objects = [folder / Path(file).with_suffix(".o").name for file in kind.c_sources]
            for file, made in zip(kind.c_sources, objects):
                servers.must_run("gcc", *kind.flags, "-c", file, "-o", made)
            servers.must_run("g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-pthread", source, *objects, *kind.flags, "-o", command[0])
        try:
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return ["it does not end"]
        if ran.returncode != 0:
            return [f"it ended with {ran.returncode}: {ran.stderr}"]
        return list(judge(server.asked, folder))


def is_there(package):
    return servers.is_there(package) or (package == BOOST and Path("/usr/include/boost/beast.hpp").exists())


def run():
    parser = argparse.ArgumentParser(description=__doc__)
    packages = list(dict.fromkeys(package for kind in KINDS for package in kind.packages))
    servers.add_install_option(parser, packages)
    missing = [package for package in packages if not is_there(package)]
    options = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    passed = failed = skipped = 0
    with servers.packages(missing if options.install else [], options.install):
        for kind in KINDS:
            lost = [package for package in kind.packages if not is_there(package)]
            if lost:
                print(f"skipped: {kind.name}: {' '.join(lost)} is not installed", flush=True)
                skipped += 1
                continue
            problems = try_out(kind, page)
            for problem in problems:
                print(f"FAIL  {kind.name}: {problem}", flush=True)
            failed += bool(problems)
            passed += not problems
            if not problems:
                print(f"pass  {kind.name}: its {TASKS} snippets", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


servers.main(run)
