// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Text to token ids and back, as SentencePiece does it for Gemma. Owns its vocabulary; immutable,
// so any number of threads may use one object.
//
// Encoding: invalid UTF-8 becomes U+FFFD byte for byte, spaces become U+2581; user-defined pieces
// (runs of newlines, spaces and tabs, HTML tags) and, where allowed, control pieces are matched
// from left to right, longest first; the text between them is merged by score (bpe.h); a character
// without a piece becomes byte pieces. Decoding reverses it, so that any valid text without U+2581
// comes back as it was.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/vocab.h"

namespace tandem {

class BpeModel;
class PieceMatcher;

/// Longer texts are refused: Encode() needs up to 50 bytes of memory per byte of text, and no
/// context holds the thousandth part of this.
inline constexpr size_t kMaxTextBytes = size_t{64} << 20;

struct EncodeOptions {
  /// Puts `bos` in front, unless the vocabulary has none or the text parses to one already.
  bool add_bos = false;
  /// Whether "<start_of_turn>" and its like in the text become control tokens. Never set it for
  /// text of a user: without it no text yields a control token.
  bool parse_special = false;
  /// The text goes on from earlier tokens: it gets no space in front even where the vocabulary
  /// wants one (Gemma's does not).
  bool continues = false;
};

struct DecodeOptions {
  /// Prints control tokens by name instead of as nothing.
  bool show_special = false;
};

class Tokenizer {
 public:
  /// Completes and validates `vocab`. Throws Error (kCorruptFile) where Vocab::Validate() does.
  explicit Tokenizer(Vocab vocab);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  const Vocab& vocab() const { return *vocab_; }
  size_t size() const { return vocab_->size(); }

  /// The tokens of `text`. Time is near linear in its length, whatever it holds. Throws Error
  /// (kInvalidArgument) above kMaxTextBytes.
  std::vector<int32_t> Encode(std::string_view text, const EncodeOptions& options = {}) const;

  /// The text of `ids`: always valid UTF-8 (bytes that form no character become U+FFFD). Throws
  /// Error (kInvalidArgument) for an id outside the vocabulary.
  std::string Decode(std::span<const int32_t> ids, const DecodeOptions& options = {}) const;

  /// Appends the raw bytes that `id` stands for: one byte for a byte piece, nothing for a control
  /// piece unless its name is asked for. Throws as Decode().
  void AppendPiece(int32_t id, std::string& out, const DecodeOptions& options = {}) const;
  std::string PieceBytes(int32_t id, const DecodeOptions& options = {}) const;

  /// Type of `id`. Throws as Decode().
  PieceType TypeOf(int32_t id) const;
  bool IsControl(int32_t id) const { return TypeOf(id) == PieceType::kControl; }
  bool IsEnd(int32_t id) const;

  /// The token whose piece is exactly `piece`, of any type, or kNoToken. Linear: for set-up.
  int32_t FindPiece(std::string_view piece) const;

 private:
  std::string Normalise(std::string_view text, bool space_in_front) const;

  // On the heap because the model and the matchers point into it.
  std::unique_ptr<const Vocab> vocab_;
  std::unique_ptr<const BpeModel> model_;
  std::unique_ptr<const PieceMatcher> plain_;    // user-defined pieces
  std::unique_ptr<const PieceMatcher> special_;  // and control pieces
};

}  // namespace tandem
