#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Measures tandem and llama.cpp on one GGUF file, in turn; called by tools/compare-llama.sh.

Each round runs llama-bench and tandem bench (prompts of 32, 128 and 512 tokens, 64 new ones), then
each program from its start to the first token after a prompt of 32, and how fast this machine reads
memory. The order changes from round to round. Ratios above 1 are in tandem's favour.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

PROMPTS = (32, 128, 512)
NEW_TOKENS = 64
CONTEXT = 1024
# Any text will do: it is cut where it has as many tokens as wanted.
TEXT = ("the small fox went over the old hill and saw a river with a boat and three birds on it " * 4)

# Row, unit, whether less is better.
ROWS = [(f"pp{n}", "tokens/s", False) for n in PROMPTS] + [
    (f"tg{NEW_TOKENS}", "tokens/s", False),
    ("first token", "s", True),
    ("peak memory, bench", "MB", True),
    ("peak memory, first token", "MB", True),
]


class Failure(Exception):
    """Something that ends the comparison, in one line."""


def run(command, stdin=None):
    """Output, seconds and peak resident bytes of a program."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err
            )
        except OSError as error:
            raise Failure(f"cannot run {command[0]}: {error.strerror}") from error
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            lines = err.read().decode(errors="replace").strip().splitlines()
            errors = [line for line in lines if "error" in line]
            said = (errors or lines or ["no message"])[0]
            name = os.path.basename(command[0])
            raise Failure(f"{name} ended with {process.returncode}: {said}")
        return out.read().decode(errors="replace"), seconds, usage.ru_maxrss * 1024


def parse(text, opening, program):
    """The JSON in what a program printed."""
    try:
        return json.loads(text[text.index(opening) :])
    except ValueError as error:
        raise Failure(f"{program} printed no JSON") from error


def prompt_of(tandem, model, tokens):
    """A text of so many tokens, with the one that opens a context."""
    with tempfile.TemporaryFile() as lines:
        lines.write("".join(TEXT[:n] + "\n" for n in range(1, len(TEXT))).encode())
        lines.seek(0)
        out, _, _ = run([tandem, "tokenize", "-m", model, "--lines", "--json"], lines)
    for n, line in enumerate(parse(out, "{", "tandem tokenize")["lines"], 1):
        if line["count"] == tokens:
            return TEXT[:n]
    raise Failure(f"no prompt of {tokens} tokens was found for this model's vocabulary")


class Llama:
    name = "llama.cpp"

    def __init__(self, options, prompt):
        self.common = ["-m", options.model, "-t", str(options.threads), "-ngl", "0", "-dev", "none"]
        self.folder = options.llama
        self.prompt = prompt

    def bench(self):
        lengths = ",".join(map(str, PROMPTS))
        out, _, memory = run(
            [f"{self.folder}/llama-bench", *self.common, "-p", lengths, "-n", str(NEW_TOKENS)]
            + ["-r", "1", "-o", "json"]
        )
        rates = {}
        for row in parse(out, "[", "llama-bench"):
            kind, count = ("pp", row["n_prompt"]) if row["n_prompt"] else ("tg", row["n_gen"])
            rates[f"{kind}{count}"] = row["avg_ts"]
        return rates, memory

    def first_token(self):
        _, seconds, memory = run(
            [f"{self.folder}/llama-completion", *self.common, "-c", str(CONTEXT), "-n", "1"]
            + ["-no-cnv", "--no-warmup", "-p", self.prompt]
        )
        return seconds, memory


class Tandem:
    name = "tandem"

    def __init__(self, options, prompt):
        self.program = options.tandem
        self.common = ["-m", options.model, "-t", str(options.threads), "--device", "cpu", "-q"]
        self.prompt = prompt

    def bench(self):
        lengths = ",".join(map(str, PROMPTS))
        out, _, memory = run(
            [self.program, "bench", *self.common, "-p", lengths, "-n", str(NEW_TOKENS)]
            + ["-r", "1", "--json"]
        )
        result = parse(out, "{", "tandem bench")
        rates = {f"pp{row['tokens']}": row["tps_median"] for row in result["prefill"]}
        rates[f"tg{NEW_TOKENS}"] = result["decode"][0]["tps_median"]
        return rates, memory

    def first_token(self):
        _, seconds, memory = run(
            [self.program, "run", *self.common, "--ctx", str(CONTEXT), "-n", "1", "--raw"]
            + ["-p", self.prompt]
        )
        return seconds, memory


def read_bandwidth(options):
    """GB/s that plain loops read, by the same program's own measurement."""
    out, _, _ = run(
        [options.tandem, "bench", "--profile", "-p", "1", "-n", "0", "-r", "1", "-q", "--json"]
        + ["-t", str(options.threads)]
    )
    return parse(out, "{", "tandem bench --profile")["roofline"]["read_gb_s"]


def measure(options, engines):
    samples = {engine.name: {row: [] for row, _, _ in ROWS} for engine in engines}
    reading = []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for engine in engines if number % 2 == 0 else engines[::-1]:
            rates, memory = engine.bench()
            seconds, first_memory = engine.first_token()
            values = dict(rates)
            values["first token"] = seconds
            values["peak memory, bench"] = memory / 1e6
            values["peak memory, first token"] = first_memory / 1e6
            for row, _, _ in ROWS:
                samples[engine.name][row].append(values[row])
        reading.append(read_bandwidth(options))
    return samples, reading


def report(options, samples, reading):
    """What was measured, as one object."""
    out, _, _ = run([options.tandem, "--version"])
    version_file = os.path.join(options.llama, "..", "version")
    llama_version = "of LLAMA"
    if os.path.exists(version_file):
        with open(version_file, encoding="utf-8") as file:
            llama_version = file.read().strip()
    info, _, _ = run([options.tandem, "info", "-m", options.model, "--json"])
    per_token = parse(info, "{", "tandem info")["bytes_per_token"]
    rows = []
    for name, unit, less in ROWS:
        ours, theirs = samples["tandem"][name], samples["llama.cpp"][name]
        a, b = statistics.median(ours), statistics.median(theirs)
        rows.append(
            {"name": name, "unit": unit, "tandem": a, "llama.cpp": b, "ratio": b / a if less else a / b}
            | {"tandem_samples": ours, "llama.cpp_samples": theirs}
        )
    decode = next(row for row in rows if row["name"] == f"tg{NEW_TOKENS}")
    read = statistics.median(reading)
    return {
        "model": options.model,
        "threads": options.threads,
        "rounds": options.rounds,
        "tandem": out.strip(),
        "llama.cpp": llama_version,
        "rows": rows,
        "read_gb_s": read,
        "read_gb_s_samples": reading,
        "bytes_per_token": per_token,
        "decode_read_share": {
            engine: decode[engine] * per_token * 1e-9 / read for engine in ("tandem", "llama.cpp")
        },
    }


def table(result):
    lines = [
        f"{result['tandem']}, llama.cpp {result['llama.cpp']}",
        f"{result['model']}, {result['threads']} threads, medians of {result['rounds']} rounds",
        "",
        f"{'':<26} {'':<9} {'tandem':>10} {'llama.cpp':>10} {'ratio':>8}",
    ]
    for row in result["rows"]:
        ours, theirs = (f"{row[name]:.2f}" for name in ("tandem", "llama.cpp"))
        lines.append(
            f"{row['name']:<26} {row['unit']:<9} {ours:>10} {theirs:>10} {row['ratio']:>7.2f}x"
        )
    share = result["decode_read_share"]
    lines += [
        f"{'weights read by decode':<26} {'of memory':<9} "
        f"{share['tandem']:>9.0%} {share['llama.cpp']:>10.0%}",
        "",
        f"memory reads {result['read_gb_s']:.1f} GB/s; a token needs "
        f"{result['bytes_per_token'] / 1e9:.2f} GB of weights at most (dead neurons are left out by "
        "tandem).",
        "Ratios above 1 are in tandem's favour.",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--tandem", "--llama", "--model"):
        parser.add_argument(name, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", help="write the result to this file, too")
    options = parser.parse_args()
    if options.rounds < 1 or options.threads < 1:
        parser.error("ROUNDS and THREADS are whole numbers above 0")
    try:
        prompt = prompt_of(options.tandem, options.model, PROMPTS[0])
        with open(options.model, "rb") as file:  # into the page cache, for both
            while file.read(1 << 24):
                pass
        samples, reading = measure(options, [Llama(options, prompt), Tandem(options, prompt)])
        result = report(options, samples, reading)
    except (Failure, OSError) as error:
        sys.exit(f"compare-llama: {error}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)
            file.write("\n")
    print(table(result))


if __name__ == "__main__":
    main()
