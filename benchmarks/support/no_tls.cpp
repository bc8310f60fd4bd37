#include "command_line.hpp"
#include "tls.hpp"

namespace benchmark {

Tls make_tls(bool) { throw UsageError{"https: this was built without OpenSSL"}; }

}  // namespace benchmark
