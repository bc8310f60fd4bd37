// Everything, in two translation units: what is not inline would be defined twice.
#include <ferry/async_stream.hpp>
#include <ferry/auth.hpp>
#include <ferry/blocking.hpp>
#include <ferry/cookies.hpp>
#include <ferry/download.hpp>
#include <ferry/ferry.hpp>
#include <ferry/file.hpp>
#include <ferry/form.hpp>
#include <ferry/lines.hpp>
#include <ferry/link.hpp>
#include <ferry/multipart.hpp>
#include <ferry/sse.hpp>
#include <ferry/testing/mock_transport.hpp>
#include <ferry/testing/scripted_stream.hpp>
#include <ferry/text.hpp>

#if defined(OPENSSL_VERSION_NUMBER)
#error "only ferry/tls.hpp and ferry/digest.hpp may need OpenSSL"
#endif

asio::awaitable<int> from_other_unit(ferry::Client client);

int main() {
  asio::io_context context{1};
  ferry::ClientOptions options;
  const auto script = std::make_shared<ferry::testing::Script>(
      std::deque<std::string>{"HTTP/1.1 204 No Content\r\n\r\n"});
  options.connector = std::make_shared<ferry::testing::ScriptedConnector>(script);
  const ferry::Client client(context, options);
  int status = 0;
  asio::co_spawn(context, from_other_unit(client),
                 [&](std::exception_ptr, int result) { status = result; });
  context.run();
  return status == 204 ? 0 : 1;
}
