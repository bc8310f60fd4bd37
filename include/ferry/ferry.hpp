#pragma once

/// @file
/// ferry: an HTTP client for C++20 coroutines that keeps its connections.

#include <ferry/client.hpp>
#include <ferry/connection_pool.hpp>
#include <ferry/error.hpp>
#include <ferry/event.hpp>
#include <ferry/request.hpp>
#include <ferry/response.hpp>
#include <ferry/result.hpp>
#include <ferry/version.hpp>
