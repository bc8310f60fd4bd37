"""Turns the C++ snippets of a page into one program that runs them all.

A snippet that holds a `main` becomes a program part of its own, with its main renamed; every other one
becomes the body of a coroutine, in which `client` is a client with a base_url. They find a server that
answers everything: http://localhost:8080 becomes the address of the one that the program starts."""

import re
import sys

readme, output = sys.argv[1:]
text = open(readme, encoding="utf-8").read()
page = readme[readme.rindex("include/"):] if "include/" in readme else "README.md"
snippets = re.findall(r"^```cpp\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
assert len(snippets) >= 5, "the page has lost its snippets"

source = ['#include "support/server.hpp"', '#include "examples/metrics.hpp"', "#include <ferry/ferry.hpp>", "#include <ferry/testing/mock_transport.hpp>", "#include <ferry/testing/scripted_stream.hpp>", "#include <ferry/tls.hpp>", "#include <ferry/async_stream.hpp>",
          *(f"#include <ferry/{name}.hpp>" for name in ("auth", "brotli", "cookies", "digest", "download", "file", "form", "gzip", "lines", "link", "multipart", "nlohmann", "psl", "sse", "text", "zstd")),
          "#include <filesystem>", "#include <map>",
          "#include <asio/experimental/awaitable_operators.hpp>",
          "#include <asio/signal_set.hpp>", "#include <asio/steady_timer.hpp>",
          "#include <cassert>", "#include <csignal>", "#include <cstdio>", "#include <cstdlib>", "#include <iostream>", "#include <vector>",
          "using namespace std::chrono_literals;", "static std::string base;"]
calls = []
for number, snippet in enumerate(snippets):
    snippet = snippet.replace('"http://localhost:8080', 'base + "')
    line = text[: text.index("```cpp\n" + snippets[number])].count("\n") + 2
    name = f"snippet_{line}"
    if "int main" in snippet:
        includes = re.findall(r"^#include.*$", snippet, re.MULTILINE)
        body = re.sub(r"^#include.*$", "", snippet, flags=re.MULTILINE).replace("int main()", f"void {name}()")
        source += includes + [f"namespace in_{name} {{", f'#line {line} "{page}"', body, "}", ""]
        calls.append(f'  std::puts("{page}:{line}"); in_{name}::{name}();')
    else:
        source += [f"static asio::awaitable<void> {name}(ferry::Client client) {{", "  auto context = co_await asio::this_coro::executor;",
                   "  (void)client; (void)context;", f'#line {line} "{page}"', snippet, "  co_return;", "}", ""]
        calls.append(f'  std::puts("{page}:{line}"); run({name});')

source.append(r"""
static void run(asio::awaitable<void> (*snippet)(ferry::Client)) {
  asio::io_context context{1};
  ferry::ClientOptions options;
  options.base_url = base + "/";
  ferry::Client client(context, options);
  bool ended = false;
  asio::co_spawn(context, snippet(client), [&](std::exception_ptr e) {
    if (e) std::rethrow_exception(e);
    ended = true;
  });
  context.run();
  if (!ended) std::abort();
}

/// Answers what the snippets ask for; all else as `test::Server` does by itself.
static asio::awaitable<void> serve(std::shared_ptr<test::Peer> peer) {
  for (;;) {
    const std::string request = co_await peer->read_request();
    if (request.empty()) co_return;
    const auto begin = request.find(' ') + 1;
    const std::string target = request.substr(begin, request.find(' ', begin) - begin);
    std::string answer = test::response(target);
    if (target == "/missing") answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    if (target == "/json") answer = test::response("{\"name\":\"Ada\"}", "Content-Type: application/json\r\n");
    if (target == "/cookies") answer = test::response("", "Set-Cookie: flavour=oat\r\n");
    if (target == "/redirect") answer = "HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n";
    if (target == "/events") answer = test::response("data: hello\n\n", "Content-Type: text/event-stream\r\n");
    co_await peer->write(std::move(answer));
    if (request.find("\r\nConnection: close\r\n") != std::string::npos) co_return;
  }
}

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "ferry-snippets";  // Some write files.
  std::filesystem::create_directories(folder);
  std::filesystem::current_path(folder);
  test::Server server(serve);
  base = "http://localhost:" + std::to_string(server.port());
""" + "\n".join(calls) + "\n}\n")
open(output, "w", encoding="utf-8").write("\n".join(source))
