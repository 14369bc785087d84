#include "cli/secret_key.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace tieline::cli {
namespace {
namespace fs = std::filesystem;

class SecretKey : public testing::Test {
 protected:
  SecretKey() { fs::create_directories(folder_); }
  ~SecretKey() override { fs::remove_all(folder_); }
  const std::string folder_ = testing::TempDir() + "secret_key_" + std::to_string(::getpid());
  const std::string file_ = folder_ + "/secrets.key";
};

TEST_F(SecretKey, IsMadeOnceAndGivesTheSameAgain) {
  const auto first = open_secret_key(folder_, false);
  ASSERT_TRUE(first) << first.error().message;
  struct stat status {};
  ASSERT_EQ(::stat(file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto second = open_secret_key(folder_, false);
  ASSERT_TRUE(second);
  EXPECT_EQ((*first)->derive("a", 100), (*second)->derive("a", 100));
  EXPECT_EQ((*first)->derive("a", 100).substr(0, 40), (*second)->derive("a", 40));
  EXPECT_NE((*first)->derive("a", 40), (*first)->derive("b", 40));
}

TEST_F(SecretKey, IsRefusedWhereOthersMayReadIt) {
  ASSERT_TRUE(open_secret_key(folder_, false));
  ::chmod(file_.c_str(), 0644);
  EXPECT_EQ(open_secret_key(folder_, false).error().code, Code::kDenied);
}

TEST_F(SecretKey, IsNotMadeAnewOverSomethingElse) {
  std::ofstream(file_) << "something else\n";
  ::chmod(file_.c_str(), 0600);
  EXPECT_EQ(open_secret_key(folder_, false).error().code, Code::kInvalid);
}

TEST_F(SecretKey, IsNotMadeAnewForAStoreThatHadOne) {
  std::ofstream(folder_ + "/sealed-00000000000000000001.db") << "x";
  const auto refused = open_secret_key(folder_, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kNotFound);
  EXPECT_NE(refused.error().message.find("put it back from a backup"), std::string::npos);
  EXPECT_FALSE(fs::exists(file_));
  EXPECT_TRUE(open_secret_key(folder_, true));
  EXPECT_TRUE(open_secret_key(folder_, false));
}

}  // namespace
}  // namespace tieline::cli
