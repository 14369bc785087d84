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

  Arena& memory() {
    if (arena == nullptr) arena = std::make_shared<Arena>(512);
    return *arena;
  }

  std::string_view kept(std::string_view text) {
    if (text.empty()) return "";
    CHECK(text.size() <= 0xFFFF'FFFFu);
    char* const copy = memory().bytes(text.size());
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
    const Node node = object ? close_object(scratch, start, memory()) : close_array(scratch, start, memory());
    scratch.push() = node;
  }

  // What a document holds is valid already, and its keys are unique: nothing is looked at again.
  Node copied(const Node& node) {
    Node out = node;
    switch (node.kind) {
      case Kind::kNumber:
        if ((node.flags & Node::kInexact) != 0) inexact = true;
        [[fallthrough]];
      case Kind::kString: out.text = kept(node.view()).data(); return out;
      case Kind::kArray: {
        auto* const elements = static_cast<Node*>(memory().nodes(node.length * sizeof(Node)));
        for (std::uint32_t i = 0; i < node.length; ++i) new (elements + i) Node(copied(node.elements[i]));
        out.elements = elements;
        return out;
      }
      case Kind::kObject: {
        const std::size_t index_bytes = (node.flags & Node::kIndexed) != 0 ? node.length * sizeof(std::uint32_t) : 0;
        auto* const members = static_cast<Member*>(memory().nodes(node.length * sizeof(Member) + index_bytes));
        for (std::uint32_t i = 0; i < node.length; ++i) {
          const Node key = copied(node.members[i].key);
          new (members + i) Member{key, copied(node.members[i].value)};
        }
        if (index_bytes != 0) std::memcpy(static_cast<void*>(members + node.length), index_of(node), index_bytes);
        out.members = members;
        return out;
      }
      default: return out;
    }
  }

  std::shared_ptr<Arena> arena;  // made when something has to be kept
  Scratch scratch;
  std::vector<Frame> frames;
  std::vector<Document> shared;
  bool inexact = false;
};

namespace {

// A builder's working memory is a few kilobytes, and most builders make one small document: threads keep some.
template <class State>
class Spare {
 public:
  static std::unique_ptr<State> take() {
    if (states().empty()) return std::make_unique<State>();
    std::unique_ptr<State> state = std::move(states().back());
    states().pop_back();
    return state;
  }
  static void give(std::unique_ptr<State> state) {
    if (state == nullptr || states().size() >= kMax) return;
    state->arena.reset();
    state->scratch.shrink(0);
    state->frames.clear();
    state->shared.clear();
    state->inexact = false;
    states().push_back(std::move(state));
  }

 private:
  static constexpr std::size_t kMax = 4;
  static std::vector<std::unique_ptr<State>>& states() {
    thread_local std::vector<std::unique_ptr<State>> all;
    return all;
  }
};

struct SharedStorage {
  std::shared_ptr<Arena> arena;
  std::vector<Document> documents;
};

}  // namespace

Builder::Builder() : state_(Spare<State>::take()) {}
Builder::~Builder() { Spare<State>::give(std::move(state_)); }
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
  const Node node = state_->copied(*value.node());
  state_->place() = node;
  return *this;
}

Builder& Builder::share(const Document& document) {
  const Value root = document.root();
  if (!root.is_array() && !root.is_object()) return copy(root);
  state_->place() = *root.node();
  state_->shared.push_back(document);
  if (document.has_inexact_numbers()) state_->inexact = true;
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
  auto* const root = static_cast<Node*>(state_->memory().nodes(sizeof(Node)));
  *root = *state_->scratch.from(0);
  state_->scratch.shrink(0);
  const bool inexact = std::exchange(state_->inexact, false);
  auto arena = std::exchange(state_->arena, nullptr);
  if (state_->shared.empty()) return Document(std::move(arena), Value(root), inexact);
  SharedStorage both{std::move(arena), std::exchange(state_->shared, {})};
  return Document(std::make_shared<SharedStorage>(std::move(both)), Value(root), inexact);
}

Document make_string(std::string_view text) { return Builder().string(text).finish(); }
Document make_bool(bool value) { return Builder().boolean(value).finish(); }
Document make_integer(std::int64_t value) { return Builder().integer(value).finish(); }

}  // namespace tieline::json
