#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Compares Tandem with llama.cpp on a real Gemma 3 file: greedy text and perplexity.

  tools/compare_gemma3.py greedy --tandem build/tandem --llama FOLDER MODEL.gguf
  tools/compare_gemma3.py perplexity --tandem build/tandem --llama FOLDER --text FILE MODEL.gguf

FOLDER holds llama-server and llama-perplexity; tools/fetch-llama.sh fetches them and prints it. Without
--llama, `perplexity` measures Tandem alone.

greedy: 40 prompts in ten languages, code and JSON. Both programs must make the same ids of each;
then each continues those ids with its likeliest tokens. Where the replies part, the gap between the
two best logits there says whether it was a near tie. Fails unless at least --least replies are
identical and every gap is under --gap. For a file of quantised weights that is only to be had where
neither program rounds activations to 8 bits: --precise says so to Tandem. llama.cpp's CPU code has
no such switch, but its BLAS back end unpacks weights to float and leaves activations alone: --blas
takes it (FOLDER from tools/fetch-llama.sh --blas; needs a C++ compiler), on all prompts at once,
since it wants 32 rows. Or --llama-model names the same weights as F32 (llama-quantize
--allow-requantize MODEL FILE F32). With --llama-twice llama.cpp is compared with itself, as it is
and without the two things that only save time (repacked weights, flash attention): the yardstick
for a file whose weights make both programs round activations to 8 bits.

perplexity: of the text in chunks of --chunk tokens, BOS in place of the first of each, over the
second half of each chunk, as llama-perplexity does it. With --blas llama.cpp leaves activations alone.

Both programs run on --threads threads of the CPU, keys and values in half floats. Needs nothing but
Python. Exit status 1 when the comparison fails.
"""
import argparse
import json
import math
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

PROMPTS = {
    "English": ["The capital of France is", "Once upon a time, in a small village by the sea,",
                "Photosynthesis is the process by which", "To bake a simple loaf of bread, you need",
                "The three laws of motion, as Isaac Newton wrote them down, say that"],
    "German": ["Die Hauptstadt von Deutschland ist", "Es war einmal ein alter Mann, der",
               "Um Kaffee zu kochen, braucht man",
               "Der längste Fluss in Europa ist"],
    "French": ["La tour Eiffel se trouve à", "Il était une fois une petite fille qui",
               "La Révolution française a commencé en"],
    "Spanish": ["El idioma oficial de México es", "Había una vez un rey que",
                "El agua hierve a una temperatura de"],
    "Italian": ["La capitale d'Italia è", "Nel mezzo della città c'era una piazza",
                "Gli ingredienti della pizza sono"],
    "Russian": ["Столица России —", "Жили-были старик со старухой", "Самая длинная река в Европе"],
    "Chinese": ["中国的首都是", "从前有一座山，山上有一座庙，", "水的沸点是"],
    "Japanese": ["日本の首都は", "むかしむかし、あるところに", "富士山の高さは"],
    "Arabic": ["عاصمة مصر هي", "كان يا ما كان في قديم الزمان", "أكبر كوكب في المجموعة الشمسية هو"],
    "Hindi": ["भारत की राजधानी", "एक समय की बात है, एक गाँव में", "सूर्य से पृथ्वी की दूरी"],
    "code": ["def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
             "#include <stdio.h>\n\nint main(void) {\n    for (int i = 0; i < 10; i++) {\n",
             "SELECT name, COUNT(*) FROM orders\nGROUP BY",
             "function add(a, b) {\n\treturn a + b;\n}\n\nfunction multiply("],
    "JSON": ["{\"name\": \"Alice\", \"age\": 30, \"city\":", "[\n  {\"id\": 1, \"title\": \"First\"},\n  {\"id\": 2,",
             "{\n  \"type\": \"object\",\n  \"properties\": {\n    \"email\": {"],
}

EOS, END_OF_TURN = 1, 106


def fail(message):
    sys.exit(f"compare_gemma3: {message}")


class Tandem:
    def __init__(self, options):
        self.program = options.tandem
        self.model = options.model
        self.threads = str(options.threads)
        self.precise = ["--precise"] if options.precise else []

    def json(self, command, *arguments):
        """What a command of ours prints with --json."""
        line = [self.program, command, "-m", self.model, "-q", "--json", *arguments]
        if command != "tokenize":
            line += ["-t", self.threads, *self.precise]
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            fail(f"tandem {command}: {done.stderr.decode(errors='replace').strip()}")
        return json.loads(done.stdout)

    def tokenize(self, text):
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            return self.json("tokenize", "--file", file.name)["ids"]

    def greedy(self, text, count):
        return self.json("run", "--raw", "-p", text, "-n", str(count), "--temp", "0")["ids"]

    def score(self, ids, *arguments):
        """Log-probabilities of each token but the first, and what --top adds."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(",".join(map(str, ids)))
            file.flush()
            return self.json("score", "--ids-file", file.name, "--all", *arguments)["tokens"]

    def gap(self, ids):
        """Between the logits of the two likeliest tokens after `ids`."""
        first, second = self.score(ids, "--top", "2")[-1]["top"][:2]
        return first["log_probability"] - second["log_probability"]


class Together:
    """llama.cpp on all texts at once, with its BLAS back end: see llama_greedy.cc."""

    def __init__(self, options, texts):
        self.of_text, self.of_ids = {}, {}
        aside = pathlib.Path(options.llama).resolve().parent
        loader = next(aside.glob("root/**/ld.so"), None)
        include = aside / "root/usr/include"
        if loader is None or not (include / "llama.h").exists():
            fail(f"{options.llama} has no library to build against: take that of tools/fetch-llama.sh --blas")
        folders = sorted({str(p.parent) for p in aside.glob("root/usr/lib/**/lib*.so*")} - {str(loader.parent)})
        libraries = [str(next(aside.glob(f"root/usr/lib/*/lib{name}.so.0"))) for name in ("llama", "ggml", "ggml-base")]
        with tempfile.TemporaryDirectory() as folder:
            program = f"{folder}/llama_greedy"
            source = pathlib.Path(__file__).with_name("llama_greedy.cc")
            self.run([os.environ.get("CXX", "c++"), "-std=c++17", "-O2", f"-I{include}", str(source), "-o", program,
                      *libraries, "-Wl,--allow-shlib-undefined"])
            said = self.run([str(loader), "--library-path", ":".join(folders), program,
                             options.llama_model or options.model, str(options.threads), str(options.tokens)],
                            "".join(text + "\0" for text in texts))
        lines = said.splitlines()
        for text, ids, reply in zip(texts, lines[::2], lines[1::2], strict=True):
            ids, reply = list(map(int, ids.split())), reply.split()
            self.of_text[text] = ids
            self.of_ids[tuple(ids)] = list(map(int, reply[::2])), list(map(float, reply[1::2]))

    @staticmethod
    def run(command, text=""):
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            fail(f"{pathlib.Path(command[0]).name}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def tokenize(self, text):
        return self.of_text[text]

    def greedy(self, ids, _):
        reply, gaps = self.of_ids[tuple(ids)]
        end = next((i + 1 for i, id in enumerate(reply) if id in (EOS, END_OF_TURN)), len(reply))
        return reply[:end], gaps[:end]

    def close(self):
        pass


class Server:
    """llama-server on one file, for the life of the object."""

    def __init__(self, options, *arguments):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [f"{options.llama}/llama-server", "-m", options.llama_model or options.model,
             "-t", str(options.threads), "-c", "1024", "-np", "1", "-ngl", "0", "-dev", "none", "--no-webui",
             "--port", str(port), *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.process.poll() is not None:
                fail(f"llama-server ended with {self.process.returncode}")
            try:
                self.get("/health")
                return
            except OSError:
                time.sleep(0.5)
        fail("llama-server does not answer")

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.loads(answer.read())

    def tokenize(self, text):
        return self.get("/tokenize", {"content": text, "add_special": True, "parse_special": False})["tokens"]

    def greedy(self, ids, count):
        """Ids of the reply, and the gap of the two best logits before each."""
        answer = self.get("/completion", {"prompt": ids, "n_predict": count, "temperature": 0, "n_probs": 2,
                                          "cache_prompt": False, "return_tokens": True})
        steps = answer["completion_probabilities"]
        gaps = [s["top_logprobs"][0]["logprob"] - s["top_logprobs"][1]["logprob"] for s in steps]
        return [s["id"] for s in steps], gaps

    def close(self):
        self.process.terminate()
        self.process.wait()


def without_end(ids):
    """A reply without the token that ended it."""
    return ids[:-1] if ids and ids[-1] in (EOS, END_OF_TURN) else ids


def compare_greedy(options):
    ours = Tandem(options)
    chosen = {language: prompts for language, prompts in PROMPTS.items()
              if not options.only or language in options.only}
    if options.blas:
        server = Together(options, [prompt for prompts in chosen.values() for prompt in prompts])
    else:
        server = Server(options)
    other = Server(options, "--no-repack", "-fa", "off") if options.llama_twice else None
    identical = total = 0
    gaps = []
    rows = []
    try:
        for language, prompts in chosen.items():
            same = 0
            for prompt in prompts:
                ids = ours.tokenize(prompt)
                if ids != server.tokenize(prompt):
                    fail(f"the two make other ids of {prompt!r}")
                expected, margins = server.greedy(ids, options.tokens)
                got = other.greedy(ids, options.tokens)[0] if other else ours.greedy(prompt, options.tokens)
                expected, got = without_end(expected), without_end(got)
                total += 1
                if expected == got:
                    same += 1
                    continue
                length = min(len(expected), len(got))
                at = next((i for i in range(length) if expected[i] != got[i]), length)
                gap = other.greedy(ids + got[:at], 1)[1][0] if other else ours.gap(ids + got[:at])
                margins.append(0.0)  # where llama.cpp ended
                gaps.append(max(gap, margins[at]))
                rows.append((language, prompt, at, gap, margins[at]))
                print(f"{language}: {prompt!r} parts at token {at}: gap {gap:.3f} (llama.cpp {margins[at]:.3f})",
                      file=sys.stderr)
            identical += same
            print(f"{language}: {same} of {len(prompts)}", file=sys.stderr)
    finally:
        server.close()
        if other:
            other.close()
    print(f"{identical} of {total} replies of {options.tokens} tokens identical; "
          f"largest gap where they part: {max(gaps, default=0):.3f}")
    name = "other" if other else "Tandem"
    print(f"\n| | prompt | parts at token | gap, {name} | gap, llama.cpp |\n|---|---|---:|---:|---:|")
    for language, prompt, at, gap, theirs in rows:
        print(f"| {language} | `{prompt}` | {at} | {gap:.3f} | {theirs:.3f} |")
    if identical < options.least or max(gaps, default=0) >= options.gap:
        sys.exit(1)


def our_perplexity(options):
    ours = Tandem(options)
    with open(options.text, encoding="utf-8", newline="") as file:
        ids = ours.tokenize(file.read())
    chunk = options.chunk
    half = chunk // 2
    total = count = 0
    chunks = len(ids) // chunk
    for index in range(min(chunks, options.chunks or chunks)):
        part = ids[index * chunk:(index + 1) * chunk]
        part[0] = ids[0]  # BOS
        for token in ours.score(part)[half + 1:]:
            total -= token["log_probability"]
            count += 1
    if count == 0:
        fail(f"the text has less than {chunk} tokens")
    return math.exp(total / count), len(ids), chunks


def compare_perplexity(options):
    value, tokens, chunks = our_perplexity(options)
    print(f"tandem: perplexity {value:.4f} of {tokens} tokens in {chunks} chunks of {options.chunk}")
    if not options.llama:
        return
    command = [f"{options.llama}/llama-perplexity", "-m", options.llama_model or options.model, "-f", options.text,
               "-c", str(options.chunk), "-b", str(options.chunk), "-t", str(options.threads),
               "-ngl", "0", "-dev", "none"]
    if options.blas:
        command.append("--no-repack")  # repacked weights are not for BLAS
    if options.chunks:
        command += ["--chunks", str(options.chunks)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode(errors="replace")
    found = re.search(r"Final estimate: PPL = ([0-9.]+)", said)
    if not found:
        fail(f"llama-perplexity said no result: {said.strip().splitlines()[-1:]}")
    theirs = float(found[1])
    difference = (value / theirs - 1) * 100
    print(f"llama.cpp: perplexity {theirs:.4f}; difference {difference:+.3f} %")
    if abs(difference) > options.limit:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["greedy", "perplexity"])
    parser.add_argument("model")
    parser.add_argument("--tandem", default="build/tandem")
    parser.add_argument("--llama", help="folder of llama.cpp's programs")
    parser.add_argument("--llama-model", metavar="FILE", help="what llama.cpp runs instead: the same weights as F32")
    parser.add_argument("--blas", action="store_true", help="llama.cpp with its BLAS back end: activations in float")
    parser.add_argument("--precise", action="store_true", help="Tandem without 8-bit activations")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tokens", type=int, default=48, help="of each greedy reply")
    parser.add_argument("--least", type=int, default=36, help="greedy replies that must be identical")
    parser.add_argument("--gap", type=float, default=0.15, help="of two logits that count as a near tie")
    parser.add_argument("--only", action="append", help="a language, code or JSON; may be given again")
    parser.add_argument("--llama-twice", action="store_true", help="llama.cpp against itself")
    parser.add_argument("--text", help="file whose perplexity is measured")
    parser.add_argument("--chunk", type=int, default=512)
    parser.add_argument("--chunks", type=int, default=0, help="only the first so many")
    parser.add_argument("--limit", type=float, default=0.5, help="per cent that perplexities may differ")
    options = parser.parse_args()
    if options.what == "greedy":
        if not options.llama:
            parser.error("greedy needs --llama")
        if options.blas and options.llama_twice:
            parser.error("--blas and --llama-twice exclude each other")
        compare_greedy(options)
    else:
        if not options.text:
            parser.error("perplexity needs --text")
        compare_perplexity(options)


if __name__ == "__main__":
    main()
