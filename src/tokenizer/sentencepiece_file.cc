// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cstring>
#include <string>

#include "core/error.h"
#include "tokenizer/vocab_file.h"

namespace tandem {
namespace {

// Field numbers of sentencepiece_model.proto, as far as a tokenizer needs them.
enum ModelField : uint64_t {
  kModelPieces = 1,
  kModelTrainer = 2,
  kModelNormalizer = 3,
  kModelDenormalizer = 5
};
enum PieceField : uint64_t {
  kPieceText = 1,
  kPieceScore = 2,
  kPieceKind = 3
};
enum TrainerField : uint64_t {
  kTrainerModelType = 3,
  kTrainerSpaceAsSuffix = 24,
  kTrainerByteFallback = 35,
  kTrainerUnk = 40,
  kTrainerBos = 41,
  kTrainerEos = 42,
  kTrainerPad = 43,
  kTrainerUnkSurface = 44
};
enum NormalizerField : uint64_t {
  kNormalizerCharsMap = 2,
  kNormalizerAddDummyPrefix = 3,
  kNormalizerRemoveExtraSpaces = 4,
  kNormalizerEscapeSpaces = 5
};

constexpr uint64_t kModelTypeBpe = 2;

// One field of a message: `value` for a varint, `bytes` for everything else.
struct Field {
  uint64_t number = 0;
  enum WireType : uint8_t {
    kVarint = 0,
    kFixed64 = 1,
    kBytes = 2,
    kFixed32 = 5
  } wire = kVarint;
  uint64_t value = 0;
  std::string_view bytes;
};

// Walks the fields of one protocol buffer message. Every length is checked against what is left.
class WireReader {
 public:
  // `base` is where `bytes` lie in the file, for errors.
  WireReader(std::string_view bytes, size_t base, std::string_view source)
      : bytes_(bytes), base_(base), source_(source) {}

  bool Next(Field& field) {
    if (position_ == bytes_.size()) return false;
    const uint64_t tag = Varint();
    field.number = tag >> 3;
    field.wire = static_cast<Field::WireType>(tag & 7);
    field.value = 0;
    if (field.number == 0) Fail("a field numbered 0");
    switch (field.wire) {
      case Field::kVarint: field.value = Varint(); return true;
      case Field::kFixed64: field.bytes = Take(8); return true;
      case Field::kBytes: field.bytes = Take(Varint()); return true;
      case Field::kFixed32: field.bytes = Take(4); return true;
    }
    Fail(fmt::format("the unknown wire type {}", tag & 7));
  }

  // A reader of `field`'s content, which must be a message.
  WireReader Message(const Field& field) const {
    Expect(field, Field::kBytes);
    return {field.bytes, base_ + static_cast<size_t>(field.bytes.data() - bytes_.data()), source_};
  }
  std::string_view Text(const Field& field) const {
    Expect(field, Field::kBytes);
    return field.bytes;
  }
  uint64_t Integer(const Field& field) const {
    Expect(field, Field::kVarint);
    return field.value;
  }
  float Float(const Field& field) const {
    Expect(field, Field::kFixed32);
    unsigned char raw[4];
    std::memcpy(raw, field.bytes.data(), 4);
    const uint32_t bits =
        raw[0] | uint32_t{raw[1]} << 8 | uint32_t{raw[2]} << 16 | uint32_t{raw[3]} << 24;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }

  [[noreturn]] void Fail(std::string_view what) const {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: {} at offset {}", source_, what, base_ + position_),
                "this is not a whole SentencePiece tokenizer.model; fetch it again");
  }

 private:
  void Expect(const Field& field, Field::WireType wire) const {
    if (field.wire != wire) Fail(fmt::format("field {} of the wrong type before", field.number));
  }

  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (position_ == bytes_.size()) Fail("the data end inside a number");
      const auto byte = static_cast<unsigned char>(bytes_[position_++]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    Fail("a number of more than 64 bits");
  }

  std::string_view Take(uint64_t size) {
    if (size > bytes_.size() - position_) {
      Fail(fmt::format("a field of {} bytes where {} are left", size, bytes_.size() - position_));
    }
    const std::string_view taken = bytes_.substr(position_, size);
    position_ += size;
    return taken;
  }

  std::string_view bytes_;
  size_t base_;
  std::string_view source_;
  size_t position_ = 0;
};

// The defaults are those of the proto file: absent is not the same as false.
struct TrainerSpec {
  uint64_t model_type = 1;
  bool space_as_suffix = false;
  bool byte_fallback = false;
};
struct NormalizerSpec {
  bool has_chars_map = false;
  bool remove_extra_spaces = true;
};

void ReadPiece(WireReader reader, Vocab& vocab) {
  std::string_view text;
  float score = 0;
  auto type = static_cast<uint64_t>(PieceType::kNormal);
  for (Field field; reader.Next(field);) {
    if (field.number == kPieceText) text = reader.Text(field);
    if (field.number == kPieceScore) score = reader.Float(field);
    if (field.number == kPieceKind) type = reader.Integer(field);
  }
  if (type < 1 || type > 6) reader.Fail(fmt::format("piece type {}", type));
  // SentencePiece refuses empty ones as well; at two bytes each they would cost many times the
  // file.
  if (text.empty()) reader.Fail("an empty piece");
  if (text.size() > kMaxPieceBytes) reader.Fail(fmt::format("a piece of {} bytes", text.size()));
  if (vocab.size() == kMaxPieces) reader.Fail("too many pieces");
  vocab.pieces.emplace_back(text);
  vocab.scores.push_back(score);
  vocab.types.push_back(static_cast<PieceType>(type));
}

// An int32 of a protocol buffer: negative ones arrive as 64-bit two's complement.
int32_t TokenId(const WireReader& reader, const Field& field) {
  const auto id = static_cast<int64_t>(reader.Integer(field));
  if (id == -1) return kNoToken;
  if (id < 0 || id >= static_cast<int64_t>(kMaxPieces)) {
    reader.Fail(fmt::format("token id {} in the trainer's settings", id));
  }
  return static_cast<int32_t>(id);
}

TrainerSpec ReadTrainer(WireReader reader, Vocab& vocab) {
  TrainerSpec spec;
  vocab.unk = 0;
  vocab.bos = 1;
  vocab.eos = 2;
  for (Field field; reader.Next(field);) {
    switch (field.number) {
      case kTrainerModelType: spec.model_type = reader.Integer(field); break;
      case kTrainerSpaceAsSuffix: spec.space_as_suffix = reader.Integer(field) != 0; break;
      case kTrainerByteFallback: spec.byte_fallback = reader.Integer(field) != 0; break;
      case kTrainerUnk: vocab.unk = TokenId(reader, field); break;
      case kTrainerBos: vocab.bos = TokenId(reader, field); break;
      case kTrainerEos: vocab.eos = TokenId(reader, field); break;
      case kTrainerPad: vocab.pad = TokenId(reader, field); break;
      case kTrainerUnkSurface: vocab.unknown_text = reader.Text(field); break;
      default: break;
    }
  }
  return spec;
}

NormalizerSpec ReadNormalizer(WireReader reader, Vocab& vocab) {
  NormalizerSpec spec;
  for (Field field; reader.Next(field);) {
    switch (field.number) {
      case kNormalizerCharsMap: spec.has_chars_map = !reader.Text(field).empty(); break;
      case kNormalizerAddDummyPrefix: vocab.add_space_prefix = reader.Integer(field) != 0; break;
      case kNormalizerRemoveExtraSpaces:
        spec.remove_extra_spaces = reader.Integer(field) != 0;
        break;
      case kNormalizerEscapeSpaces: vocab.escape_whitespace = reader.Integer(field) != 0; break;
      default: break;
    }
  }
  return spec;
}

[[noreturn]] void Unsupported(std::string_view source, std::string_view what) {
  throw Error(ErrorKind::kUnsupported, fmt::format("{}: {}", source, what),
              "Gemma's tokenizer is SentencePiece BPE without normalisation; this one is not");
}

void CheckSupported(const TrainerSpec& trainer, const NormalizerSpec& normalizer, bool denormalizes,
                    const Vocab& vocab, std::string_view source) {
  if (trainer.model_type != kModelTypeBpe) {
    constexpr std::string_view kNames[] = {"type 0", "unigram", "BPE", "word", "character"};
    Unsupported(source, fmt::format("a {} model, not BPE", trainer.model_type < std::size(kNames)
                                                               ? kNames[trainer.model_type]
                                                               : "unknown kind of"));
  }
  if (trainer.space_as_suffix) Unsupported(source, "spaces are marked behind words");
  if (normalizer.has_chars_map || denormalizes) Unsupported(source, "it normalises the text");
  if (normalizer.remove_extra_spaces) Unsupported(source, "it removes repeated spaces");
  if (trainer.byte_fallback != vocab.byte_fallback) {
    throw Error(
        ErrorKind::kCorruptFile,
        fmt::format("{}: byte fallback is {}, but there are {}byte pieces", source,
                    trainer.byte_fallback ? "on" : "off", vocab.byte_fallback ? "" : "no "));
  }
}

}  // namespace

Vocab ParseSentencePieceModel(std::span<const std::byte> bytes, std::string_view source) {
  Vocab vocab;
  vocab.add_space_prefix = true;
  TrainerSpec trainer;
  NormalizerSpec normalizer;
  bool denormalizes = false;
  WireReader reader({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, 0, source);
  for (Field field; reader.Next(field);) {
    switch (field.number) {
      case kModelPieces: ReadPiece(reader.Message(field), vocab); break;
      case kModelTrainer: trainer = ReadTrainer(reader.Message(field), vocab); break;
      case kModelNormalizer: normalizer = ReadNormalizer(reader.Message(field), vocab); break;
      case kModelDenormalizer: {
        Vocab unused;
        denormalizes = ReadNormalizer(reader.Message(field), unused).has_chars_map;
        break;
      }
      default: break;
    }
  }
  vocab.Complete();
  CheckSupported(trainer, normalizer, denormalizes, vocab, source);
  vocab.Validate(source);
  return vocab;
}

}  // namespace tandem
