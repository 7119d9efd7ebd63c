#include "runtime/sys/seqpacket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"

namespace gantry::sys {
namespace {

constexpr int kBacklog = 64;

absl::StatusOr<UniqueFd> NewSocket(int flags) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) return ErrnoStatus(errno, "make socket");
  return UniqueFd(fd);
}

// The address of `name` in `dirfd`. sun_path has room for 107 bytes only, so a
// deep directory is named by its descriptor.
absl::StatusOr<struct sockaddr_un> Address(int dirfd, absl::string_view name) {
  if (name.empty() || name.find('/') != absl::string_view::npos ||
      name.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket \"", name, "\": not one path component"));
  }
  const std::string path =
      dirfd == AT_FDCWD ? absl::StrCat("./", name)
                        : absl::StrCat("/proc/self/fd/", dirfd, "/", name);
  struct sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket ", name, ": the name is too long"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const struct sockaddr* Generic(const struct sockaddr_un& address) {
  return reinterpret_cast<const struct sockaddr*>(&address);
}

// Takes the descriptors out of a control message, also out of one that is then
// refused, so that none is lost.
std::vector<UniqueFd> TakeFds(struct msghdr& header) {
  std::vector<UniqueFd> fds;
  for (struct cmsghdr* control = CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      memcpy(&fd, CMSG_DATA(control) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

absl::Status EndOfStream() {
  return absl::OutOfRangeError("receive message: the peer has closed");
}

// recvmsg(2) until it is not interrupted. A peer that closes with something
// unread makes ECONNRESET of that once, before what it has sent
// (unix_release_sock in net/unix/af_unix.c): `was_reset` notes it, and the
// message comes next.
ssize_t ReceiveRaw(int fd, struct msghdr& header, int flags, bool& was_reset) {
  while (true) {
    const ssize_t n = recvmsg(fd, &header, flags);
    if (n >= 0) return n;
    if (errno == ECONNRESET && !was_reset) {
      was_reset = true;
    } else if (errno != EINTR) {
      return n;
    }
  }
}

// The length of the next message, without taking it.
absl::StatusOr<size_t> PeekLength(int fd, bool& was_reset) {
  struct msghdr header = {};
  const ssize_t n = ReceiveRaw(fd, header, MSG_PEEK | MSG_TRUNC, was_reset);
  if (n < 0) return ErrnoStatus(errno, "receive message");
  return static_cast<size_t>(n);
}

}  // namespace

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> SocketPair(int flags) {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, fds) != 0) {
    return ErrnoStatus(errno, "make socket pair");
  }
  return std::make_pair(UniqueFd(fds[0]), UniqueFd(fds[1]));
}

absl::StatusOr<UniqueFd> ListenAt(int dirfd, absl::string_view name,
                                  int flags) {
  ASSIGN_OR_RETURN(const struct sockaddr_un address, Address(dirfd, name));
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(flags));
  // Linux gives the file the socket inode's mode less the umask, so this is
  // its mode from its first moment.
  if (fchmod(fd.get(), 0600) != 0) return ErrnoStatus(errno, "chmod socket");
  if (bind(fd.get(), Generic(address), sizeof address) != 0) {
    return ErrnoStatus(errno, absl::StrCat("bind socket ", name));
  }
  if (listen(fd.get(), kBacklog) != 0) {
    const int error = errno;
    // The name would answer "refused" for ever.
    unlink(address.sun_path);
    return ErrnoStatus(error, absl::StrCat("listen on socket ", name));
  }
  return fd;
}

absl::StatusOr<UniqueFd> ConnectAt(int dirfd, absl::string_view name,
                                   int flags) {
  ASSIGN_OR_RETURN(const struct sockaddr_un address, Address(dirfd, name));
  ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(flags));
  int result;
  do {
    // An interrupted connect of a unix socket has done nothing yet.
    result = connect(fd.get(), Generic(address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    return ErrnoStatus(errno, absl::StrCat("connect to socket ", name));
  }
  return fd;
}

absl::StatusOr<UniqueFd> Accept(int fd, int flags) {
  int peer;
  do {
    peer = accept4(fd, nullptr, nullptr, SOCK_CLOEXEC | flags);
  } while (peer < 0 && errno == EINTR);
  if (peer < 0) return ErrnoStatus(errno, "accept connection");
  return UniqueFd(peer);
}

absl::Status Send(int fd, absl::string_view data, std::span<const int> fds) {
  if (data.empty()) {
    return absl::InvalidArgumentError("send message: it is empty");
  }
  if (fds.size() > kMaxMessageFds) {
    return absl::InvalidArgumentError(absl::StrCat("send message: ", fds.size(),
                                                   " descriptors, at most ",
                                                   kMaxMessageFds));
  }
  struct iovec part = {const_cast<char*>(data.data()), data.size()};
  struct msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(struct cmsghdr) char
      control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)] = {};
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    struct cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size_bytes());
    memcpy(CMSG_DATA(rights), fds.data(), fds.size_bytes());
  }
  ssize_t n;
  do {
    n = sendmsg(fd, &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return absl::OkStatus();
  if (errno == EMSGSIZE) {
    return ErrnoStatus(absl::StatusCode::kInvalidArgument, errno,
                       absl::StrCat("send message of ", data.size(), " bytes"));
  }
  return ErrnoStatus(errno, "send message");
}

absl::StatusOr<Message> Receive(int fd, size_t max_bytes) {
  // The length first: a buffer of the largest size for every small message
  // would cost the shim more memory than all the rest.
  bool was_reset = false;
  ASSIGN_OR_RETURN(const size_t length, PeekLength(fd, was_reset));
  Message message;
  const size_t room = length <= max_bytes ? length : 0;
  // One byte more tells an end from an empty message that has descriptors.
  message.data.resize(room + 1);
  struct iovec part = {message.data.data(), room + 1};
  struct msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(
      struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxMessageFds)];
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = ReceiveRaw(fd, header, MSG_CMSG_CLOEXEC, was_reset);
  if (n < 0) return ErrnoStatus(errno, "receive message");
  message.fds = TakeFds(header);
  if (n == 0) {
    if (message.fds.empty()) {
      return was_reset ? ErrnoStatus(ECONNRESET, "receive message")
                       : EndOfStream();
    }
    return absl::ResourceExhaustedError(
        "receive message: descriptors without data");
  }
  if ((header.msg_flags & MSG_TRUNC) != 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "receive message: ", length, " bytes, at most ", max_bytes));
  }
  if ((header.msg_flags & MSG_CTRUNC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("receive message: more than ", kMaxMessageFds,
                     " descriptors or none free"));
  }
  message.data.resize(static_cast<size_t>(n));
  return message;
}

bool IsEndOfStream(const absl::Status& status) {
  return absl::IsOutOfRange(status);
}

absl::StatusOr<struct ucred> PeerCredentials(int fd) {
  struct ucred credentials;
  socklen_t size = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return ErrnoStatus(errno, "read the peer's credentials");
  }
  return credentials;
}

}  // namespace gantry::sys
