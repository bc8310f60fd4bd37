#pragma once

#include <utility>

namespace ferry::detail {

/// The library's access to the private members of public classes, each of which names this struct
/// as a friend. There is no other way in.
struct access {
  /// Calls a private constructor.
  template <class T, class... Args>
  static T make(Args&&... args) {
    return T(std::forward<Args>(args)...);
  }
};

}  // namespace ferry::detail
