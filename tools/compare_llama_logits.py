#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Compares Tandem's logits with those of llama.cpp's library on the same GGUF file.

    tandem score -m MODEL.gguf --ids 2,105,... --logits ours.npy
    tools/compare_llama_logits.py MODEL.gguf ours.npy --ids 2,105,... --llama PREFIX

PREFIX is where libllama is installed with its headers: PREFIX/include/llama.h, and libllama.so in
PREFIX/lib or a folder below it. Name the folders one by one with --include and --lib (which may
be given several times) when they lie apart. A library that was built for a newer C library than
this system's also needs that system's ld.so, --loader. GGML_BACKEND_PATH names the CPU back end
where llama.cpp does not find it by itself.

Prints the largest and the mean difference of the logits, the mean divergence KL(llama.cpp ||
Tandem) in nats and the share of positions with the same likeliest token. --steps also runs
llama.cpp token by token and compares it with itself: its own noise is the yardstick for ours.
Exit status 1 when the largest difference is above --limit. --save keeps llama.cpp's logits.

Needs NumPy and a C++ compiler.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SOURCE = pathlib.Path(__file__).with_name("llama_logits.cc")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("logits", help="Tandem's logits, .npy of [tokens, vocabulary]")
    parser.add_argument("--ids", required=True, help="the tokens, comma-separated")
    parser.add_argument("--llama", metavar="PREFIX", help="where libllama is installed")
    parser.add_argument("--include", help="folder of llama.h and ggml.h")
    parser.add_argument("--lib", action="append", default=[], help="folder of libraries")
    parser.add_argument("--loader", help="ld.so to run with")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--kv", choices=["f32", "f16"], default="f32")
    parser.add_argument("--steps", action="store_true", help="llama.cpp against itself, too")
    parser.add_argument("--limit", type=float, help="largest difference allowed")
    parser.add_argument("--save", help="keep llama.cpp's logits as this .npy")
    arguments = parser.parse_args()
    if arguments.llama:
        prefix = pathlib.Path(arguments.llama)
        arguments.include = arguments.include or str(prefix / "include")
        arguments.lib += sorted({str(p.parent) for p in prefix.glob("lib*/**/libllama.so*")})
    if not arguments.include or not arguments.lib:
        parser.error("say where libllama is: --llama, or --include and --lib")
    return arguments


def build(arguments, folder):
    """The program that runs libllama, compiled against its headers."""
    program = folder / "llama_logits"
    libraries = []
    for lib in arguments.lib:
        for name in ("llama", "ggml", "ggml-base"):
            libraries += sorted(map(str, pathlib.Path(lib).glob(f"lib{name}.so*")))[:1]
    subprocess.run(
        [os.environ.get("CXX", "c++"), "-std=c++17", "-O1", f"-I{arguments.include}", str(SOURCE),
         "-o", str(program), *libraries, "-Wl,--allow-shlib-undefined",
         *(f"-Wl,-rpath,{lib}" for lib in arguments.lib)], check=True)
    return program


def run(arguments, program, per_step, folder):
    """llama.cpp's logits, [tokens, vocabulary]."""
    ids = arguments.ids.split(",")
    out = folder / "logits.f32"
    command = [str(program), arguments.model, str(arguments.threads), str(per_step), arguments.kv,
               str(out), *ids]
    if arguments.loader:
        command = [arguments.loader, "--library-path", ":".join(arguments.lib), *command]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"llama.cpp failed:\n{result.stderr}")
    logits = np.fromfile(out, np.float32).reshape(len(ids), -1)
    out.unlink()
    return logits


def log_softmax(row):
    row = row.astype(np.float64) - row.max()
    return row - np.log(np.exp(row).sum())


def closeness(name, reference, logits):
    """By position: the divergence KL(reference || logits) in nats, and whether the argmax is the same."""
    if reference.shape != logits.shape:
        sys.exit(f"{name}: shapes {reference.shape} and {logits.shape} differ")
    divergence, same = [], []
    for expected, actual in zip(reference, logits):
        if not (np.isfinite(expected).all() and np.isfinite(actual).all()):
            sys.exit(f"{name}: logits are not finite")
        p = log_softmax(expected)
        divergence.append((np.exp(p) * (p - log_softmax(actual))).sum())
        same.append(expected.argmax() == actual.argmax())
    return np.array(divergence), np.array(same)


def report(name, reference, logits):
    """Prints one line of figures; returns the largest difference."""
    divergence, same = closeness(name, reference, logits)
    largest, total = 0.0, 0.0
    for expected, actual in zip(reference, logits):
        difference = np.abs(expected.astype(np.float64) - actual)
        largest = max(largest, difference.max())
        total += difference.mean()
    print(f"{name}: max |difference| {largest:.2e}, mean {total / len(reference):.2e}, "
          f"KL {divergence.mean():.2e} nats, same argmax {same.sum()}/{len(reference)}; "
          f"logits {reference.min():.1f} to {reference.max():.1f}, deviation {reference.std():.2f}")
    return largest


def main():
    arguments = parse_arguments()
    ours = np.load(arguments.logits, mmap_mode="r")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        program = build(arguments, folder)
        theirs = run(arguments, program, ours.shape[0], folder)
        if arguments.save:
            np.save(arguments.save, theirs)
        largest = report("Tandem - llama.cpp", theirs, ours)
        if arguments.steps:
            single = run(arguments, program, 1, folder)
            report("Tandem - llama.cpp by single tokens", single, ours)
            report("llama.cpp - llama.cpp by single tokens", single, theirs)
    if arguments.limit is not None and largest > arguments.limit:
        sys.exit(f"the largest difference is above {arguments.limit}")


if __name__ == "__main__":
    main()
