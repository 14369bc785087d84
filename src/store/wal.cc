#include "store/wal.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "store/files.h"

namespace tieline::store {
namespace {

constexpr std::uint32_t kMagic = 0x377f0682;  // with the lowest bit set: checksums over big-endian words
constexpr std::uint32_t kVersion = 3007000;
// In place of a header (32 bytes with its zeroes), where a new log is to be written over an old one.
constexpr std::string_view kBlank = "TLBLANK1\n";

std::uint32_t big_endian(const char* from) {
  std::uint32_t value;
  std::memcpy(&value, from, 4);
  return std::endian::native == std::endian::little ? __builtin_bswap32(value) : value;
}

void put_big_endian(char* to, std::uint32_t value) {
  if (std::endian::native == std::endian::little) value = __builtin_bswap32(value);
  std::memcpy(to, &value, 4);
}

struct Checksum {
  std::uint32_t first = 0, second = 0;

  // Over 32-bit words, two at a time.
  void add(const char* bytes, std::size_t count, bool big) {
    const bool swap = big != (std::endian::native == std::endian::big);
    for (std::size_t i = 0; i < count; i += 8) {
      std::array<std::uint32_t, 2> words;
      std::memcpy(words.data(), bytes + i, 8);
      if (swap) words = {__builtin_bswap32(words[0]), __builtin_bswap32(words[1])};
      first += words[0] + second;
      second += words[1] + first;
    }
  }
  static Checksum at(const char* from) { return {big_endian(from), big_endian(from + 4)}; }
  void put(char* to) const {
    put_big_endian(to, first);
    put_big_endian(to + 4, second);
  }
  friend bool operator==(const Checksum&, const Checksum&) = default;
};

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

using Salts = std::array<char, 8>;
using HeaderBytes = std::array<char, WalState::kHeaderBytes>;

HeaderBytes blank_header() {
  HeaderBytes bytes{};
  std::memcpy(bytes.data(), kBlank.data(), kBlank.size());
  return bytes;
}

struct Header {
  HeaderBytes bytes{};
  bool intact = false;
  bool blank = false;
  bool big = false;
  std::uint32_t page_bytes = 4096;
  Salts salts{};
  Checksum checksum;

  Result<void> read(std::FILE* file) {
    std::rewind(file);
    if (std::fread(bytes.data(), 1, bytes.size(), file) != bytes.size()) bytes.fill(0);
    const std::uint32_t magic = big_endian(bytes.data());
    const std::uint32_t page = big_endian(bytes.data() + 8);
    big = (magic & 1) != 0;
    checksum = Checksum::at(bytes.data() + 24);
    Checksum computed;
    computed.add(bytes.data(), 24, big);
    intact = (magic & ~1u) == kMagic && big_endian(bytes.data() + 4) == kVersion && computed == checksum &&
             std::has_single_bit(page) && page >= 512 && page <= 65536;
    blank = bytes == blank_header();
    std::memcpy(salts.data(), bytes.data() + 16, 8);
    if (intact) {
      page_bytes = page;
    } else if (!blank) {
      // This program writes no other: little-endian words on the machines it is built for, and pages of 4096 bytes.
      big = std::endian::native == std::endian::big;
      return guess_salts(file);
    }
    return {};
  }

  // A log whose header is damaged still says them in every frame: the first that two frames in a row agree on, as those
  // of an earlier log may follow. Else the first that there are.
  Result<void> guess_salts(std::FILE* file) {
    Salts first{}, before{};
    std::array<char, WalState::kFrameBytes> frame;
    for (std::uint64_t at = WalState::kHeaderBytes;; at += WalState::kFrameBytes + page_bytes) {
      if (std::fseek(file, static_cast<long>(at), SEEK_SET) != 0) break;
      if (std::fread(frame.data(), 1, frame.size(), file) != frame.size()) break;
      std::memcpy(salts.data(), frame.data() + 8, 8);
      if (salts != Salts{} && salts == before) return {};
      before = salts;
      if (first == Salts{}) first = salts;
    }
    salts = first;
    return {};
  }
};

struct Frame {
  std::uint64_t number = 0;  // from 1
  bool salted = false;       // bears the log's salts
  bool intact = false;       // its checksum goes on from that of the frame before
  std::uint32_t page = 0;
  std::uint32_t commit = 0;  // the database's size in pages where a group ends, else 0
  std::vector<char> bytes;   // header and page

  char* content() { return bytes.data() + WalState::kFrameBytes; }
};

// Gives every frame that the file is long enough for.
class FrameReader {
 public:
  static Result<std::optional<FrameReader>> open(const std::string& path) {
    FrameReader reader;
    reader.file_.reset(std::fopen(path.c_str(), "rb"));
    if (reader.file_ == nullptr) {
      if (errno == ENOENT) return std::optional<FrameReader>();
      return failure(file_error(path, "opening"));
    }
    reader.path_ = path;
    std::setvbuf(reader.file_.get(), nullptr, _IOFBF, 1u << 20);
    TRY_VOID(reader.header_.read(reader.file_.get()));
    std::fseek(reader.file_.get(), WalState::kHeaderBytes, SEEK_SET);
    reader.before_ = reader.header_.checksum;
    reader.frame_.bytes.resize(WalState::kFrameBytes + reader.header_.page_bytes);
    return std::optional(std::move(reader));
  }
  const Header& header() const { return header_; }

  // Null at the end. Valid until the next call.
  Result<Frame*> next() {
    auto& bytes = frame_.bytes;
    if (std::fread(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
      if (std::ferror(file_.get()) != 0) return failure(file_error(path_, "reading"));
      return nullptr;
    }
    ++frame_.number;
    frame_.page = big_endian(bytes.data());
    frame_.commit = big_endian(bytes.data() + 4);
    frame_.salted = std::memcmp(bytes.data() + 8, header_.salts.data(), 8) == 0 && frame_.page != 0;
    Checksum computed = before_;
    computed.add(bytes.data(), 8, header_.big);
    computed.add(frame_.content(), header_.page_bytes, header_.big);
    before_ = Checksum::at(bytes.data() + 16);
    frame_.intact = frame_.salted && computed == before_;
    return &frame_;
  }

 private:
  std::string path_;
  File file_;
  Header header_;
  Checksum before_;  // as the frame before says it: a damaged frame costs no other
  Frame frame_;
};

// Writes frames as one log without a gap.
class FrameWriter {
 public:
  static Result<FrameWriter> create(const std::string& path, Header header) {
    FrameWriter writer;
    writer.path_ = path;
    writer.file_.reset(std::fopen(path.c_str(), "wb"));
    if (writer.file_ == nullptr) return failure(file_error(path, "creating"));
    put_big_endian(header.bytes.data(), kMagic | static_cast<std::uint32_t>(header.big));
    put_big_endian(header.bytes.data() + 4, kVersion);
    put_big_endian(header.bytes.data() + 8, header.page_bytes);
    std::memcpy(header.bytes.data() + 16, header.salts.data(), 8);
    writer.checksum_.add(header.bytes.data(), 24, header.big);
    writer.checksum_.put(header.bytes.data() + 24);
    writer.big_ = header.big;
    TRY_VOID(writer.write(header.bytes.data(), header.bytes.size()));
    return writer;
  }
  Result<void> add(Frame& frame) {
    checksum_.add(frame.bytes.data(), 8, big_);
    checksum_.add(frame.content(), frame.bytes.size() - WalState::kFrameBytes, big_);
    checksum_.put(frame.bytes.data() + 16);
    return write(frame.bytes.data(), frame.bytes.size());
  }
  Result<void> end() {
    if (std::fflush(file_.get()) != 0) return failure(file_error(path_, "writing"));
    file_.reset();
    return sync_file(path_);
  }

 private:
  Result<void> write(const char* bytes, std::size_t count) {
    if (std::fwrite(bytes, 1, count, file_.get()) == count) return {};
    return failure(file_error(path_, "writing"));
  }
  std::string path_;
  File file_;
  bool big_ = false;
  Checksum checksum_;
};

}  // namespace

Result<WalState> read_wal(const std::string& path) {
  WalState wal;
  TRY(auto reader, FrameReader::open(path));
  if (!reader) return wal;
  std::error_code ignored;
  wal.present = true;
  wal.file_bytes = std::filesystem::file_size(path, ignored);
  wal.header_intact = reader->header().intact;
  wal.page_bytes = reader->header().page_bytes;
  wal.blank = reader->header().blank;
  if (wal.blank) return wal;
  bool accepted = wal.header_intact;  // SQLite stops at the first frame that is not intact
  while (true) {
    TRY(const Frame* frame, reader->next());
    if (frame == nullptr) return wal;
    accepted = accepted && frame->intact;
    if (frame->salted) wal.last_salted = frame->number;
    if (accepted && frame->commit != 0) {
      wal.frames = frame->number;
      wal.frames_behind = wal.commits_behind = 0;
    } else if (frame->salted) {
      ++wal.frames_behind;
      wal.commits_behind += frame->commit != 0;
      wal.commit_is_last = frame->commit != 0;
    }
  }
}

Result<void> cut_wal(const std::string& path, const WalState& wal) {
  const std::uint64_t kept = wal.frames > 0 ? wal.frames : wal.last_salted;
  const std::uint64_t bytes = wal.blank ? 0 : WalState::kHeaderBytes + kept * (WalState::kFrameBytes + wal.page_bytes);
  if (!wal.present || !(wal.blank || wal.header_intact) || wal.file_bytes <= bytes) return {};
  if (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) return failure(file_error(path, "cutting"));
  return sync_file(path);
}

Result<void> blank_wal(const std::string& path) {
  const HeaderBytes bytes = blank_header();
  const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return failure(file_error(path, "opening"));
  const bool done =
      ::pwrite(file, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()) && ::fdatasync(file) == 0;
  const int failed = errno;
  ::close(file);
  errno = failed;
  return done ? Result<void>() : failure(file_error(path, "blanking"));
}

Result<WalSalvage> salvage_wal(const std::string& path, const std::string& to, Frames which) {
  WalSalvage salvage;
  std::uint64_t last_commit = 0, end = 0;
  {
    TRY(auto reader, FrameReader::open(path));
    if (!reader) return salvage;
    while (true) {
      TRY(const Frame* frame, reader->next());
      if (frame == nullptr) break;
      if (frame->salted) end = frame->number;
      // What the first one goes on from is the header.
      if (!frame->intact && which == Frames::kBeforeDamage && (frame->number > 1 || reader->header().intact)) break;
      if (frame->intact && frame->commit != 0) last_commit = frame->number;
    }
  }
  TRY(auto reader, FrameReader::open(path));
  TRY(FrameWriter writer, FrameWriter::create(to, reader->header()));
  while (true) {
    TRY(Frame * frame, reader->next());
    if (frame == nullptr || frame->number > last_commit) break;
    if (!frame->intact) continue;
    TRY_VOID(writer.add(*frame));
    ++salvage.frames;
  }
  TRY_VOID(writer.end());
  salvage.lost = end - salvage.frames;
  return salvage;
}

// SQLite takes all other pages from the log. (Before a file of zero bytes it would remove the log.)
Result<void> mend_database(const std::string& database, const std::string& path) {
  std::error_code missing;
  TRY(auto reader, FrameReader::open(path));
  if (!reader) return {};
  std::vector<char> first_page(reader->header().page_bytes);
  const auto size = std::filesystem::file_size(database, missing);
  if (!missing && size >= first_page.size()) return {};
  while (true) {
    TRY(Frame * frame, reader->next());
    if (frame == nullptr) break;
    if (frame->intact && frame->page == 1) first_page.assign(frame->content(), frame->content() + first_page.size());
  }
  const File file(std::fopen(database.c_str(), "wb"));
  if (file == nullptr || std::fwrite(first_page.data(), 1, first_page.size(), file.get()) != first_page.size() ||
      std::fflush(file.get()) != 0)
    return failure(file_error(database, "writing"));
  return sync_file(database);
}

}  // namespace tieline::store
