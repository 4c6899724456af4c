#!/usr/bin/env bash
# Copyright 2026 The Tandem Authors
# SPDX-License-Identifier: Apache-2.0
#
# Exact replies of fable on fresh prompts, in every weight type, converted from bf16:
#
#   tools/measure-accuracy.sh BUILD [OPTION_OF_fable_accuracy...]
#
# SEED (today's date when unset), TASKS, NEEDLE, MEMORY: the prompts.
# TANDEM_SHARED_MODELS (default ../shared/models): the folder that holds fable-e4b in bf16.
# Exit status as fable_accuracy's; 77 when there is nothing to measure.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:?usage: tools/measure-accuracy.sh BUILD [OPTION...]}/tests/fable_accuracy
shift
[[ $program == /* ]] || program=./$program

models=${TANDEM_SHARED_MODELS:-../shared/models}
if [[ ! -f $models/fable-e4b/config.json ]]; then
  echo "skipped: no fable in bf16 ($models/fable-e4b); set TANDEM_SHARED_MODELS" >&2
  exit 77
fi
if ! command -v python3 >/dev/null; then
  echo "skipped: python3 is needed to make prompts" >&2
  exit 77
fi

prompts=$(mktemp)
trap 'rm -f "$prompts"' EXIT
seed=${SEED:-$(date +%Y%m%d)}
echo "seed $seed" >&2
tools/make_fable_prompts.py --seed "$seed" --tasks "${TASKS:-600}" --needle "${NEEDLE:-500}" \
  --memory "${MEMORY:-500}" >"$prompts"
"$program" --prompts "$prompts" --convert "$models/fable-e4b" "$@"
