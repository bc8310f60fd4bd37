// TLS over scripted streams: the handshake and the exchange, every byte and every failure chosen.

#include <chrono>
#include <concepts>
#include <cstdio>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <asio/experimental/awaitable_operators.hpp>
#include <asio/ssl/context.hpp>

#include <ferry/detail/tls/certificate.hpp>

#include "support/cancelling.hpp"
#include "support/fail_each.hpp"
#include "support/scripted.hpp"
#include "support/tls_peer.hpp"
#include "support/trusting.hpp"

using namespace std::chrono_literals;
namespace certificates = test::certificates;
using ferry::Client;
using ferry::ClientOptions;
using ferry::Errc;
using ferry::Request;
using ferry::testing::Script;
using ferry::tls::Pem;
using test::code_of;
using test::ok;
using test::script;
using test::server_context;
using test::TlsPeer;
using test::trusting;
using test::trusting_tls;

namespace {

/// Connections that follow scripts, with a server's end of TLS behind each.
struct Secured {
  explicit Secured(std::vector<std::shared_ptr<Script>> scripts, ClientOptions options = trusting(),
                   std::shared_ptr<SSL_CTX> context = server_context())
      : s(std::move(scripts), std::move(options)) {
    for (const auto& one : s.scripts) peers.push_back(TlsPeer::behind(*one, context));
  }
  explicit Secured(std::shared_ptr<Script> one, ClientOptions options = trusting(),
                   std::shared_ptr<SSL_CTX> context = server_context())
      : Secured(std::vector{std::move(one)}, std::move(options), std::move(context)) {}

  ferry::Result<ferry::Response> get(std::string url = "https://ferry.test/") {
    return s.send(Request::get(std::move(url)));
  }
  void check_nothing_kept() const {
    const auto stats = s.client->pool().stats();
    CHECK(stats.active + stats.idle + stats.connecting + stats.waiting == 0);
  }

  test::Scripted s;
  std::vector<std::shared_ptr<TlsPeer>> peers;
};

const std::string chunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
const std::string until_close = "HTTP/1.1 200 OK\r\n\r\nhello";

}  // namespace

// A temporary hands out no view that would dangle: see views_test.cpp.
static_assert(std::same_as<decltype(std::declval<ferry::tls::Pem>().path()), std::string>);

TEST_CASE("a request over TLS, and another on the same connection") {
  Secured t(script({ok("one"), ok("two")}));
  const auto one = t.get();
  REQUIRE(one);
  CHECK(one->body() == "one");
  CHECK(one->timings().tls > 0ns);
  const ferry::TlsInfo* info = one->connection().tls();
  REQUIRE(info);
  CHECK(info->version == "TLSv1.3");
  CHECK_FALSE(info->cipher.empty());
  CHECK(info->subject == "CN = a server");
  CHECK(info->verified);
  CHECK_FALSE(info->resumed);
  const auto two = t.get();
  REQUIRE(two);
  CHECK(two->connection().reused);
  CHECK(two->timings().tls == 0ns);
  CHECK(t.peers[0]->received.find("Host: ferry.test\r\n") != std::string::npos);
  CHECK(t.s.pool() == "https://ferry.test: 0 active, 1 idle, 0 waiting");
  t.s.client->close();
  t.peers[0]->receive(*t.s.scripts[0]);
  CHECK(t.peers[0]->closed_properly);
}

TEST_CASE("[15] TLS one byte at a time, both ways, over all framings, in both versions") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto context = server_context();
    SSL_CTX_set_max_proto_version(context.get(), version);
    for (const std::size_t size : {1, 7, 1000}) {
      for (const bool blocks : {false, true}) {
        CAPTURE(version);
        CAPTURE(size);
        auto slow = script({ok("hello"), chunked, until_close});
        slow->read_size = slow->write_size = size;
        slow->writes_block = blocks;
        Secured t(slow, trusting(), context);
        t.peers[0]->says_goodbye = true;
        for (int i = 0; i < 3; ++i) {
          const auto response =
              t.s.send(Request::post("https://ferry.test/", ferry::Body(std::string(40'000, 'b'))));
          REQUIRE(response);
          CHECK(response->body() == "hello");
        }
        CHECK(t.s.connections() == 1);
        const auto& received = t.peers[0]->received;
        CHECK(std::count(received.begin(), received.end(), 'b') >= 120'000);
      }
    }
  }
}

TEST_CASE("[13] a close-delimited body ends with close_notify, or it is cut") {
  for (const bool properly : {true, false}) {
    CAPTURE(properly);
    Secured t(script({until_close}, Script::End::eof));
    t.peers[0]->says_goodbye = properly;
    const auto response = t.get();
    CHECK(code_of(response) == (properly ? std::error_code() : Errc::truncated_body));
    if (properly) CHECK(response->body() == "hello");
    t.check_nothing_kept();
  }
}

TEST_CASE("[28] bytes behind a response end the connection, over TLS as well") {
  Secured t(script({ok("one") + "HTTP/1.1 200 OK\r\n"}));
  CHECK(t.get()->body() == "one");
  t.check_nothing_kept();
}

TEST_CASE("[29] [30] what comes on an idle connection: tickets and key updates are no surplus") {
  const auto context = server_context();
  SSL_CTX_set_num_tickets(context.get(), 0);
  const auto after_idling = [&](auto what) {
    auto first = script({ok("one"), ok("two")});
    Secured t({first, script({ok("new")})}, trusting(), context);
    CHECK(t.get()->body() == "one");
    what(*t.peers[0], *first);
    const auto next = t.get();
    REQUIRE(next);
    CHECK(next->connection().retry_reason.empty());
    return next->body();
  };
  CHECK(after_idling([](TlsPeer& peer, Script& s) {
          SSL_new_session_ticket(peer.native_handle());
          peer.push(s, "");
          SSL_do_handshake(peer.native_handle());
          peer.push(s, "");
          CHECK_FALSE(s.readable.empty());
        }) == "two");
  CHECK(after_idling([](TlsPeer& peer, Script& s) {
          SSL_key_update(peer.native_handle(), SSL_KEY_UPDATE_REQUESTED);
          SSL_do_handshake(peer.native_handle());
          peer.push(s, "");
          CHECK_FALSE(s.readable.empty());
        }) == "two");
  CHECK(after_idling([](TlsPeer& peer, Script& s) { peer.push(s, "HTTP/1.1 200 OK\r\n"); }) ==
        "new");
  CHECK(after_idling([](TlsPeer& peer, Script& s) { peer.say_goodbye(s); }) == "new");
  CHECK(after_idling([](TlsPeer&, Script& s) {
          s.readable = "\x15\x03";
          s.end = Script::End::eof;
        }) == "new");
  CHECK(after_idling([](TlsPeer&, Script& s) { s.readable = "garbage, not a record"; }) == "new");
}

TEST_CASE(
    "certificates that must not be trusted: which, for which name, and why; nothing is sent") {
  struct Case {
    const char* certificate;
    const char* key;
    const char* url;
    std::vector<std::string> says;
  };
  using namespace certificates;
  const std::string here = "https://ferry.test/";
  const Case cases[] = {
      {expired,
       expired_key,
       "https://ferry.test/",
       {"expired", "for ferry.test", "CN = a late server", "Jan  2 00:00:00 2020"}},
      {early, early_key, "https://ferry.test/", {"not yet valid", "CN = an early server", "2119"}},
      {self_signed, self_signed_key, "https://ferry.test/", {"self-signed", "CN = itself"}},
      {untrusted,
       untrusted_key,
       "https://ferry.test/",
       {"issuer", "CN = a strange server", "issued by: CN = somebody else"}},
      {wrong_host,
       wrong_host_key,
       "https://ferry.test/",
       {"ostname mismatch", "for ferry.test", "CN = another server", "DNS:other.test"}},
      {wrong_host,
       wrong_host_key,
       "https://127.0.0.1/",
       {"IP address mismatch", "for 127.0.0.1", "192.0.2.1"}},
      {common_name,
       common_name_key,
       "https://localhost/",
       {"ostname mismatch", "no subjectAltName, and a common name does not count"}},
      {server, server_key, "https://a.b.wild.test/", {"ostname mismatch"}},
      {server, server_key, "https://[::2]/", {"IP address mismatch", "for ::2"}},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.certificate));
    CAPTURE(std::string(one.url));
    Secured t(script({ok("secret")}), trusting(), server_context(one.certificate, one.key));
    const auto result = t.get(one.url);
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == Errc::certificate_rejected);
    CHECK(result.error().code() == ferry::Condition::connection_failed);
    CHECK(result.error().phase() == ferry::Phase::tls);
    const std::string what = result.error().what();
    CAPTURE(what);
    for (const std::string& text : one.says) CHECK(what.find(text) != std::string::npos);
    CHECK(t.peers[0]->received.empty());
    CHECK(t.s.scripts[0]->closed);
    CHECK(t.s.connections() == 1);
    t.check_nothing_kept();
  }
}

TEST_CASE("certificates that are good: names, wild cards, addresses, the root's dot") {
  for (const char* url : {"https://ferry.test/", "https://ferry.test./", "https://a.wild.test/",
                          "https://127.0.0.1/", "https://[::1]/", "https://localhost:8443/"}) {
    CAPTURE(std::string(url));
    Secured t(script({ok("good")}));
    const auto response = t.get(url);
    CHECK(code_of(response) == std::error_code());
    // A name is announced, an address is not (RFC 6066 3).
    const char* sni = SSL_get_servername(t.peers[0]->native_handle(), TLSEXT_NAMETYPE_host_name);
    const std::string host = std::string(url).substr(8);
    if (host[0] == '1' || host[0] == '[')
      CHECK(sni == nullptr);
    else
      CHECK(host.starts_with(sni));
    if (sni) CHECK_FALSE(std::string(sni).ends_with('.'));
  }
}

TEST_CASE("any certificate, if that is what you ask for; the log says so") {
  std::ostringstream log;
  ferry::tls::Options tls;
  tls.danger_accept_any_certificate = true;
  ClientOptions options = trusting(tls);
  options.observer = ferry::log_to(log);
  Secured t(script({ok("whoever")}), options,
            server_context(certificates::self_signed, certificates::self_signed_key));
  const auto response = t.get("https://nobody.test/");
  REQUIRE(response);
  CHECK_FALSE(response->connection().tls()->verified);
  CHECK(log.str().find("Unverified HTTPS connection to https://nobody.test") != std::string::npos);
}

TEST_CASE("pinned public keys") {
  std::FILE* file = std::fopen(certificates::server, "r");
  REQUIRE(file);
  const ferry::detail::X509Ptr certificate(PEM_read_X509(file, nullptr, nullptr, nullptr));
  std::fclose(file);
  const std::string pin = ferry::detail::pin_of(*certificate);
  const std::string other = "sha256//" + std::string(43, 'A') + "=";
  const auto code_with = [](std::vector<std::string> pins) {
    auto tls = trusting_tls();
    tls.pinned_public_keys = std::move(pins);
    Secured t({script({ok("one")}), script({ok("two")})}, trusting(tls));
    const auto result = t.get();
    if (!result) CHECK(t.peers[0]->received.empty());
    if (result) t.s.client->pool().close_idle();
    CHECK(code_of(t.get()) == code_of(result));  // A session that is resumed is no way around it.
    return code_of(result);
  };
  CHECK(code_with({other, pin}) == std::error_code());
  CHECK(code_with({other}) == Errc::certificate_rejected);
}

TEST_CASE("a client's certificate") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto context = server_context();
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_load_verify_locations(context.get(), certificates::ca, nullptr);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    for (const bool encrypted : {false, true}) {
      auto tls = trusting_tls();
      tls.certificate = Pem::file(certificates::client);
      tls.private_key =
          Pem::file(encrypted ? certificates::client_encrypted_key : certificates::client_key);
      if (encrypted) tls.password = "sesame";
      Secured t(script({ok("welcome")}), trusting(tls), context);
      CHECK(t.get()->body() == "welcome");
    }
    Secured none(script({ok("welcome")}, Script::End::eof), trusting(), context);
    const auto refused = none.get();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == ferry::Condition::connection_failed);
    CHECK(std::string(refused.error().what()).find("alert") != std::string::npos);
    CHECK(none.s.connections() == 1);
    none.check_nothing_kept();
  }
}

TEST_CASE("sessions are resumed, with the same server only, and a ticket is used once") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const auto context = server_context();
    SSL_CTX_set_max_proto_version(context.get(), version);
    const auto tls = ferry::tls::context(trusting_tls());
    const auto resumed = [&](std::shared_ptr<const ferry::TlsContext> with_tls, std::string url) {
      // The server hangs up without a word: the session is good all the same.
      ClientOptions options;
      options.tls = std::move(with_tls);
      Secured t(script({ok("one")}, Script::End::eof), options, context);
      const auto response = t.get(std::move(url));
      REQUIRE(response);
      CHECK(response->connection().tls()->verified);
      CHECK(response->connection().tls()->subject == "CN = a server");
      t.s.scripts[0]->idle_look = ferry::IdleState::closed;
      return response->connection().tls()->resumed;
    };
    CHECK_FALSE(resumed(tls, "https://ferry.test/"));
    for (int i = 0; i < 5; ++i) CHECK(resumed(tls, "https://ferry.test/"));
    CHECK_FALSE(resumed(tls, "https://ferry.test:8443/"));
    CHECK_FALSE(resumed(tls, "https://localhost/"));
    CHECK_FALSE(resumed(ferry::tls::context(trusting_tls()), "https://ferry.test/"));
    auto never = trusting_tls();
    never.resume_sessions = false;
    const auto without = ferry::tls::context(never);
    for (int i = 0; i < 2; ++i) CHECK_FALSE(resumed(without, "https://ferry.test/"));
  }
}

TEST_CASE("versions: TLS 1.2 is the least, unless more is asked for") {
  const auto code_for = [](int newest, ferry::tls::Version least) {
    const auto context = server_context();
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), newest);
    SSL_CTX_set_cipher_list(context.get(), "DEFAULT:@SECLEVEL=0");
    auto tls = trusting_tls();
    tls.min_version = least;
    Secured t(script({ok("x")}, Script::End::eof), trusting(tls), context);
    return code_of(t.get());
  };
  using ferry::tls::Version;
  CHECK(code_for(TLS1_1_VERSION, Version::tls1_2) == Errc::tls_failed);
  CHECK(code_for(TLS1_2_VERSION, Version::tls1_2) == std::error_code());
  CHECK(code_for(TLS1_2_VERSION, Version::tls1_3) == Errc::tls_failed);
  CHECK(code_for(TLS1_3_VERSION, Version::tls1_3) == std::error_code());
}

TEST_CASE("http/1.1 is offered by ALPN") {
  const auto context = server_context();
  SSL_CTX_set_alpn_select_cb(
      context.get(),
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned,
         void*) {
        *out = in + 1;
        *size = in[0];
        return SSL_TLSEXT_ERR_OK;
      },
      nullptr);
  Secured t(script({ok("x")}), trusting(), context);
  const auto response = t.get();
  REQUIRE(response);
  CHECK(response->connection().tls()->application_protocol == "http/1.1");
}

TEST_CASE("a peer that does not speak TLS") {
  const auto error_with = [](std::string bytes, Script::End end) {
    auto plain = script({std::move(bytes)}, end);
    auto options = trusting();
    if (end == Script::End::silence) options.timeouts.tls = 1ms;
    test::Scripted s(plain, options);
    const auto result = s.send(Request::get("https://ferry.test/"));
    REQUIRE_FALSE(result);
    CHECK(result.error().phase() == ferry::Phase::tls);
    CHECK(plain->written.find("GET") == std::string::npos);
    CHECK(plain->closed);
    CHECK(s.client->pool().stats().idle == 0);
    return result.error();
  };
  const auto http = error_with("HTTP/1.1 400 Bad Request\r\n\r\n", Script::End::eof);
  CHECK(http.code() == Errc::tls_failed);
  CHECK(std::string(http.what()).find("a port for http?") != std::string::npos);
  CHECK(error_with("\x15\x03\x01\x00\x02\x02\x28", Script::End::eof).code() == Errc::tls_failed);
  CHECK(error_with("", Script::End::eof).code() == Errc::tls_failed);
  CHECK(error_with("\x16\x03", Script::End::eof).code() == Errc::tls_failed);
  CHECK(error_with("", Script::End::reset).code() == Errc::tls_failed);
  const auto silent = error_with("", Script::End::silence);
  CHECK(silent.code() == Errc::tls_timeout);
}

TEST_CASE("an http URL for a port that speaks TLS: the error says so") {
  test::Scripted s(script({std::string("\x15\x03\x01\x00\x02\x02\x46", 7)}));
  const auto result = s.send(Request::get("http://ferry.test/"));
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::malformed_response);
  CHECK(std::string(result.error().what()).find("https") != std::string::npos);
}

TEST_CASE("the secrets of a connection, for those who want to look into it") {
  const std::string path = std::string(certificates::ca) + ".keylog";
  std::remove(path.c_str());
  auto tls = trusting_tls();
  tls.keylog_file = path;
  Secured t(script({ok("x")}), trusting(tls));
  CHECK(t.get());
  std::ifstream in(path);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  CHECK(text.find("SERVER_TRAFFIC_SECRET_0 ") != std::string::npos);
  std::remove(path.c_str());
}

TEST_CASE("options that cannot be used") {
  const auto refused = [](auto change, const char* says) {
    auto options = trusting_tls();
    change(options);
    try {
      ferry::tls::context(options);
    } catch (const ferry::Error& error) {
      CHECK(error.code() == Errc::invalid_option);
      const std::string what = error.what();
      CAPTURE(what);
      CHECK(what.find(says) != std::string::npos);
      CHECK(what.find("sesame") == std::string::npos);
      return true;
    }
    return false;
  };
  using ferry::tls::Options;
  CHECK(refused([](Options& o) { o.roots.push_back(Pem::file("/no/such/file")); },
                "\"/no/such/file\" (No such file or directory)"));
  CHECK(refused([](Options& o) { o.roots.push_back(Pem::file("/")); }, "\"/\""));
  CHECK(refused([](Options& o) { o.roots.push_back(Pem::text("not PEM")); }, "roots"));
  CHECK(refused([](Options& o) { o.roots.clear(); }, "system_roots"));
  CHECK(
      refused([](Options& o) { o.certificate = Pem::file(certificates::client); }, "private_key"));
  CHECK(refused([](Options& o) { o.private_key = Pem::file(certificates::client_key); },
                "certificate"));
  CHECK(refused(
      [](Options& o) {
        o.certificate = Pem::file(certificates::client);
        o.private_key = Pem::file(certificates::server_key);
      },
      "private_key"));
  CHECK(refused(
      [](Options& o) {
        o.certificate = Pem::file(certificates::client);
        o.private_key = Pem::file(certificates::client_encrypted_key);
        o.password = "open sesame";
      },
      "private_key"));
  CHECK(refused(
      [](Options& o) {
        o.certificate = Pem::file(certificates::client);
        o.private_key = Pem::file(certificates::client_encrypted_key);
      },
      "password is missing"));
  CHECK(refused([](Options& o) { o.pinned_public_keys = {"sha1//abc"}; }, "sha1//abc"));
  CHECK(refused([](Options& o) { o.keylog_file = "/no/such/folder/keys"; }, "/no/such/folder"));
  bool configured = false;
  CHECK_FALSE(refused([&](Options& o) { o.configure = [&](auto&) { configured = true; }; }, ""));
  CHECK(configured);
}

TEST_CASE("[36] TLS belongs to the pool") {
  asio::io_context context{1};
  const ferry::ConnectionPool pool(context.get_executor());
  CHECK_THROWS_AS(Client(pool, trusting()), ferry::Error);
}

TEST_CASE("[35] over TLS a final answer ends the sending, too") {
  const auto context = server_context();
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  auto one = script({});
  one->writes_block = true;
  Secured t(one, trusting(), context);
  // The answer comes after the first pieces of the body.
  constexpr std::size_t size = 1'000'000;
  const auto give = [&, pieces = 0](std::span<char> room) mutable -> std::size_t {
    if (++pieces == 3)
      t.peers[0]->push(*one, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    std::fill(room.begin(), room.end(), 'x');
    return room.size();
  };
  const auto response = t.s.send(Request::post("https://ferry.test/", ferry::pull(give, size)));
  REQUIRE(response);
  CHECK(response->status() == 413);
  CHECK(one->written.size() < size);
  t.check_nothing_kept();
}

TEST_CASE(
    "[35] TLS that fails amid an upload has failed: for what is written and read later, too") {
  const auto context = server_context();
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  auto one = script({});
  one->writes_block = true;
  Secured t(one, trusting(), context);
  one->respond = [peer = t.peers[0], respond = one->respond](Script& s) {
    respond(s);
    if (SSL_is_init_finished(peer->native_handle())) s.readable += "garbage, not a record";
  };
  const std::string large(1'000'000, 'x');
  const auto result = t.s.send(Request::post("https://ferry.test/", ferry::Body(large)));
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::connection_lost);
  CHECK(std::string(result.error().what()).find("wrong version number") != std::string::npos);
  t.check_nothing_kept();
}

TEST_CASE("[29] thousands of key updates on an idle connection, and data behind them") {
  auto one = script({ok("one")});
  Secured t({one, script({ok("new")})});
  CHECK(t.get()->body() == "one");
  SSL* const ssl = t.peers[0]->native_handle();
  for (const bool writable : {true, false}) {
    for (int i = 0; i < 2600; ++i) {
      SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
      SSL_do_handshake(ssl);
    }
    one->writes_block = !writable;
    t.peers[0]->push(*one, "");
    if (writable) CHECK(one->readable.size() > 64 * 1024);
  }
  t.peers[0]->push(*one, std::string(100'000, 'x'));
  CHECK(t.get()->body() == "new");
}

TEST_CASE("a client's certificates may be many") {
  auto tls = trusting_tls();
  tls.certificate = Pem::file(certificates::client);
  tls.private_key = Pem::file(certificates::client_key);
  tls.configure = [](asio::ssl::context& context) {
    std::FILE* file = std::fopen(certificates::ca, "r");
    const ferry::detail::X509Ptr ca(PEM_read_X509(file, nullptr, nullptr, nullptr));
    std::fclose(file);
    for (int i = 0; i < 200; ++i) {
      X509_up_ref(ca.get());
      SSL_CTX_add_extra_chain_cert(context.native_handle(), ca.get());
    }
  };
  const auto context = server_context();
  SSL_CTX_load_verify_locations(context.get(), certificates::ca, nullptr);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  Secured t(script({ok("welcome")}), trusting(tls), context);
  const auto response = t.get();
  REQUIRE(response);
  CHECK(response->body() == "welcome");
  CHECK(t.s.scripts[0]->written.size() > 70'000);
}

TEST_CASE("what `configure` may do: small records, no verification, a handshake that it stops") {
  auto tls = trusting_tls();
  tls.configure = [](asio::ssl::context& context) {
    SSL_CTX_set_max_send_fragment(context.native_handle(), 512);
  };
  Secured small(script({ok("one")}), trusting(tls));
  const std::string large(200'000, 'b');
  CHECK(small.s.send(Request::post("https://ferry.test/", ferry::Body(large)))->body() == "one");
  CHECK(small.peers[0]->received.ends_with(large));

  tls.configure = [](asio::ssl::context& context) {
    context.set_verify_mode(asio::ssl::verify_none);
  };
  Secured any(script({ok("one")}), trusting(tls),
              server_context(certificates::self_signed, certificates::self_signed_key));
  CHECK_FALSE(any.get("https://nobody.test/")->connection().tls()->verified);

  tls.configure = [](asio::ssl::context& context) {
    SSL_CTX_set_client_cert_cb(context.native_handle(),
                               [](SSL*, X509**, EVP_PKEY**) { return -1; });
  };
  const auto context = server_context();
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  Secured stopped(script({ok("one")}), trusting(tls), context);
  CHECK(code_of(stopped.get()) == Errc::tls_failed);
}

TEST_CASE("[31] a write that fails once, over TLS: what was kept back is not sent by a later one") {
  for (int n = 1; n <= 8; ++n) {
    CAPTURE(n);
    auto one = script({ok("one")});
    Secured t({one, script({ok("again")})});
    REQUIRE(t.get());
    one->write_size = 100;
    one->fail_at = one->operations + n;
    one->failure_lasts = false;
    one->failure = std::error_code(ENOBUFS, std::generic_category());
    one->respond = [peer = t.peers[0]](Script& s) {  // It takes the request in, and dies.
      peer->receive(s);
      s.end = Script::End::eof;
    };
    const std::string body(300, 'b');
    const auto result = t.s.send(Request::post("https://ferry.test/", ferry::Body(body)));
    t.peers[0]->receive(*one);
    const bool seen = t.peers[0]->received.find("POST") != std::string::npos;
    const bool seen_again = t.peers[1]->received.find("POST") != std::string::npos;
    CHECK_FALSE((seen && seen_again));
    CHECK(result.has_value() == seen_again);
  }
}

TEST_CASE("a ticket that comes in parts does not stop what is being sent") {
  const auto context = server_context();
  SSL_CTX_set_max_send_fragment(context.get(), 512);
  SSL_CTX_set_session_ticket_cb(
      context.get(),
      [](SSL* ssl, void*) {
        static const std::string data(1500, 'x');
        return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), data.data(), data.size());
      },
      [](SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS, void*) {
        return SSL_TICKET_RETURN_IGNORE;
      },
      nullptr);
  auto options = trusting();
  options.timeouts.expect_continue = 50ms;
  auto one = script({"", ok("done")});
  Secured t(one, options, context);
  std::string held;
  one->respond = [&, inner = one->respond, turn = 0](Script& s) mutable {
    ++turn;
    if (turn <= 2) inner(s);
    if (turn == 2) {  // The tickets, for which there is no need to wait.
      held = s.readable.substr(700);
      s.readable.resize(700);
    } else if (turn > 3) {  // At the third it is still waited for the server's leave.
      s.readable += std::exchange(held, {});
      inner(s);
    }
    s.turn_to_answer = turn < 4;
  };
  const auto result = t.s.send(
      Request::post("https://ferry.test/", ferry::Body("hello")).header("Expect", "100-continue"));
  CHECK(code_of(result) == std::error_code());
  CHECK(t.peers[0]->received.ends_with("hello"));
}

TEST_CASE("leave that comes in one piece with something else is seen at once") {
  auto options = trusting();
  options.timeouts.expect_continue = 1h;
  options.timeouts.total = 10s;
  auto one = script({});
  Secured t(one, options);
  one->respond = [&, inner = one->respond, peer = t.peers[0], answered = 0](Script& s) mutable {
    inner(s);
    if (peer->received.empty() || answered > 1) return;
    if (answered++ == 0) {
      peer->push(s, "HTTP/1.1 103 Early Hints\r\n\r\n");
      peer->push(s, "HTTP/1.1 100 Continue\r\n\r\n");
    } else {
      peer->push(s, ok("done"));
    }
  };
  const auto result = t.s.send(
      Request::post("https://ferry.test/", ferry::Body("hello")).header("Expect", "100-continue"));
  CHECK(code_of(result) == std::error_code());
  CHECK(t.peers[0]->received.ends_with("hello"));
}

TEST_CASE("[57] an upload over TLS tells of its progress as the bytes go") {
  for (int n = 10; n < 100; n += 10) {
    CAPTURE(n);
    auto one = script({});
    Secured t(one);
    one->write_size = 4000;
    one->fail_at = n;
    const std::string body(500'000, 'b');
    const auto result = t.s.send(Request::post("https://ferry.test/", ferry::Body(body)));
    REQUIRE_FALSE(result);
    CHECK(result.error().bytes_sent() <= one->written.size());
    CHECK(result.error().bytes_sent() + 5000 >= one->written.size());
  }
}

namespace {

struct Scenario {
  const char* name;
  bool post;
  bool reused;
  int version;
  const char* proxy = "";
};
const Scenario scenarios[] = {
    {"GET", false, false, TLS1_3_VERSION},
    {"GET, TLS 1.2", false, false, TLS1_2_VERSION},
    {"GET, reused", false, true, TLS1_3_VERSION},
    {"POST", true, false, TLS1_3_VERSION},
    {"POST, reused", true, true, TLS1_2_VERSION},
    {"GET, through a tunnel", false, false, TLS1_3_VERSION, "http://me:secret@proxy.test:3128"},
};

/// Sends a scenario's request over TLS; what went before is not counted.
struct Trial {
  explicit Trial(const Scenario& scenario)
      : context(server_context()),
        first(script({})),
        t({first, script({ok("next"), ok("next")})}, through(scenario.proxy),
          limited(scenario.version)),
        post(scenario.post) {
    if (*scenario.proxy)
      for (const auto& one : t.s.scripts) TlsPeer::put_behind_tunnel(*one);
    if (scenario.reused) {
      first->responses.push_back(ok("warm-up"));
      REQUIRE(t.get());
    }
    first->read_size = 150;
    first->write_size = 100;
    first->writes_block = true;
    first->responses.push_back(chunked);
    first->operations = 0;
  }
  static ClientOptions through(const char* proxy) {
    ClientOptions options = trusting();
    options.proxy = ferry::ProxyOptions(proxy);
    return options;
  }
  std::shared_ptr<SSL_CTX> limited(int version) const {
    SSL_CTX_set_max_proto_version(context.get(), version);
    return context;
  }
  Request request() const {
    return post ? Request::post("https://ferry.test/", ferry::Body(std::string(300, 'b')))
                : Request::get("https://ferry.test/");
  }
  void check_after() { t.s.check_after(*first, "https://ferry.test/"); }

  std::shared_ptr<SSL_CTX> context;
  std::shared_ptr<Script> first;
  Secured t;
  bool post;
};

}  // namespace

TEST_CASE("[31] [33] over TLS every operation fails once, in the handshake and in a tunnel, too") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(std::string(scenario.name));
    for (const std::error_code failure :
         {std::error_code(asio::error::connection_reset), std::error_code(asio::error::eof)}) {
      bool in_handshake = false;
      test::fail_each_step(1, 300, [&](int n) {
        Trial trial(scenario);
        trial.first->fail_at = n;
        trial.first->failure = failure;
        const auto result = trial.t.s.send(trial.request());
        const bool succeeded = trial.first->operations < n;
        if (succeeded) {
          CHECK(result->body() == "hello");
        } else if (result) {
          CHECK(scenario.reused);
          CHECK_FALSE(result->connection().retry_reason.empty());
          CHECK_FALSE(
              (scenario.post && trial.t.peers[0]->received.find("POST") != std::string::npos));
        } else {
          const auto& error = result.error();
          CHECK(error.bytes_sent() <= trial.first->written.size());
          in_handshake |= error.phase() == ferry::Phase::tls;
          if (error.phase() == ferry::Phase::proxy)
            CHECK(error.code() == Errc::proxy_failed);
          else if (error.phase() == ferry::Phase::tls)
            CHECK(error.code() == Errc::tls_failed);
          else
            CHECK(test::is_broken_off(error.code()));
          CHECK(trial.first->closed);
        }
        trial.check_after();
        return succeeded;
      });
      CHECK(in_handshake != scenario.reused);
    }
  }
}

TEST_CASE("[58] over TLS every suspension point is cancelled once") {
  for (const Scenario& scenario : scenarios) {
    CAPTURE(std::string(scenario.name));
    test::fail_each_step(0, 1000, [&](int steps) {
      Trial trial(scenario);
      test::Cancellable<ferry::Response> sent;
      const bool finished =
          sent.cancel_after(steps, trial.t.s.context, trial.t.s.client->try_send(trial.request()));
      if (finished) REQUIRE(sent.result);
      trial.check_after();
      return finished;
    });
  }
}

TEST_CASE("[40] a context destroyed at every step of a TLS handshake leaks nothing") {
  for (int steps = 0; steps < 40; ++steps) {
    Trial trial(scenarios[0]);
    asio::co_spawn(trial.t.s.context, trial.t.s.client->try_send(trial.request()), asio::detached);
    for (int i = 0; i < steps; ++i) trial.t.s.context.poll_one();
  }
}

TEST_CASE("who reads what is secured leaves alone what another is about to write") {
  using namespace asio::experimental::awaitable_operators;
  const std::string switching =
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
  auto one = script({switching, "pong"});
  Secured t(one);
  test::run(t.s.context, [&]() -> asio::awaitable<void> {
    ferry::Upgraded up =
        co_await t.s.client->upgrade(Request::get("https://ferry.test/").header("Upgrade", "echo"));
    REQUIRE(up);
    std::size_t written = 0;
    const auto write = [&]() -> asio::awaitable<void> {
      one->writes_block = true;
      std::error_code error;
      const asio::const_buffer ping = asio::buffer("ping", 4);
      written = co_await up.stream->write_some(std::span(&ping, 1), error);
      CHECK_FALSE(error);
    };
    const auto read = [&]() -> asio::awaitable<void> {
      CHECK(written == 0);  // It waits, with a record in its hands, and now there is room.
      one->writes_block = false;
      std::error_code error;
      char buffer[16];
      const auto count = co_await up.stream->read_some(asio::buffer(buffer), error);
      CHECK_FALSE(error);
      CHECK(std::string(buffer, count) == "pong");
    };
    co_await (write() && read());
    CHECK(written == 4);
  });
  CHECK(t.peers[0]->received.ends_with("\r\n\r\nping"));
  CHECK(t.peers[0]->receive(*one) == false);
}

namespace {

/// Counts the turns of the event loop while a coroutine runs.
int turns_beside(asio::io_context& context, asio::awaitable<void> work) {
  bool ended = false;
  int turns = 0;
  asio::co_spawn(context, std::move(work), [&](std::exception_ptr e) {
    ended = true;
    CHECK_FALSE(e);
  });
  const std::function<void()> turn = [&] {
    if (ended) return;
    ++turns;
    asio::post(context, turn);
  };
  asio::post(context, turn);
  context.restart();
  context.run();
  return turns;
}

}  // namespace

TEST_CASE("[64] others run while a body flows over TLS, and while an upgraded stream is written") {
  const std::size_t size = 8 * 1024 * 1024;
  auto big = script({ok(std::string(size, 'x'))});
  Secured t(big);
  const auto get = [&]() -> asio::awaitable<void> {
    auto call = t.s.client->get("https://ferry.test/");
    const ferry::Response page = co_await std::move(call);
    CHECK(page.body().size() == size);
  };
  CHECK(turns_beside(t.s.context, get()) >= 8);

  auto switching =
      script({"HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\n"
              "Connection: Upgrade\r\n\r\n"});
  Secured u(switching);
  ferry::Upgraded upgraded;
  const auto upgrade = [&]() -> asio::awaitable<void> {
    auto call = u.s.client->upgrade(Request::get("https://ferry.test/").header("Upgrade", "test"));
    upgraded = co_await std::move(call);
  };
  turns_beside(u.s.context, upgrade());
  REQUIRE(upgraded.stream);
  const auto write = [&]() -> asio::awaitable<void> {
    const std::string piece(16 * 1024, 'x');
    for (std::size_t sent = 0; sent < size;) {
      const asio::const_buffer buffer(piece.data(), piece.size());
      std::error_code error;
      sent += co_await upgraded.stream->write_some(std::span(&buffer, 1), error);
      REQUIRE_FALSE(error);
    }
  };
  CHECK(turns_beside(u.s.context, write()) >= 8);
}
