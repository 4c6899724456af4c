// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A conversation that is saved, taken up again, split in two and taken back. None of it runs a
// token twice.
#include <tandem/tandem.h>

#include <filesystem>
#include <iostream>

namespace {

void Ask(tandem::Session& session, std::string_view question) {
  auto options = tandem::DefaultGenerationOptions(session.model());
  options.sampling.temperature = 0;
  const auto reply = tandem::Reply(session, question, options);
  std::cout << "> " << question << "\n" << reply.text << "\n";
}

void Run(const std::filesystem::path& file) {
  tandem::Engine engine(tandem::Model::LoadEmbedded());

  const auto yesterday = engine.NewSession();
  Ask(*yesterday, "Hello! My name is Tom.");
  yesterday->Save(file);

  const auto today = engine.NewSession();
  today->Load(file);
  const auto other = today->Fork();  // memory is shared until one of them writes
  Ask(*today, "What is my name?");
  Ask(*other, "What is 17 + 25?");

  today->Rewind(static_cast<int64_t>(yesterday->tokens().size()));  // takes the question back
  Ask(*today, "What is my name?");
}

}  // namespace

int main() {
  const auto file = std::filesystem::temp_directory_path() / "tandem-example.session";
  int status = 0;
  try {
    Run(file);
  } catch (const tandem::Error& error) {
    std::cerr << "error: " << error.message() << "\n";
    status = 1;
  }
  std::filesystem::remove(file);
  return status;
}
