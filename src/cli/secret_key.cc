#include "cli/secret_key.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "auth/hash.h"

namespace tieline::cli {
namespace {

constexpr std::size_t kKeyBytes = 32;

// Blocks of HMAC-SHA256, each over the one before, the name and its number (RFC 5869 §2.3).
class KeyedSource final : public SecretSource {
 public:
  explicit KeyedSource(std::string_view key) : key_(auth::Hash::kSha256, key) {}
  Bytes derive(std::string_view name, std::size_t count) const override {
    Bytes out, block;
    for (std::uint32_t number = 1; out.size() < count; ++number) {
      Bytes counter;
      put_u32(counter, number);
      const std::array<std::string_view, 3> parts{block, name, counter};
      block = key_.sign(parts);
      out += block;
    }
    out.resize(count);
    return out;
  }

 private:
  auth::HmacKey key_;
};

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

tl::unexpected<Error> failed(const std::string& file, const char* what) {
  return failure(Code::kInternal, std::string("the store's key cannot be ") + what + ": check who may use " + file);
}

Result<std::string> make_key(const std::string& directory, const std::string& file) {
  const std::string key = to_hex(auth::random_bytes(kKeyBytes)), aside = file + ".new";
  ::unlink(aside.c_str());
  {
    const Descriptor out(::open(aside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    const std::string text = key + "\n";
    if (out.get() < 0 || ::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fsync(out.get()) != 0)
      return failed(file, "written");
  }
  const Descriptor folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::rename(aside.c_str(), file.c_str()) != 0 || folder.get() < 0 || ::fsync(folder.get()) != 0)
    return failed(file, "written");
  return key;
}

Result<std::string> read_key(const std::string& file, int number) {
  struct stat status {};
  if (::fstat(number, &status) != 0) return failed(file, "read");
  if ((status.st_mode & 077) != 0) {
    return failure(Code::kDenied, file +
                                      " can be read by others than its owner, so the secrets made with it are not: "
                                      "`chmod 600` it, and make those passwords anew");
  }
  std::array<char, 2 * kKeyBytes + 2> text{};
  const ssize_t size = ::read(number, text.data(), text.size());
  std::string_view key(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  if (key.ends_with('\n')) key.remove_suffix(1);
  if (key.size() != 2 * kKeyBytes || key.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return failure(Code::kInvalid, file + " is not the store's key: put back the one that was made with the store");
  return std::string(key);
}

bool has_segments(const std::string& directory) {
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(directory, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("seg-") || name.starts_with("sealed-")) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<const SecretSource>> open_secret_key(const std::string& directory, bool accept_loss) {
  const std::string file = directory + "/" + std::string(kSecretKeyFile);
  std::string key;
  const Descriptor in(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (in.get() >= 0) {
    TRY(key, read_key(file, in.get()));
  } else if (errno == ENOENT) {
    // A new key in silence would make other passwords for what has its password already.
    if (!accept_loss && has_segments(directory))
      return failure(Code::kNotFound, file +
                                          " is missing: put it back from a backup, or go on without the secrets "
                                          "that were made with it: tieline run --accept-loss");
    TRY(key, make_key(directory, file));
  } else {
    return failed(file, "read");
  }
  return std::unique_ptr<const SecretSource>(std::make_unique<KeyedSource>(key));
}

}  // namespace tieline::cli
