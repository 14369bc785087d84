#include "json/libjq_value.h"

#include <climits>

#include "base/check.h"
#include "base/text.h"
#include "json/node.h"

namespace tieline::json {
namespace {

constexpr std::size_t kDepthMax = ParseLimits{}.depth_max;
constexpr std::size_t kErrorBytesMax = 4096;

bool plain_name(std::string_view key) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  for (const char c : key) {
    if (!letter(c) && !(c >= '0' && c <= '9')) return false;
  }
  return !key.empty() && letter(key.front());
}

std::string member_path(const std::string& path, std::string_view key) {
  const std::string base = path == "." ? "" : path;
  return plain_name(key) ? base + '.' + std::string(key) : base + ".[" + print(make_string(key).root()) + ']';
}

jv jv_text(std::string_view text) {
  CHECK(text.size() <= INT_MAX);
  return jv_string_sized(text.data(), static_cast<int>(text.size()));
}

class Reading {
 public:
  Reading(std::size_t bytes_max, std::size_t& bytes) : bytes_max_(bytes_max), bytes_(bytes) {}

  Result<Document> run(jv value) {
    const bool well = add(value, 0);
    jv_free(value);
    if (!well) return failure(Code::kTooLarge, std::move(message_));
    return builder_.finish();
  }

 private:
  // Borrows `value`.
  bool add(jv value, std::size_t depth) {
    switch (jv_get_kind(value)) {
      case JV_KIND_TRUE: builder_.boolean(true); return counted(4);
      case JV_KIND_FALSE: builder_.boolean(false); return counted(5);
      case JV_KIND_NUMBER: builder_.real(jv_number_value(value)); return counted(8);
      case JV_KIND_STRING: {
        const std::string_view text = view(value);
        if (!counted(text.size() + 2)) return false;
        builder_.string(text);
        return true;
      }
      case JV_KIND_ARRAY: return entered(depth) && array(value, depth + 1);
      case JV_KIND_OBJECT: return entered(depth) && object(value, depth + 1);
      default: builder_.null(); return counted(4);
    }
  }

  bool array(jv value, std::size_t depth) {
    builder_.begin_array();
    const int count = jv_array_length(jv_copy(value));
    for (int i = 0; i < count; ++i) {
      const jv element = jv_array_get(jv_copy(value), i);
      const bool well = add(element, depth);
      jv_free(element);
      if (!well) return false;
    }
    builder_.end_array();
    return true;
  }

  bool object(jv value, std::size_t depth) {
    builder_.begin_object();
    for (int i = jv_object_iter(value); jv_object_iter_valid(value, i); i = jv_object_iter_next(value, i)) {
      const jv key = jv_object_iter_key(value, i);
      const jv member = jv_object_iter_value(value, i);
      const std::string_view name = view(key);
      bool well = counted(name.size() + 4);
      if (well) {
        builder_.key(name);
        well = add(member, depth);
      }
      jv_free(key);
      jv_free(member);
      if (!well) return false;
    }
    builder_.end_object();
    return true;
  }

  static std::string_view view(jv text) {
    return {jv_string_value(text), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(text)))};
  }

  bool counted(std::size_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= bytes_max_) return true;
    message_ = "the program's output is larger than " + std::to_string(bytes_max_) + " bytes";
    return false;
  }

  bool entered(std::size_t depth) {
    if (depth < kDepthMax) return counted(2);
    message_ = "the program's output is nested deeper than " + std::to_string(kDepthMax) + " levels";
    return false;
  }

  std::size_t bytes_max_;
  std::size_t& bytes_;
  std::string message_;
  Builder builder_;
};

}  // namespace

std::optional<std::string> inexact_number(Value value, const std::string& path) {
  switch (value.kind()) {
    case Kind::kNumber:
      if ((value.node()->flags & Node::kInexact) == 0) return std::nullopt;
      return std::string(value.number_text()) + " at " + path;
    case Kind::kArray:
      for (std::size_t i = 0; i < value.size(); ++i) {
        if (auto found = inexact_number(value.at(i), path + '[' + std::to_string(i) + ']')) return found;
      }
      return std::nullopt;
    case Kind::kObject:
      for (const auto [key, member] : value.members()) {
        if (auto found = inexact_number(member, member_path(path, key))) return found;
      }
      return std::nullopt;
    default: return std::nullopt;
  }
}

jv to_jv(Value value) {
  switch (value.kind()) {
    case Kind::kNull: return jv_null();
    case Kind::kBool: return jv_bool(value.as_bool() ? 1 : 0);
    case Kind::kNumber: return jv_number(value.as_double());
    case Kind::kString: return jv_text(value.as_string());
    case Kind::kArray: {
      jv array = jv_array_sized(static_cast<int>(value.size()));
      for (const Value element : value.elements()) array = jv_array_append(array, to_jv(element));
      return array;
    }
    case Kind::kObject: {
      jv object = jv_object();
      for (const auto [key, member] : value.members()) object = jv_object_set(object, jv_text(key), to_jv(member));
      return object;
    }
  }
  return jv_null();
}

Result<Document> from_jv(jv value, std::size_t bytes_max, std::size_t& bytes) {
  return Reading(bytes_max, bytes).run(value);
}

std::string error_text(jv message) {
  std::string text;
  if (jv_get_kind(message) == JV_KIND_STRING) {
    text.assign(jv_string_value(message), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(message))));
    jv_free(message);
  } else {
    const jv dumped = jv_dump_string(message, 0);
    text = jv_string_value(dumped);
    jv_free(dumped);
  }
  return truncated(text, kErrorBytesMax);
}

}  // namespace tieline::json
