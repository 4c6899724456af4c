// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The likeliest continuations of many texts at once, as llama.cpp computes them with its BLAS back
// end: built by compare_gemma3.py against the headers of the library at hand, since the structures
// of its interface change between versions.
//
//   llama_greedy MODEL THREADS COUNT <TEXTS      (each text ends with a NUL)
//
// That back end unpacks weights to float and multiplies them by activations in float, where the CPU
// code rounds activations to 8 bits; but it takes no product of less than 32 rows. So all texts are
// one batch, and then one token of each (the first text again where there are less than 32). Keys
// and values are stored as F16, without flash attention, and no weights are repacked. Prints two
// lines for each text: its ids; ids of the reply, each with the gap of the two best logits before
// it.
#include <ggml-backend.h>
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr size_t kLeastRows = 32;

struct Sequence {
  std::vector<llama_token> prompt, reply;
  std::vector<float> gaps;
};

int Fail(const char* what) {
  std::fprintf(stderr, "llama_greedy: %s\n", what);
  return 1;
}

std::vector<std::string> ReadTexts() {
  std::vector<std::string> texts(1);
  for (int c = std::getchar(); c != EOF; c = std::getchar()) {
    if (c == '\0') {
      texts.emplace_back();
    } else {
      texts.back() += static_cast<char>(c);
    }
  }
  texts.pop_back();
  return texts;
}

std::vector<llama_token> Tokenize(const llama_vocab* vocab, const std::string& text) {
  std::vector<llama_token> ids(text.size() + 8);
  const int count = llama_tokenize(vocab, text.data(), static_cast<int>(text.size()), ids.data(),
                                   static_cast<int>(ids.size()), true, false);
  ids.resize(static_cast<size_t>(std::max(count, 0)));
  return ids;
}

void Add(llama_batch& batch, llama_token token, size_t position, size_t sequence, bool wanted) {
  const int row = batch.n_tokens++;
  batch.token[row] = token;
  batch.pos[row] = static_cast<llama_pos>(position);
  batch.n_seq_id[row] = 1;
  batch.seq_id[row][0] = static_cast<llama_seq_id>(sequence);
  batch.logits[row] = wanted;
}

// Appends the likeliest token.
void Choose(const float* logits, int vocab, Sequence& sequence) {
  int best = 0;
  for (int id = 1; id < vocab; ++id) {
    if (logits[id] > logits[best]) best = id;
  }
  float second = -1e30f;
  for (int id = 0; id < vocab; ++id) {
    if (id != best) second = std::max(second, logits[id]);
  }
  sequence.reply.push_back(best);
  sequence.gaps.push_back(logits[best] - second);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return Fail("usage: llama_greedy MODEL THREADS COUNT <TEXTS");
  const int threads = std::atoi(argv[2]);
  const size_t count = std::strtoul(argv[3], nullptr, 10);
  const std::vector<std::string> texts = ReadTexts();

  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  ggml_backend_load_all();
  if (ggml_backend_dev_by_name("BLAS") == nullptr) return Fail("there is no BLAS back end");
  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  model_params.use_extra_bufts = false;
  llama_model* model = llama_model_load_from_file(argv[1], model_params);
  if (model == nullptr) return Fail("cannot load the model");
  const llama_vocab* vocab = llama_model_get_vocab(model);

  std::vector<Sequence> sequences;
  for (const std::string& text : texts) sequences.push_back({Tokenize(vocab, text), {}, {}});
  if (sequences.empty() || count == 0) return Fail("nothing to do");
  sequences.resize(std::max(sequences.size(), kLeastRows), sequences[0]);
  size_t prompts = 0;
  for (const Sequence& sequence : sequences) {
    if (sequence.prompt.empty()) return Fail("a text has no tokens");
    prompts += sequence.prompt.size();
  }

  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<uint32_t>(prompts + count * sequences.size());
  params.n_batch = params.n_ubatch = static_cast<uint32_t>(prompts);
  params.n_seq_max = static_cast<uint32_t>(sequences.size());
  params.kv_unified = true;  // with caches apart, a step would be split by the lengths of prompts
  params.swa_full = true;
  params.n_threads = params.n_threads_batch = threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) return Fail("cannot make a context");

  const int vocab_size = llama_vocab_n_tokens(vocab);
  llama_batch batch = llama_batch_init(static_cast<int>(prompts), 0, 1);
  for (size_t step = 0; step < count; ++step) {
    batch.n_tokens = 0;
    std::vector<int> rows;
    for (size_t s = 0; s < sequences.size(); ++s) {
      const Sequence& sequence = sequences[s];
      const size_t length = sequence.prompt.size();
      if (step == 0) {
        for (size_t i = 0; i < length; ++i) Add(batch, sequence.prompt[i], i, s, i + 1 == length);
      } else {
        Add(batch, sequence.reply.back(), length + step - 1, s, true);
      }
      rows.push_back(batch.n_tokens - 1);
    }
    if (llama_decode(context, batch) != 0) return Fail("a step failed");
    for (size_t s = 0; s < sequences.size(); ++s) {
      Choose(llama_get_logits_ith(context, rows[s]), vocab_size, sequences[s]);
    }
  }
  llama_batch_free(batch);
  llama_free(context);
  llama_model_free(model);

  for (size_t s = 0; s < texts.size(); ++s) {
    for (const llama_token id : sequences[s].prompt) std::printf("%d ", id);
    std::printf("\n");
    for (size_t i = 0; i < count; ++i) {
      std::printf("%d %.6f ", sequences[s].reply[i], static_cast<double>(sequences[s].gaps[i]));
    }
    std::printf("\n");
  }
  return 0;
}
