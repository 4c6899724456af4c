// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tokenizer.json lists merges by rank, SentencePiece scores pieces. The two say the same when the
// file was converted from a SentencePiece model: each normal piece then contributes one merge for
// every way to split it into two pieces, and the pieces follow each other in order of score. So
// the place of a piece among the merges is its score, and joining "any two neighbours whose text is
// a piece" joins exactly the pairs that are listed. Both properties are checked here rather than
// assumed. What remains different is the order of two overlapping ways to make the same piece,
// where the list prefers a split and SentencePiece the leftmost; we follow SentencePiece.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json_document.h"
#include "core/utf8.h"
#include "tokenizer/piece_table.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

using nlohmann::json;

// Real files nest six deep; the limit keeps "[[[[..." from costing many times its size.
constexpr int kMaxDepth = 32;

constexpr std::string_view kFetchAgain = "this is not a whole tokenizer.json; fetch it again";

struct Merge {
  std::string left;
  std::string right;
};

// The two huge members of the file; everything else stays as JSON in `rest`.
struct Contents {
  std::vector<std::pair<std::string, uint64_t>> vocab;
  std::vector<Merge> merges;
  JsonDocument rest;
};

[[noreturn]] void Corrupt(std::string_view source, std::string_view what) {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", source, what),
              std::string(kFetchAgain));
}

[[noreturn]] void Unsupported(std::string_view source, std::string_view what) {
  throw Error(ErrorKind::kUnsupported, fmt::format("{}: {}", source, what),
              "Gemma's tokenizer.json is BPE with byte fallback and only replaces spaces");
}

std::string Shown(const json& value) {
  return Printable(value.dump(-1, ' ', true, json::error_handler_t::replace), 120);
}

// Takes vocabulary and merges out of the file while it is parsed, so that half a million small
// strings never become JSON values.
class Reader : public JsonBuilder {
 public:
  explicit Reader(std::string_view source) : JsonBuilder(source, kFetchAgain), source_(source) {}

  Contents Read(std::span<const std::byte> bytes) {
    const auto* begin = reinterpret_cast<const char*>(bytes.data());
    json::sax_parse(begin, begin + bytes.size(), this);
    contents_.rest = TakeRoot();
    if (!contents_.rest->is_object()) Corrupt(source_, "not a JSON object");
    return std::move(contents_);
  }

  bool null() override { return Taken() ? Other() : JsonBuilder::null(); }
  bool boolean(bool value) override { return Taken() ? Other() : JsonBuilder::boolean(value); }
  bool number_integer(number_integer_t value) override {
    return Taken() ? Other() : JsonBuilder::number_integer(value);
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!Taken()) return JsonBuilder::number_unsigned(value);
    return where_ == Where::kVocab && depth_ == 3 ? AddPiece(value) : Other();
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return Taken() ? Other() : JsonBuilder::number_float(value, text);
  }
  bool string(string_t& value) override {
    if (!Taken()) return JsonBuilder::string(value);
    return where_ == Where::kMerges ? AddMergeText(value) : Other();
  }
  bool key(string_t& value) override;
  bool start_object(size_t size) override {
    const bool taken = Taken();
    Enter();
    return taken ? Other() : JsonBuilder::start_object(size);
  }
  bool end_object() override {
    --depth_;
    return Taken() || JsonBuilder::end_object();
  }
  bool start_array(size_t size) override {
    const bool taken = Taken();
    Enter();
    if (!taken) return JsonBuilder::start_array(size);
    if (where_ == Where::kVocab || depth_ != 4) return Other();
    pair_.clear();
    return true;
  }
  bool end_array() override {
    --depth_;
    if (!Taken()) return JsonBuilder::end_array();
    return where_ == Where::kVocab || AddPair();
  }

 private:
  enum class Where {
    kElsewhere,
    kVocab,
    kMerges
  };

  // Whether what comes next lies inside one of the two members.
  bool Taken() const { return where_ != Where::kElsewhere && depth_ >= 3; }

  void Enter() {
    if (++depth_ > kMaxDepth) Corrupt(source_, "nested too deep");
  }

  // Something else than those members are made of. A list instead of an object is how other models
  // write their vocabulary; the model's type will say so.
  bool Other() const {
    if (where_ == Where::kVocab) return true;
    Corrupt(source_,
            fmt::format("an entry of the wrong kind after merge {}", contents_.merges.size()));
  }

  bool AddPiece(uint64_t id) {
    if (contents_.vocab.size() == kMaxPieces) Corrupt(source_, "too many pieces");
    contents_.vocab.emplace_back(std::move(piece_), id);
    piece_.clear();
    return true;
  }

  bool AddMergeText(std::string& text) {
    if (depth_ == 4) {
      pair_.push_back(std::move(text));
      if (pair_.size() > 2) Corrupt(source_, "a merge of more than two pieces");
      return true;
    }
    const size_t space = text.find(' ');
    if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
      Corrupt(source_, fmt::format("merge {} ('{}') is not two pieces", contents_.merges.size(),
                                   Printable(text)));
    }
    contents_.merges.push_back({text.substr(0, space), text.substr(space + 1)});
    return true;
  }

  bool AddPair() {
    if (pair_.size() != 2) Corrupt(source_, "a merge that is not two pieces");
    contents_.merges.push_back({std::move(pair_[0]), std::move(pair_[1])});
    return true;
  }

  std::string_view source_;
  Contents contents_;
  int depth_ = 0;  // containers around what comes next
  bool in_model_ = false;
  Where where_ = Where::kElsewhere;
  std::string piece_;
  std::vector<std::string> pair_;
};

bool Reader::key(string_t& value) {
  if (Taken()) {
    if (depth_ == 3) piece_ = std::move(value);
    return true;
  }
  if (depth_ <= 2) {
    if (depth_ == 1) in_model_ = value == "model";
    where_ = Where::kElsewhere;
    if (depth_ == 2 && in_model_ && value == "vocab") where_ = Where::kVocab;
    if (depth_ == 2 && in_model_ && value == "merges") where_ = Where::kMerges;
  }
  return JsonBuilder::key(value);
}

const json& Member(const json& object, const char* key) {
  static const json kNull;
  if (!object.is_object()) return kNull;
  const auto at = object.find(key);
  return at == object.end() ? kNull : *at;
}

std::string TextOf(const json& value) {
  return value.is_string() ? value.get<std::string>() : std::string();
}
bool IsTrue(const json& value) { return value.is_boolean() && value.get<bool>(); }
bool IsUnset(const json& value) { return value.is_null() || IsText(value, ""); }

void CheckModel(const json& model, std::string_view source) {
  // Files of before 2022 leave the type out.
  const json& type = Member(model, "type");
  if (!type.is_null() && !IsText(type, "BPE")) {
    Unsupported(source, fmt::format("a tokenizer model of type {}, not BPE", Shown(type)));
  }
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!IsUnset(Member(model, key))) {
      Unsupported(source, fmt::format("model.{} is {}", key, Shown(Member(model, key))));
    }
  }
  if (IsTrue(Member(model, "ignore_merges"))) Unsupported(source, "model.ignore_merges is true");
}

// Applies one normaliser to `vocab`'s flags; a Sequence applies its parts.
void ReadNormalizer(const json& normalizer, Vocab& vocab, std::string_view source, int depth = 0) {
  if (normalizer.is_null()) return;
  const std::string type = TextOf(Member(normalizer, "type"));
  if (type == "Sequence" && Member(normalizer, "normalizers").is_array() && depth < 4) {
    for (const json& part : Member(normalizer, "normalizers")) {
      ReadNormalizer(part, vocab, source, depth + 1);
    }
    return;
  }
  if (type == "Replace" && IsText(Member(Member(normalizer, "pattern"), "String"), " ") &&
      IsText(Member(normalizer, "content"), kSpaceMark)) {
    vocab.escape_whitespace = true;
    return;
  }
  const json& prepended = Member(normalizer, "prepend");
  if (type == "Prepend" && (IsText(prepended, kSpaceMark) || IsText(prepended, " "))) {
    vocab.add_space_prefix = true;
    return;
  }
  Unsupported(source, fmt::format("the normalizer {}", Shown(normalizer)));
}

// Splitting at spaces has no effect once they have become marks; nothing else is allowed.
void CheckPreTokenizer(const json& pre, const Vocab& vocab, std::string_view source) {
  if (pre.is_null()) return;
  if (vocab.escape_whitespace && IsText(Member(pre, "type"), "Split") &&
      IsText(Member(Member(pre, "pattern"), "String"), " ")) {
    return;
  }
  Unsupported(source, fmt::format("the pre-tokenizer {}", Shown(pre)));
}

class Builder {
 public:
  Builder(Contents contents, std::string_view source)
      : contents_(std::move(contents)), source_(source) {}

  Vocab Build() {
    const json& model = Member(contents_.rest, "model");
    CheckModel(model, source_);
    vocab_.escape_whitespace = false;
    ReadNormalizer(Member(contents_.rest, "normalizer"), vocab_, source_);
    CheckPreTokenizer(Member(contents_.rest, "pre_tokenizer"), vocab_, source_);
    PlacePieces();
    PlaceAddedTokens();
    SetTypes(model);
    ScoreMerges();
    vocab_.Complete();
    vocab_.Validate(source_);
    return std::move(vocab_);
  }

 private:
  void PlacePieces() {
    const json& added = Member(contents_.rest, "added_tokens");
    const size_t listed = contents_.vocab.size() + (added.is_array() ? added.size() : 0);
    if (listed == 0) Corrupt(source_, "an empty vocabulary");
    // Added tokens may leave gaps (Gemma 3n's do), but a file cannot ask for any size it likes.
    max_size_ = std::min(2 * listed + 4096, kMaxPieces);
    for (auto& [piece, id] : contents_.vocab) {
      if (Place(id, piece)) Corrupt(source_, fmt::format("token {} is listed twice", id));
    }
    in_model_ = present_;
  }

  void PlaceAddedTokens() {
    const json& added = Member(contents_.rest, "added_tokens");
    if (added.is_null()) return;
    if (!added.is_array()) Corrupt(source_, "added_tokens is not a list");
    for (const json& token : added) {
      const json& id = Member(token, "id");
      std::string piece = TextOf(Member(token, "content"));
      if (!id.is_number_unsigned() || piece.empty()) {
        Corrupt(source_, fmt::format("the added token {}", Shown(token)));
      }
      for (const char* key : {"single_word", "lstrip", "rstrip"}) {
        if (IsTrue(Member(token, key))) {
          Unsupported(source_, fmt::format("the added token {}", Shown(token)));
        }
      }
      if (vocab_.escape_whitespace) piece = EscapeSpaces(piece);
      const auto at = id.get<uint64_t>();
      if (Place(at, piece) && vocab_.pieces[at] != piece) {
        Corrupt(source_, fmt::format("token {} is '{}' in the vocabulary but '{}' as added token",
                                     at, Printable(vocab_.pieces[at]), Printable(piece)));
      }
      vocab_.types[at] =
          IsTrue(Member(token, "special")) ? PieceType::kControl : PieceType::kUserDefined;
    }
  }

  // Puts `piece` at `id`; true, and nothing changed, if there is one already.
  bool Place(uint64_t id, const std::string& piece) {
    if (id >= max_size_) {
      Corrupt(source_, fmt::format("token id {} for '{}' is out of range", id, Printable(piece)));
    }
    if (id >= vocab_.size()) {
      vocab_.pieces.resize(id + 1);
      vocab_.types.resize(id + 1, PieceType::kUnused);
      present_.resize(id + 1, false);
    }
    if (present_[id]) return true;
    present_[id] = true;
    vocab_.pieces[id] = piece;
    vocab_.types[id] = PieceType::kNormal;
    return false;
  }

  static std::string EscapeSpaces(std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == ' ') {
        out += kSpaceMark;
      } else {
        out += c;
      }
    }
    return out;
  }

  void SetTypes(const json& model) {
    const bool byte_fallback = IsTrue(Member(model, "byte_fallback"));
    const std::string unknown = TextOf(Member(model, "unk_token"));
    for (size_t i = 0; i < vocab_.size(); ++i) {
      const std::string& piece = vocab_.pieces[i];
      if (!present_[i]) {
        vocab_.pieces[i] = fmt::format("[PAD{}]", i);
      } else if (byte_fallback && piece.size() == 6 && piece.starts_with("<0x")) {
        vocab_.types[i] = PieceType::kByte;
      } else if (!unknown.empty() && piece == unknown) {
        vocab_.types[i] = PieceType::kUnknown;
        vocab_.unk = static_cast<int32_t>(i);
      }
    }
  }

  bool IsNormal(int32_t id) const {
    return id != kNoToken && vocab_.types[static_cast<size_t>(id)] == PieceType::kNormal;
  }

  // Gives each normal piece its place among the merges as a (negative) score. Merges of added
  // tokens are skipped: those are matched whole before any merging.
  void ScoreMerges() {
    vocab_.scores.assign(vocab_.size(), -std::numeric_limits<float>::infinity());
    PieceTable table(vocab_.pieces);
    for (size_t i = 0; i < vocab_.size(); ++i) {
      if (i < in_model_.size() && in_model_[i]) table.Insert(static_cast<int32_t>(i));
    }
    std::vector<uint32_t> listed(vocab_.size(), 0);
    int32_t current = kNoToken;
    size_t place = 0;
    std::string joined;
    for (const Merge& merge : contents_.merges) {
      joined = merge.left;
      joined += merge.right;
      const int32_t made = table.Find(joined);
      if (made == kNoToken || table.Find(merge.left) == kNoToken ||
          table.Find(merge.right) == kNoToken || merge.left.empty() || merge.right.empty()) {
        Corrupt(source_, fmt::format("the merge of '{}' and '{}' is not among the pieces",
                                     Printable(merge.left), Printable(merge.right)));
      }
      if (!IsNormal(made)) continue;
      const auto at = static_cast<size_t>(made);
      ++listed[at];
      if (made == current) continue;
      if (listed[at] > 1) NotSentencePiece(joined);
      vocab_.scores[at] = -static_cast<float>(place++);
      current = made;
    }
    for (size_t i = 0; i < vocab_.size(); ++i) {
      if (listed[i] > 0 && listed[i] != CountSplits(vocab_.pieces[i], table)) {
        NotSentencePiece(vocab_.pieces[i]);
      }
    }
  }

  // Ways to make `piece` of two neighbours. Merging by text joins a character that has no piece
  // too, merging by list does not: where that matters, the count does not match either.
  static size_t CountSplits(std::string_view piece, const PieceTable& table) {
    const auto is_neighbour = [&table](std::string_view part) {
      return Utf8SequenceLength(part) == part.size() || table.Find(part) != kNoToken;
    };
    size_t count = 0;
    for (size_t at = 1; at < piece.size(); ++at) {
      if (is_neighbour(piece.substr(0, at)) && is_neighbour(piece.substr(at))) ++count;
    }
    return count;
  }

  [[noreturn]] void NotSentencePiece(std::string_view piece) const {
    Unsupported(source_, fmt::format("the merges that make '{}' are not those of a SentencePiece "
                                     "model",
                                     Printable(piece)));
  }

  Contents contents_;
  std::string_view source_;
  Vocab vocab_;
  size_t max_size_ = 0;
  std::vector<bool> present_;   // ids that the file names
  std::vector<bool> in_model_;  // those of model.vocab, which merges may use
};

}  // namespace

Vocab ParseTokenizerJson(std::span<const std::byte> bytes, std::string_view source) {
  Contents contents = Reader(source).Read(bytes);
  return Builder(std::move(contents), source).Build();
}

}  // namespace tandem
