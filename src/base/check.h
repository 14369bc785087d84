// CHECK: a broken invariant is a bug of this program, and ends it in every build. Never for input, network or disk.
#pragma once

namespace tieline {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}  // namespace tieline

#define CHECK(condition)                                       \
  do {                                                         \
    if (!(condition)) [[unlikely]]                             \
      ::tieline::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)
