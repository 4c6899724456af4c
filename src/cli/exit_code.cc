// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/exit_code.h"

#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <new>
#include <string>

#include "cli/output.h"
#include "core/log.h"

namespace tandem::cli {
namespace {

/// Longer messages than any of ours are cut: they carry an argument of the user.
constexpr size_t kLongestLine = 1000;

}  // namespace

std::string_view ExitCodeHelp() {
  return "  0  done\n"
         "  1  it failed in another way\n"
         "  2  the command line or the request makes no sense as given\n"
         "  3  the model, tokenizer or device cannot be used\n"
         "  4  reading or writing failed\n"
         "  5  the context or memory is full\n"
         "  6  interrupted\n";
}

ExitCode ExitCodeOf(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument: return kExitUsage;
    case ErrorKind::kNotFound:
    case ErrorKind::kCorruptFile:
    case ErrorKind::kUnsupported:
    case ErrorKind::kDeviceLost: return kExitModel;
    case ErrorKind::kIo: return kExitIo;
    case ErrorKind::kResource: return kExitResource;
    case ErrorKind::kCancelled: return kExitCancelled;
    case ErrorKind::kInternal: return kExitFailure;
  }
  return kExitFailure;
}

ExitCode Report(const Error& error) {
  log::Write(log::Level::kError, Printable(error.message(), kLongestLine),
             Printable(error.hint(), kLongestLine));
  return ExitCodeOf(error.kind());
}

ExitCode ReportCurrentException() {
  try {
    throw;
  } catch (const BrokenPipe&) {
    // Whoever read our output has enough of it: nobody is left to tell.
    return kExitOk;
  } catch (const Error& error) {
    return Report(error);
  } catch (const std::bad_alloc&) {
    return Report(Error(ErrorKind::kResource, "out of memory",
                        "a smaller --ctx or a model in a smaller type needs less"));
  } catch (const std::filesystem::filesystem_error& error) {
    return Report(Error(ErrorKind::kIo, error.what()));
  } catch (const std::exception& error) {
    return Report(Error(ErrorKind::kInternal, fmt::format("internal: {}", error.what())));
  } catch (...) {
    return Report(Error(ErrorKind::kInternal, "internal: an exception of unknown type"));
  }
}

}  // namespace tandem::cli
