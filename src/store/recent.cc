#include "store/recent.h"

#include <algorithm>

#include "base/check.h"

namespace tieline::store {

void Recent::open(std::uint64_t first_lsn, std::uint64_t first_seq) {
  auto next = std::make_shared<Generation>();
  next->first_lsn = first_lsn;
  next->first_seq = first_seq;
  // As many as the one before had: growing a table of this size stalls the shard that meets it.
  if (!generations_.empty()) {
    next->runs.reserve(generations_.back()->runs.size());
    closed_runs_ += generations_.back()->runs.size();
  }
  generations_.push_back(std::move(next));
}

void Recent::add_hash(std::uint64_t seq, std::uint64_t hash) {
  Generation& hot = *generations_.back();
  if (hot.hashes.empty()) hot.hashes_from = seq;
  CHECK(seq == hot.hashes_from + hot.hashes.size());
  hot.hashes.push_back(hash);
}

bool Recent::differs(std::uint64_t seq, std::uint64_t hash) const {
  for (const auto& generation : generations_) {
    const std::uint64_t at = seq - generation->hashes_from;
    if (seq >= generation->hashes_from && at < generation->hashes.size()) return generation->hashes[at] != hash;
  }
  return false;
}

std::shared_ptr<Generation> Recent::drop_oldest() {
  CHECK(generations_.size() > 1);
  auto oldest = std::move(generations_.front());
  generations_.pop_front();
  closed_runs_ -= oldest->runs.size();
  return oldest;
}

const RecentRun* Recent::run(RunId run) const {
  for (auto g = generations_.rbegin(); g != generations_.rend() && !(*g)->closed_before(run.event); ++g) {
    if (const auto found = (*g)->runs.find(run); found != (*g)->runs.end()) return &found->second;
  }
  return nullptr;
}

const RecentEntry* Recent::entry(std::string_view bucket, std::string_view key) const {
  for (auto g = generations_.rbegin(); g != generations_.rend(); ++g) {
    const auto in = (*g)->entries.find(bucket);
    if (in == (*g)->entries.end()) continue;
    if (const auto found = in->second.find(key); found != in->second.end()) return &found->second;
  }
  return nullptr;
}

const RunStatus& Recent::apply(const Record& record, const RecordRef& ref, const std::optional<RunStatus>& base,
                               FlowCounts& counts) {
  const auto [at, fresh] = hot().runs.try_emplace(record.run);
  RecentRun& run = at->second;
  std::optional<RunStatus> before;
  if (!fresh) {
    before = std::move(run.status);
  } else {
    before = base;
    for (auto g = generations_.rbegin() + 1; g != generations_.rend() && !(*g)->closed_before(record.run.event); ++g) {
      if (const auto found = (*g)->runs.find(record.run); found != (*g)->runs.end()) {
        before = found->second.status;
        break;
      }
    }
  }
  run.status = fold_record(before, record);
  fold_counts(counts, before, run.status);
  run.last_lsn = ref.lsn;
  run.records.push_back(ref);
  for (const KeyPut& put : record.puts) this->put(put.bucket, put.key, {put.value, ref.lsn, put.until, record.run});
  return run.status;
}

void Recent::put(std::string_view bucket, std::string_view key, RecentEntry entry) {
  auto& buckets = hot().entries;
  auto in = buckets.find(bucket);
  if (in == buckets.end()) in = buckets.emplace(std::string(bucket), TextMap<RecentEntry>()).first;
  const auto found = in->second.find(key);
  if (found != in->second.end()) {
    found->second = std::move(entry);
  } else {
    in->second.emplace(std::string(key), std::move(entry));
  }
}

std::vector<RecordRef> Recent::records(RunId run) const {
  std::vector<RecordRef> refs;
  for (const auto& generation : generations_) {
    if (const auto found = generation->runs.find(run); found != generation->runs.end()) {
      refs.insert(refs.end(), found->second.records.begin(), found->second.records.end());
    }
  }
  return refs;
}

void Recent::collect(const RunQuery& query, std::vector<RunStatus>& out) const {
  for (std::size_t i = 0; i < generations_.size(); ++i) {
    for (const auto& [id, found] : generations_[i]->runs) {
      if (!matches(query, found.status)) continue;
      bool newer = false;
      for (std::size_t j = i + 1; j < generations_.size() && !newer; ++j) newer = generations_[j]->runs.contains(id);
      if (!newer) out.push_back(found.status);
    }
  }
}

void Recent::collect(std::string_view bucket, std::string_view prefix, std::string_view after,
                     std::unordered_map<std::string, RecentEntry>& out) const {
  for (const auto& generation : generations_) {
    const auto in = generation->entries.find(bucket);
    if (in == generation->entries.end()) continue;
    for (const auto& [key, entry] : in->second) {
      if (key.starts_with(prefix) && key > after) out[key] = entry;
    }
  }
}

void Tail::push(EventPtr event, std::size_t bytes) {
  CHECK(event->position.value == first_ + items_.size());
  bytes_ += bytes;
  items_.push_back({std::move(event), bytes});
}

void Tail::trim(std::uint64_t durable) {
  while (bytes_ > bytes_max_ && first_ <= durable && !items_.empty()) {
    bytes_ -= items_.front().bytes;
    items_.pop_front();
    ++first_;
  }
}

const EventPtr* Tail::find(std::uint64_t seq) const {
  if (seq < first_ || seq >= first_ + items_.size()) return nullptr;
  return &items_[seq - first_].event;
}

void Tail::restart(std::uint64_t first) {
  items_.clear();
  bytes_ = 0;
  first_ = first;
}

void Dedupe::add(std::uint64_t hash, std::uint64_t seq) {
  if (slots_.empty()) {
    slots_.resize(1024);
    base_ = seq - 1;
  }
  if ((used_ + 1) * 5 > slots_.size() * 4 || seq - base_ > UINT32_MAX) rebuild();
  insert({tag_of(hash), static_cast<std::uint32_t>(seq - base_)});
}

void Dedupe::insert(Slot slot) {
  std::size_t i = home(slot.tag);
  while (slots_[i].offset != 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = slot;
  ++used_;
}

void Dedupe::rebuild() {
  const auto before = std::move(slots_);
  const std::uint64_t old_base = base_;
  std::size_t kept = 0;
  for (const Slot& slot : before) kept += slot.offset != 0 && old_base + slot.offset > oldest_;
  base_ = std::max(base_, oldest_);
  std::size_t size = 1024;
  while (size < kept * 2) size *= 2;
  slots_.assign(size, Slot{});
  used_ = 0;
  for (const Slot& slot : before) {
    const std::uint64_t seq = old_base + slot.offset;
    if (slot.offset != 0 && seq > oldest_) insert({slot.tag, static_cast<std::uint32_t>(seq - base_)});
  }
}

}  // namespace tieline::store
