// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Models of their real sizes and types without their bytes: every weight is zero and takes no
// memory. Equal tensors of layers of the same making (sparse or not, full or not, with keys of
// their own or not, of the same types) are one, so that a device has to be brought few of them.
#pragma once

#include <memory>

#include "engine/quantize_plan.h"
#include "gemma3/hparams.h"
#include "gemma3n/hparams.h"
#include "program/program.h"

namespace tandem::testing {

/// The published shapes, and that of Gemma 3 270M.
gemma3n::HyperParams E2bParams();
gemma3n::HyperParams E4bParams();
gemma3::HyperParams Gemma270mParams();

class EmptyModel {
 public:
  EmptyModel(const gemma3n::HyperParams& params, const QuantizePlan& plan);
  EmptyModel(const gemma3::HyperParams& params, const QuantizePlan& plan);
  EmptyModel(const EmptyModel&) = delete;
  EmptyModel& operator=(const EmptyModel&) = delete;

  const Program& decode() const { return decode_; }    ///< Of steps whose rows are all wanted.
  const Program& prefill() const { return prefill_; }  ///< Of steps of which some are.

 private:
  struct Bytes;

  std::shared_ptr<Bytes> bytes_;
  std::shared_ptr<const void> weights_;  ///< Of the model's own kind.
  Program decode_, prefill_;
};

}  // namespace tandem::testing
