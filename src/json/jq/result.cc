#include "json/jq/result.h"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kDepthMax = ParseLimits{}.depth_max;
// A part of an input that has more nodes is held on to rather than copied.
constexpr std::size_t kCopiedNodes = 256;
constexpr std::size_t kCopiedBytes = 4096;
constexpr std::size_t kRealTextMax = 34;  // -, 17 digits and up to 15 zeros behind them

// The memory of a result: one block, the nodes first and the texts behind them; and the documents that it points into,
// where there are any.
struct Block {
  alignas(Node) std::byte bytes[sizeof(Node)];
};
struct Holding {
  std::shared_ptr<Block[]> block;
  std::vector<Document> kept;
};

// Measures, and then copies by the same rules.
class Copy {
 public:
  Copy(std::size_t bytes_left, const RunLimits& limits) : bytes_left_(bytes_left), limits_(limits) {}

  bool measure(const Node& node, std::size_t depth) {
    switch (node.kind) {
      case Kind::kNumber: {
        // Writing a double out costs too much to do it twice.
        NumberText buffer;
        const std::size_t size = (node.flags & Node::kReal) != 0 ? kRealTextMax : number_text(node, buffer).size();
        texts_ += size;
        if ((node.flags & Node::kInexact) != 0) inexact_ = true;
        return printed(size);
      }
      case Kind::kString: texts_ += node.length; return printed(node.length + 2);
      case Kind::kArray: {
        if (depth == kDepthMax) return too_deep();
        if (held(node, depth)) return well_;
        nodes_ += node.length;
        if (!printed(2 + node.length)) return false;
        for (const Node& element : elements_of(node)) {
          if (!measure(element, depth + 1)) return false;
        }
        return true;
      }
      case Kind::kObject: {
        if (depth == kDepthMax) return too_deep();
        if (held(node, depth)) return well_;
        nodes_ += std::size_t{node.length} * 2;
        if (node.length > kIndexAbove) nodes_ += node.length / 4 + 1;
        if (!printed(2 + std::size_t{node.length} * 4)) return false;
        for (const Member& m : members_of(node)) {
          texts_ += m.key.length;
          if (!printed(m.key.length) || !measure(m.value, depth + 1)) return false;
        }
        return true;
      }
      default: return printed(4);
    }
  }

  Result<Document> run(const Machine& machine, const Node& root) {
    if (!measure(root, 0)) return failure(tieline::Code::kTooLarge, std::move(message_));
    auto block = std::make_shared_for_overwrite<Block[]>(nodes_ + 1 + (texts_ + sizeof(Block) - 1) / sizeof(Block));
    node_at_ = reinterpret_cast<Node*>(block.get());
    text_at_ = reinterpret_cast<char*>(node_at_ + nodes_ + 1);
    Node* const top = node_at_++;
    new (top) Node(copied(root));
    if (!holds_) return Document(std::move(block), Value(top), inexact_);
    auto holding = std::make_shared<Holding>(Holding{std::move(block), machine.documents()});
    if (!inexact_) {
      const bool possible = std::any_of(holding->kept.begin(), holding->kept.end(),
                                        [](const Document& d) { return d.has_inexact_numbers(); });
      if (possible) inexact_ = Document(nullptr, Value(top), true).part(Value(top)).has_inexact_numbers();
    }
    return Document(std::move(holding), Value(top), inexact_);
  }

  std::size_t bytes_left() const { return bytes_left_; }

 private:
  bool printed(std::size_t bytes) {
    if (bytes <= bytes_left_) {
      bytes_left_ -= bytes;
      return true;
    }
    message_ = "the program's output is larger than " + std::to_string(limits_.output_bytes_max) + " bytes";
    return false;
  }
  bool too_deep() {
    message_ = "the program's output is nested deeper than " + std::to_string(kDepthMax) + " levels";
    return false;
  }

  // True for a large part of a document; then it is measured, too.
  bool held(const Node& node, std::size_t depth) {
    well_ = true;
    if ((node.flags & Node::kRun) != 0 || !is_large(node)) return false;
    holds_ = true;
    well_ = measure_held(node, depth);
    return true;
  }
  static bool is_large(const Node& node) {
    std::size_t nodes = 0, bytes = 0;
    return !small(node, nodes, bytes);
  }
  static bool small(const Node& node, std::size_t& nodes, std::size_t& bytes) {
    if (++nodes > kCopiedNodes || bytes > kCopiedBytes) return false;
    if (node.kind == Kind::kString || node.kind == Kind::kNumber) bytes += node.length;
    if (node.kind == Kind::kArray) {
      for (const Node& element : elements_of(node)) {
        if (!small(element, nodes, bytes)) return false;
      }
    }
    if (node.kind == Kind::kObject) {
      for (const Member& m : members_of(node)) {
        bytes += m.key.length;
        if (!small(m.value, nodes, bytes)) return false;
      }
    }
    return bytes <= kCopiedBytes;
  }
  bool measure_held(const Node& node, std::size_t depth) {
    switch (node.kind) {
      case Kind::kString: return printed(node.length + 2);
      case Kind::kNumber: return printed(node.length);
      case Kind::kArray:
        if (depth == kDepthMax) return too_deep();
        if (!printed(2 + node.length)) return false;
        for (const Node& element : elements_of(node)) {
          if (!measure_held(element, depth + 1)) return false;
        }
        return true;
      case Kind::kObject:
        if (depth == kDepthMax) return too_deep();
        if (!printed(2 + std::size_t{node.length} * 4)) return false;
        for (const Member& m : members_of(node)) {
          if (!printed(m.key.length) || !measure_held(m.value, depth + 1)) return false;
        }
        return true;
      default: return printed(4);
    }
  }

  std::string_view put(std::string_view text) {
    char* const to = text_at_;
    if (!text.empty()) std::memcpy(to, text.data(), text.size());
    text_at_ += text.size();
    return {to, text.size()};
  }
  Node text(const Node& node) {
    const bool plain = (node.flags & Node::kPlain) != 0 || is_plain(node.view());
    return string_node(put(node.view()), plain);
  }

  Node copied(const Node& node) {
    switch (node.kind) {
      case Kind::kString: return text(node);
      case Kind::kNumber: {
        NumberText buffer;
        const std::string_view written = number_text(node, buffer);
        if (written == "null") return Node{};  // NaN
        Node number{.kind = Kind::kNumber, .length = static_cast<std::uint32_t>(written.size())};
        if ((node.flags & (Node::kInt64 | Node::kReal)) == 0) {
          number.flags = node.flags & (Node::kInteger | Node::kInexact);
        } else {
          if (written.find_first_of(".e") == std::string_view::npos) number.flags |= Node::kInteger;
          if (written.size() > 15 && is_inexact(written)) {
            number.flags |= Node::kInexact;
            inexact_ = true;
          }
        }
        number.text = put(written).data();
        return number;
      }
      case Kind::kArray: {
        if ((node.flags & Node::kRun) == 0 && is_large(node)) return node;
        Node array{.kind = Kind::kArray, .length = node.length};
        Node* const elements = std::exchange(node_at_, node_at_ + node.length);
        array.elements = elements;
        for (std::size_t i = 0; i < node.length; ++i) new (elements + i) Node(copied(node.elements[i]));
        return array;
      }
      case Kind::kObject: {
        if ((node.flags & Node::kRun) == 0 && is_large(node)) return node;
        Node object{.kind = Kind::kObject, .length = node.length};
        auto* const members = reinterpret_cast<Member*>(node_at_);
        node_at_ += std::size_t{node.length} * 2;
        auto* const index = reinterpret_cast<std::uint32_t*>(node_at_);
        if (node.length > kIndexAbove) {
          object.flags = Node::kIndexed;
          node_at_ += node.length / 4 + 1;
        }
        object.members = members;
        for (std::size_t i = 0; i < node.length; ++i) {
          const Node key = text(node.members[i].key);
          new (members + i) Member{key, copied(node.members[i].value)};
        }
        if ((node.flags & Node::kIndexed) != 0) {
          std::memcpy(index, index_of(node), node.length * sizeof(std::uint32_t));
        } else if (node.length > kIndexAbove) {  // accumulated, and never read by key
          std::vector<std::uint32_t> order;
          unite_members(members, node.length, order);
          std::memcpy(index, order.data(), order.size() * sizeof(std::uint32_t));
        }
        return object;
      }
      default: return node;
    }
  }

  std::size_t bytes_left_;
  const RunLimits& limits_;
  std::size_t nodes_ = 0;
  std::size_t texts_ = 0;
  bool holds_ = false;
  bool inexact_ = false;
  bool well_ = true;
  std::string message_;
  Node* node_at_ = nullptr;
  char* text_at_ = nullptr;
};

}  // namespace

Result<Document> to_document(const Machine& machine, Node value, std::size_t& bytes_left, const RunLimits& limits) {
  Copy copy(bytes_left, limits);
  auto document = copy.run(machine, value);
  bytes_left = copy.bytes_left();
  return document;
}

bool put_scalar(Builder& out, const Node& value, const RunLimits& limits) {
  const auto fits = [&](std::string_view text) { return text.size() + 2 <= limits.output_bytes_max; };
  switch (value.kind) {
    case Kind::kNull:
    case Kind::kBool: out.copy(Value(&value)); return true;
    case Kind::kString: {
      if (!fits(value.view())) return false;
      const Node text = string_node(value.view(), (value.flags & Node::kPlain) != 0 || is_plain(value.view()));
      out.copy(Value(&text));
      return true;
    }
    case Kind::kNumber: {
      NumberText buffer;
      const std::string_view text = number_text(value, buffer);
      if (!fits(text)) return false;
      const bool computed = (value.flags & (Node::kInt64 | Node::kReal)) != 0;
      if (text == "null") {  // NaN
        out.null();
      } else {
        computed ? out.number(text) : out.copy(Value(&value));
      }
      return true;
    }
    case Kind::kArray:
    case Kind::kObject: return false;
  }
  return false;
}

}  // namespace tieline::json::jq
