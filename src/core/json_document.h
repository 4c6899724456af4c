// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON out of files, built strictly and taken apart without memory: the library's own destructor
// allocates, and so ends the program when there is nothing left to allocate. Documents own what
// they hold; any number of threads may read one.
#pragma once

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem {

/// Arrays and objects within each other that a document may have.
inline constexpr size_t kJsonMaxDepth = 64;

class JsonDocument {
 public:
  /// Null.
  JsonDocument() = default;
  JsonDocument(JsonDocument&& other) noexcept : root_(std::move(other.root_)) {}
  JsonDocument& operator=(JsonDocument&& other) noexcept {
    std::swap(root_, other.root_);
    return *this;
  }
  ~JsonDocument();

  const nlohmann::json& operator*() const { return root_; }
  const nlohmann::json* operator->() const { return &root_; }
  /// For functions that read JSON.
  operator const nlohmann::json&() const { return root_; }

 private:
  friend class JsonBuilder;
  nlohmann::json root_;
};

/// Whether `value` is this text. The library's == makes a copy of `text` where it may not throw,
/// and so ends the program when memory is short.
inline bool IsText(const nlohmann::json& value, std::string_view text) {
  return value.is_string() && value.get_ref<const std::string&>() == text;
}

/// Builds a document from the parser's events. The library's own builder keeps the last of several
/// members of one name and knows no depth limit. One document each.
class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// `file` (printable) and `hint` are for the Error kCorruptFile about text that is no document;
  /// they must outlive the builder.
  explicit JsonBuilder(std::string_view file, std::string_view hint = {})
      : file_(file), hint_(hint) {}

  JsonDocument TakeRoot() { return std::move(document_); }

  bool null() override { return Place(nullptr); }
  bool boolean(bool value) override { return Place(value); }
  bool number_integer(number_integer_t value) override { return Place(value); }
  bool number_unsigned(number_unsigned_t value) override { return Place(value); }
  bool number_float(number_float_t value, const string_t&) override { return Place(value); }
  bool string(string_t& value) override { return Place(std::move(value)); }
  bool binary(binary_t& value) override { return Place(std::move(value)); }
  bool start_object(size_t) override { return Open(nlohmann::json::object()); }
  bool start_array(size_t) override { return Open(nlohmann::json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override;
  bool parse_error(size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& error) override;

 protected:
  [[noreturn]] void Fail(const std::string& problem) const;

 private:
  nlohmann::json* Insert(nlohmann::json value);
  bool Place(nlohmann::json value);
  bool Open(nlohmann::json container);
  bool Close();

  std::string_view file_;
  std::string_view hint_;
  JsonDocument document_;
  std::string key_;
  std::vector<nlohmann::json*> open_;  ///< The containers around the next value, outermost first.
};

}  // namespace tandem
