// Shims of other versions than the server: what they say and the server does
// not know is no matter, and what they do not know is told.

#include <signal.h>

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"
#include "server/shim/shim_client.h"
#include "server/shim/testing/await_task.h"
#include "server/shim/testing/client_fixture.h"
#include "server/shim/testing/fake_shim.h"

namespace gantry::shim_client {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::HasSubstr;

// Field 15000, which no message has: "newer".
constexpr char kUnknownField[] = "\xc2\xa9\x07\x05newer";
// Field 59, which no body of an envelope has: an empty message.
constexpr char kUnknownBody[] = "\xda\x03\x00";

template <typename Message>
Message Newer(const Message& message) {
  Message newer;
  EXPECT_TRUE(
      newer.ParseFromString(message.SerializeAsString() + kUnknownField));
  EXPECT_THAT(newer.SerializeAsString(), HasSubstr("newer"));
  return newer;
}

TEST_F(ShimClientTest, WhatANewerShimSaysBeyondTheKnownIsNoMatter) {
  Adopt();
  fake_->SetHandler([](Incoming request) {
    Incoming answer;
    if (request.envelope.has_state_request()) {
      shim::State state;
      *state.mutable_started() = Newer([] {
        shim::Started started;
        started.set_pid(42);
        return started;
      }());
      *answer.envelope.mutable_state() = Newer(state);
    } else {
      answer.envelope.mutable_done();
    }
    answer.envelope = Newer(answer.envelope);
    return answer;
  });
  ASSERT_OK_AND_ASSIGN(shim::State state, Await(client_->GetState()));
  EXPECT_EQ(state.started().pid(), 42);
  // It is kept, so that a record has it.
  EXPECT_THAT(state.started().SerializeAsString(), HasSubstr("newer"));

  // An event of a later version (2), without anything that is known.
  fake_->SendRaw(std::string("\x08\x02", 2) + std::string(kUnknownBody, 3));
  EXPECT_OK(Await(client_->Signal(SIGTERM, false)));
  EXPECT_EQ(fake_->connections(), 1);

  Ends ends;
  client_->OnExit(ends.Listener());
  fake_->Send(Newer(ExitedEvent(7)));
  EXPECT_EQ(ends.Only().exited.exit_code(), 7);
}

TEST_F(ShimClientTest, ARequestThatAnOlderShimDoesNotKnowFailsAlone) {
  Adopt();
  fake_->SetHandler([](Incoming request) {
    Incoming answer;
    if (request.envelope.has_resize_request()) {
      shim::Error& error = *answer.envelope.mutable_error();
      error.set_code(static_cast<int>(absl::StatusCode::kUnimplemented));
      error.set_message("unknown request");
    } else {
      answer.envelope.mutable_done();
    }
    return answer;
  });
  EXPECT_THAT(Await(client_->Resize(80, 25)),
              StatusIs(absl::StatusCode::kUnimplemented, "unknown request"));
  EXPECT_OK(Await(client_->Signal(SIGTERM, false)));
}

}  // namespace
}  // namespace gantry::shim_client
