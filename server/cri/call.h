// How an RPC is answered: a value or an absl::Status becomes the end of a gRPC
// call, at once or when a task has ended. An error is logged here, once.
//
// A call lives until its reactor's Finish: the request, the response and the
// context may be used by the task until then, also after the client has gone
// (the task goes on to its end).
// Thread safety: as gRPC's reactors.

#ifndef GANTRY_SERVER_CRI_CALL_H_
#define GANTRY_SERVER_CRI_CALL_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "server/core/node.h"
#include "server/core/steps.h"
#include "server/work/cancellation.h"
#include "server/work/task.h"
#include "server/work/task_scope.h"

namespace gantry::cri {

// What a call is called in the log.
struct CallName {
  // "RunPodSandbox".
  const char* verb;
  // The id or name it is about; may be empty.
  std::string object;
  // Where its time goes; null: nobody watches.
  std::shared_ptr<core::Steps> steps;
};

// `status` for the client; logged if it is an error.
grpc::Status EndOfCall(const CallName& call, const absl::Status& status);

// The status of an RPC that is not built: its name is all there is to say.
grpc::Status NotBuiltRpc(absl::string_view verb);

template <typename Response>
void FinishCall(grpc::ServerUnaryReactor* reactor, const CallName& call,
                absl::StatusOr<Response> result, Response* response) {
  if (result.ok()) *response = *std::move(result);
  const grpc::Status end = EndOfCall(call, result.status());
  if (call.steps != nullptr) call.steps->EndCall(result.status().code());
  reactor->Finish(end);
  if (call.steps != nullptr) call.steps->Tell(call.verb, call.object);
}

// A call that arrives now and whose steps are noted, if somebody watches.
inline CallName Watched(const core::Node& node, const char* verb,
                        std::string object) {
  return {verb, std::move(object),
          core::WatchCall(node.step_observers, node.clock)};
}

// For what is answered from memory.
template <typename Response>
grpc::ServerUnaryReactor* AnswerNow(grpc::CallbackServerContext* context,
                                    const CallName& call,
                                    absl::StatusOr<Response> result,
                                    Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  FinishCall(reactor, call, std::move(result), response);
  return reactor;
}

// For use cases. `task` begins on this thread and goes to another one by
// itself before anything that takes time.
template <typename Response>
grpc::ServerUnaryReactor* AnswerLater(work::TaskScope& tasks,
                                      grpc::CallbackServerContext* context,
                                      CallName call,
                                      work::Task<absl::StatusOr<Response>> task,
                                      Response* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  tasks.Start(std::move(task), [reactor, response, call = std::move(call)](
                                   absl::StatusOr<Response> result) {
    FinishCall(reactor, call, std::move(result), response);
  });
  return reactor;
}

// The same for a use case that ends early once the client has gone or its
// deadline has passed: `start` makes its task. The answer is still given.
class CancellableReactor : public grpc::ServerUnaryReactor {
 public:
  const work::Cancellation& cancellation() const { return cancellation_; }

 private:
  void OnCancel() override { cancellation_.Cancel(); }
  void OnDone() override { delete this; }
  work::Cancellation cancellation_;
};

template <typename Response, typename Start>
grpc::ServerUnaryReactor* AnswerUnlessCancelled(work::TaskScope& tasks,
                                                CallName call, Start start,
                                                Response* response) {
  auto* reactor = new CancellableReactor;
  tasks.Start(start(reactor->cancellation()),
              [reactor, response,
               call = std::move(call)](absl::StatusOr<Response> result) {
                FinishCall(reactor, call, std::move(result), response);
              });
  return reactor;
}

// A use case that gives nothing but OK, as the task of an empty response.
template <typename Response>
work::Task<absl::StatusOr<Response>> Emptily(work::Task<absl::Status> task) {
  absl::Status status = co_await std::move(task);
  if (!status.ok()) co_return status;
  co_return Response();
}

grpc::ServerUnaryReactor* AnswerNotBuilt(grpc::CallbackServerContext* context,
                                         absl::string_view verb);

// The same for an RPC that streams its answer.
template <typename Response>
class NotBuiltStream : public grpc::ServerWriteReactor<Response> {
 public:
  explicit NotBuiltStream(absl::string_view verb) {
    this->Finish(NotBuiltRpc(verb));
  }
  void OnDone() override { delete this; }
};

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_CALL_H_
