// The machine's memory, limits and errors.
#include "json/jq/machine.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "json/jq/values.h"

namespace tieline::json::jq {
namespace {

constexpr std::size_t kStackMax = 6u << 20;
constexpr std::size_t kStackKept = 256u << 10;  // for what runs below the last check
constexpr std::size_t kErrorBytesMax = 4096;
// What a message shows of a value.
constexpr std::size_t kShown = 29;

// The lowest address of this thread's stack.
std::uintptr_t stack_begin() {
  static thread_local const std::uintptr_t begin = [] {
    pthread_attr_t attributes;
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    void* address = nullptr;
    std::size_t size = 0;
    CHECK(pthread_attr_getstack(&attributes, &address, &size) == 0);
    pthread_attr_destroy(&attributes);
    return reinterpret_cast<std::uintptr_t>(address);
  }();
  return begin;
}

}  // namespace

Machine::Machine(const RunLimits& limits, std::string_view zone)
    : limits_(limits),
      zone_(zone),
      arena_(first_, sizeof first_),
      steps_left_(static_cast<std::int64_t>(limits.steps_max)) {
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t lowest = stack_begin() + kStackKept;
  stack_end_ = std::max(lowest, here > kStackMax ? here - kStackMax : 0);
}

Machine::~Machine() {
  while (frame_chunk_ != nullptr) std::free(std::exchange(frame_chunk_, frame_chunk_->before));
}

Frame* Machine::new_frame(Frame* parent, std::uint32_t slots) {
  const std::size_t bytes = sizeof(Frame*) + 8 + slots * sizeof(Slot);
  if (bytes > static_cast<std::size_t>(frame_end_ - frame_at_)) [[unlikely]]
    grow_frames(bytes);
  auto* const frame = reinterpret_cast<Frame*>(std::exchange(frame_at_, frame_at_ + (bytes + 15) / 16 * 16));
  frame->parent = parent;
  return frame;
}

void Machine::grow_frames(std::size_t bytes) {
  const std::size_t size =
      std::max<std::size_t>(bytes + 64, std::clamp<std::size_t>(frame_bytes_ * 2, 2048, 1u << 20)) + sizeof(FrameChunk);
  auto* const chunk = static_cast<FrameChunk*>(std::malloc(size));
  CHECK(chunk != nullptr);
  chunk->before = frame_chunk_;
  chunk->end = reinterpret_cast<char*>(chunk) + size;
  frame_chunk_ = chunk;
  frame_at_ = reinterpret_cast<char*>(chunk + 1);
  frame_end_ = chunk->end;
  frame_bytes_ += size;
}

void Machine::release(FrameMark m) {
  while (frame_chunk_ != m.chunk) {
    FrameChunk* const gone = frame_chunk_;
    if (gone->before == nullptr && m.chunk == nullptr) {  // the first one is kept for the next frames
      frame_at_ = reinterpret_cast<char*>(gone + 1);
      return;
    }
    frame_chunk_ = gone->before;
    frame_bytes_ -= static_cast<std::size_t>(gone->end - reinterpret_cast<char*>(gone));
    frame_end_ = frame_chunk_ != nullptr ? frame_chunk_->end : nullptr;
    std::free(gone);
  }
  frame_at_ = m.at;
}

bool Machine::fail(Node error) {
  unwind_ = Unwind::kError;
  error_ = error;
  return false;
}

bool Machine::fail(std::string_view message) { return fail(text(message)); }

// What a message shows of a value: its JSON, cut.
bool Machine::quote(Node value, std::size_t limit, std::string& out) {
  std::string json;
  if (!tojson(value, json)) return false;
  if (json.size() <= limit) {
    out += json;
    return true;
  }
  const std::string_view close = is_string(value) ? "\"" : is_array(value) ? "]" : is_object(value) ? "}" : "";
  std::size_t cut = limit - 3 - close.size();
  while (cut != 0 && (static_cast<unsigned char>(json[cut]) & 0xC0) == 0x80) --cut;
  out.append(json, 0, cut);
  out += "...";
  out += close;
  return true;
}

bool Machine::fail_type(Node a, std::string_view what) {
  std::string message(kind_name(a.kind));
  message += " (";
  if (!quote(a, kShown, message)) return false;
  message += ") ";
  message += what;
  return fail(message);
}

bool Machine::fail_types(Node a, Node b, std::string_view what) {
  std::string message(kind_name(a.kind));
  message += " (";
  if (!quote(a, kShown, message)) return false;
  message += ") and ";
  message += kind_name(b.kind);
  message += " (";
  if (!quote(b, kShown, message)) return false;
  message += ") ";
  message += what;
  return fail(message);
}

bool Machine::fatal(tieline::Code code, std::string message) {
  unwind_ = Unwind::kFatal;
  fatal_ = Error{code, std::move(message), {}};
  return false;
}

bool Machine::out_of_steps() {
  return fatal(tieline::Code::kInvalid,
               "the program did not end within " + std::to_string(limits_.steps_max) + " steps");
}

bool Machine::too_deep() {
  fatal(tieline::Code::kInvalid, "the program recurses too deeply");
  return true;
}

bool Machine::room(std::size_t bytes) {
  if (bytes <= limits_.memory_bytes_max && arena_.reserved() + frame_bytes_ <= limits_.memory_bytes_max - bytes) {
    return true;
  }
  return fatal(tieline::Code::kTooLarge,
               "the program needs more than " + std::to_string(limits_.memory_bytes_max >> 20) + " MiB of memory");
}

Error Machine::error() const {
  if (unwind_ == Unwind::kFatal) return fatal_;
  if (unwind_ == Unwind::kBreak) return Error{tieline::Code::kInvalid, "the program failed: break", {}};
  std::string message = "the program failed: ";
  if (is_string(error_)) {
    message += truncated(error_.view(), kErrorBytesMax);
  } else {
    std::string json;
    Machine printer(RunLimits{});
    printer.tojson(error_, json);
    message += truncated(json, kErrorBytesMax);
  }
  return Error{tieline::Code::kInvalid, std::move(message), {}};
}

Node Machine::text(std::string_view bytes) {
  char* const copy = arena_.bytes(bytes.size());
  std::memcpy(copy, bytes.data(), bytes.size());
  return text_in_place(copy, bytes.size());
}

Node Machine::text_in_place(const char* bytes, std::size_t size) {
  CHECK(size <= 0xFFFF'FFFFu);
  Node node{.kind = Kind::kString, .length = static_cast<std::uint32_t>(size)};
  node.text = bytes;
  return node;
}

Node Machine::array_in_place(const Node* elements, std::size_t count) {
  Node node{.kind = Kind::kArray, .flags = Node::kRun, .length = static_cast<std::uint32_t>(count)};
  node.elements = elements;
  return node;
}

Node Machine::array(std::span<const Node> elements) {
  Node* const copy = nodes(elements.size());
  if (!elements.empty()) std::memcpy(static_cast<void*>(copy), elements.data(), elements.size_bytes());
  return array_in_place(copy, elements.size());
}

Node Machine::object(Member* members, std::size_t count) {
  Node node{.kind = Kind::kObject, .flags = Node::kRun};
  std::vector<std::uint32_t> order;
  count = unite_members(members, count, order);
  node.members = members;
  node.length = static_cast<std::uint32_t>(count);
  if (!order.empty()) {
    const std::size_t bytes = count * sizeof(Member);
    char* const place = static_cast<char*>(arena_.nodes(bytes + order.size() * sizeof(std::uint32_t)));
    std::memcpy(place, static_cast<const void*>(members), bytes);
    std::memcpy(place + bytes, order.data(), order.size() * sizeof(std::uint32_t));
    node.members = reinterpret_cast<const Member*>(place);
    node.flags |= Node::kIndexed;
  }
  return node;
}

Node Machine::object_copy(std::span<const Member> from) {
  Member* const copy = members(from.size());
  if (!from.empty()) std::memcpy(static_cast<void*>(copy), from.data(), from.size_bytes());
  return object(copy, from.size());
}

void Collector::grow() {
  const std::size_t more = capacity_ == 0 ? 8 : capacity_;
  if (capacity_ != 0 && arena_.extend(data_ + capacity_, more * sizeof(Node))) {
    capacity_ += more;
    return;
  }
  auto* const wider = static_cast<Node*>(arena_.nodes((capacity_ + more) * sizeof(Node)));
  if (size_ != 0) std::memcpy(static_cast<void*>(wider), data_, size_ * sizeof(Node));
  data_ = wider;
  capacity_ += more;
}

void Collector::push(Node node) {
  if (size_ == capacity_) grow();
  data_[size_++] = node;
}

Node Collector::array() const {
  Node node{.kind = Kind::kArray, .flags = Node::kRun, .length = static_cast<std::uint32_t>(size_)};
  node.elements = data_;
  return node;
}

}  // namespace tieline::json::jq
