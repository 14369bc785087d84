// Texts with `{name}` in them (docs/manifests.md §2), and how a value is written where it stands. A value must never be
// able to add a path part, a header or a host of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tieline::connect {

// Where a text stands: what escapes its values.
enum class Spot : std::uint8_t {
  kPath,    // percent-encoding; no empty value, `.` or `..`
  kBase,    // base_url: only unreserved characters, unless `|raw`
  kHeader,  // no CR, LF or NUL
  kRaw,     // nothing: a query leaf, which is encoded as a whole, and what is signed
};

class TextTemplate {
 public:
  enum class Filter : std::uint8_t { kNone, kPath, kRaw };
  struct Part {
    std::string text;  // literal, or the placeholder's name
    bool placeholder = false;
    Filter filter = Filter::kNone;
    std::size_t column = 1;  // of the placeholder, in bytes from 1
  };
  // kInvalid or kUnsupported (a reserved filter) with Place{"", 1, column}.
  static Result<TextTemplate> parse(std::string_view text);

  const std::vector<Part>& parts() const { return parts_; }
  bool has(std::string_view name) const;
  bool literal() const;

  // The value of a placeholder, or nothing when it has none.
  using Lookup = std::function<std::optional<std::string>(std::string_view name)>;
  // Nothing when a placeholder has no value. kInvalid when a value may not stand here; the message names the
  // placeholder, never the value.
  Result<std::optional<std::string>> expand(Spot spot, const Lookup& lookup) const;

 private:
  std::vector<Part> parts_;
};

}  // namespace tieline::connect
