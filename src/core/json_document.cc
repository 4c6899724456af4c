// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/json_document.h"

#include <fmt/format.h>

#include "core/error.h"

namespace tandem {
namespace {

using nlohmann::json;

// Empties containers from the inside out: the library's destructor allocates for those that have
// something in them. No deeper than the builder lets a document be.
void TakeApart(json& value) {
  if (value.is_array()) {
    auto& items = value.get_ref<json::array_t&>();
    for (json& item : items) TakeApart(item);
    items.clear();
  } else if (value.is_object()) {
    auto& members = value.get_ref<json::object_t&>();
    for (auto& member : members) TakeApart(member.second);
    members.clear();
  }
}

}  // namespace

JsonDocument::~JsonDocument() { TakeApart(root_); }

bool JsonBuilder::key(string_t& value) {
  key_ = std::move(value);
  return true;
}

bool JsonBuilder::parse_error(size_t position, const std::string&,
                              const nlohmann::detail::exception& error) {
  // The library's text reads "[json.exception...] parse error at line 1, column 2: what".
  std::string_view detail = error.what();
  if (const size_t end = detail.find("] "); end != std::string_view::npos) {
    detail.remove_prefix(end + 2);
  }
  Fail(fmt::format("not valid JSON at byte {}: {}", position, Printable(detail, 200)));
}

void JsonBuilder::Fail(const std::string& problem) const {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", file_, problem), std::string(hint_));
}

json* JsonBuilder::Insert(json value) {
  if (open_.empty()) {
    document_.root_ = std::move(value);
    return &document_.root_;
  }
  json& parent = *open_.back();
  if (parent.is_array()) {
    parent.push_back(std::move(value));
    return &parent.back();
  }
  const auto [place, inserted] = parent.emplace(std::move(key_), std::move(value));
  if (!inserted) Fail(fmt::format("the JSON member '{}' occurs twice", Printable(place.key())));
  return &*place;
}

bool JsonBuilder::Place(json value) {
  Insert(std::move(value));
  return true;
}

bool JsonBuilder::Open(json container) {
  if (open_.size() == kJsonMaxDepth) {
    Fail(fmt::format("JSON nested deeper than {} levels", kJsonMaxDepth));
  }
  open_.push_back(Insert(std::move(container)));
  return true;
}

bool JsonBuilder::Close() {
  open_.pop_back();
  return true;
}

}  // namespace tandem
