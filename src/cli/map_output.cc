#include "cli/map_output.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tieline::cli {
namespace {

constexpr std::size_t kHeldBytes = 64u << 10;
constexpr char kRecordSeparator = '\x1e';

}  // namespace

Result<void> Printer::put(const json::Output& output) {
  const std::size_t before = held_.size();
  if (style_.sequence) held_ += kRecordSeparator;
  const auto text = style_.raw ? output.text() : std::nullopt;
  if (text && !style_.json.ascii) {
    held_ += *text;
  } else if (auto printed = output.print_to(held_, style_.json); !printed) {
    held_.resize(before);
    return printed;
  }
  held_ += style_.end;
  return held_.size() >= kHeldBytes || style_.unbuffered ? flush() : Result<void>();
}

Result<void> Printer::flush() {
  std::string_view left = held_;
  while (!left.empty() && write_error_ == 0) {
    const ssize_t written = ::write(STDOUT_FILENO, left.data(), left.size());
    if (written >= 0) {
      left.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      write_error_ = errno;
    }
  }
  held_.clear();
  if (write_error_ == 0) return {};
  return failure(Code::kInternal, std::string("cannot write to standard output: ") + std::strerror(write_error_));
}

}  // namespace tieline::cli
