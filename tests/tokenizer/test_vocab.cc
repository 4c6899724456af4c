// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/test_vocab.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <set>
#include <sstream>

#include "tokenizer/vocab_file.h"

namespace tandem::test {
namespace {

std::string Varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
  return out;
}
std::string IntegerField(uint64_t number, int64_t value) {
  return Varint(number << 3) + Varint(static_cast<uint64_t>(value));
}
std::string BytesField(uint64_t number, std::string_view bytes) {
  return Varint(number << 3 | 2) + Varint(bytes.size()) + std::string(bytes);
}
std::string FloatField(uint64_t number, float value) {
  std::string out = Varint(number << 3 | 5);
  out.resize(out.size() + 4);
  std::memcpy(out.data() + out.size() - 4, &value, 4);
  return out;
}

void AppendUtf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

bool StartsCharacter(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

std::string RandomCharacter(Random& random) {
  static const std::vector<std::pair<uint32_t, uint32_t>> kRanges = {
      {0x01, 0x7f},     {0x80, 0x24f},       {0x300, 0x36f},    {0x370, 0x52f},   {0x590, 0x6ff},
      {0x900, 0xdff},   {0x2000, 0x206f},    {0x3000, 0x30ff},  {0x4e00, 0x9fff}, {0xac00, 0xd7a3},
      {0xe000, 0xffff}, {0x10000, 0x10ffff}, {0x1f300, 0x1faff}};
  const auto [low, high] = Pick(random, kRanges);
  uint32_t c = low + static_cast<uint32_t>(Below(random, high - low + 1));
  if (c == 0x2581) c = 'x';
  std::string out;
  AppendUtf8(c, out);
  return out;
}

std::string RandomPart(Random& random) {
  static const std::vector<std::string> kWords = {
      "The",  "quick", "fox",     "was",    "naïve", "Straße", "hello", "user\n", "model",
      "日本", "текст", "27 + 45", "{\"a\"", "ab",    "aaab",   "don't", "u",      "turn"};
  static const std::vector<std::string> kSpaces = {" ",    "  ",     "\t",     "\n",
                                                   "\r\n", "\u00a0", "\u3000", "\u200b"};
  static const std::vector<std::string> kOdd = {"🦊",
                                                "👩‍👩‍👧",
                                                "🇩🇪",
                                                "👍🏽",
                                                "e\u0301\u0327",
                                                "<b>",
                                                "</td>",
                                                "<table>",
                                                "<b",
                                                "<",
                                                "<0x0A>",
                                                "<unused",
                                                "<start_of_tur",
                                                "<<b>>",
                                                std::string(1, '\0')};
  switch (Below(random, 6)) {
    case 0: return Pick(random, kWords);
    case 1: return Pick(random, kWords) + " ";
    case 2: {
      std::string run;
      const std::string& space = Pick(random, kSpaces);
      for (size_t i = Below(random, Below(random, 8) == 0 ? 70 : 4) + 1; i > 0; --i) run += space;
      return run;
    }
    case 3: return Pick(random, kOdd);
    case 4: return RandomCharacter(random);
    default: {
      std::string letters;
      for (size_t i = Below(random, 12); i > 0; --i) {
        letters += static_cast<char>('a' + Below(random, Below(random, 2) == 0 ? 3 : 26));
      }
      return letters;
    }
  }
}

}  // namespace

size_t Below(Random& random, size_t count) { return random() % count; }

std::string ReadData(const std::string& name) {
  std::ifstream file("data/tokenizer/" + name, std::ios::binary);
  EXPECT_TRUE(file) << "tests run in tests/, where data/tokenizer/" << name << " should be";
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

const Tokenizer& Fable() {
  static const Tokenizer tokenizer(
      ParseSentencePieceModel(Bytes(ReadData("tokenizer.model")), "tokenizer.model"));
  return tokenizer;
}

int32_t AddPiece(Vocab& vocab, std::string piece, float score, PieceType type) {
  vocab.pieces.push_back(std::move(piece));
  vocab.scores.push_back(score);
  vocab.types.push_back(type);
  return static_cast<int32_t>(vocab.size()) - 1;
}

Vocab BasicVocab(bool bytes) {
  Vocab vocab;
  vocab.pad = AddPiece(vocab, "<pad>", 0, PieceType::kControl);
  vocab.eos = AddPiece(vocab, "<eos>", 0, PieceType::kControl);
  vocab.bos = AddPiece(vocab, "<bos>", 0, PieceType::kControl);
  vocab.unk = AddPiece(vocab, "<unk>", 0, PieceType::kUnknown);
  vocab.start_of_turn = AddPiece(vocab, "<start_of_turn>", 0, PieceType::kControl);
  vocab.end_of_turn = AddPiece(vocab, "<end_of_turn>", 0, PieceType::kControl);
  for (int byte = 0; bytes && byte < 256; ++byte) {
    AddPiece(vocab, fmt::format("<0x{:02X}>", byte), 0, PieceType::kByte);
  }
  return vocab;
}

Vocab RandomVocab(Random& random) {
  const std::vector<std::string> letters = {"a", "b", "é", std::string(kSpaceMark)};
  Vocab vocab = BasicVocab(Below(random, 2) == 0);
  vocab.add_space_prefix = Below(random, 2) == 0;
  const size_t odd = Below(random, 3) == 0 ? 8 : 0;  // how many of 100 pieces are special
  std::set<std::string> seen;
  for (size_t i = 10 + Below(random, 120); i > 0; --i) {
    std::string piece;
    for (size_t length = 1 + Below(random, 5); length > 0; --length) piece += Pick(random, letters);
    if (!seen.insert(piece).second) continue;
    const size_t kind = Below(random, 100);
    const PieceType type = kind < odd       ? PieceType::kUnused
                           : kind < 2 * odd ? PieceType::kUserDefined
                                            : PieceType::kNormal;
    AddPiece(vocab, piece, -static_cast<float>(Below(random, 30)), type);
  }
  return vocab;
}

Vocab GemmaLikeVocab() {
  Vocab vocab = BasicVocab(true);
  for (const std::string& unit : {std::string("\n"), std::string("\t"), std::string(kSpaceMark)}) {
    std::string run = unit == kSpaceMark ? unit + unit : unit;
    for (; run.size() <= 31 * unit.size(); run += unit) {
      AddPiece(vocab, run, 0, PieceType::kUserDefined);
    }
  }
  for (const char* tag : {"<b>", "</td>", "<table>"}) {
    AddPiece(vocab, tag, 0, PieceType::kUserDefined);
  }
  float score = 0;
  const std::string mark(kSpaceMark);
  for (const std::string& piece :
       {std::string("he"), mark + "t", mark + "the", mark + "th", std::string("ll"),
        std::string("hell"), std::string("hello"), std::string("aa"), std::string("aaa"),
        std::string("us"), std::string("er"), std::string("user"), std::string("日本"),
        std::string(">") + mark + "<", mark + "<"}) {
    AddPiece(vocab, piece, score--);
  }
  for (const char* c : {"a", "b", "d", "e", "h", "l", "o", "r", "s", "t", "u", "<", ">", "日", "本",
                        "\xe2\x96\x81"}) {
    AddPiece(vocab, c, score--);
  }
  return vocab;
}

std::string ToSentencePieceModel(const Vocab& vocab) {
  std::string out;
  bool bytes = false;
  for (size_t i = 0; i < vocab.size(); ++i) {
    const bool turn = vocab.pieces[i].ends_with("_of_turn>");
    const PieceType type = turn ? PieceType::kUserDefined : vocab.types[i];
    bytes = bytes || type == PieceType::kByte;
    out += BytesField(1, BytesField(1, vocab.pieces[i]) + FloatField(2, vocab.scores[i]) +
                             IntegerField(3, static_cast<int64_t>(type)));
  }
  out += BytesField(2, IntegerField(3, 2) + IntegerField(35, bytes) + IntegerField(40, vocab.unk) +
                           IntegerField(41, vocab.bos) + IntegerField(42, vocab.eos) +
                           IntegerField(43, vocab.pad) + BytesField(45, "<unk>") +
                           BytesField(46, "<bos>") + BytesField(47, "<eos>") +
                           BytesField(48, "<pad>"));
  out += BytesField(3, BytesField(1, "identity") + IntegerField(3, vocab.add_space_prefix) +
                           IntegerField(4, 0) + IntegerField(5, vocab.escape_whitespace));
  return out;
}

std::string ToTokenizerJson(const Vocab& vocab, bool merges_as_pairs) {
  using nlohmann::json;
  json pieces = json::object();
  json added = json::array();
  std::vector<size_t> order;
  bool bytes = false;
  for (size_t i = 0; i < vocab.size(); ++i) {
    pieces[vocab.pieces[i]] = i;
    bytes = bytes || vocab.types[i] == PieceType::kByte;
    if (vocab.types[i] == PieceType::kNormal) order.push_back(i);
    const bool user = vocab.types[i] == PieceType::kUserDefined;
    if (user || vocab.types[i] == PieceType::kControl || vocab.types[i] == PieceType::kUnknown) {
      added.push_back({{"id", i}, {"content", vocab.pieces[i]}, {"special", !user}});
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return vocab.scores[a] > vocab.scores[b]; });
  json merges = json::array();
  for (const size_t i : order) {
    const std::string& piece = vocab.pieces[i];
    for (size_t at = 1; at < piece.size(); ++at) {
      if (!StartsCharacter(piece[at])) continue;
      const std::string left = piece.substr(0, at);
      const std::string right = piece.substr(at);
      if (!pieces.contains(left) || !pieces.contains(right)) continue;
      merges.push_back(merges_as_pairs ? json{left, right} : json(left + " " + right));
    }
  }
  const json file = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer",
       {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", std::string(kSpaceMark)}}},
      {"pre_tokenizer",
       {{"type", "Split"},
        {"pattern", {{"String", " "}}},
        {"behavior", "MergedWithPrevious"},
        {"invert", false}}},
      {"decoder", nullptr},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", bytes},
        {"ignore_merges", false},
        {"vocab", pieces},
        {"merges", merges}}}};
  return file.dump();
}

std::string RandomText(Random& random) {
  std::string text;
  for (size_t parts = Below(random, 25); parts > 0; --parts) text += RandomPart(random);
  return text;
}

std::string RandomBytesText(Random& random) {
  static const std::vector<std::string> kBroken = {
      "\xff", "\xe2\x96", "\xc0\x80", "\xed\xa0\x80", "\x80", "\xf0\x9f\xa6", "\xf4\x90\x80\x80"};
  std::string text;
  for (size_t parts = Below(random, 10); parts > 0; --parts) {
    text += RandomPart(random);
    if (Below(random, 2) == 0) text += Pick(random, kBroken);
    if (Below(random, 4) == 0) text += static_cast<char>(random());
  }
  for (size_t at; (at = text.find(kSpaceMark)) != text.npos;) text[at] = 'x';
  return text;
}

}  // namespace tandem::test
