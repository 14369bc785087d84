// What a walk over a document carries along, and the words in which it says what does not fit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "json/schema/model.h"

namespace tieline::json::schema {

// The way to a value, from the inside out.
struct Path {
  const Path* outer = nullptr;
  std::string_view key;
  std::size_t index = 0;
  bool element = false;
};

// The resources that led here, the last one first (Core §7.1).
struct Scope {
  const Resource* resource = nullptr;
  const Scope* outer = nullptr;
};

// Which members and elements a schema and those beside it have looked at, with success.
struct Evaluated {
  bool all_members = false, all_elements = false;
  std::size_t first_elements = 0;
  std::vector<bool> members, elements;

  void member(std::size_t index) { mark(members, index); }
  void element(std::size_t index) { mark(elements, index); }
  bool has_member(std::size_t index) const { return all_members || (index < members.size() && members[index]); }
  bool has_element(std::size_t index) const {
    return all_elements || index < first_elements || (index < elements.size() && elements[index]);
  }
  void add(const Evaluated& other) {
    all_members = all_members || other.all_members;
    all_elements = all_elements || other.all_elements;
    first_elements = std::max(first_elements, other.first_elements);
    for (std::size_t i = 0; i < other.members.size(); ++i) {
      if (other.members[i]) member(i);
    }
    for (std::size_t i = 0; i < other.elements.size(); ++i) {
      if (other.elements[i]) element(i);
    }
  }

 private:
  static void mark(std::vector<bool>& marks, std::size_t index) {
    if (marks.size() <= index) marks.resize(index + 1);
    marks[index] = true;
  }
};

std::string pointer_of(const Path* path);
std::string_view kind_words(Kind kind);      // "a string"
std::string type_words(std::uint8_t types);  // "a string or null"
std::string quoted(std::string_view name);   // shortened
std::string shown(Value value);              // shortened
std::size_t characters(std::string_view text);
std::string counted(std::size_t number, std::string_view word);  // "2 elements"
std::string choices_words(const Check& c);                       // "must be one of 1, 2"
// What a dynamic reference leads to from there: the outermost resource that has its anchor decides.
const Check* dynamic_target(const Check& c, const Scope* scope);
// Equal values have equal hashes.
std::uint64_t hash_of(Value value);

}  // namespace tieline::json::schema
