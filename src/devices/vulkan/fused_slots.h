// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Scratch of the fused kernels: apart from the plain ones', and each from those that may run at the
// same time. An activation has three in a row: floats, codes, groups.
#pragma once

#include <cstddef>

namespace tandem::vulkan {

enum FusedSlot : size_t {
  kNormedSlot = 8,
  kContextSlot = 11,
  kMlpInputSlot = 14,
  kNeuronsSlot = 17,
  kPerLayerSlot = 20,
  kProjectionsSlot = 23,
  kRightSlot,
  kOutSlot,
  kGatesSlot,
  kDownSlot,
  kPerLayerGateSlot,
  kPerLayerOutSlot,
  kPartialsSlot,
  kStatisticsSlot,
  kKeysSlot,
  kValuesSlot,
  kUpsSlot,
  kSharesSlot,
  kMixesSlot,
  kSpreadSlot,
  kPerLayerInputsSlot,
  kOthersSlot,
  kNarrowSlot,  // an activation
};

}  // namespace tandem::vulkan
