// The cost of a reused GET over TLS in the steady state.

#include "support/counts.hpp"
#include "support/tls_front.hpp"
#include "support/trusting.hpp"

TEST_CASE("a reused GET over TLS makes no more system calls than one without") {
  const test::Server server(test::delayed());
  const test::TlsFront front(server.port());
  test::check_system_calls(front.url("/a/path"), test::trusting(), 5);
}

TEST_CASE("a reused GET over TLS: heap allocations, OpenSSL's own apart") {
  const test::Server server(test::delayed());
  const test::TlsFront front(server.port());
  test::check_allocations(front.url("/a/path"), test::trusting(), 2);
}
