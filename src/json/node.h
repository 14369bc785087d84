// The memory of a document: 16-byte nodes, members, and the arena they live in; private to src/json.
// A node must never own anything: whatever it points to lives in the arena or in the body that the document keeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "json/value.h"

namespace tieline::json {

// No document is deeper than this, whatever the caller's limit: printing, copying and comparing recurse.
inline constexpr std::size_t kDepthCap = 4096;
// Objects with more members than this carry a sorted index behind them.
inline constexpr std::size_t kIndexAbove = 32;

struct Node {
  enum Flag : std::uint8_t {
    kTrue = 1,      // kBool: the value
    kPlain = 2,     // kString: prints as it is, between quotes
    kInteger = 4,   // kNumber: digits only, perhaps a minus
    kInexact = 8,   // kNumber: a double cannot hold it
    kIndexed = 16,  // kObject: `length` sorted positions (uint32) stand behind the members
    // Only while a program runs (src/json/jq), never in a document:
    kHeaded = 1,  // kArray, kObject, with kRun: an owner stands before it (accumulate.cc)
    kRun = 32,    // kArray, kObject: made by the run or by the program, so a result must copy it
    kInt64 = 64,  // kNumber: `integer` holds it, there is no text
    kReal = 128,  // kNumber: `real` holds it, there is no text
  };
  Kind kind = Kind::kNull;
  std::uint8_t flags = 0;
  std::uint16_t unused = 0;
  std::uint32_t length = 0;  // bytes, elements or members
  union {
    const char* text = nullptr;  // kString (decoded), kNumber (as written)
    const Node* elements;
    const Member* members;
    std::int64_t integer;
    double real;
  };

  std::string_view view() const { return {text, length}; }
};

struct Member {
  Node key;
  Node value;
};
static_assert(sizeof(Node) == 16 && sizeof(Member) == 32);

inline const std::uint32_t* index_of(const Node& object) {
  return reinterpret_cast<const std::uint32_t*>(object.members + object.length);
}

inline Node string_node(std::string_view text, bool plain) {
  Node node{.kind = Kind::kString,
            .flags = static_cast<std::uint8_t>(plain ? Node::kPlain : 0),
            .length = static_cast<std::uint32_t>(text.size())};
  node.text = text.data();
  return node;
}

// Bump allocation in growing chunks; freed as one.
class Arena {
 public:
  explicit Arena(std::size_t first_bytes) : next_bytes_(first_bytes) {}
  // Begins in memory that it does not own and that outlives it.
  Arena(char* first, std::size_t first_bytes) : at_(first), end_(first + first_bytes), next_bytes_(first_bytes * 4) {}
  ~Arena() {
    while (chunks_ != nullptr) std::free(std::exchange(chunks_, chunks_->before));
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Aligned for nodes; a new chunk is.
  void* nodes(std::size_t bytes) {
    const std::size_t skip = (0 - reinterpret_cast<std::uintptr_t>(at_)) % alignof(Node);
    if (skip + bytes > static_cast<std::size_t>(end_ - at_)) [[unlikely]] {
      grow(bytes);
    } else {
      at_ += skip;
    }
    return std::exchange(at_, at_ + bytes);
  }
  char* bytes(std::size_t count) { return static_cast<char*>(take(count)); }
  // Gives back the end of the last allocation.
  void give_back(std::size_t count) { at_ -= count; }
  // Begins anew in its last chunk: everything allocated before is gone. For an arena without memory of its caller's.
  void rewind();
  // What it took from the system so far.
  std::size_t reserved() const { return reserved_; }
  // Makes the last allocation, which ends at `end`, longer where there is room behind it.
  bool extend(const void* end, std::size_t by) {
    if (end != at_ || by > static_cast<std::size_t>(end_ - at_)) return false;
    at_ += by;
    return true;
  }

 private:
  struct Chunk {
    Chunk* before;
    std::uint64_t align;
  };

  void* take(std::size_t count) {
    if (count > static_cast<std::size_t>(end_ - at_)) [[unlikely]]
      grow(count);
    return std::exchange(at_, at_ + count);
  }
  void grow(std::size_t count);

  Chunk* chunks_ = nullptr;
  char* at_ = nullptr;
  char* end_ = nullptr;
  std::size_t next_bytes_;
  std::size_t reserved_ = 0;
};

// The nodes of the containers that are still open: on the machine's stack until it is too small.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch() {
    if (base_ != inline_) std::free(base_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Node& push() {
    if (size_ == capacity_) [[unlikely]]
      grow();
    return base_[size_++];
  }
  Node* from(std::size_t position) { return base_ + position; }
  std::size_t size() const { return size_; }
  void shrink(std::size_t to) { size_ = to; }

 private:
  static constexpr std::size_t kInline = 256;
  void grow();

  // Raw: constructing 256 nodes for each document would cost more than parsing a small one.
  alignas(Node) char raw_[kInline * sizeof(Node)];
  Node* inline_ = reinterpret_cast<Node*>(raw_);
  Node* base_ = inline_;
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
};

// Moves the nodes above `start` into `arena` as an array; or, in pairs of key and value, as an object, where of equal
// keys the first one's position and the last one's value stay (as jq does).
Node close_array(Scratch& scratch, std::size_t start, Arena& arena);
Node close_object(Scratch& scratch, std::size_t start, Arena& arena);

// Makes the keys of `members` unique as close_object does; `order` becomes their sorted positions where there are more
// than kIndexAbove. Returns how many remain.
std::size_t unite_members(Member* members, std::size_t count, std::vector<std::uint32_t>& order);

// The member of that key, or null.
const Member* find_member(const Node& object, std::string_view key);

// True if the text can stand between quotes as it is.
bool is_plain(std::string_view text);

// Printing a value of a run, whose numbers may have no text, and which may be deeper than a document, or by sharing
// its parts far larger than the run's memory. Appends; unless all is well, what was appended is worth nothing.
enum class Printed : std::uint8_t { kWell, kTooLarge, kTooDeep };
Printed print_bounded(std::string& out, const Node& node, const PrintStyle& style, std::size_t bytes_max);

inline const Node kNullNode{};

}  // namespace tieline::json
