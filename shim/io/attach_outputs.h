// Attach clients that receive a container's output.
//
// Each gets the bytes as they come; one that falls more than kMaxBehind bytes
// behind, has gone, or cannot be written to twice in a row, is dropped (its
// descriptor closed): the log and the other clients never wait for it.
// Ownership: of the descriptors; `loop` must outlive this. Thread safety: none.
// Never blocks.

#ifndef GANTRY_SHIM_IO_ATTACH_OUTPUTS_H_
#define GANTRY_SHIM_IO_ATTACH_OUTPUTS_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/epoll_loop.h"

namespace gantry::shim {

enum class Stream { kStdout = 0, kStderr = 1 };

class AttachOutputs {
 public:
  static constexpr size_t kMaxBehind = 1024 * 1024;

  explicit AttachOutputs(sys::EpollLoop& loop) : loop_(loop) {}
  AttachOutputs(const AttachOutputs&) = delete;
  AttachOutputs& operator=(const AttachOutputs&) = delete;
  ~AttachOutputs();

  // `fd`: the writing end of a pipe or a stream socket.
  absl::Status Add(Stream stream, UniqueFd fd);

  void Write(Stream stream, absl::string_view data);

  // The stream has ended: its clients are closed once they have everything.
  void End(Stream stream);

  // Whether no client still waits for bytes.
  bool AllSent() const;
  size_t size() const { return clients_.size(); }

 private:
  struct Client {
    Stream stream;
    UniqueFd fd;
    std::string pending;
    bool ended = false;
    // The last write was in vain, and is done over.
    bool failed = false;
  };

  // Each returns false if the client is to be dropped.
  static bool Send(Client& client, absl::string_view& data);
  bool Deliver(Client& client, absl::string_view data);
  bool Flush(Client& client);

  void OnEvent(Client* client, uint32_t events);
  void Drop(Client* client);

  sys::EpollLoop& loop_;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace gantry::shim

#endif  // GANTRY_SHIM_IO_ATTACH_OUTPUTS_H_
