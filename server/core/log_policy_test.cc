#include "server/core/log_policy.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/base/testing/status_matchers.h"

namespace gantry::core {
namespace {

using ::gantry::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

using Annotations = std::vector<std::pair<absl::string_view, std::string>>;

template <typename Record>
Record With(const Annotations& annotations) {
  Record record;
  for (const auto& [key, value] : annotations) {
    (*record.mutable_annotations())[std::string(key)] = value;
  }
  return record;
}

spec::LogPolicy Policy(spec::LogPolicy::WhenFull when_full, uint64_t rate,
                       uint64_t max_size, uint32_t max_files) {
  spec::LogPolicy policy;
  policy.set_when_full(when_full);
  policy.set_rate(rate);
  policy.set_max_size(max_size);
  policy.set_max_files(max_files);
  return policy;
}

absl::StatusOr<spec::LogPolicy> Of(const spec::LogPolicy& node,
                                   const Annotations& container,
                                   const Annotations& pod = {}) {
  return LogPolicyOf(node, With<record::ContainerRecord>(container),
                     With<record::PodRecord>(pod));
}

std::string Bytes(const spec::LogPolicy& policy) {
  return policy.SerializeAsString();
}

const spec::LogPolicy kOpen = Policy(spec::LogPolicy::BLOCK, 0, 0, 5);
const spec::LogPolicy kLimited =
    Policy(spec::LogPolicy::DROP, 1 << 20, 10 << 20, 4);

TEST(LogPolicy, IsTheNodesUnlessAnnotationsSayOtherwise) {
  ASSERT_OK_AND_ASSIGN(spec::LogPolicy policy, Of(kLimited, {}));
  EXPECT_EQ(Bytes(policy), Bytes(kLimited));
  ASSERT_OK_AND_ASSIGN(policy, Of(kOpen, {{kLogPolicyAnnotation, "drop"},
                                          {kLogRateAnnotation, "64Ki"},
                                          {kLogMaxSizeAnnotation, "1Mi"},
                                          {kLogMaxFilesAnnotation, "100"}}));
  EXPECT_EQ(Bytes(policy),
            Bytes(Policy(spec::LogPolicy::DROP, 64 << 10, 1 << 20, 100)));
  ASSERT_OK_AND_ASSIGN(policy, Of(kLimited, {{kLogPolicyAnnotation, "block"},
                                             {kLogRateAnnotation, "1Mi"},
                                             {kLogMaxSizeAnnotation, "64Ki"},
                                             {kLogMaxFilesAnnotation, "2"}}));
  EXPECT_EQ(Bytes(policy),
            Bytes(Policy(spec::LogPolicy::BLOCK, 1 << 20, 64 << 10, 2)));
}

TEST(LogPolicy, TheContainersAnnotationGoesBeforeThePods) {
  ASSERT_OK_AND_ASSIGN(
      spec::LogPolicy policy,
      Of(kOpen, {{kLogRateAnnotation, "2Ki"}},
         {{kLogRateAnnotation, "3Ki"}, {kLogPolicyAnnotation, "drop"}}));
  EXPECT_EQ(Bytes(policy), Bytes(Policy(spec::LogPolicy::DROP, 2 << 10, 0, 5)));
}

// As with the writable layer: annotations must not lift the node's limits.
TEST(LogPolicy, AnnotationsNeverRaiseTheNodesLimits) {
  const std::pair<absl::string_view, std::string> more[] = {
      {kLogRateAnnotation, "0"},     {kLogRateAnnotation, "2Mi"},
      {kLogMaxSizeAnnotation, "0"},  {kLogMaxSizeAnnotation, "11Mi"},
      {kLogMaxFilesAnnotation, "5"},
  };
  for (const auto& annotation : more) {
    EXPECT_THAT(Of(kLimited, {annotation}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(std::string(annotation.first))));
    EXPECT_THAT(Of(kLimited, {}, {annotation}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr("annotation of the pod")));
  }
  EXPECT_THAT(Of(kLimited, {{kLogRateAnnotation, "2Mi"}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at most the 1Mi of containers.log.rate")));
}

TEST(LogPolicy, WhatIsNoneIsRefusedWithNameAndValue) {
  const std::pair<absl::string_view, std::string> bad[] = {
      {kLogPolicyAnnotation, ""},       {kLogPolicyAnnotation, "Block"},
      {kLogPolicyAnnotation, "lose"},   {kLogRateAnnotation, ""},
      {kLogRateAnnotation, "fast"},     {kLogRateAnnotation, "-1"},
      {kLogRateAnnotation, "1023"},     {kLogRateAnnotation, "10M"},
      {kLogMaxSizeAnnotation, "63Ki"},  {kLogMaxSizeAnnotation, "1.5Mi"},
      {kLogMaxFilesAnnotation, "1"},    {kLogMaxFilesAnnotation, "101"},
      {kLogMaxFilesAnnotation, "many"}, {kLogMaxFilesAnnotation, "-2"},
  };
  for (const auto& [key, value] : bad) {
    EXPECT_THAT(Of(kOpen, {{key, value}}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(std::string(key)),
                               HasSubstr("found \"" + value + "\""))))
        << key << " " << value;
  }
}

}  // namespace
}  // namespace gantry::core
