#include "runtime/net/netlink/message.h"

#include <arpa/inet.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gantry::netlink {
namespace {

struct Fixed {
  uint32_t number;
};

TEST(Batch, WhatIsWrittenIsRead) {
  Batch batch;
  batch.Begin(16, NLM_F_ACK, "first");
  batch.Header(Fixed{7});
  batch.PutText(1, "abc");
  {
    Batch::Nest outer(batch, 2);
    batch.PutU8(1, 9);
    Batch::Nest inner(batch, 3);
    batch.PutU32(4, 0x01020304);
  }
  batch.PutBe32(5, 6);
  batch.Begin(17, 0, "second");
  EXPECT_FALSE(batch.overflown());
  EXPECT_THAT(batch.whats(), ::testing::ElementsAre("first", "second"));

  const std::vector<Message> messages = SplitMessages(batch.bytes());
  ASSERT_EQ(messages.size(), 2u);
  const Message& first = messages[0];
  EXPECT_EQ(first.type, 16);
  EXPECT_EQ(first.flags, NLM_F_REQUEST | NLM_F_ACK);
  EXPECT_EQ(first.sequence, 1u);
  EXPECT_EQ(first.Header<Fixed>()->number, 7u);
  const Attributes attributes = first.After<Fixed>();
  EXPECT_EQ(attributes.FindText(1), "abc");
  ASSERT_TRUE(attributes.FindNest(2).has_value());
  EXPECT_EQ(attributes.FindNest(2)->Find(1), "\x09");
  EXPECT_EQ(attributes.FindNest(2)->FindNest(3)->FindU32(4), 0x01020304u);
  EXPECT_EQ(attributes.FindU32(5), htonl(6));
  EXPECT_FALSE(attributes.Find(6).has_value());
  EXPECT_EQ(messages[1].sequence, 2u);
  EXPECT_TRUE(messages[1].payload.empty());
  EXPECT_FALSE(messages[1].Header<Fixed>().has_value());
  EXPECT_FALSE(messages[1].After<Fixed>().Find(1).has_value());
}

TEST(Batch, AnAttributeThatIsTooLongIsNoticed) {
  Batch batch;
  batch.Begin(16, 0, "x");
  batch.Put(1, std::string(UINT16_MAX - NLA_HDRLEN, 'x'));
  EXPECT_FALSE(batch.overflown());
  batch.Put(1, std::string(UINT16_MAX - NLA_HDRLEN + 1, 'x'));
  EXPECT_TRUE(batch.overflown());

  Batch nested;
  nested.Begin(16, 0, "x");
  {
    Batch::Nest nest(nested, 1);
    nested.Put(1, std::string(40000, 'x'));
    nested.Put(1, std::string(40000, 'x'));
  }
  EXPECT_TRUE(nested.overflown());
}

TEST(SplitMessages, CutOffBytesAreNotRead) {
  Batch batch;
  batch.Begin(16, 0, "x");
  batch.PutText(1, "abcdefgh");
  const std::string& whole = batch.bytes();
  for (size_t length = 0; length < whole.size(); ++length) {
    EXPECT_TRUE(SplitMessages(whole.substr(0, length)).empty()) << length;
  }
  std::string lying = whole;
  lying[NLMSG_HDRLEN] = 4 + 13;  // an attribute longer than its message
  EXPECT_FALSE(Attributes(SplitMessages(lying)[0].payload).Find(1).has_value());
  lying[NLMSG_HDRLEN] = 3;  // shorter than its own header
  EXPECT_FALSE(Attributes(SplitMessages(lying)[0].payload).Find(1).has_value());
}

}  // namespace
}  // namespace gantry::netlink
