// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/json_file.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/mapped_file.h"

namespace tandem {
namespace {

using nlohmann::json;

/// Builds the document from the parser's events. The library's own builder keeps the last of
/// several members of one name and knows no depth limit.
class StrictBuilder : public nlohmann::json_sax<json> {
 public:
  explicit StrictBuilder(std::string_view file) : file_(file) {}

  json TakeRoot() { return std::move(root_); }

  bool null() override { return Place(nullptr); }
  bool boolean(bool value) override { return Place(value); }
  bool number_integer(number_integer_t value) override { return Place(value); }
  bool number_unsigned(number_unsigned_t value) override { return Place(value); }
  bool number_float(number_float_t value, const string_t&) override { return Place(value); }
  bool string(string_t& value) override { return Place(std::move(value)); }
  bool binary(binary_t& value) override { return Place(std::move(value)); }
  bool start_object(size_t) override { return Open(json::object()); }
  bool start_array(size_t) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    // The library's text reads "[json.exception...] parse error at line 1, column 2: what".
    std::string_view detail = error.what();
    if (const size_t end = detail.find("] "); end != std::string_view::npos) {
      detail.remove_prefix(end + 2);
    }
    Fail(fmt::format("not valid JSON at byte {}: {}", position, Printable(detail, 200)));
  }

 private:
  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", file_, problem));
  }

  json* Insert(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
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

  bool Place(json value) {
    Insert(std::move(value));
    return true;
  }

  bool Open(json container) {
    if (open_.size() == kJsonMaxDepth) {
      Fail(fmt::format("JSON nested deeper than {} levels", kJsonMaxDepth));
    }
    open_.push_back(Insert(std::move(container)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  std::string_view file_;
  json root_;
  std::string key_;
  std::vector<json*> open_;  ///< The containers around the next value, outermost first.
};

}  // namespace

json ParseJson(std::string_view text, std::string_view name) {
  // The library takes a zero byte for the end of the text, and would ignore what follows it.
  if (const size_t zero = text.find('\0'); zero != std::string_view::npos) {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: not valid JSON at byte {}: a zero byte", name, zero + 1));
  }
  StrictBuilder builder(name);
  json::sax_parse(text.begin(), text.end(), &builder);
  return builder.TakeRoot();
}

json ParseJsonFile(const std::filesystem::path& path, uint64_t max_bytes) {
  const MappedFile file(path);
  const std::string name = Printable(path.string(), 4096);
  if (file.size() > max_bytes) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: {} bytes of JSON, the limit is {}", name, file.size(), max_bytes));
  }
  return ParseJson({reinterpret_cast<const char*>(file.bytes().data()), file.size()}, name);
}

}  // namespace tandem
