// Workspaces with one mistake each, as people make them; what the checker says is compared line by line. With
// TIELINE_WRITE_EXPECTED=1 the expected files are written instead: read every change.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "connect/catalog.h"
#include "workspace/connect_catalog.h"
#include "workspace/load.h"

namespace tieline::workspace {
namespace {

namespace fs = std::filesystem;

std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("tests/broken")) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

const ConnectorCatalog& catalog() {
  static const connect::Catalog manifests;
  static const ConnectCatalog catalog(manifests);
  return catalog;
}

SecretSources secrets() {
  return {
      .environment = [](const std::string& name) -> std::optional<std::string> {
        for (const char* set : {"SHOPIFY_TOKEN", "SHOPIFY_CLIENT_SECRET", "HUBSPOT_TOKEN", "SLACK_TOKEN"}) {
          if (name == set) return "a-secret-that-must-not-be-printed";
        }
        return std::nullopt;
      },
      .file = [](const std::string&) -> Result<std::string> { return failure(Code::kNotFound, "cannot be opened"); }};
}

class Broken : public testing::TestWithParam<std::string> {};

TEST_P(Broken, SaysExactlyWhatIsWrong) {
  const fs::path directory = fs::path("tests/broken") / GetParam();
  const Result<Files> files = read_files(directory.string());
  ASSERT_TRUE(files) << files.error().text();
  const Loaded loaded = load(*files, catalog(), secrets());
  const std::string said = loaded.problems.text();
  EXPECT_FALSE(said.empty()) << "a broken workspace passes";
  EXPECT_EQ(loaded.problems.ok(), loaded.workspace != nullptr);
  for (const char* secret : {"must-not-be-printed", "pat-eu1", "shpss_"})
    EXPECT_EQ(said.find(secret), std::string::npos);
  if (std::getenv("TIELINE_WRITE_EXPECTED") != nullptr) {
    std::ofstream(directory / "expected.txt", std::ios::binary) << said;
  } else {
    EXPECT_EQ(said, read_text(directory / "expected.txt"));
  }
}

INSTANTIATE_TEST_SUITE_P(Workspaces, Broken, testing::ValuesIn(cases()), [](const auto& one) {
  std::string name = one.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-'; }, '_');
  return name;
});

TEST(BrokenWorkspaces, AreAtLeastThirty) { EXPECT_GE(cases().size(), 30u); }

}  // namespace
}  // namespace tieline::workspace
