#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""What ways of computing a prompt lose on a real file: each against the CPU with --precise.

    tools/compare_prefill.py --tandem build/tandem MODEL.gguf TEXT...
    tools/compare_prefill.py --tandem build/tandem --way npu="--prefill npu" MODEL.gguf TEXT...
    tools/compare_prefill.py --tandem build/tandem --fable 100 FABLE.gguf

Runs `tandem score --logits` on each text, first with --precise on the CPU, then in each way, and
prints for each text and for all of them: the mean divergence KL(CPU with --precise || way) in nats
over the positions (of several texts with its standard error over them), its 90th percentile, the
share of positions with the same likeliest token, and the perplexity of the whole text beside that of
the CPU with --precise.
--fable N takes N pieces of 260 characters of what users say and fable replies in
tests/data/fable/prompts.jsonl, evenly spaced, and prints the figures of all of them alone.
Ways, unless --way names others: the array with one part of 8 bits for activations and with two
(--precise), and the CPU without --precise. --last N takes the last N positions of each text alone,
--json prints the figures as JSON. Texts of more tokens than --ctx are scored in windows.

Logits lie in a temporary folder, two files at a time: a megabyte a token each for 262,144 pieces.
Needs NumPy. Exit status 1, with what Tandem said, when a run fails.
"""
import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

import numpy as np

from compare_llama_logits import closeness

PROMPTS = pathlib.Path(__file__).resolve().parent.parent / "tests/data/fable/prompts.jsonl"
PIECE = 260
WAYS = {"npu": "--prefill npu", "npu, --precise": "--prefill npu --precise", "cpu": ""}
REFERENCE = "--precise"


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("texts", nargs="*", metavar="TEXT")
    parser.add_argument("--fable", type=int, metavar="N", help="pieces of fable's prompts and replies")
    parser.add_argument("--tandem", default="build/tandem")
    parser.add_argument("--way", action="append", metavar="NAME=OPTIONS", help="options of `tandem score`")
    parser.add_argument("--last", type=int, help="positions of each text, from its end; all if not given")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    ways = [way.partition("=") for way in arguments.way or []]
    if not all(name and equals for name, equals, _ in ways):
        parser.error("--way takes NAME=OPTIONS")
    if arguments.last is not None and arguments.last < 1:
        parser.error("--last takes 1 or more")
    if bool(arguments.texts) == (arguments.fable is not None):
        parser.error("either texts or --fable")
    if arguments.fable is not None and arguments.fable < 1:
        parser.error("--fable takes 1 or more")
    arguments.ways = {name: options for name, _, options in ways} or WAYS
    return arguments


def fable_pieces(count, folder):
    """Files with so many pieces of fable's prompts and replies."""
    turns = [turn for line in PROMPTS.read_text().splitlines() for turn in json.loads(line)["turns"]]
    whole = "\n".join(f"{turn['user']}\n{turn['reply']}" for turn in turns)
    files = [folder / f"fable-{i}.txt" for i in range(count)]
    for i, file in enumerate(files):
        file.write_text(whole[i * (len(whole) - PIECE) // count:][:PIECE])
    return [str(file) for file in files]


def score(arguments, text, options, out):
    """Logits [tokens, pieces] of a text, computed in one way, and the log-probabilities of its tokens."""
    command = [arguments.tandem, "score", "--quiet", "--json", "-m", arguments.model, "--file", text,
               "--logits", str(out), *shlex.split(options)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{shlex.join(command)}: exit status {result.returncode}\n{result.stderr}")
    tokens = [token["log_probability"] for token in json.loads(result.stdout)["tokens"]]
    return np.load(out, mmap_mode="r"), np.array([value for value in tokens if value is not None])


class Way:
    """What came of one way, of a text or of several."""

    def __init__(self, name):
        self.name = name
        self.divergence, self.same, self.expected, self.got = [], [], [], []
        self.means = []  # of each text

    def add(self, divergence, same, expected, got):
        self.means.append(np.mean(divergence))
        self.divergence.extend(divergence)
        self.same.extend(same)
        self.expected.extend(expected)
        self.got.extend(got)

    def figures(self, text):
        return {"text": text, "way": self.name, "positions": len(self.same),
                "divergence": float(np.mean(self.divergence)),
                "standard_error": float(np.std(self.means) / np.sqrt(max(1, len(self.means) - 1))),
                "percentile_90": float(np.percentile(self.divergence, 90)), "same": float(np.mean(self.same)),
                "perplexity": float(np.exp(-np.mean(self.got))),
                "perplexity_precise": float(np.exp(-np.mean(self.expected)))}


def main():
    arguments = parse_arguments()
    total = [Way(name) for name in arguments.ways]
    lines = []

    def tell(way, text):
        lines.append(way.figures(text))
        if not arguments.json:
            error = " +- {standard_error:.4f}" if len(way.means) > 1 else ""
            line = ("{text}: {way}: {positions} positions, KL {divergence:.4f}" + error + " nats, 90 % below "
                    "{percentile_90:.4f}, same argmax {same:.1%}, perplexity {perplexity:.3f}, not "
                    "{perplexity_precise:.3f}")
            print(line.format(**lines[-1]), flush=True)

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        texts = arguments.texts or fable_pieces(arguments.fable, folder)
        for text in texts:
            reference, expected = score(arguments, text, REFERENCE, folder / "reference.npy")
            for of_all in total:
                logits, got = score(arguments, text, arguments.ways[of_all.name], folder / "way.npy")
                start = max(0, len(reference) - (arguments.last or len(reference)))
                result = (*closeness(f"{text}: {of_all.name}", reference[start:], logits[start:]), expected, got)
                of_all.add(*result)
                if arguments.texts:
                    way = Way(of_all.name)
                    way.add(*result)
                    tell(way, text)
    if len(texts) > 1 or not arguments.texts:
        for way in total:
            tell(way, "all")
    if arguments.json:
        print(json.dumps(lines, indent=2))


if __name__ == "__main__":
    main()
