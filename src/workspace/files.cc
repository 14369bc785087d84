#include "workspace/files.h"

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/text.h"

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

constexpr std::array kFolders{"connectors", "connections", "flows", "subscriptions", "schemas", "env"};

// A name at the top of the workspace that is nearly one that is read: "flow/", "flowz.yaml".
void note_strays(Files& files, const fs::path& directory) {
  std::vector<std::string> names(kFolders.begin(), kFolders.end());
  names.emplace_back("tieline");
  std::error_code failed;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, failed)) {
    const std::string name = entry.path().filename().string();
    const bool folder = entry.is_directory(failed), yaml = name.ends_with(".yaml") || name.ends_with(".yml");
    if (name == "tieline.yaml" || (!folder && !yaml)) continue;
    const std::string stem = folder ? name : entry.path().stem().string();
    const std::string meant = nearest(stem, names);
    if (meant.empty() || (folder && (stem == meant || meant == "tieline"))) continue;
    files.ignored[folder ? name + "/" : name] = meant == "tieline"
                                                    ? "this file is not read: the settings stand in tieline.yaml"
                                                : folder ? "this folder is not read; did you mean " + meant + "/?"
                                                         : "this file is not read: write it to " + meant + "/NAME.yaml";
  }
}

// Why an entry of a folder is not read; empty for a file.
std::string why_not_read(const fs::directory_entry& entry, const std::string& folder) {
  std::error_code failed;
  if (entry.is_regular_file(failed)) return {};
  if (entry.is_directory(failed)) return "this is a folder: files of " + folder + "/ are read, folders in it are not";
  if (entry.is_symlink(failed)) return "this link leads to no file";
  return "this is no file";
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
  note_strays(files, directory);
  for (const char* folder : kFolders) {
    const fs::path path = fs::path(directory) / folder;
    if (!fs::is_directory(path, failed)) continue;
    fs::directory_iterator at(path, failed);
    if (failed) return failure(Code::kInternal, "\"" + std::string(folder) + "/\" cannot be read: " + failed.message());
    for (const fs::directory_entry& entry : at) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with('.')) continue;
      if (std::string why = why_not_read(entry, folder); !why.empty()) {
        files.ignored[std::string(folder) + "/" + name] = std::move(why);
        continue;
      }
      TRY_VOID(read_into(files, entry.path(), std::string(folder) + "/" + name));
    }
  }
  return files;
}

}  // namespace tieline::workspace
