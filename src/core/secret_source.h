// The port to the store's own key: bytes that come out the same again and that are written nowhere.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"

namespace tieline {

class SecretSource {
 public:
  virtual ~SecretSource() = default;
  // The same for the same name, as long as the store keeps its key; nobody without the key can tell them.
  virtual Bytes derive(std::string_view name, std::size_t count) const = 0;
};

}  // namespace tieline
