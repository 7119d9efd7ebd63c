#include "tools/bench/batch.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "tools/bench/parallel_for.h"
#include "tools/bench/stopwatch.h"

namespace gantry::bench {
namespace {

constexpr int kMostBatches = 10;
// A batch ends with fewer and fewer at work: its end must be a small part.
constexpr int kPiecesPerConnection = 5;

}  // namespace

int BatchesOf(int count, int parallel, size_t servers) {
  if (servers == 1) return 1;
  return std::clamp(count / (parallel * kPiecesPerConnection), 1, kMostBatches);
}

absl::StatusOr<Batch> Batch::Connect(const NamedServer& server,
                                     const RunMark& mark, int connections) {
  Batch batch(server);
  for (int i = 0; i < connections; ++i) {
    ASSIGN_OR_RETURN(std::unique_ptr<Endpoint> endpoint,
                     Endpoint::Connect(server.endpoint, mark), server.title);
    batch.endpoints_.push_back(std::move(endpoint));
  }
  return batch;
}

absl::Status Batch::Run(int count, absl::Duration longest, const Piece& piece,
                        Report* report) {
  const int threads = static_cast<int>(endpoints_.size());
  // One per thread, joined afterwards: nothing is shared while the clock runs.
  std::vector<Report> rows(endpoints_.size(), Report("batch"));
  const Stopwatch watch(longest);
  const absl::StatusOr<int> done = ParallelFor(
      threads, count, [&] { return watch.GoesOn(); },
      [&](int thread, int index) {
        return piece(*endpoints_[thread], next_ + index, &rows[thread]);
      });
  seconds_ += watch.Seconds();
  next_ += count;
  RETURN_IF_ERROR(done.status()) << server_.title;
  done_ += *done;
  for (const Report& part : rows) {
    for (const auto& [name, samples] : part.rows()) {
      report->Row(NameOf(server_, name)).Append(samples);
    }
  }
  return absl::OkStatus();
}

void Batch::AddRate(absl::string_view what, Report* report) const {
  report->AddValue(NameOf(server_, what), done_, "");
  report->AddValue(NameOf(server_, "seconds"), seconds_, "s");
  report->AddValue(NameOf(server_, absl::StrCat(what, " per second")),
                   seconds_ > 0 ? done_ / seconds_ : 0, "1/s");
}

absl::StatusOr<std::vector<Batch>> ConnectBatches(const ModeOptions& options,
                                                  const RunMark& mark,
                                                  Report* report) {
  std::vector<Batch> batches;
  for (const NamedServer& server : ServersOf(options)) {
    ASSIGN_OR_RETURN(Batch batch,
                     Batch::Connect(server, mark, options.parallel));
    SetServerFacts(server, batch.first(), report);
    batches.push_back(std::move(batch));
  }
  return batches;
}

}  // namespace gantry::bench
