#include <utility>
#include <vector>

#include "json/node.h"
#include "json/number.h"
#include "json/scan.h"

namespace tieline::json {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The first byte that does not begin a valid character.
const char* skip_valid(const char* at, const char* end) {
  while (at != end) {
    if (static_cast<unsigned char>(*at) < 0x80) {
      ++at;
      continue;
    }
    const std::size_t length = utf8_character(at, end);
    if (length == 0) return at;
    at += length;
  }
  return at;
}

std::string repaired(std::string_view text) {
  std::string out;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    const char* const stop = skip_valid(at, end);
    out.append(at, stop);
    at = stop;
    if (at == end) break;
    out += kReplacement;
    ++at;
  }
  return out;
}

}  // namespace

struct Builder::State {
  struct Frame {
    std::size_t start;
    bool object;
  };

  // Where the next value goes. In an object a key must stand before it.
  Node& place() {
    if (frames.empty()) {
      CHECK(scratch.size() == 0);  // a second root
    } else if (frames.back().object) {
      CHECK((scratch.size() - frames.back().start) % 2 == 1);  // a value where a key belongs
    }
    return scratch.push();
  }

  std::string_view kept(std::string_view text) {
    if (text.empty()) return "";
    CHECK(text.size() <= 0xFFFF'FFFFu);
    char* const copy = arena->bytes(text.size());
    std::memcpy(copy, text.data(), text.size());
    return {copy, text.size()};
  }

  Node string(std::string_view text) {
    if (skip_valid(text.data(), text.data() + text.size()) != text.data() + text.size()) {
      const std::string valid = repaired(text);
      return string_node(kept(valid), is_plain(valid));
    }
    return string_node(kept(text), is_plain(text));
  }

  Node number(std::string_view text) {
    Node node{.kind = Kind::kNumber, .length = static_cast<std::uint32_t>(text.size())};
    if (text.find_first_of(".eE") == std::string_view::npos) node.flags |= Node::kInteger;
    if (is_inexact(text)) {
      node.flags |= Node::kInexact;
      inexact = true;
    }
    node.text = kept(text).data();
    return node;
  }

  void open(bool object) {
    CHECK(frames.size() < kDepthCap);
    if (frames.empty()) {
      CHECK(scratch.size() == 0);
    } else if (frames.back().object) {
      CHECK((scratch.size() - frames.back().start) % 2 == 1);
    }
    frames.push_back({scratch.size(), object});
  }

  void close(bool object) {
    CHECK(!frames.empty() && frames.back().object == object);
    const std::size_t start = frames.back().start;
    frames.pop_back();
    CHECK(!object || (scratch.size() - start) % 2 == 0);  // a key without a value
    const Node node = object ? close_object(scratch, start, *arena) : close_array(scratch, start, *arena);
    scratch.push() = node;
  }

  std::shared_ptr<Arena> arena = std::make_shared<Arena>(256);
  Scratch scratch;
  std::vector<Frame> frames;
  bool inexact = false;
};

Builder::Builder() : state_(std::make_unique<State>()) {}
Builder::~Builder() = default;
Builder::Builder(Builder&&) noexcept = default;
Builder& Builder::operator=(Builder&&) noexcept = default;

Builder& Builder::null() {
  state_->place() = Node{};
  return *this;
}

Builder& Builder::boolean(bool value) {
  state_->place() = Node{.kind = Kind::kBool, .flags = static_cast<std::uint8_t>(value ? Node::kTrue : 0)};
  return *this;
}

Builder& Builder::integer(std::int64_t value) {
  const Node node = state_->number(std::to_string(value));
  state_->place() = node;
  return *this;
}

Builder& Builder::real(double value) {
  const std::string text = shortest_text(value);
  if (text == "null") return null();
  const Node node = state_->number(text);
  state_->place() = node;
  return *this;
}

Builder& Builder::number(std::string_view text) {
  CHECK(is_json_number(text));
  const Node node = state_->number(text);
  state_->place() = node;
  return *this;
}

Builder& Builder::string(std::string_view text) {
  const Node node = state_->string(text);
  state_->place() = node;
  return *this;
}

Builder& Builder::copy(Value value) {
  switch (value.kind()) {
    case Kind::kNull: return null();
    case Kind::kBool: return boolean(value.as_bool());
    case Kind::kNumber: {
      const Node node = state_->number(value.number_text());
      state_->place() = node;
      return *this;
    }
    case Kind::kString: {
      const Node node = string_node(state_->kept(value.as_string()), (value.node()->flags & Node::kPlain) != 0);
      state_->place() = node;
      return *this;
    }
    case Kind::kArray:
      begin_array();
      for (const Value element : value.elements()) copy(element);
      return end_array();
    case Kind::kObject:
      begin_object();
      for (const auto [name, member] : value.members()) {
        key(name);
        copy(member);
      }
      return end_object();
  }
  return *this;
}

Builder& Builder::begin_array() {
  state_->open(false);
  return *this;
}

Builder& Builder::end_array() {
  state_->close(false);
  return *this;
}

Builder& Builder::begin_object() {
  state_->open(true);
  return *this;
}

Builder& Builder::key(std::string_view text) {
  CHECK(!state_->frames.empty() && state_->frames.back().object);
  CHECK((state_->scratch.size() - state_->frames.back().start) % 2 == 0);  // two keys in a row
  const Node node = state_->string(text);
  state_->scratch.push() = node;
  return *this;
}

Builder& Builder::end_object() {
  state_->close(true);
  return *this;
}

Document Builder::finish() {
  CHECK(state_->frames.empty() && state_->scratch.size() == 1);
  auto* const root = static_cast<Node*>(state_->arena->nodes(sizeof(Node)));
  *root = *state_->scratch.from(0);
  Document document(std::exchange(state_->arena, std::make_shared<Arena>(256)), Value(root), state_->inexact);
  state_->scratch.shrink(0);
  state_->inexact = false;
  return document;
}

Document make_string(std::string_view text) { return Builder().string(text).finish(); }
Document make_bool(bool value) { return Builder().boolean(value).finish(); }
Document make_integer(std::int64_t value) { return Builder().integer(value).finish(); }

}  // namespace tieline::json
