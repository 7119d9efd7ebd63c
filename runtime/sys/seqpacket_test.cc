#include "runtime/sys/seqpacket.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "runtime/sys/file.h"
#include "runtime/sys/testing/temp_dir.h"

namespace gantry::sys {
namespace {

using ::gantry::testing::IsOkAndHolds;
using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TempDir;

class Seqpacket : public ::testing::Test {
 protected:
  void SetUp() override {
    auto pair = SocketPair(SOCK_NONBLOCK);
    ASSERT_OK(pair);
    a_ = std::move(pair->first);
    b_ = std::move(pair->second);
  }
  size_t OpenFds() {
    return ListDirAt(AT_FDCWD, "/proc/self/fd").value().size();
  }
  UniqueFd a_, b_;
};

TEST_F(Seqpacket, MessagesKeepTheirBounds) {
  ASSERT_OK(Send(a_.get(), "one"));
  ASSERT_OK(Send(a_.get(), std::string("t\0wo", 4)));
  ASSERT_OK_AND_ASSIGN(Message first, Receive(b_.get(), 100));
  EXPECT_EQ(first.data, "one");
  EXPECT_THAT(first.fds, IsEmpty());
  ASSERT_OK_AND_ASSIGN(Message second, Receive(b_.get(), 4));
  EXPECT_EQ(second.data, std::string("t\0wo", 4));
}

TEST_F(Seqpacket, NothingThereAndTheEndDiffer) {
  const absl::Status empty = Receive(b_.get(), 100).status();
  EXPECT_EQ(ErrnoOf(empty), EAGAIN);
  EXPECT_TRUE(absl::IsUnavailable(empty));
  EXPECT_FALSE(IsEndOfStream(empty));
  ASSERT_OK(Send(a_.get(), "last"));
  a_.Reset();
  EXPECT_OK(Receive(b_.get(), 100));
  EXPECT_TRUE(IsEndOfStream(Receive(b_.get(), 100).status()));
  // No SIGPIPE.
  EXPECT_THAT(Send(b_.get(), "x"),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("EPIPE")));
}

TEST_F(Seqpacket, LastWordsArriveThoughTheirSenderLeftSomethingUnread) {
  ASSERT_OK(Send(b_.get(), "unread"));
  ASSERT_OK(Send(a_.get(), "last"));
  ASSERT_OK(Send(a_.get(), "words"));
  a_.Reset();
  ASSERT_OK_AND_ASSIGN(Message first, Receive(b_.get(), 100));
  EXPECT_EQ(first.data, "last");
  ASSERT_OK_AND_ASSIGN(Message second, Receive(b_.get(), 100));
  EXPECT_EQ(second.data, "words");
  EXPECT_TRUE(IsEndOfStream(Receive(b_.get(), 100).status()));
}

TEST_F(Seqpacket, APeerThatLeftSomethingUnreadAndSaidNothingIsAReset) {
  ASSERT_OK(Send(b_.get(), "unread"));
  a_.Reset();
  EXPECT_THAT(Receive(b_.get(), 100), StatusIs(absl::StatusCode::kUnavailable,
                                               HasSubstr("ECONNRESET")));
  EXPECT_TRUE(IsEndOfStream(Receive(b_.get(), 100).status()));
}

TEST_F(Seqpacket, DescriptorsArriveInOrderAndCloseOnExec) {
  ASSERT_OK_AND_ASSIGN(UniqueFd null, OpenAt(AT_FDCWD, "/dev/null", O_RDONLY));
  ASSERT_OK_AND_ASSIGN(UniqueFd zero, OpenAt(AT_FDCWD, "/dev/zero", O_RDONLY));
  const std::vector<int> fds = {null.get(), zero.get(), null.get()};
  ASSERT_OK(Send(a_.get(), "fds", fds));
  ASSERT_OK_AND_ASSIGN(Message message, Receive(b_.get(), 100));
  ASSERT_THAT(message.fds, SizeIs(3));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(fcntl(message.fds[i].get(), F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(StatFd(message.fds[i].get())->st_rdev, StatFd(fds[i])->st_rdev);
  }
}

TEST_F(Seqpacket, TheMostDescriptorsPassAndMoreAreRefused) {
  std::vector<int> fds(kMaxMessageFds, a_.get());
  ASSERT_OK(Send(a_.get(), "fds", fds));
  ASSERT_OK_AND_ASSIGN(Message message, Receive(b_.get(), 100));
  EXPECT_THAT(message.fds, SizeIs(kMaxMessageFds));
  fds.push_back(a_.get());
  EXPECT_THAT(Send(a_.get(), "fds", fds),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// What a hostile peer may send: it does not use our Send.
TEST_F(Seqpacket, TooManyDescriptorsOrBytesAreTakenOffAndLeakNothing) {
  const size_t before = OpenFds();
  std::vector<int> fds(kMaxMessageFds + 5, a_.get());
  std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
  for (const std::string& data : {std::string("x"), std::string(5000, 'x')}) {
    struct iovec part = {const_cast<char*>(data.data()), data.size()};
    struct msghdr header = {};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    struct cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    ASSERT_EQ(sendmsg(a_.get(), &header, 0), data.size());
    EXPECT_THAT(Receive(b_.get(), 100),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
  ASSERT_OK(Send(a_.get(), std::string(5000, 'x'), std::vector<int>{a_.get()}));
  EXPECT_THAT(Receive(b_.get(), 4999),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("5000 bytes, at most 4999")));
  EXPECT_EQ(OpenFds(), before);
  // The stream goes on behind them.
  ASSERT_OK(Send(a_.get(), "next"));
  EXPECT_EQ(Receive(b_.get(), 100)->data, "next");
}

TEST_F(Seqpacket, EmptyAndOverlongMessagesAreRefusedBySend) {
  EXPECT_THAT(Send(a_.get(), ""), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Send(a_.get(), std::string(8 << 20, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("8388608 bytes: EMSGSIZE")));
}

TEST_F(Seqpacket, AFullSocketIsNotNow) {
  absl::Status status;
  int sent = 0;
  const std::string data(1000, 'x');
  while ((status = Send(a_.get(), data)).ok()) ASSERT_LT(++sent, 100'000);
  EXPECT_EQ(ErrnoOf(status), EAGAIN);
  EXPECT_TRUE(absl::IsUnavailable(status));
  for (int i = 0; i < sent; ++i) ASSERT_OK(Receive(b_.get(), 1000));
}

TEST(SeqpacketFile, ConnectsThroughADeepDirectoryPrivately) {
  TempDir dir;
  std::string deep;
  for (int i = 0; i < 20; ++i) deep += "a-long-directory-name/";
  ASSERT_OK(MkdirAllAt(dir.fd(), deep, 0700));
  ASSERT_OK_AND_ASSIGN(UniqueFd fd, OpenAt(dir.fd(), deep, O_PATH));
  const mode_t old = umask(0);
  absl::StatusOr<UniqueFd> listener = ListenAt(fd.get(), "s.sock");
  umask(old);
  ASSERT_OK(listener);
  ASSERT_OK_AND_ASSIGN(struct stat info, StatAt(fd.get(), "s.sock"));
  EXPECT_EQ(info.st_mode & 07777, 0600);
  ASSERT_OK_AND_ASSIGN(UniqueFd client, ConnectAt(fd.get(), "s.sock"));
  ASSERT_OK_AND_ASSIGN(UniqueFd server, Accept(listener->get()));
  ASSERT_OK(Send(client.get(), "hello"));
  EXPECT_EQ(Receive(server.get(), 100)->data, "hello");
  ASSERT_OK_AND_ASSIGN(struct ucred peer, PeerCredentials(server.get()));
  EXPECT_EQ(peer.pid, getpid());
  EXPECT_EQ(peer.uid, getuid());
}

TEST(SeqpacketFile, NobodyListeningTakenAndMissingAreToldApart) {
  TempDir dir;
  { ASSERT_OK(ListenAt(dir.fd(), "s.sock")); }
  EXPECT_THAT(ListenAt(dir.fd(), "s.sock"),
              StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(
      ConnectAt(dir.fd(), "s.sock"),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("ECONNREFUSED")));
  EXPECT_THAT(ConnectAt(dir.fd(), "none"),
              StatusIs(absl::StatusCode::kNotFound));
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string("\0x", 2),
        std::string(108, 'x')}) {
    EXPECT_THAT(ListenAt(dir.fd(), name),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(SeqpacketFile, ANonBlockingListenerSaysWhenNobodyWaits) {
  TempDir dir;
  ASSERT_OK_AND_ASSIGN(UniqueFd fd,
                       ListenAt(dir.fd(), "s.sock", SOCK_NONBLOCK));
  EXPECT_EQ(ErrnoOf(Accept(fd.get()).status()), EAGAIN);
}

}  // namespace
}  // namespace gantry::sys
