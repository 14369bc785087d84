#include "cli/map_input.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tieline::cli {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;

bool is_standard_input(const std::string& file) { return file.empty() || file == "-"; }

}  // namespace

Result<std::string> read_file(const std::string& file) {
  Inputs inputs({file}, {.raw = true, .slurp = true}, [] {});
  auto text = inputs.next();
  if (!text) return failure(std::move(text.error()));
  return std::string((*text)->root().as_string());
}

Result<json::Document> read_documents(const std::string& file) {
  Inputs inputs({file}, {.slurp = true}, [] {});
  auto documents = inputs.next();
  if (!documents) return failure(std::move(documents.error()));
  return std::move(**documents);
}

Inputs::Inputs(std::vector<std::string> files, InputStyle style, std::function<void()> before_waiting)
    : files_(std::move(files)), style_(style), before_waiting_(std::move(before_waiting)) {
  if (files_.empty()) files_.emplace_back("-");
}

Inputs::~Inputs() { close(); }

std::string Inputs::shown() const { return is_standard_input(files_[opened_ - 1]) ? "stdin" : files_[opened_ - 1]; }

tl::unexpected<Error> Inputs::cannot_read(const std::string& file, int error) const {
  const std::string name = is_standard_input(file) ? "standard input" : '"' + file + '"';
  return failure(Code::kNotFound, "cannot read " + name + ": " + std::strerror(error));
}

void Inputs::close() {
  if (fd_ > STDIN_FILENO) ::close(fd_);
  fd_ = -1;
}

// False when there are no more.
Result<bool> Inputs::open_next() {
  close();
  if (opened_ == files_.size()) return false;
  const std::string& file = files_[opened_++];
  fd_ = is_standard_input(file) ? STDIN_FILENO : ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) return cannot_read(file, errno);
  struct stat status {};
  regular_ = fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
  if (regular_) (void)posix_fadvise(fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
  reader_.emplace(kInputLimits, kReadBytes);
  lines_.clear();
  lines_at_ = line_ = 0;
  return true;
}

// 0 at the end of the file.
Result<std::size_t> Inputs::read_some(char* to, std::size_t size) {
  if (!regular_) {
    pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, 0) == 0) before_waiting_();
  }
  for (;;) {
    const ssize_t got = ::read(fd_, to, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    const int error = errno;
    close();
    return cannot_read(files_[opened_ - 1], error);
  }
}

Result<std::optional<json::Document>> Inputs::next() {
  if (style_.slurp) return slurp();
  for (;;) {
    if (fd_ < 0) {
      TRY(const bool more, open_next());
      if (!more) return std::nullopt;
    }
    TRY(auto document, style_.raw ? next_line() : next_document());
    if (document) return document;
    close();
  }
}

Result<std::optional<json::Document>> Inputs::next_document() {
  for (;;) {
    auto document = reader_->next();
    if (!document) {
      document.error().place.file = shown();
      return document;
    }
    if (*document || fd_ < 0) return document;
    const std::span<char> room = reader_->room();
    TRY(const std::size_t got, read_some(room.data(), room.size()));
    if (got == 0) {
      reader_->end();
      document = reader_->next();
      if (!document) document.error().place.file = shown();
      return document;
    }
    reader_->filled(got);
  }
}

Result<std::optional<json::Document>> Inputs::next_line() {
  std::size_t searched = lines_at_;
  for (;;) {
    const std::size_t end = lines_.find('\n', searched);
    if (end != std::string::npos) {
      ++line_;
      const std::string_view line = std::string_view(lines_).substr(lines_at_, end - lines_at_);
      lines_at_ = end + 1;
      return json::make_string(line);
    }
    lines_.erase(0, std::exchange(lines_at_, 0));
    searched = lines_.size();
    if (searched > kInputLimits.bytes_max) {
      return failure(Code::kTooLarge, "a line has more than " + std::to_string(kInputLimits.bytes_max) + " bytes",
                     Place{shown(), line_ + 1, 1});
    }
    lines_.resize(searched + kReadBytes);
    TRY(const std::size_t got, read_some(lines_.data() + searched, kReadBytes));
    lines_.resize(searched + got);
    if (got != 0) continue;
    if (lines_.empty()) return std::nullopt;
    ++line_;
    return json::make_string(std::exchange(lines_, {}));
  }
}

// What is left of all files.
Result<std::string> Inputs::rest_of_texts() {
  std::string text;
  for (;;) {
    TRY(const bool more, open_next());
    if (!more) return text;
    for (std::size_t got = 1; got != 0;) {
      const std::size_t size = text.size();
      if (size > kInputLimits.bytes_max) {
        return failure(Code::kTooLarge, "there are more than " + std::to_string(kInputLimits.bytes_max) + " bytes",
                       Place{shown(), 0, 0});
      }
      text.resize(size + kReadBytes);
      TRY(got, read_some(text.data() + size, kReadBytes));
      text.resize(size + got);
    }
  }
}

Result<std::optional<json::Document>> Inputs::slurp() {
  if (std::exchange(slurped_, true)) return std::nullopt;
  if (style_.raw) {
    TRY(const std::string text, rest_of_texts());
    return json::make_string(text);
  }
  json::Builder all;
  all.begin_array();
  style_.slurp = false;
  for (;;) {
    TRY(const auto document, next());
    if (!document) break;
    all.copy(document->root());
  }
  return all.end_array().finish();
}

Place Inputs::place() const {
  if (style_.slurp || slurped_ || opened_ == 0) return {};
  Place place = style_.raw ? Place{{}, line_, 1} : reader_->begin();
  place.file = shown();
  return place;
}

}  // namespace tieline::cli
