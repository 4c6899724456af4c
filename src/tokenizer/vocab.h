// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a SentencePiece BPE vocabulary is, wherever it was read from: GGUF metadata (the caller
// fills the three arrays and what else it knows), tokenizer.model or tokenizer.json (vocab_file.h).
// A plain value; Complete() and Validate() make it fit for a Tokenizer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

/// What a piece is for. The numbers are those of SentencePiece's ModelProto and of GGUF's
/// tokenizer.ggml.token_type.
enum class PieceType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      ///< Stands for no text; never comes out of user text.
  kUserDefined = 4,  ///< Plain text that is always one token: matched before merging.
  kUnused = 5,       ///< May appear while merging, but is taken apart again.
  kByte = 6,         ///< "<0x00>" to "<0xFF>": one byte of a character that has no piece.
};

inline constexpr int32_t kNoToken = -1;

/// The visible stand-in for a space inside pieces, U+2581.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

struct Vocab {
  /// Indexed by token id, all three of one length. Pieces are UTF-8 with kSpaceMark for a space.
  std::vector<std::string> pieces;
  /// Order of merging, highest first. Minus infinity: no merge makes this piece.
  std::vector<float> scores;
  std::vector<PieceType> types;

  int32_t bos = kNoToken;
  int32_t eos = kNoToken;
  int32_t unk = kNoToken;
  int32_t pad = kNoToken;
  int32_t start_of_turn = kNoToken;
  int32_t end_of_turn = kNoToken;
  /// Every token that ends a reply, ascending. Gemma has two, <eos> and <end_of_turn>, and files
  /// name either one as "the" end, so Complete() lists both.
  std::vector<int32_t> end_tokens;

  bool add_bos = true;            ///< Whether a text for the model starts with `bos`.
  bool add_space_prefix = false;  ///< Whether a text gets a space in front ("dummy prefix").
  bool escape_whitespace = true;  ///< Whether spaces become kSpaceMark before matching.
  std::string unknown_text = " \xe2\x81\x87 ";  ///< What `unk` decodes to.

  /// Derived by Complete(): whether there are byte pieces, and the token of each byte.
  bool byte_fallback = false;
  std::array<int32_t, 256> byte_tokens{};

  size_t size() const { return pieces.size(); }

  /// Fills in what follows from the pieces themselves: pieces that are special by their name become
  /// kControl whatever the file typed them, ids still kNoToken are found by name, byte_fallback,
  /// byte_tokens and end_tokens are derived. Idempotent. Throws Error as Validate() does when the
  /// three arrays are not of one length.
  void Complete();

  /// Checks that a tokenizer can rely on this: arrays of one length, known types, no NaN score,
  /// pieces of at most kMaxPieceBytes, ids in range, all 256 byte pieces or none, and where there
  /// are none an `unk` that is no control piece. Duplicate pieces are allowed (the first wins).
  /// Throws Error (kCorruptFile) that names `source`.
  void Validate(std::string_view source = "the vocabulary") const;
};

/// Longer pieces are refused: matching costs time in proportion, and real ones stay below 100.
inline constexpr size_t kMaxPieceBytes = 1024;
/// More pieces than this (16 times Gemma's) are refused; also keeps every rank exact in a float.
inline constexpr size_t kMaxPieces = size_t{1} << 22;

/// Whether Gemma gives `piece` a meaning beyond its text (turns, image, audio, padding, reserved).
bool IsSpecialPieceName(std::string_view piece);

}  // namespace tandem
