#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of tests/formats/quant_golden_test.cc, from the gguf package's own NumPy
implementation of the block types.

    pip install gguf numpy
    tools/make_quant_golden.py tests/data/quant

unpack_<type>.bin  blocks of random bytes with random finite scales (both signs, subnormal, zero),
                   ELEMENTS elements of them, then the same elements unpacked, float32.
pack_rows.bin      ROWS rows of COLUMNS float32 weights: Gaussian, Student's t, uniform, shifted.
pack_<type>.bin    the blocks that gguf's quantiser makes of those rows.

Everything is little-endian. The seed is fixed: the same versions of NumPy and gguf write the same
bytes.
"""
import pathlib
import sys

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize

ELEMENTS = 1024
ROWS, COLUMNS = 16, 256

# Byte offsets of the half-precision scales inside a block.
SCALES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0],
    T.Q2_K: [80, 82], T.Q3_K: [108], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
    T.IQ4_NL: [0], T.IQ4_XS: [0],
}
PLAIN = [T.F32, T.F16, T.BF16]
PACKED = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]


def random_scales(rng, count):
    """Halves: mostly of the size that weights have, some subnormal, one in 16 zero."""
    values = np.exp(rng.uniform(np.log(1e-4), np.log(4.0), count))
    values = np.where(rng.random(count) < 0.2, rng.uniform(0, 6e-5, count), values)
    values = np.where(rng.random(count) < 1 / 16, 0, values)
    return (values * rng.choice([-1, 1], count)).astype('<f2')


def random_blocks(rng, kind):
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (ELEMENTS // elements, size), dtype=np.uint8)
    for offset in SCALES[kind]:
        halves = random_scales(rng, len(blocks))
        blocks[:, offset:offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    return blocks


def random_plain(rng, kind):
    values = (rng.standard_normal(ELEMENTS) * np.exp(rng.uniform(-20, 8, ELEMENTS)))
    values = values.astype('<f4')
    if kind == T.F32:
        return values.view(np.uint8)
    if kind == T.F16:
        return values.astype('<f2').view(np.uint8)
    return quantize(values, kind).view(np.uint8)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(20260101)
    for kind in PLAIN + list(SCALES):
        data = random_plain(rng, kind) if kind in PLAIN else random_blocks(rng, kind)
        data = np.ascontiguousarray(data).reshape(-1)
        values = np.ascontiguousarray(dequantize(data, kind)).reshape(-1).astype('<f4')
        assert values.size == ELEMENTS and np.isfinite(values).all()
        name = f'unpack_{kind.name.lower()}.bin'
        (folder / name).write_bytes(data.tobytes() + values.tobytes())

    rows = np.concatenate([
        0.02 * rng.standard_normal((ROWS // 4, COLUMNS)),
        0.02 * rng.standard_t(4, (ROWS // 4, COLUMNS)),
        rng.uniform(-1, 1, (ROWS // 4, COLUMNS)),
        0.5 + 0.1 * rng.standard_normal((ROWS // 4, COLUMNS)),
    ]).astype('<f4')
    (folder / 'pack_rows.bin').write_bytes(rows.tobytes())
    for kind in PACKED:
        name = f'pack_{kind.name.lower()}.bin'
        (folder / name).write_bytes(np.ascontiguousarray(quantize(rows, kind)).tobytes())


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
