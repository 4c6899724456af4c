// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/core_program.h"

#include <elf.h>
#include <fmt/format.h>

#include <cstring>

#include "core/error.h"
#include "devices/npu/isa/registers.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {
namespace {

[[noreturn]] void Fail(std::string_view name, const std::string& problem) {
  throw Error(ErrorKind::kCorruptFile, fmt::format("{}: {}", name, problem));
}

}  // namespace

std::vector<ProgramSegment> ReadCoreProgram(std::span<const std::byte> bytes,
                                            std::string_view name) {
  Elf32_Ehdr header;
  if (bytes.size() < sizeof header) Fail(name, "too short for an ELF file");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS32 ||
      header.e_ident[EI_DATA] != ELFDATA2LSB) {
    Fail(name, "not a 32-bit little-endian ELF file");
  }
  if (header.e_phentsize != sizeof(Elf32_Phdr) || header.e_phoff > bytes.size() ||
      uint64_t{header.e_phnum} * sizeof(Elf32_Phdr) > bytes.size() - header.e_phoff) {
    Fail(name, "its program headers lie outside the file");
  }
  const TileResources& core = ResourcesOf(TileKind::kCore);
  std::vector<ProgramSegment> segments;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf32_Phdr segment;
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (segment.p_offset > bytes.size() || segment.p_filesz > bytes.size() - segment.p_offset ||
        segment.p_filesz > segment.p_memsz) {
      Fail(name, fmt::format("segment {} lies outside the file", i));
    }
    const bool code = (segment.p_flags & PF_X) != 0;
    const uint32_t room = code ? core.program_bytes : core.data_bytes;
    const uint32_t place = code ? segment.p_paddr : segment.p_paddr & (core.data_bytes - 1);
    if (place > room || segment.p_memsz > room - place || place % 4 != 0) {
      Fail(name,
           fmt::format("segment {}, {} bytes at 0x{:X}, does not fit the {} bytes of {} memory", i,
                       segment.p_memsz, segment.p_paddr, room, code ? "program" : "data"));
    }
    ProgramSegment out;
    out.offset = place + (code ? kProgramOffset : 0);
    out.words.resize((segment.p_memsz + 3) / 4);
    if (segment.p_filesz > 0) {
      std::memcpy(out.words.data(), bytes.data() + segment.p_offset, segment.p_filesz);
    }
    segments.push_back(std::move(out));
  }
  return segments;
}

}  // namespace tandem::npu
