// Documents out of a stream, cut wherever a stream can be cut. The same bytes must give the same documents, and the
// same mistake, however they come.
#include "json/stream.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace tieline::json {
namespace {

constexpr std::size_t kSmallBlock = 16;

// What a stream gave: documents as printed, then perhaps a mistake.
struct Seen {
  std::vector<std::string> documents;
  std::string error;
  friend bool operator==(const Seen&, const Seen&) = default;
};

void PrintTo(const Seen& seen, std::ostream* out) {
  for (const std::string& document : seen.documents) *out << document << ' ';
  *out << '(' << seen.error << ')';
}

// Takes all that is there; false after a mistake.
bool take(StreamReader& reader, Seen& seen) {
  for (;;) {
    const auto document = reader.next();
    if (!document) {
      seen.error = document.error().text();
      return false;
    }
    if (!*document) return true;
    seen.documents.push_back(print((*document)->root()));
  }
}

Seen read_pieces(const std::vector<std::string_view>& pieces, const ParseLimits& limits = {},
                 std::size_t block = StreamReader::kBlockBytes) {
  StreamReader reader(limits, block);
  Seen seen;
  for (const std::string_view piece : pieces) {
    reader.append(piece);
    if (!take(reader, seen)) return seen;
  }
  reader.end();
  take(reader, seen);
  return seen;
}

Seen read_whole(std::string_view text) { return read_pieces({text}); }

Seen read_bytes(std::string_view text, std::size_t block) {
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) bytes.push_back(text.substr(i, 1));
  return read_pieces(bytes, {}, block);
}

void expect_however_cut(std::string_view text, const Seen& expected) {
  EXPECT_EQ(read_whole(text), expected) << text;
  EXPECT_EQ(read_bytes(text, kSmallBlock), expected) << text;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    EXPECT_EQ(read_pieces({text.substr(0, i), text.substr(i)}), expected) << text << " cut at " << i;
    for (std::size_t k = i; k <= text.size(); ++k) {
      EXPECT_EQ(read_pieces({text.substr(0, i), text.substr(i, k - i), text.substr(k)}, {}, kSmallBlock), expected)
          << text << " cut at " << i << " and " << k;
    }
  }
}

TEST(Stream, GivesTheSameDocumentsHoweverItIsCut) {
  expect_however_cut(
      "{\"a\":[1,\"}\\\"]\\\\\"],\"b\":{}} [1]2 "
      "\"x\"\"y\"null{}\n-1.5e3\r\n\"\u00e9\\u00e9\U0001F600\\ud83d\\ude00\"\ttrue[]7",
      {{"{\"a\":[1,\"}\\\"]\\\\\"],\"b\":{}}", "[1]", "2", "\"x\"", "\"y\"", "null", "{}", "-1.5e3",
        "\"\u00e9\u00e9\U0001F600\U0001F600\"", "true", "[]", "7"},
       ""});
}

TEST(Stream, NeedsNothingBetweenDocumentsWhereThatIsClear) {
  expect_however_cut("1[2]3{\"a\":4}5\"6\"7", {{"1", "[2]", "3", "{\"a\":4}", "5", "\"6\"", "7"}, ""});
  expect_however_cut("", {});
  expect_however_cut(" \r\n\t ", {});
}

TEST(Stream, NamesTheSameMistakeHoweverItIsCut) {
  const struct {
    const char* text;
    Seen expected;
  } cases[] = {
      {"1\n 2 }", {{"1", "2"}, "2:4: error: expected a value, found \"}\""}},
      {"[1]\n\u00e9[", {{"[1]"}, "2:1: error: expected a value, found \"\u00e9\""}},
      {"\"\u00e9\" [1,\n2",
       {{"\"\u00e9\""}, "2:2: error: expected \",\" or \"]\" after an element, found the end of the text"}},
      {"{} {\"a\" 1}", {{"{}"}, "1:9: error: expected \":\" after a key, found \"1\""}},
      {"truefalse", {{}, "1:5: error: expected white space behind a value, found \"f\""}},
      {"1-2", {{}, "1:2: error: expected white space behind a value, found \"-\""}},
      {"01", {{}, "1:1: error: invalid number: expected no digit after a leading zero"}},
      {"2 1.", {{"2"}, "1:3: error: invalid number: expected a digit after the decimal point"}},
      {"2 nul", {{"2"}, "1:3: error: expected a value: null, true, false, a number, or a string in quotes"}},
      {"\"a\nb\"", {{}, "1:3: error: a control character in a string must be escaped, found byte 0x0A"}},
      {"[\"\\x\"]",
       {{},
        "1:3: error: invalid escape in a string: after a backslash expected one of \" \\ / b f n r t u, found \"x\""}},
      {"\"\\ud800\\n\"", {{}, "1:2: error: invalid escape in a string: \\ud800 is half of a surrogate pair"}},
      {"1 \"\xC3(\"", {{"1"}, "1:4: error: invalid UTF-8 in a string, found byte 0xC3"}},
      {"[1] \"abc", {{"[1]"}, "1:5: error: a string is not closed: expected a quote before the end of the text"}},
      {"1,2", {{"1"}, "1:2: error: expected a value, found \",\""}},
  };
  for (const auto& one : cases) expect_however_cut(one.text, one.expected);
}

TEST(Stream, NamesAMistakeAsSoonAsItIsCertain) {
  StreamReader reader;
  reader.append("[1,2,}");
  EXPECT_FALSE(reader.next());
  StreamReader unclosed({}, kSmallBlock);
  unclosed.append("[\"");
  Seen seen;
  int pieces = 0;
  for (; take(unclosed, seen) && pieces < 100; ++pieces) unclosed.append("{\"line\":\"of another\"}\n");
  EXPECT_LT(pieces, 5) << seen.error;
}

TEST(Stream, AByteOrderMarkMayStandAtItsBeginningOnly) {
  expect_however_cut("\xEF\xBB\xBF[1]", {{"[1]"}, ""});
  expect_however_cut("\xEF\xBB\xBF", {});
  expect_however_cut("1 \xEF\xBB\xBF", {{"1"}, "1:3: error: expected a value, found \"\xEF\xBB\xBF\""});
}

TEST(Stream, KnowsWhereADocumentBegins) {
  StreamReader reader({}, kSmallBlock);
  std::vector<std::string> places;
  for (const char* piece : {"[1,\n2]  3\n", "  \"\u00e9\" [4", "4444444444444444444444444444,\n\n5] ", "6 "}) {
    reader.append(piece);
    for (auto document = reader.next(); document && *document; document = reader.next()) {
      places.push_back(reader.begin().text());
    }
  }
  EXPECT_EQ(places, (std::vector<std::string>{"1:1", "2:5", "3:3", "3:7", "5:4"}));
}

TEST(Stream, KeepsWhatSomebodyStillHas) {
  StreamReader reader({}, kSmallBlock);
  std::vector<Document> held;
  for (int i = 0; i < 1000; ++i) {
    reader.append("{\"number\":" + std::to_string(i) + ",\"escaped\":\"a\\tb" + std::to_string(i) + "\"}");
    for (auto document = reader.next(); document && *document; document = reader.next()) held.push_back(**document);
  }
  ASSERT_EQ(held.size(), 1000u);
  for (std::size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].root()["number"].as_int64(), static_cast<std::int64_t>(i));
    EXPECT_EQ(held[i].root()["escaped"].as_string(), "a\tb" + std::to_string(i));
  }
}

TEST(Stream, LendsTheMemoryOfADocumentToTheNextOne) {
  StreamReader reader;
  reader.append("[1,2,3] [4,5,6] [7,8,9]");
  const Node* first = nullptr;
  {
    const auto document = reader.next();
    first = (*document)->root().node();
  }
  const auto second = reader.next();
  EXPECT_EQ((*second)->root().node(), first);
  const auto third = reader.next();
  EXPECT_NE((*third)->root().node(), first);
  EXPECT_EQ(print((*second)->root()), "[4,5,6]");
}

TEST(Stream, TakesADocumentMuchLargerThanABlockInLinearTime) {
  std::string text = "[\"";
  text.append(1'000'000, 'x');
  text += "\"] 1";
  const Seen seen = read_bytes(text, kSmallBlock);
  ASSERT_EQ(seen.documents.size(), 2u) << seen.error;
  EXPECT_EQ(seen.documents[0].size(), 1'000'004u);
}

TEST(Stream, LimitsEachDocument) {
  EXPECT_EQ(read_pieces({"[1] [1,2,3,4,5]"}, {.bytes_max = 8}).error, "1:5: error: a document has more than 8 bytes");
  EXPECT_EQ(read_pieces({"[1] [1,2,3,", "4,5,6,7,8,9", "]"}, {.bytes_max = 8}, kSmallBlock).error,
            "1:5: error: a document has more than 8 bytes");
  EXPECT_EQ(read_pieces({"[1] [2] [3] [4]"}, {.bytes_max = 8}).documents.size(), 4u);
  EXPECT_EQ(read_pieces({"[[1]]\n[[[1]]]"}, {.depth_max = 2}).error, "2:3: error: nested deeper than 2 levels");
}

// A file is one document, so what is none may be several, or nothing at all.
TEST(Stream, AgreesWithTheParserOnTheParsingSuite) {
  const std::filesystem::path folder = "../shared/corpora/json/test_parsing";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is missing";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    ++files;
    const std::string name = entry.path().filename().string();
    std::ostringstream content;
    content << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    const std::string text = content.str();
    const ParseLimits deep{.depth_max = 4096};
    const Seen seen = read_pieces({text}, deep);
    if (text.size() < 2000) {
      EXPECT_EQ(read_bytes(text, kSmallBlock), read_whole(text)) << name;
    }
    const auto document = parse(text, deep);
    const bool several = seen.documents.size() != 1 && seen.error.empty();
    if (document) {
      EXPECT_EQ(seen, (Seen{{print(document->root())}, ""})) << name;
    } else if (!several && !text.starts_with("\xEF\xBB\xBF")) {
      EXPECT_NE(seen.error, "") << name;
    }
  }
  EXPECT_GT(files, 300u);
}

}  // namespace
}  // namespace tieline::json
