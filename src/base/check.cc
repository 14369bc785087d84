#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace tieline {

void check_failed(const char* file, int line, const char* condition) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s. This is a bug in Tieline; what was acknowledged is on disk.\n", file,
               line, condition);
  std::abort();
}

}  // namespace tieline
