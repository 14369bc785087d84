// Where secrets come from: the environment and files, named by references in the workspace. A secret's text must never
// be in an error, a log or a printed configuration: it leaves a SecretString only through reveal().
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "spec/types.h"

namespace tieline::workspace {

// A text that is not shown by accident: it has no conversion, no comparison and no printing.
class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string text) : text_(std::move(text)) {}
  // For the code that signs, sends or verifies with it; the result must not be kept or printed.
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

// How references are looked up; tests bring their own.
struct SecretSources {
  // The environment variable's value, or nothing.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  // The file's bytes; a relative path is relative to the workspace.
  std::function<Result<std::string>(const std::string& path)> file;
};
// The process's environment, and files below `workspace_directory` or at absolute paths (at most 64 KiB).
SecretSources system_secrets(std::string workspace_directory);

// The secret behind the reference. A file's last line end is not part of it. kNotFound when it is not there or empty,
// kUnsupported for `secret:` (the vault is not available in this version). The error has the reference's place and
// text.
Result<SecretString> resolve_secret(const spec::SecretRef& reference, const SecretSources& sources);

}  // namespace tieline::workspace
