#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""How far the NPU's prompts are from the CPU's float results: the table "What came of it" of docs/npu.md.

    tools/npu_accuracy.py TANDEM MODEL.gguf [--texts N] [--generation npu1|npu2] [--npu-only]

Cuts N texts of 260 characters, evenly spaced, out of tests/data/fable/prompts.jsonl (what users say and what
fable replies), and scores each on the CPU with --precise, on the emulated NPU as it is and with --precise,
and on the CPU as it is. Prints the mean divergence KL(CPU --precise || other) in nats, with its standard error
over texts, and the share of positions with the same likeliest token. Needs NumPy.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

PROMPTS = pathlib.Path(__file__).resolve().parent.parent / "tests/data/fable/prompts.jsonl"
CHARACTERS = 260
NPU = ["--prefill", "npu", "--decode", "cpu"]


def texts(count):
    turns = [turn for line in PROMPTS.read_text().splitlines() for turn in json.loads(line)["turns"]]
    whole = "\n".join(f"{turn['user']}\n{turn['reply']}" for turn in turns)
    return [whole[i * (len(whole) - CHARACTERS) // count:][:CHARACTERS] for i in range(count)]


def log_softmax(logits):
    logits = logits.astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def score(arguments, text, options, folder):
    out = folder / "logits.npy"
    subprocess.run([arguments.tandem, "score", "-m", arguments.model, "--text", text, "-q", "--logits", str(out),
                    "--npu-generation", arguments.generation, *options],
                   check=True, stdout=subprocess.DEVNULL)
    return log_softmax(np.load(out))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tandem")
    parser.add_argument("model")
    parser.add_argument("--texts", type=int, default=14)
    parser.add_argument("--generation", choices=["npu1", "npu2"], default="npu1")
    parser.add_argument("--npu-only", action="store_true", help="leave out --precise and the CPU's own")
    arguments = parser.parse_args()
    ways = {"NPU": NPU}
    if not arguments.npu_only:
        ways |= {"NPU --precise": [*NPU, "--precise"], "CPU": ["--device", "cpu"]}
    divergences = {way: [] for way in ways}
    same = dict.fromkeys(ways, 0)
    positions = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for text in texts(arguments.texts):
            want = score(arguments, text, ["--device", "cpu", "--precise"], folder)
            positions += len(want)
            for way, options in ways.items():
                got = score(arguments, text, options, folder)
                if not np.isfinite(got).all():
                    sys.exit(f"{way}: logits are not finite")
                divergences[way].append((np.exp(want) * (want - got)).sum(-1))
                same[way] += (want.argmax(-1) == got.argmax(-1)).sum()
    for way, found in divergences.items():
        means = np.array([one.mean() for one in found])
        error = means.std() / np.sqrt(max(1, len(means) - 1))
        print(f"{way}: KL {np.concatenate(found).mean():.5f} +- {error:.5f} nats, same argmax "
              f"{100 * same[way] / positions:.1f} % of {positions}")


if __name__ == "__main__":
    main()
