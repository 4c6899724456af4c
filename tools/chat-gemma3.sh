#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# A chat with Gemma 3 270M: tools/chat-gemma3.sh BUILD
#
# The model is fetched when it is not there yet (fetch_gemma3.py). It is the pre-trained one, which
# was never trained on turns: it goes on with a text. So a conversation is put to it as a transcript
# with two answered questions in front, one session of `tandem run --raw` per conversation, and a
# reply ends where its line does. An empty line or Ctrl-D ends the chat. Options after BUILD go to
# `tandem run`: --temp 0, --stats.
set -euo pipefail

say() { echo "chat: $*" >&2; }

[[ $# -ge 1 && -x $1/tandem ]] || { say "usage: tools/chat-gemma3.sh BUILD [OPTION...]"; exit 2; }
tandem=$1/tandem
shift
model=$("$(dirname "$0")/fetch_gemma3.py")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The blank line of the opening belongs to the first question.
opening='A conversation with a helpful assistant, who answers briefly and correctly.

User: What is the capital of Italy?
Assistant: The capital of Italy is Rome.

User: Name three animals that live in the sea.
Assistant: Whales, dolphins and octopuses live in the sea.'

say "Gemma 3 270M (pre-trained). It answers in a line, and it is small: do not believe it."
say "An empty line ends the chat."
text=$opening
while true; do
  line=
  if [[ -t 0 ]]; then
    read -r -e -p '> ' line || break
  else
    read -r line || [[ -n $line ]] || break
  fi
  [[ -n ${line//[[:space:]]/} ]] || break
  "$tandem" run -m "$model" --raw --session "$folder/session" --quiet --temp 0.3 -n 200 \
    --stop $'\n' "$@" -p "$text"$'\n\n'"User: $line"$'\n'"Assistant:" </dev/null || exit
  text=
done
