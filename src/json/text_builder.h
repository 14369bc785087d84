// Writes compact JSON text piece by piece, for what is only ever stored or sent: no document is made on the way.
// What it writes always parses, as long as the calls are in an order that makes a value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "json/value.h"

namespace tieline::json {

class TextBuilder {
 public:
  TextBuilder& begin_object() { return open('{'); }
  TextBuilder& end_object() { return close('}'); }
  TextBuilder& begin_array() { return open('['); }
  TextBuilder& end_array() { return close(']'); }
  // Keys are the program's own: they must be unique and need no escapes.
  TextBuilder& key(std::string_view name);
  TextBuilder& string(std::string_view text);  // invalid UTF-8 becomes U+FFFD
  TextBuilder& integer(std::int64_t value);
  TextBuilder& boolean(bool value);
  TextBuilder& copy(Value value);

  // Makes room for that many bytes more: for whoever knows what is to come.
  TextBuilder& reserve(std::size_t bytes) {
    text_.reserve(text_.size() + bytes);
    return *this;
  }
  // Leaves the builder empty and usable.
  std::string finish();

 private:
  TextBuilder& open(char bracket);
  TextBuilder& close(char bracket);
  void separate() {
    if (comma_) text_ += ',';
    comma_ = true;
  }

  std::string text_;
  bool comma_ = false;  // the next value or key stands behind another one
};

}  // namespace tieline::json
