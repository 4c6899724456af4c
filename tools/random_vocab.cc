// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "random_vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace tandem {
namespace {

constexpr int64_t kStartOfTurn = 105;
constexpr int64_t kEndOfTurn = 106;
constexpr int64_t kFirstNewlines = 107;  // "\n", then runs of them
constexpr int64_t kLastNewlines = 137;
constexpr int64_t kFirstByte = 238;
static_assert(kFirstByte + 256 == kLeastVocab);

// Counts in the digits space, a ... z, without a zero: each number is another run.
std::string LetterRun(int64_t number) {
  constexpr int64_t kDigits = 27;
  std::string reversed;
  for (++number; number > 0; number = (number - 1) / kDigits) {
    reversed += static_cast<char>('`' + (number - 1) % kDigits);  // '`' stands before 'a'
  }
  std::string run;
  for (auto it = reversed.rbegin(); it != reversed.rend(); ++it) {
    if (*it == '`') {
      run += kSpaceMark;
    } else {
      run += *it;
    }
  }
  return run;
}

void Set(Vocab& vocab, int64_t id, std::string piece, PieceType type) {
  vocab.pieces[static_cast<size_t>(id)] = std::move(piece);
  vocab.types[static_cast<size_t>(id)] = type;
}

}  // namespace

Vocab MakeVocab(int64_t rows) {
  Vocab vocab;
  vocab.pieces.resize(static_cast<size_t>(rows));
  vocab.types.assign(static_cast<size_t>(rows), PieceType::kNormal);
  for (int64_t id = 0; id < rows; ++id) vocab.scores.push_back(static_cast<float>(-id));
  for (int64_t id = 0; id < kFirstByte; ++id) {
    Set(vocab, id, fmt::format("<unused{}>", id), PieceType::kControl);
  }
  Set(vocab, 0, "<pad>", PieceType::kControl);
  Set(vocab, 1, "<eos>", PieceType::kControl);
  Set(vocab, 2, "<bos>", PieceType::kControl);
  Set(vocab, 3, "<unk>", PieceType::kUnknown);
  Set(vocab, kStartOfTurn, "<start_of_turn>", PieceType::kControl);
  Set(vocab, kEndOfTurn, "<end_of_turn>", PieceType::kControl);
  for (int64_t id = kFirstNewlines; id <= kLastNewlines; ++id) {
    const auto length = static_cast<size_t>(id - kFirstNewlines + 1);
    Set(vocab, id, std::string(length, '\n'), PieceType::kUserDefined);
  }
  for (int64_t byte = 0; byte < 256; ++byte) {
    Set(vocab, kFirstByte + byte, fmt::format("<0x{:02X}>", byte), PieceType::kByte);
  }
  for (int64_t id = kLeastVocab; id < rows; ++id) {
    vocab.pieces[static_cast<size_t>(id)] = LetterRun(id - kLeastVocab);
  }
  return vocab;
}

}  // namespace tandem
