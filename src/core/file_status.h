// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What there is under a name or in a folder. A disk that gives no answer is an error and never
// "there is nothing": a model whose tokenizer cannot be read must not be taken for one that has
// none. Thread-safe.
#pragma once

#include <filesystem>
#include <vector>

namespace tandem {

/// Status of what `path` leads to, file_type::not_found if nothing. Throws Error kIo when the
/// system cannot tell.
std::filesystem::file_status FileStatus(const std::filesystem::path& path);
/// The same of `path` itself, should it be a symbolic link.
std::filesystem::file_status LinkStatus(const std::filesystem::path& path);

/// Whether there is anything. Throws as FileStatus.
bool Exists(const std::filesystem::path& path);
/// Whether there is a folder. Throws as FileStatus.
bool IsFolder(const std::filesystem::path& path);

/// Whether both lead to the same file; what is not there is no file. Throws Error kIo when the
/// system cannot tell: not every library's std::filesystem::equivalent() says so.
bool IsSameFile(const std::filesystem::path& a, const std::filesystem::path& b);

/// `path` without slashes at its end. The library of GCC 12 joins a path that has one to another
/// with undefined behaviour when memory runs out while it does.
std::filesystem::path WithoutSlash(const std::filesystem::path& path);

/// Paths of all that lies in a folder, in no order. Throws Error kIo when it cannot be read.
std::vector<std::filesystem::path> ListFolder(const std::filesystem::path& path);

}  // namespace tandem
