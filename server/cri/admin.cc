// Loading images from an archive of the host or of the client.

#include <fcntl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "runtime/base/status.h"
#include "runtime/image/importer.h"
#include "runtime/sys/pipe.h"
#include "server/cri/admin_rpcs.h"
#include "server/cri/call.h"
#include "server/cri/check.h"
#include "server/cri/chunk_pipe.h"
#include "server/work/cancellation.h"

namespace gantry::cri {
namespace {

using admin::v1::LoadRequest;
using admin::v1::LoadResponse;
using Images = std::vector<image::ImportedImage>;

// So that few chunks have to wait for the reader.
constexpr int kPipeBytes = 1 << 20;

// One call of Load. The bytes go through a pipe to the importer, which reads
// on a thread of its own; a chunk is asked of the client when the one before
// it is in the pipe.
class LoadCall final : public grpc::ServerReadReactor<LoadRequest> {
 public:
  LoadCall(Services& services, LoadResponse* response)
      : services_(services), response_(response), shared_(new Shared{this}) {
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return OnEnd();
    switch (request_.source_case()) {
      case LoadRequest::kPath:
        if (pipe_ == nullptr) return LoadPath();
        return Refuse("a path among chunks");
      case LoadRequest::kChunk:
        return TakeChunk();
      default:
        return Refuse("a message with neither path nor chunk");
    }
  }

  // The load ends, and then the call.
  void OnCancel() override { cancellation_.Cancel(); }

  void OnDone() override { delete this; }

 private:
  // What outlives the call: whoever still works for it looks here first.
  struct Shared {
    explicit Shared(LoadCall* c) : call(c) {}
    absl::Mutex mutex;
    // Null once the call is finished.
    LoadCall* call ABSL_GUARDED_BY(mutex);
    // Why the client's stream is no good, if it is not.
    absl::Status refused ABSL_GUARDED_BY(mutex);
  };

  // The client has said all, or has gone.
  void OnEnd() {
    if (pipe_ != nullptr) return pipe_->Close();
    if (!loading_) Finish(absl::InvalidArgumentError("no image archive sent"));
  }

  void Refuse(absl::string_view what) {
    absl::Status error = absl::InvalidArgumentError(what);
    if (pipe_ == nullptr) return Finish(error);
    {
      absl::MutexLock lock(&shared_->mutex);
      shared_->refused = error;
    }
    pipe_->Close();
  }

  void LoadPath() {
    absl::Status good = CheckAbsolutePath("path", request_.path());
    if (!good.ok()) return Finish(good);
    Begin(services_.images.LoadPath(request_.path(), cancellation_));
  }

  void TakeChunk() {
    if (pipe_ == nullptr) {
      absl::Status opened = OpenPipe();
      if (!opened.ok()) return Finish(opened);
    }
    pipe_->Write(std::move(*request_.mutable_chunk()),
                 [shared = shared_](bool written) {
                   absl::MutexLock lock(&shared->mutex);
                   // A reader that has gone has an error to tell: it ends the
                   // call.
                   if (written && shared->call != nullptr) {
                     shared->call->StartRead(&shared->call->request_);
                   }
                 });
  }

  absl::Status OpenPipe() {
    ASSIGN_OR_RETURN(sys::Pipe pipe, sys::MakePipe());
    if (fcntl(pipe.write.get(), F_SETFL, O_NONBLOCK) != 0) {
      return ErrnoStatus(errno, "prepare a pipe");
    }
    // Only a matter of speed.
    (void)fcntl(pipe.write.get(), F_SETPIPE_SZ, kPipeBytes);
    pipe_ =
        std::make_shared<ChunkPipe>(std::move(pipe.write), services_.node.loop);
    Begin(services_.images.LoadStream(std::move(pipe.read), cancellation_));
    return absl::OkStatus();
  }

  void Begin(work::Task<absl::StatusOr<Images>> load) {
    loading_ = true;
    // The call is not finished, and so lives, until this is done.
    services_.node.tasks.Start(
        std::move(load),
        [this](absl::StatusOr<Images> images) { OnLoaded(std::move(images)); });
  }

  void OnLoaded(absl::StatusOr<Images> images) {
    if (pipe_ != nullptr) pipe_->Close();
    absl::Status refused;
    {
      absl::MutexLock lock(&shared_->mutex);
      refused = shared_->refused;
    }
    if (!refused.ok()) return Finish(refused);
    if (!images.ok()) return Finish(images.status());
    for (image::ImportedImage& image : *images) {
      admin::v1::LoadedImage& loaded = *response_->add_images();
      loaded.set_id(std::move(image.id));
      for (std::string& name : image.names) loaded.add_names(std::move(name));
    }
    Finish(absl::OkStatus());
  }

  void Finish(const absl::Status& status) {
    std::shared_ptr<Shared> shared = shared_;
    absl::MutexLock lock(&shared->mutex);
    shared->call = nullptr;
    ServerReadReactor::Finish(EndOfCall({"Load", ""}, status));
  }

  Services& services_;
  LoadResponse* const response_;
  const std::shared_ptr<Shared> shared_;
  LoadRequest request_;
  std::shared_ptr<ChunkPipe> pipe_;
  work::Cancellation cancellation_;
  bool loading_ = false;
};

}  // namespace

grpc::ServerReadReactor<LoadRequest>* AdminRpcs::Load(
    grpc::CallbackServerContext* /*context*/, LoadResponse* response) {
  return new LoadCall(services_, response);
}

}  // namespace gantry::cri
