// What events are called that Tieline makes itself, and which topics a trigger wants. An event's source says which kind
// it is; a connection's name has no "/", so that no webhook can be taken for one of these.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tieline {

inline constexpr std::string_view kTopicSource = "topic/";        // then the topic: published by a flow
inline constexpr std::string_view kScheduleSource = "schedule/";  // then the flow: its time came
inline constexpr std::string_view kManualSource = "manual/";      // then the flow: a person started it
inline constexpr std::string_view kSyncSource = "sync/";  // then the flow, "/" and CONNECTION.RESOURCE: a record of it
inline constexpr std::string_view kReadingSource = "reading/";  // then the flow: it goes on to read the next page

inline constexpr std::size_t kTopicBytesMax = 200;

// The topic of an event's source; nothing when no flow published it.
std::optional<std::string_view> topic_of(std::string_view source);

// CONNECTION.RESOURCE of an event's source; nothing when it is not about a record that was read.
std::optional<std::string_view> synced_of(std::string_view source);

// "customer.created": words of letters, digits, - and _, with dots between them. kInvalid.
Result<void> check_topic(std::string_view topic);

// The subjects of NATS: `*` stands for one word, `>` at the end for one or more.
class TopicPattern {
 public:
  TopicPattern() = default;  // matches nothing
  // kInvalid, saying what is wrong with it.
  static Result<TopicPattern> parse(std::string_view text);

  const std::string& text() const { return text_; }
  bool is_plain() const { return plain_; }  // one topic
  bool matches(std::string_view topic) const;

 private:
  std::string text_;
  bool plain_ = true;
};

}  // namespace tieline
