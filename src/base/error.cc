#include "base/error.h"

namespace tieline {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not found";
    case Code::kConflict: return "conflict";
    case Code::kUnavailable: return "unavailable";
    case Code::kTimeout: return "timeout";
    case Code::kFull: return "full";
    case Code::kTooLarge: return "too large";
    case Code::kCorrupt: return "corrupt";
    case Code::kDenied: return "denied";
    case Code::kUnsupported: return "unsupported";
    case Code::kInternal: return "internal";
  }
  return "unknown";
}

std::string Place::text() const {
  std::string out = file;
  if (line == 0) return out;
  if (!out.empty()) out += ':';
  out += std::to_string(line);
  if (column != 0) out += ':' + std::to_string(column);
  return out;
}

std::string Error::text() const {
  std::string out = place.text();
  if (!out.empty()) out += ": ";
  return out + "error: " + message;
}

Error Error::in(std::string_view context) && {
  message.insert(0, std::string(context) + ": ");
  return std::move(*this);
}

Error Error::at(Place where) && {
  place = std::move(where);
  return std::move(*this);
}

}  // namespace tieline
