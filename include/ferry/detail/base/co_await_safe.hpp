#pragma once

#include <type_traits>

#include <ferry/detail/base/configuration.hpp>

namespace ferry::inline FERRY_CONFIGURATION::detail {

/// True for types that g++ 12 handles correctly as temporaries of a `co_await` expression.
///
/// g++ 12 destroys an aggregate temporary with a non-trivial destructor twice if it is made inside
/// a `co_await` full-expression. So every public type is either trivially destructible or a class
/// with a declared constructor, which a `static_assert` after its definition checks.
template <class T>
inline constexpr bool co_await_safe =
    std::is_trivially_destructible_v<T> || !std::is_aggregate_v<T>;

}  // namespace ferry::detail
