// One run of a compiled program: evaluation, the memory of the run and its limits; private to src/json.
// It must never recurse past the stack, loop past its steps, nor change a value once it has been seen.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json/jq/code.h"
#include "json/program.h"

namespace tieline::json::jq {

struct Frame;
struct Match;

struct Closure {
  const Code* code;
  Frame* frame;
};

union Slot {
  Slot() {}
  Node value;
  Closure closure;
};

struct Frame {
  Frame* parent;
  Slot slots[1];  // as many as the function has
};

// Takes outputs one by one; false unwinds.
class Sink {
 public:
  virtual bool emit(Node value) = 0;

 protected:
  ~Sink() = default;
};

template <class F>
class SinkOf final : public Sink {
 public:
  explicit SinkOf(F f) : f_(std::move(f)) {}
  bool emit(Node value) override { return f_(value); }

 private:
  F f_;
};

// A path, from its end to its beginning.
struct PathCell {
  Node key;
  const PathCell* before;
  std::uint32_t length;
};

// A value and where it stands below the input of `path(…)`; not `valid`: nowhere.
struct Placed {
  Node value;
  const PathCell* path = nullptr;
  bool valid = true;
};

class PathSink {
 public:
  virtual bool emit(const Placed& placed) = 0;

 protected:
  ~PathSink() = default;
};

template <class F>
class PathSinkOf final : public PathSink {
 public:
  explicit PathSinkOf(F f) : f_(std::move(f)) {}
  bool emit(const Placed& placed) override { return f_(placed); }

 private:
  F f_;
};

enum class Got : std::uint8_t { kValue, kNothing, kFailed };

// Grows in the arena while outputs come; the elements stay where they are, so they become an array without a copy.
class Collector {
 public:
  explicit Collector(Arena& arena) : arena_(arena) {}
  void push(Node node);
  Node array() const;
  std::size_t size() const { return size_; }
  Node* data() { return data_; }
  // For the next ones; only when what was collected has been copied.
  void clear() { size_ = 0; }

 private:
  void grow();
  Arena& arena_;
  Node* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

class Machine {
 public:
  explicit Machine(const RunLimits& limits) : Machine(limits, nullptr, {}) {}
  // A result may hold on to the documents, which must outlive the machine; `zone` is the program's, and must, too.
  Machine(const RunLimits& limits, const Document* input, std::span<const Document> variables,
          std::string_view zone = "UTC");
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Every output of `code` for `in`; false when unwinding.
  bool each(const Code* code, Frame* frame, Node in, Sink& out);
  // Of code that is `single`.
  Got one(const Code* code, Frame* frame, Node in, Node& out);
  bool each_path(const Code* code, Frame* frame, const Placed& in, PathSink& out);

  Frame* new_frame(Frame* parent, std::uint32_t slots);
  Arena& arena() { return arena_; }
  std::string_view zone() const { return zone_; }

  // --- Failing: all of these return false.
  bool fail(Node error);
  bool fail(std::string_view message);
  // "number (1) and string (\"x\") cannot be added"
  bool fail_type(Node a, std::string_view what);
  bool fail_types(Node a, Node b, std::string_view what);
  bool fatal(tieline::Code code, std::string message);
  // Counts work that is not evaluation: elements looked at, bytes written.
  bool spend(std::size_t steps) {
    steps_left_ -= static_cast<std::int64_t>(steps);
    return steps_left_ > 0 || out_of_steps();
  }
  // Before something large is made.
  bool room(std::size_t bytes);
  // What the run ended with when its outermost each() gave false.
  Error error() const;
  // True while the stack that is left is too little for another level; then it has failed.
  bool deep() { return reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) < stack_end_ && too_deep(); }

  // --- Making values.
  Node text(std::string_view bytes);                        // copies
  Node text_in_place(const char* bytes, std::size_t size);  // in the arena already
  Node array(std::span<const Node> elements);               // copies
  Node array_in_place(const Node* elements, std::size_t count);
  // Equal keys become one: the first one's position, the last one's value.
  Node object(Member* members, std::size_t count);
  Node object_copy(std::span<const Member> members);
  Member* members(std::size_t count) { return static_cast<Member*>(arena_.nodes(count * sizeof(Member))); }
  Node* nodes(std::size_t count) { return static_cast<Node*>(arena_.nodes(count * sizeof(Node))); }

  // --- Reading and changing (values.cc, paths.cc); false on failure.
  bool index(Node of, Node key, Node& out);
  bool slice(Node of, Node from, Node to, Node& out);
  // `.[]`: calls f for each element until it gives false.
  template <class F>
  bool iterate(Node of, F&& f);
  bool fail_iterate(Node of);
  bool fail_key(Node key);
  bool set(Node of, Node key, Node value, Node& out);
  bool get_path(Node of, std::span<const Node> path, Node& out);
  bool set_path(Node of, std::span<const Node> path, Node value, Node& out);
  bool delete_paths(Node of, Node paths, Node& out);
  bool binary(BinaryOp op, Node a, Node b, Node& out);
  bool negate(Node a, Node& out);
  bool absolute(Node a, Node& out);
  Node captured(Node in, const Match& match);
  // -1, 0, 1 in `order`, as jq sorts.
  bool compare(Node a, Node b, int& order) { return compare_at(a, b, 0, order); }
  bool equal(Node a, Node b, bool& same) { return equal_at(a, b, 0, same); }
  bool contains(Node a, Node b, std::size_t depth, bool& result);
  bool sort(Node* nodes, std::size_t count);
  bool order_by(Order order, Node elements, std::span<const Node> keys, Node& out);
  Node sorted_keys(Node object);
  // The document's nodes stay valid for the run and, where a result holds on to them, as long as that.
  bool parse_json(std::string_view text, Node& out);
  // Documents whose nodes a result may hold on to.
  std::vector<Document> documents() const;
  bool tojson(Node value, std::string& out);
  bool tostring(Node value, Node& out);
  bool to_text(Node value, std::string& out);                // appended
  bool format(Format format, Node value, std::string& out);  // appended

 private:
  enum class Unwind : std::uint8_t { kNone, kError, kBreak, kFatal };

  struct FrameChunk {
    FrameChunk* before;
    char* end;
  };
  struct FrameMark {
    FrameChunk* chunk;
    char* at;
  };
  FrameMark mark() const { return {frame_chunk_, frame_at_}; }
  void release(FrameMark m);
  void grow_frames(std::size_t bytes);

  Got run_one(const Code* code, Frame* frame, Node in, Node& out);
  bool run_each(const Code* code, Frame* frame, Node in, Sink& out);
  bool run_path(const Code* code, Frame* frame, Placed in, PathSink& out);
  bool too_deep();
  bool out_of_steps();

  // eval_one.cc: one() of what is not trivial.
  Got one_index(const Code* code, Frame* frame, Node in, Node& out);
  Got one_slice(const Code* code, Frame* frame, Node in, Node& out);
  Got one_members(const Code* code, Frame* frame, Node in, Node& out);
  Got one_binary(const Code* code, Frame* frame, Node in, Node& out);
  Got one_object(const Code* code, Frame* frame, Node in, Node& out);
  Got forgiven(const Code* code);
  Got one_get_path(const Code* code, Frame* frame, Node in, Node& out);
  Got one_by_each(const Code* code, Frame* frame, Node in, Node& out);
  Node joined(const Node* texts, std::size_t count, std::size_t size);
  bool formatted(Format how, Node value, Node& out);
  template <class F>
  bool until_enough(const Code* code, Frame* frame, Node in, F&& take);
  Got one_text(const Code* code, Frame* frame, Node in, Node& out);
  Got one_format(const Code* code, Frame* frame, Node in, Node& out);
  Got one_native(const Code* code, Frame* frame, Node in, Node& out);
  Got one_delete(const Code* code, Frame* frame, Node in, Node& out);
  Got one_error(const Code* code, Frame* frame, Node in);
  Got one_assign(const Code* code, Frame* frame, Node in, Node& out);
  Got one_update(const Code* code, Frame* frame, Node in, Node& out);
  bool bound(const Code* code, Frame* frame, Node value);  // of a single pattern that is single
  // eval_gather.cc: one() of what makes one value of many.
  Got one_map(const Code* code, Frame* frame, Node in, Node& out);
  Got one_reduce(const Code* code, Frame* frame, Node in, Node& out);
  Got one_first(const Code* code, Frame* frame, Node in, Node& out);
  Got one_last(const Code* code, Frame* frame, Node in, Node& out);
  Got one_any(const Code* code, Frame* frame, Node in, Node& out);
  Got one_is_empty(const Code* code, Frame* frame, Node in, Node& out);
  Got one_add(const Code* code, Frame* frame, Node in, Node& out);
  Got one_sort_by(const Code* code, Frame* frame, Node in, Node& out);
  bool reduce_from(const Code* code, Frame* frame, Node in, Node& state);
  bool collect(const Code* code, Frame* frame, Node in, Node& array);
  // accumulate.cc
  Got accumulate(const Code* code, Frame* frame, std::uint64_t& owner, Node& state);
  Got accumulate_at(const Code* code, Frame* frame, std::uint64_t& owner, Node& state);
  bool own(Node& node, std::size_t more, std::uint64_t owner);
  Member* owned_member(Node object, std::string_view key, std::uint32_t& slot);
  Node* owned_place(Node& of, Node key, std::uint64_t owner);
  bool add_to(Node& to, Node by, std::uint64_t owner);
  template <class F>
  Got change_owned(Node& of, std::span<const Node> path, std::uint64_t owner, F&& change);
  bool settle(Node& state, std::size_t depth = 0);
  bool append(Node a, Node b, Node& out);

  // each() of what gives many.
  static bool only_each(Op op);
  bool each_unary(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_if(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_iterate(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_path_of(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_index(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_slice(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_binary(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_logic(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_alternative(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_try(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_reduce(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_foreach(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_bind(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_label(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_recurse(Node in, Sink& out);
  bool each_object(const Code* code, Frame* frame, Node in, std::size_t at, Member* members, Sink& out);
  bool each_text(const Code* code, Frame* frame, Node in, std::size_t left, Node* texts, Sink& out);
  bool each_native(const Code* code, Frame* frame, Node in, std::size_t left, Node* values, Sink& out);
  bool each_call(const Code* code, Frame* frame, Node in, std::size_t at, Node* values, Sink& out);
  bool each_limit(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_range(const Code* code, Frame* frame, Node in, Sink& out);
  bool range(Node from, Node to, Node by, Sink& out);
  bool each_assign(const Code* code, Frame* frame, Node in, Sink& out);
  bool each_substitute(const Code* code, Frame* frame, Node in, Sink& out);
  // Calls `then` for every way to take `value` apart.
  template <class F>
  bool destructure(const PatternCode& pattern, Frame* frame, std::size_t at, F& then);
  template <class F>
  bool each_binding(const Code* code, Frame* frame, Node value, const bool& downstream, F&& body);
  // The callee's frame, with its arguments.
  Got enter(const Code* code, Frame* frame, Node in, Frame*& callee);
  Frame* enter_with(const Code* code, Frame* frame, const Node* values);
  Frame* reuse(FrameMark& before, Frame* callee, std::uint32_t slots);
  static Frame* ancestor(Frame* frame, std::uint32_t up) {
    for (; up != 0; --up) frame = frame->parent;
    return frame;
  }

  // paths.cc
  bool path_step(const Placed& at, Node key, Placed& out);
  bool path_members(const Code* code, const Placed& at, PathSink& out);
  bool path_alternative(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_try(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_fold(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_limit(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_recurse(const Placed& in, PathSink& out);
  bool path_slice(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_index(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_get(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_last(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool path_call(const Code* code, Frame* frame, const Placed& in, std::size_t at, Node* values, PathSink& out);
  bool path_children(const Placed& of, PathSink& out);
  bool path_iterate(const Code* code, Frame* frame, const Placed& in, PathSink& out);
  bool fail_result(Node value);
  Node path_array(const PathCell* path);
  // Every path of `code`, as arrays.
  bool collect_paths(const Code* code, Frame* frame, Node in, Collector& paths);
  bool simple_keys(const Code* code, Frame* frame, Node in, Node* keys, std::size_t& count, Got& got);
  template <class F>
  Got change_at(Node of, std::span<const Node> path, F&& change, Node& out);
  template <class F>
  Got change_all(const Code* paths, Frame* frame, Node in, F&& change, Node& out);
  bool deep_path(Node path);
  Got update_by(const Code* code, Frame* frame, Node in, Node by, Node& out);
  Got assign(const Code* code, Frame* frame, Node in, Node value, Node& out);

  bool compare_at(Node a, Node b, std::size_t depth, int& order);
  bool equal_at(Node a, Node b, std::size_t depth, bool& same);
  bool delete_sorted(Node of, std::span<const Node> paths, std::size_t start, Node& out);
  bool delete_keys(Node of, std::span<const Node> keys, Node& out);
  bool merge(Node a, Node b, std::size_t depth, Node& out);
  bool write_json(Node value, std::size_t depth, std::string& out);
  bool quote(Node value, std::size_t limit, std::string& out);

  RunLimits limits_;
  std::string_view zone_;
  const Document* input_;
  std::span<const Document> variables_;
  std::vector<Document> documents_;  // parsed by the run
  alignas(16) char first_[4096];
  alignas(16) char first_frames_[512];
  Arena arena_;
  std::int64_t steps_left_;
  std::uintptr_t stack_end_ = 0;
  FrameChunk* frame_chunk_ = nullptr;
  char* frame_at_ = first_frames_;
  char* frame_end_ = first_frames_ + sizeof first_frames_;
  std::size_t frame_bytes_ = 0;
  Unwind unwind_ = Unwind::kNone;
  std::uint64_t label_ = 0;  // the label that a break unwinds to
  std::uint64_t labels_made_ = 0;
  Node error_;
  Error fatal_;
};

template <class F>
bool Machine::iterate(Node of, F&& f) {
  if (of.kind == Kind::kArray) {
    for (std::size_t i = 0; i < of.length; ++i) {
      if (!f(of.elements[i])) return false;
    }
    return true;
  }
  if (of.kind == Kind::kObject) {
    for (std::size_t i = 0; i < of.length; ++i) {
      if (!f(of.members[i].value)) return false;
    }
    return true;
  }
  return fail_iterate(of);
}

template <class F>
bool Machine::destructure(const PatternCode& pattern, Frame* frame, std::size_t at, F& then) {
  if (at == pattern.steps.size()) return then();
  const Taking& step = pattern.steps[at];
  const Node from = frame->slots[step.from].value;
  SinkOf sink([&](Node key) {
    if (!index(from, key, frame->slots[step.to].value)) return false;
    return destructure(pattern, frame, at + 1, then);
  });
  return each(step.key, frame, from, sink);
}

// Runs `body` for each way to bind `value`; of alternative patterns the next one when one, or the body under it, fails.
template <class F>
bool Machine::each_binding(const Code* code, Frame* frame, Node value, const bool& downstream, F&& body) {
  const PatternCode& first = code->patterns.front();
  if (code->patterns.size() == 1) {
    if (first.single) return bound(code, frame, value) && body();
    frame->slots[first.root].value = value;
    return destructure(first, frame, 0, body);
  }
  for (std::size_t i = 0; i < code->patterns.size(); ++i) {
    for (const std::uint32_t slot : code->variables) frame->slots[slot].value = Node{};
    frame->slots[code->patterns[i].root].value = value;
    if (destructure(code->patterns[i], frame, 0, body)) return true;
    if (unwind_ != Unwind::kError || downstream || i + 1 == code->patterns.size()) return false;
    unwind_ = Unwind::kNone;
  }
  return true;
}

// Runs `code` until its sink has had enough: `enough` is set, and the unwinding is over.
template <class F>
bool Machine::until_enough(const Code* code, Frame* frame, Node in, F&& take) {
  const std::uint64_t label = ++labels_made_;
  SinkOf sink([&](Node value) {
    bool well = true;
    if (take(value, well)) return true;
    if (well) {
      unwind_ = Unwind::kBreak;
      label_ = label;
    }
    return false;
  });
  if (each(code, frame, in, sink)) return true;
  if (unwind_ != Unwind::kBreak || label_ != label) return false;
  unwind_ = Unwind::kNone;
  return true;
}

}  // namespace tieline::json::jq
