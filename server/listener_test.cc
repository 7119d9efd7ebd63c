#include "server/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "server/testing/short_dir.h"

namespace gantry::server {
namespace {

using gantry::testing::StatusIs;

constexpr absl::Duration kPatience = absl::Seconds(20);

// Made before descriptors run out, connected when they have.
class Client {
 public:
  Client() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}

  void Connect(const std::string& path) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path.data(), path.size());
    ASSERT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address),
                      sizeof address),
              0);
  }
  // Whether the other side hangs up.
  bool IsTurnedAway() {
    pollfd hangs_up = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    char byte;
    return poll(&hangs_up, 1, absl::ToInt64Milliseconds(kPatience)) == 1 &&
           read(fd_.get(), &byte, 1) == 0;
  }

 private:
  UniqueFd fd_;
};

// No descriptor can be made while it lives.
class NoDescriptors {
 public:
  NoDescriptors() {
    EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0);
    const UniqueFd lowest(open("/dev/null", O_RDONLY | O_CLOEXEC));
    rlimit none = before_;
    none.rlim_cur = lowest.get();
    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  }
  ~NoDescriptors() { EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &before_), 0); }

 private:
  rlimit before_ = {};
};

class ListenerTest : public ::testing::Test {
 protected:
  void Listen() { ASSERT_OK_AND_ASSIGN(listener_, Listener::Listen(path_)); }
  void Begin() {
    ASSERT_OK(listener_->Begin([this](UniqueFd connection) {
      absl::MutexLock lock(&mutex_);
      taken_.push_back(std::move(connection));
    }));
  }
  bool HasTaken(size_t clients, absl::Duration patience = kPatience) {
    auto enough = [this, clients]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return taken_.size() == clients;
    };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), patience);
  }

  const testing::ShortDir dir_;
  const std::string path_ = dir_.path() + "/s";
  absl::Mutex mutex_;
  std::vector<UniqueFd> taken_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, TakesThoseWhoCameBeforeItBeganAndAfter) {
  Listen();
  ASSERT_OK_AND_ASSIGN(struct stat file, sys::StatAt(AT_FDCWD, path_));
  EXPECT_EQ(file.st_mode & 0777, 0600);
  Client early, late;
  early.Connect(path_);
  Begin();
  EXPECT_TRUE(HasTaken(1));
  late.Connect(path_);
  EXPECT_TRUE(HasTaken(2));
  listener_->Stop();
  EXPECT_FALSE(sys::ExistsAt(AT_FDCWD, path_));
}

TEST_F(ListenerTest, LeavesALivingServerItsSocket) {
  Listen();
  EXPECT_THAT(Listener::Listen(path_),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(sys::ExistsAt(AT_FDCWD, path_));
}

TEST_F(ListenerTest, WithoutDescriptorsItTurnsClientsAwayAndLaterTakesThem) {
  Listen();
  Begin();
  Client first, second;
  {
    NoDescriptors none;
    first.Connect(path_);
    EXPECT_TRUE(first.IsTurnedAway());
    // More than once.
    second.Connect(path_);
    EXPECT_TRUE(second.IsTurnedAway());
  }
  EXPECT_TRUE(HasTaken(0));
  // The first who comes now may still be turned away with the last one.
  bool taken = false;
  for (int attempt = 0; attempt < 20 && !taken; ++attempt) {
    Client next;
    next.Connect(path_);
    taken = HasTaken(1, absl::Seconds(1));
  }
  EXPECT_TRUE(taken);
}

}  // namespace
}  // namespace gantry::server
