#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Models the speed of one token on a Radeon 780M from what the engine counts, for docs/vulkan.md.

  tests/devices/radv_gate.sh backports build/tests/radv_gate \\
    tests/data/fable-e2b/config.json --counts | tools/model-igpu.py ["E2B Q4_0" ...]

A token takes the time to read its weights, plus a latency for every kernel that waits for those
before it. Both constants were fitted to other people's measurements of other models, none of ours:
nothing here has met a Radeon. Keys and values, sampling and the host are left out.
"""
import json
import sys

# GB/s that a 780M gets of its memory: 85 % of DDR5-5600 was seen; of LPDDR5x it is assumed.
MEMORIES = {"DDR5-5600": 76, "LPDDR5x-7500": 101}
# us a dependent kernel, +-50 %: two llama.cpp models' tokens/s on a 780M, solved for it.
LATENCY, SPREAD = 6.0, 0.5
# Dependent kernels of llama.cpp's graph of a token, counted by hand, +-5 %.
LLAMA_CPP = {"E2B": 1730, "E4B": 1980}
TARGETS = {"E2B": (40, 80), "E4B": (30, 60)}


def milliseconds(count, latency):
    return count * latency / 1e3


def rate(ms):
    return f"{1e3 / ms:.0f}"


def rows(step):
    size = step["model"].split()[0]
    low, high = TARGETS[size]
    plans = (
        ("dense", step["bytes_dense"], step["dependent"]),
        ("sparse", step["bytes_sparse"], step["dependent"]),
        ("llama.cpp", step["bytes_dense"], LLAMA_CPP[size]),
    )
    for memory, speed in MEMORIES.items():
        for name, size_read, dependent in plans:
            read = size_read / speed / 1e6
            wait = milliseconds(dependent, LATENCY)
            slow = read + milliseconds(dependent, LATENCY * (1 + SPREAD))
            fast = read + milliseconds(dependent, LATENCY * (1 - SPREAD))
            yield (f"| {step['model']} | {memory} | {name} | {size_read / 1e9:.2f} | {dependent} | {read:.1f} | "
                   f"{wait:.1f} | **{rate(read + wait)}** | {rate(slow)}-{rate(fast)} | {low}-{high} |")


def main():
    print("| model | memory | plan | GB a token | dependent kernels | ms of bytes | ms of latency | tokens/s | "
          "at +-50 % latency | target |")
    print("|---|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for step in json.load(sys.stdin):
        if step["model"].split()[0] in TARGETS and step["model"] in (sys.argv[1:] or [step["model"]]):
            print(*rows(step), sep="\n")


if __name__ == "__main__":
    main()
