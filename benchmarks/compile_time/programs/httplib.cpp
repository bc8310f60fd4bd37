/// @file
/// A GET with cpp-httplib, which blocks. Without TLS, like the others here.

#include <httplib.h>
#include <iostream>
#include <stdexcept>

int main() {
  httplib::Client client("http://localhost");
  const auto response = client.Get("/");
  if (!response) throw std::runtime_error("no response");
  std::cout << response->body << '\n';
}
