#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""npu_prefill_model.py [--as-built|--attention] TANDEM: what the model of time says of Gemma 3n's prefill on the NPU.

The products of the layers that run for every token of a prompt, in 4-bit weights, in chunks of at most 512
tokens, one call per layer and chunk: what the array could do. Attention, norms, per-layer inputs and what the
host does are not in it. With --as-built all products of a prompt's steps of 512 tokens, a call for each group
that shares an input, and the ways of multiplying them: activations in one or two 8-bit parts by 4- or 8-bit
weights, summed in float, or both in bf16; by Peano. Of one part MLPs and per-layer mixes are lists, GELU
on the array, as they are made, up to 128 rows attention's output and both norms in front of an MLP are in the same
list, and for comparison a call for each product, GELU and norms on the host, which the time is without. With --attention the attention of the same layers, in steps of 512. Prints the tables of docs/npu.md.
"""
import functools
import json
import subprocess
import sys

# Layers that run for all tokens (those before the last owner of keys and values), neurons. Of that
# owner only keys and values do.
MODELS = {"E2B": (19, 8192), "E4B": (19, 16384)}
MACHINES = {"Phoenix": ("npu1", 1.0), "Hawk Point": ("npu1", 1.6), "Strix": ("npu2", 1.8)}
# Of the layers that run for all tokens: those whose gates are cut, so many deviations above their mean.
SPARSE, CUT = 10, 1.645
# Of the layers that run for all tokens: with a window, without. Both models have the same heads.
WINDOWED, FULL, WINDOW = 16, 3, 512
PEAK_MACS = {"npu1": 16 * 512, "npu2": 32 * 512}
CHUNK = 512
OUTPUT = (2048, 2048)
NORM_ROWS = 128  # up to which attention's output, the norms and the MLP are one list
TILE = 128  # of K: inputs set apart, beside sums in bytes of one part
STEP = 512  # of a session, where nothing else is asked for
# Type of the array, rows for each token, bytes of a weight, whether there are lists.
WAYS = {"i4 x one part, lists": ("i4", 1, 4416 / 8192, True), "i8 x one part, lists": ("i8", 1, 8256 / 8192, True),
        "i4 x one part": ("i4", 1, 4416 / 8192, False), "i8 x one part": ("i8", 1, 8256 / 8192, False),
        "i4 x two parts": ("i4", 2, 4416 / 8192, False), "i8 x two parts": ("i8", 2, 8256 / 8192, False),
        "bf16": ("bf16", 1, 2 * 8256 / 8192, False)}


@functools.lru_cache(None)
def product(tandem, machine, kernel, m, k, n, kind="i4", out="i32"):
    generation, clock = MACHINES[machine]
    command = [tandem, "npu", "gemm", "--model-only", "--json", "--type", kind, "--out", out, "--generation", generation,
               "--clock", str(clock), "--kernel-class", kernel, "-m", str(m), "-k", str(k), "-n", str(n)]
    time = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return max(time["core_us"], time["dram_us"]) * 1e-6, time["dispatch_us"] * 1e-6


@functools.lru_cache(None)
def gated(tandem, machine, kernel, m, k, up, neurons, n, cut, kind):
    generation, clock = MACHINES[machine]
    command = [tandem, "npu", "mlp", "--model-only", "--json", "--type", kind, "--generation", generation, "--clock",
               str(clock), "--kernel-class", kernel, "-m", str(m), "-k", str(k), "--neurons", str(neurons), "-n", str(n)]
    command += ["--up", str(up)] if up else []
    command += ["--cut", str(CUT)] if cut else []
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["time_us"] * 1e-6


def gated_weights(machine, k, up, neurons, n, cut):
    """Weights of a list in whole tiles: 128 neurons for each column of the array at a time, or 64 where that is enough;
    those are 128 of the second product all the same. Of gates that are cut each column has a tile for the sums of 16 of
    64."""
    columns = 4 if MACHINES[machine][0] == "npu1" else 8
    of_tile = 64 if neurons <= 64 * columns else 128
    padded = -(-neurons // (of_tile * columns)) * of_tile * columns
    sums = columns * -(-padded // (16 * 64)) * 128 * 64 if cut else 0
    return padded * (k + (up or k)) + -(-neurons // of_tile) * 128 * n + sums


@functools.lru_cache(None)
def norm(tandem, machine, kernel, m, k, n, kind):
    """Seconds of a product and the norms behind it in front of a list, and of one more dispatch."""
    generation, clock = MACHINES[machine]
    command = [tandem, "npu", "norm", "--model-only", "--json", "--type", kind, "--generation", generation, "--clock",
               str(clock), "--kernel-class", kernel, "-m", str(m), "-k", str(k), "-n", str(n), "--apart"]
    time = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return (time["time_us"] - time["dispatch_us"]) * 1e-6, time["dispatch_us"] * 1e-6


@functools.lru_cache(None)
def attention(tandem, machine, kernel, rows, keys, window):
    generation, clock = MACHINES[machine]
    command = [tandem, "npu", "attention", "--model-only", "--json", "--generation", generation, "--clock", str(clock),
               "--kernel-class", kernel, "-q", str(rows), "--kv", str(keys), "--window", str(window)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["time_us"] * 1e-6


def products(neurons):
    return [(2048, 3072), (2048, 2048), (2048, 2 * neurons), (neurons, 2048)]


KEYS_AND_VALUES = (2048, 1024)


def prefill(tandem, machine, kernel, layers, neurons, tokens):
    """Seconds, and multiply-adds."""
    seconds = macs = 0
    for start in range(0, tokens, CHUNK):
        rows = min(CHUNK, tokens - start)
        for times, (k, n) in [(layers, one) for one in products(neurons)] + [(1, KEYS_AND_VALUES)]:
            work, dispatch = product(tandem, machine, kernel, rows, k, n)
            seconds += times * work
            macs += times * rows * k * n
        seconds += (layers + 1) * dispatch
    return seconds, macs


def weights_of(layers, neurons):
    return layers * sum(k * n for k, n in products(neurons)) + 2048 * 1024


def calls_of(layers, neurons, listed, apart):
    """Products and lists of a step, with how many there are of each. apart: inputs that QKV, gate and up, and down
    have in a tile more."""
    # Beside those of the layers: per-layer gates and projections, the streams of AltUp, the per-layer inputs.
    keys_and_values = (KEYS_AND_VALUES[0] + apart, KEYS_AND_VALUES[1])
    calls = [(1, one) for one in (keys_and_values, (2048, 3 * 2048), (2048, 256 * (layers + 1)))]
    qkv, output, *mlp = products(neurons)
    attention_s = [(qkv[0] + apart, qkv[1]), output]
    mlp = [(k + apart, n) for k, n in mlp]
    if not listed:
        return calls + [(layers, one) for one in attention_s + mlp + [(2048, 256), (256, 2048)]], []
    # What follows attention is a list with the MLP for short prompts (NORM_ROWS).
    calls += [(layers, one) for one in attention_s]
    # Inputs, those of up if others, neurons, results, whether gates are cut. The mix's inputs have two parts.
    return calls, [(layers - SPARSE, (2048 + apart, 0, neurons, 2048, False)),
                   (SPARSE, (2048 + apart, 0, neurons, 2048, True)), (layers, (2048, 2 * 256, 256, 2048, False))]


def as_built(tandem):
    print("| model | machine | way | calls | 32 tokens | 128 | 512 | 2048 | tokens/s at 2048 | weights |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model, (layers, neurons) in MODELS.items():
        for machine in ("Phoenix", "Strix"):
            for way, (kind, parts, size, listed) in WAYS.items():
                calls, lists = calls_of(layers, neurons, listed, TILE if kind != "bf16" and parts == 1 else 0)
                weights = sum(times * k * n for times, (k, n) in calls)
                weights += sum(times * gated_weights(machine, *shape) for times, shape in lists)
                cells = []
                for tokens in (32, 128, 512, 2048):
                    seconds = 0
                    for start in range(0, tokens, STEP):
                        rows = parts * min(STEP, tokens - start)
                        seconds += sum(times * sum(product(tandem, machine, "peano", rows, k, n, kind, "f32"))
                                       for times, (k, n) in calls)
                        seconds += sum(times * gated(tandem, machine, "peano", rows, *shape, kind)
                                       for times, shape in lists)
                        if listed and rows <= NORM_ROWS:
                            alone = sum(product(tandem, machine, "peano", rows, *OUTPUT, kind, "f32"))
                            seconds += layers * (norm(tandem, machine, "peano", rows, *OUTPUT, kind)[0] - alone)
                    cells.append(f"{1000 * seconds:.0f} ms")
                count = sum(times for times, _ in calls + lists)
                print(f"| {model} | {machine} | {way} | {count} | {' | '.join(cells)} | {2048 / seconds:.0f} | "
                      f"{weights * size / 1e9:.2f} GB |")


def with_attention(tandem):
    print("| machine | compiler | 32 tokens | 128 | 512 | 2048 |")
    print("|---|---|---|---|---|---|")
    for machine in MACHINES:
        for kernel in ("peano", "chess"):
            cells = []
            for tokens in (32, 128, 512, 2048):
                seconds = 0
                for start in range(0, tokens, STEP):
                    rows = min(STEP, tokens - start)
                    seconds += WINDOWED * attention(tandem, machine, kernel, rows, start + rows, WINDOW)
                    seconds += FULL * attention(tandem, machine, kernel, rows, start + rows, 0)
                cells.append(f"{1000 * seconds:.0f} ms")
            print(f"| {machine} | {kernel} | {' | '.join(cells)} |")


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--attention"] and len(arguments) == 2:
        return with_attention(arguments[1])
    if arguments[:1] == ["--as-built"] and len(arguments) == 2:
        return as_built(arguments[1])
    if len(arguments) != 1:
        sys.exit(__doc__)
    tandem = arguments[0]
    print("| model | machine | compiler | 32 tokens | 128 | 512 | 2048 | tokens/s at 2048 | share of peak | weights |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for model, (layers, neurons) in MODELS.items():
        weights = weights_of(layers, neurons) * 4416 / 8192
        for machine, (generation, clock) in MACHINES.items():
            for kernel in ("peano", "chess"):
                times = {tokens: prefill(tandem, machine, kernel, layers, neurons, tokens)
                         for tokens in (32, 128, 512, 2048)}
                seconds, macs = times[2048]
                share = macs / (seconds * clock * 1e9 * PEAK_MACS[generation])
                cells = " | ".join(f"{1000 * times[t][0]:.0f} ms" for t in times)
                print(f"| {model} | {machine} | {kernel} | {cells} | {2048 / seconds:.0f} | {100 * share:.0f} % | "
                      f"{weights / 1e9:.2f} GB |")


if __name__ == "__main__":
    main()
