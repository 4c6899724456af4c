// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/weight_view.h"

#include <cassert>

namespace tandem {

WeightView WeightView::Rows(int64_t first, int64_t count) const {
  assert(first >= 0 && count >= 0 && first + count <= rows);
  WeightView view = *this;
  view.data = Row(first);
  view.rows = count;
  return view;
}

WeightView WeightView::Cols(int64_t first, int64_t count) const {
  assert(first >= 0 && count >= 0 && first + count <= cols);
  assert(first % BlockElements(type) == 0 && count % BlockElements(type) == 0);
  WeightView view = *this;
  view.data = data + RowBytes(type, first);
  view.cols = count;
  return view;
}

}  // namespace tandem
