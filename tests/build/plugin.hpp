#pragma once

#include <cstdint>
#include <system_error>

// The functions of tests/build/plugin.cpp, a shared library that hides its symbols.
#define FERRY_PLUGIN extern "C" __attribute__((visibility("default")))

/// Throws a `ferry::Error` of this cause.
FERRY_PLUGIN void plugin_throw(int errc);
/// The category of its errors.
FERRY_PLUGIN const std::error_category* plugin_category();
/// True if it finds this error to be of this cause, and of this condition.
FERRY_PLUGIN bool plugin_compares(const std::error_code& code, int errc, int condition);
/// The number of a connection that it opens.
FERRY_PLUGIN std::uint64_t plugin_connection();
