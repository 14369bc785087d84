#include "workspace/secrets.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace tieline::workspace {
namespace {

constexpr std::uintmax_t kSecretFileBytesMax = 64u << 10;

Result<std::string> read_secret_file(const std::filesystem::path& path) {
  std::error_code failed;
  const std::uintmax_t bytes = std::filesystem::file_size(path, failed);
  if (failed) return failure(Code::kNotFound, "cannot be read: " + failed.message());
  if (bytes > kSecretFileBytesMax) return failure(Code::kTooLarge, "is larger than 64 KiB");
  std::ifstream in(path, std::ios::binary);
  if (!in) return failure(Code::kNotFound, "cannot be opened");
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

SecretSources system_secrets(std::string workspace_directory) {
  return {.environment = [](const std::string& name) -> std::optional<std::string> {
            const char* value = std::getenv(name.c_str());
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
          },
          .file = [directory = std::move(workspace_directory)](
                      const std::string& path) { return read_secret_file(std::filesystem::path(directory) / path); }};
}

Result<SecretString> resolve_secret(const spec::SecretRef& reference, const SecretSources& sources) {
  switch (reference.kind) {
    case spec::SecretRef::Kind::kVault:
      return failure(
          Code::kUnsupported,
          "`" + reference.text() + "`: the vault is not available in this version; use env:NAME or file:PATH",
          reference.place);
    case spec::SecretRef::Kind::kEnv: {
      std::optional<std::string> value = sources.environment(reference.name);
      if (!value) {
        return failure(Code::kNotFound,
                       "`" + reference.text() + "`: the environment variable is not set: set it where Tieline starts",
                       reference.place);
      }
      if (value->empty()) {
        return failure(Code::kNotFound, "`" + reference.text() + "`: the environment variable is empty",
                       reference.place);
      }
      return SecretString(std::move(*value));
    }
    case spec::SecretRef::Kind::kFile: {
      Result<std::string> text = sources.file(reference.name);
      if (!text) {
        return failure(text.error().code, "`" + reference.text() + "`: the file " + text.error().message,
                       reference.place);
      }
      if (text->ends_with('\n')) text->pop_back();
      if (text->ends_with('\r')) text->pop_back();
      if (text->empty()) {
        return failure(Code::kNotFound, "`" + reference.text() + "`: the file is empty", reference.place);
      }
      return SecretString(std::move(*text));
    }
  }
  return failure(Code::kInternal, "unknown kind of secret reference", reference.place);
}

}  // namespace tieline::workspace
