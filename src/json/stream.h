// Documents one by one out of bytes that come in pieces: separated by white space or, where that is clear, by nothing.
// It must never hold more than one document and one block, nor let a document change while somebody has it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/result.h"
#include "json/value.h"

namespace tieline::json {

// Feeds itself from nothing: its owner asks for room(), writes into it, says filled(), and takes what next() has. Not
// for several threads; its documents are like any others.
class StreamReader {
 public:
  static constexpr std::size_t kBlockBytes = 256u << 10;

  // `limits` hold for each document; blocks grow beyond block_bytes only for a document that has no room in one.
  explicit StreamReader(const ParseLimits& limits = {}, std::size_t block_bytes = kBlockBytes);
  ~StreamReader();
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  // Where the next bytes go; never empty.
  std::span<char> room();
  // So many bytes stand in what room() gave last.
  void filled(std::size_t bytes);
  void append(std::string_view bytes);
  // Nothing more will come.
  void end() { ended_ = true; }

  // The next document; nothing when it needs more bytes or, after end(), when there are no more. A document that nobody
  // has any more lends its memory to the next one: give it up before the call. kInvalid with the place in the whole
  // stream as soon as a mistake is certain, kTooLarge when a limit is passed; nothing may be asked of it then. Each
  // document's rules are those of parse(); a byte order mark may stand at the beginning of the stream.
  Result<std::optional<Document>> next();
  // Where the document that next() gave last begins; ask before the next room().
  Place begin() const;

 private:
  struct Block;
  struct Storage;
  class Scan;

  bool skip_space();
  Result<std::optional<Document>> parse_next();
  bool worth_trying();
  Storage& fresh_storage();
  Place place_of(std::size_t offset) const;
  void forget(std::size_t offset);
  std::string_view pending() const;

  ParseLimits limits_;
  std::shared_ptr<Block> block_;
  std::shared_ptr<Storage> storage_;
  std::unique_ptr<Scan> scan_;   // of a document that was cut
  std::size_t at_ = 0;           // what was read before is done with
  std::size_t end_ = 0;          // what is filled
  std::size_t begin_ = 0;        // of the last document
  std::size_t tried_bytes_ = 0;  // of the document that is cut, when it was tried last
  std::uint64_t lines_ = 0;      // in what was forgotten
  std::uint64_t columns_ = 0;    // since the last of those
  bool ended_ = false;
  bool first_ = true;
};

}  // namespace tieline::json
