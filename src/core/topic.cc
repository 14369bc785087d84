#include "core/topic.h"

#include <algorithm>

#include "base/text.h"

namespace tieline {
namespace {

bool is_word(std::string_view word) {
  const auto ok = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !word.empty() && std::all_of(word.begin(), word.end(), ok);
}

std::string quoted(std::string_view text) { return '"' + truncated(text, 100) + '"'; }

Result<void> check_length(std::string_view topic) {
  if (topic.size() <= kTopicBytesMax) return {};
  return failure(Code::kInvalid, quoted(topic) + " has " + std::to_string(topic.size()) + " characters, a topic has " +
                                     std::to_string(kTopicBytesMax) + " at most");
}

}  // namespace

std::optional<std::string_view> topic_of(std::string_view source) {
  if (!source.starts_with(kTopicSource)) return std::nullopt;
  return source.substr(kTopicSource.size());
}

std::optional<std::string_view> synced_of(std::string_view source) {
  if (!source.starts_with(kSyncSource)) return std::nullopt;
  return source.substr(source.rfind('/') + 1);
}

Result<void> check_topic(std::string_view topic) {
  TRY_VOID(check_length(topic));
  for (const std::string_view word : split(topic, '.')) {
    if (word == "*" || word == ">")
      return failure(Code::kInvalid,
                     quoted(topic) + " is a pattern: an event goes to one topic, like customer.created");
    if (!is_word(word))
      return failure(Code::kInvalid, quoted(topic) +
                                         " cannot be a topic: write words of letters, digits, - and _ with "
                                         "dots between them, like customer.created");
  }
  return {};
}

Result<TopicPattern> TopicPattern::parse(std::string_view text) {
  TRY_VOID(check_length(text));
  TopicPattern pattern;
  pattern.text_ = text;
  const std::vector<std::string_view> words = split(text, '.');
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "*" || word == ">") {
      pattern.plain_ = false;
      if (word == ">" && i + 1 < words.size())
        return failure(Code::kInvalid, quoted(text) + ": `>` stands for all that follows, so it must be the last word");
      continue;
    }
    if (word.find_first_of("*>") != std::string_view::npos)
      return failure(Code::kInvalid,
                     quoted(text) + ": `*` and `>` stand for whole words between dots, like customer.* or customer.>");
    if (word == "#") return failure(Code::kInvalid, quoted(text) + ": write `>` for all words that follow");
    if (!is_word(word)) return failure(check_topic(text).error());
  }
  return pattern;
}

bool TopicPattern::matches(std::string_view topic) const {
  if (plain_) return topic == text_ && !text_.empty();
  std::string_view pattern = text_;
  while (true) {
    const std::size_t wanted_end = std::min(pattern.find('.'), pattern.size());
    const std::string_view wanted = pattern.substr(0, wanted_end);
    if (wanted == ">") return !topic.empty();
    const std::size_t word_end = std::min(topic.find('.'), topic.size());
    if (word_end == 0 || (wanted != "*" && wanted != topic.substr(0, word_end))) return false;
    const bool pattern_ends = wanted_end == pattern.size(), topic_ends = word_end == topic.size();
    if (pattern_ends || topic_ends) return pattern_ends && topic_ends;
    pattern.remove_prefix(wanted_end + 1);
    topic.remove_prefix(word_end + 1);
  }
}

}  // namespace tieline
