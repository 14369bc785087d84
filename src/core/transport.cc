#include "core/transport.h"

#include "base/text.h"

namespace tieline {

std::string_view find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && equals_ignore_case(key, name)) return value;
  }
  return {};
}

}  // namespace tieline
