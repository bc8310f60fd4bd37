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

asio::awaitable<int> from_other_unit(ferry::Client client) {
  const auto response = co_await client.get("http://test/");
  co_return response.status();
}
