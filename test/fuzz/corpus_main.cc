// Runs a fuzz target over a corpus: each file as it is, then mutations of it
// from a fixed seed, so that a run can be repeated.
//
//   corpus_test DIRECTORY_OF_CORPUS

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutationsPerFile = 3000;

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()),
                         input.size());
}

// One small change: a byte, a bit, a cut, a repetition, or a number that tends
// to be mishandled.
void Mutate(std::string& input, std::mt19937& random) {
  auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  const size_t at = below(input.size() + 1);
  switch (random() % 6) {
    case 0:
      if (at < input.size()) input[at] = static_cast<char>(random());
      break;
    case 1:
      if (at < input.size()) input[at] ^= static_cast<char>(1 << random() % 8);
      break;
    case 2:
      input.erase(at, below(16) + 1);
      break;
    case 3:
      input.insert(at, input.substr(at, below(64)));
      break;
    case 4:
      input.resize(at);
      break;
    default: {
      static constexpr uint32_t kNumbers[] = {
          0, 1, 0x7f, 0xff, 0x7fffffff, 0x80000000, 0xffffffff};
      const uint32_t number = kNumbers[random() % std::size(kNumbers)];
      for (size_t i = 0; i < 4 && at + i < input.size(); ++i) {
        input[at + i] = static_cast<char>(number >> (24 - 8 * i));
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "expected the directory of a corpus\n");
    return 2;
  }
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  // The order on disk is any.
  std::sort(files.begin(), files.end());
  if (files.empty()) {
    std::fprintf(stderr, "there is no corpus in %s\n", argv[1]);
    return 1;
  }
  std::mt19937 random(20240101);
  for (const auto& file : files) {
    std::ifstream source(file, std::ios::binary);
    const std::string seed{std::istreambuf_iterator<char>(source), {}};
    Run(seed);
    for (int i = 0; i < kMutationsPerFile; ++i) {
      std::string input = seed;
      for (unsigned n = random() % 4 + 1; n > 0; --n) Mutate(input, random);
      Run(input);
    }
  }
  std::printf("%zu inputs, %d mutations of each\n", files.size(),
              kMutationsPerFile);
  return 0;
}
