// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Logits of given tokens as llama.cpp computes them: built by compare_llama_logits.py against the
// headers of the library at hand, since the structures of its interface change between versions.
//
//   llama_logits MODEL THREADS PER_STEP KV_TYPE OUT ID...
//
// Runs the ids in steps of PER_STEP tokens, keys and values stored as KV_TYPE (f32 or f16), on the
// CPU without flash attention, weights as they lie in the file (none repacked), and writes float32
// [ids, vocabulary] to OUT without a header.
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fprintf(stderr, "usage: llama_logits MODEL THREADS PER_STEP KV_TYPE OUT ID...\n");
    return 2;
  }
  const int threads = std::atoi(argv[2]);
  const int per_step = std::atoi(argv[3]);
  const ggml_type kv_type = std::strcmp(argv[4], "f16") == 0 ? GGML_TYPE_F16 : GGML_TYPE_F32;
  std::vector<llama_token> ids;
  for (int i = 6; i < argc; ++i) ids.push_back(std::atoi(argv[i]));

  ggml_backend_load_all();
  llama_backend_init();
  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  model_params.use_extra_bufts = false;
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (model == nullptr) return 1;

  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(std::max<size_t>(512, ids.size()));
  params.n_batch = params.n_ubatch = params.n_ctx;
  params.n_threads = params.n_threads_batch = threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.type_k = params.type_v = kv_type;
  llama_context* context = llama_init_from_model(model, params);
  std::FILE* out = std::fopen(argv[5], "wb");
  if (context == nullptr || out == nullptr) return 1;

  const auto vocab = static_cast<size_t>(llama_vocab_n_tokens(llama_model_get_vocab(model)));
  llama_batch batch = llama_batch_init(per_step, 0, 1);
  for (size_t first = 0; first < ids.size(); first += static_cast<size_t>(batch.n_tokens)) {
    batch.n_tokens = 0;
    while (batch.n_tokens < per_step && first + static_cast<size_t>(batch.n_tokens) < ids.size()) {
      const int row = batch.n_tokens++;
      batch.token[row] = ids[first + static_cast<size_t>(row)];
      batch.pos[row] = static_cast<llama_pos>(first) + row;
      batch.n_seq_id[row] = 1;
      batch.seq_id[row][0] = 0;
      batch.logits[row] = 1;
    }
    if (llama_decode(context, batch) != 0) return 1;
    for (int row = 0; row < batch.n_tokens; ++row) {
      if (std::fwrite(llama_get_logits_ith(context, row), sizeof(float), vocab, out) != vocab) {
        return 1;
      }
    }
  }
  const bool written = std::fclose(out) == 0;
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);
  return written ? 0 : 1;
}
