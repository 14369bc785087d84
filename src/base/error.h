// What went wrong, as a value: a code on which the engine acts, a sentence for a person and, where it helps, a place.
// It must never carry a secret: an Error is printed, logged and journaled as it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tieline {

// Codes exist only where a caller acts differently on them.
enum class Code : std::uint8_t {
  kInvalid,      // the input is wrong; repeating it cannot help
  kNotFound,     // the thing does not exist
  kConflict,     // a compare-and-set lost, or other content stands under the same id
  kUnavailable,  // not now, perhaps later: refused, overloaded, shutting down, the store refuses after a failed fsync
  kTimeout,      // the deadline passed; whether it happened may be unknown
  kFull,         // a named bound is reached
  kTooLarge,     // one item is over its named limit
  kCorrupt,      // stored bytes fail their check
  kDenied,       // a signature, credential or address rule refuses it
  kUnsupported,  // known, and not available in this version
  kInternal,     // a fault of this program or of the machine (I/O error)
};

// "invalid", "not found", …: for messages and JSON; stable.
std::string_view code_name(Code code);

// A position in a text that a person wrote. Lines and columns count from 1; 0 means unknown.
struct Place {
  std::string file;
  std::uint32_t line = 0;
  std::uint32_t column = 0;

  // "file:line:col", without the parts that are unknown.
  std::string text() const;
  bool known() const { return !file.empty() || line != 0; }
  friend bool operator==(const Place&, const Place&) = default;
};

struct [[nodiscard]] Error {
  Code code = Code::kInternal;
  std::string message;  // one sentence: what, and what to do; no trailing full stop
  Place place;

  // "file:line:col: error: message", or "error: message" without a place.
  std::string text() const;
  // The same error with `context` and ": " before the message.
  Error in(std::string_view context) &&;
  Error at(Place where) &&;
  friend bool operator==(const Error&, const Error&) = default;
};

}  // namespace tieline
