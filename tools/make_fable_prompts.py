#!/usr/bin/env python3
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
"""Writes chats with known replies for measuring fable, one JSON object per line:

    {"kind": "add", "turns": [{"user": "What is 1 + 2?", "reply": "1 + 2 = 3."}]}

    tools/make_fable_prompts.py --seed 20261123 --tasks 600 --needle 500 --memory 500 > prompts.jsonl

Tasks are spread over the kinds with one right answer, no chat twice; a kind that has no more
(there are 20 emoji) leaves its share to the others. Needle and memory chats are taken as the
generator deals them. The same seed writes the same lines.
"""
import argparse
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "fable"))
import synth  # noqa: E402

KINDS = ["add", "sub", "copy", "reverse", "spell", "capital", "json", "sort", "translate", "emoji",
         "count", "last"]
TRIES = 1000  # Draws without anything new after which a kind counts as used up.
TRAINED_ON = set(range(1000, 1012)) | {987654}


def draw_new(rng, kind, seen):
    for _ in range(TRIES):
        turns = synth.task(rng, kind)
        key = tuple(turns)
        if key not in seen:
            seen.add(key)
            return turns
    return None


def draw_tasks(rng, count):
    """`count` different chats, the kinds in turn."""
    chats, seen, kinds = [], set(), list(KINDS)
    while len(chats) < count:
        for kind in list(kinds):
            if len(chats) == count:
                break
            turns = draw_new(rng, kind, seen)
            if turns is None:
                kinds.remove(kind)
            else:
                chats.append((kind, turns))
    return chats


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--tasks", type=int, default=0, metavar="N")
    parser.add_argument("--needle", type=int, default=0, metavar="N")
    parser.add_argument("--memory", type=int, default=0, metavar="N")
    options = parser.parse_args()
    if options.seed in TRAINED_ON:
        parser.error(f"fable has seen seed {options.seed}: choose another")
    sys.stdout.reconfigure(encoding="utf-8")
    # A generator for each part, so that the length of one does not change the others.
    chats = draw_tasks(random.Random(f"{options.seed} tasks"), options.tasks)
    for kind in ("needle", "memory"):
        rng = random.Random(f"{options.seed} {kind}")
        chats += [(kind, synth.task(rng, kind)) for _ in range(getattr(options, kind))]
    for kind, turns in chats:
        turns = [{"user": user, "reply": reply} for user, reply in turns]
        print(json.dumps({"kind": kind, "turns": turns}, ensure_ascii=False))


if __name__ == "__main__":
    main()
