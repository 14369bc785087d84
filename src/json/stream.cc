#include "json/stream.h"

#include <emmintrin.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <string>
#include <utility>

#include "json/node.h"
#include "json/prefix.h"
#include "json/scan.h"

namespace tieline::json {
namespace {

constexpr std::size_t kBlockMin = 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Places are asked for seldom, but every line counts for the next one: so lines are counted block by block.
std::size_t count_lines(const char* at, const char* end) {
  const __m128i line = _mm_set1_epi8('\n');
  std::size_t count = 0;
  for (; end - at >= 64; at += 64) {
    const auto lines = [&](int k) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + k));
      return static_cast<std::uint64_t>(static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(v, line))));
    };
    count += static_cast<std::size_t>(std::popcount(lines(0) | lines(16) << 16 | lines(32) << 32 | lines(48) << 48));
  }
  return count + static_cast<std::size_t>(std::count(at, end, '\n'));
}

std::size_t count_characters(const char* at, const char* end) {
  return static_cast<std::size_t>(
      std::count_if(at, end, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// True when nobody else has it. What another thread read of it before it let go was read before this.
template <class T>
bool alone(const std::shared_ptr<T>& pointer) {
  if (pointer.use_count() != 1) return false;
  std::atomic_thread_fence(std::memory_order_acquire);
  return true;
}

}  // namespace

struct StreamReader::Block {
  explicit Block(std::size_t bytes) : size(bytes), data(std::make_unique_for_overwrite<char[]>(bytes)) {}
  std::size_t size;
  std::unique_ptr<char[]> data;
};

struct StreamReader::Storage {
  explicit Storage(std::shared_ptr<Block> of) : block(std::move(of)), arena(8192) {}
  std::shared_ptr<Block> block;
  Arena arena;
};

// Looks for the end of a document that is not here as a whole, each byte once: parsing it anew for each piece that
// comes would take quadratic time. Exact for documents without mistakes; those are found by parsing.
class StreamReader::Scan {
 public:
  // True when the document ends in `text`, of which it has seen the beginning.
  bool ends_in(std::string_view text) {
    for (; at_ < text.size(); ++at_) {
      const char c = text[at_];
      if (in_string_) {
        if (std::exchange(escaped_, false)) continue;
        if (c == '\\') escaped_ = true;
        if (c != '"') continue;
        in_string_ = false;
        if (depth_ == 0) return true;
      } else if (c == '"') {
        in_string_ = true;
      } else if (c == '{' || c == '[') {
        ++depth_;
      } else if (c == '}' || c == ']') {
        if (depth_ <= 1) return true;
        --depth_;
      } else if (depth_ == 0 && static_cast<unsigned char>(c) <= ' ') {
        return true;  // behind a number or a word
      }
    }
    return false;
  }

 private:
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

StreamReader::StreamReader(const ParseLimits& limits, std::size_t block_bytes)
    : limits_(limits), block_(std::make_shared<Block>(std::max(block_bytes, kBlockMin))) {
  limits_.bytes_max = std::min<std::size_t>(limits_.bytes_max, 0xFFFF'FFFFu);  // as parse() does
}

StreamReader::~StreamReader() = default;

std::string_view StreamReader::pending() const { return {block_->data.get() + at_, end_ - at_}; }

std::span<char> StreamReader::room() {
  const std::size_t rest = end_ - at_;
  // A little room at the end is not worth a read, unless the next block would begin with as much.
  if (block_->size - end_ < block_->size / 4 || end_ == block_->size) {
    forget(at_);
    if (storage_ != nullptr && alone(storage_)) storage_->block.reset();
    if (rest <= block_->size / 2 && alone(block_)) {
      std::memmove(block_->data.get(), block_->data.get() + at_, rest);
    } else {
      auto block = std::make_shared<Block>(rest <= block_->size / 2 ? block_->size : block_->size * 2);
      std::memcpy(block->data.get(), block_->data.get() + at_, rest);
      block_ = std::move(block);
    }
    at_ = begin_ = 0;
    end_ = rest;
  }
  return {block_->data.get() + end_, block_->size - end_};
}

void StreamReader::filled(std::size_t bytes) {
  CHECK(bytes <= block_->size - end_ && !ended_);
  end_ += bytes;
}

void StreamReader::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> to = room();
    const std::size_t size = std::min(to.size(), bytes.size());
    std::memcpy(to.data(), bytes.data(), size);
    filled(size);
    bytes.remove_prefix(size);
  }
}

// Counts the lines before `offset`, which leaves the block.
void StreamReader::forget(std::size_t offset) {
  const char* const from = block_->data.get();
  const char* const to = from + offset;
  const void* const last = offset == 0 ? nullptr : memrchr(from, '\n', offset);
  if (last == nullptr) {
    columns_ += count_characters(from, to);
    return;
  }
  lines_ += count_lines(from, to);
  columns_ = count_characters(static_cast<const char*>(last) + 1, to);
}

Place StreamReader::place_of(std::size_t offset) const {
  const char* const from = block_->data.get();
  const char* const to = from + offset;
  const void* const last = offset == 0 ? nullptr : memrchr(from, '\n', offset);
  const char* const line = last == nullptr ? from : static_cast<const char*>(last) + 1;
  const std::uint64_t column = count_characters(line, to) + (last == nullptr ? columns_ : 0);
  return {.line = static_cast<std::uint32_t>(lines_ + count_lines(from, to) + 1),
          .column = static_cast<std::uint32_t>(column + 1)};
}

Place StreamReader::begin() const { return place_of(begin_); }

// To the beginning of a document; false when there is none.
bool StreamReader::skip_space() {
  if (first_) {
    const std::string_view text = pending();
    if (text.size() < kByteOrderMark.size() && !ended_ && kByteOrderMark.starts_with(text)) return false;
    if (text.starts_with(kByteOrderMark)) at_ += kByteOrderMark.size();
    first_ = false;
  }
  const char* const data = block_->data.get();
  while (at_ != end_ && (data[at_] == '\n' || data[at_] == ' ' || data[at_] == '\r' || data[at_] == '\t')) ++at_;
  return at_ != end_;
}

// Whether a document that was cut may be whole now; or wrong for certain, which is asked when it has doubled.
bool StreamReader::worth_trying() {
  if (scan_ == nullptr || ended_) return true;
  return scan_->ends_in(pending()) || pending().size() >= tried_bytes_ * 2;
}

StreamReader::Storage& StreamReader::fresh_storage() {
  if (storage_ == nullptr || !alone(storage_)) {
    storage_ = std::make_shared<Storage>(block_);
    return *storage_;
  }
  storage_->arena.rewind();
  if (storage_->block != block_) storage_->block = block_;
  return *storage_;
}

Result<std::optional<Document>> StreamReader::next() {
  if (!skip_space()) return std::nullopt;
  if (!worth_trying()) {
    if (pending().size() <= limits_.bytes_max) return std::nullopt;
    return failure(Code::kTooLarge, "a document has more than " + std::to_string(limits_.bytes_max) + " bytes",
                   place_of(at_));
  }
  return parse_next();
}

Result<std::optional<Document>> StreamReader::parse_next() {
  Storage& storage = fresh_storage();
  const std::string_view text = pending();
  bool cut = false;
  const auto parsed = parse_prefix(text, storage.arena, limits_, cut);
  const std::size_t bytes = parsed ? parsed->bytes : text.size();
  if (bytes > limits_.bytes_max && (parsed || cut)) {
    return failure(Code::kTooLarge, "a document has more than " + std::to_string(limits_.bytes_max) + " bytes",
                   place_of(at_));
  }
  if (cut && !ended_) {
    if (scan_ == nullptr) scan_ = std::make_unique<Scan>();
    (void)scan_->ends_in(text);
    tried_bytes_ = text.size();
    return std::nullopt;
  }
  scan_.reset();
  if (!parsed) {
    Error error = parsed.error();
    const Place from = place_of(at_);
    if (error.place.line == 1) error.place.column += from.column - 1;
    error.place.line += from.line - 1;
    return failure(std::move(error));
  }
  begin_ = at_;
  at_ += parsed->bytes;
  return Document(storage_, Value(parsed->root), parsed->inexact);
}

}  // namespace tieline::json
