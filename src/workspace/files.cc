#include "workspace/files.h"

#include <filesystem>
#include <fstream>
#include <iterator>

namespace tieline::workspace {
namespace fs = std::filesystem;
namespace {

Result<void> read_into(Files& files, const fs::path& path, std::string name) {
  std::ifstream in(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in)
    return failure(Code::kInternal, "\"" + name + "\" cannot be read: check that it is a file and who may read it");
  files.texts.emplace(std::move(name), std::move(text));
  return {};
}

}  // namespace

Result<Files> read_files(const std::string& directory) {
  Files files;
  std::error_code failed;
  if (!fs::is_directory(directory, failed)) {
    return failure(Code::kNotFound, "there is no directory \"" + directory + "\": name the workspace's directory");
  }
  if (fs::is_regular_file(fs::path(directory) / "tieline.yaml", failed)) {
    TRY_VOID(read_into(files, fs::path(directory) / "tieline.yaml", "tieline.yaml"));
  }
  for (const char* folder : {"connectors", "connections", "flows", "env"}) {
    const fs::path path = fs::path(directory) / folder;
    if (!fs::is_directory(path, failed)) continue;
    fs::directory_iterator at(path, failed);
    if (failed) return failure(Code::kInternal, "\"" + std::string(folder) + "/\" cannot be read: " + failed.message());
    for (const fs::directory_entry& entry : at) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.') || !entry.is_regular_file(failed)) continue;
      TRY_VOID(read_into(files, entry.path(), std::string(folder) + "/" + name));
    }
  }
  return files;
}

}  // namespace tieline::workspace
