// The RPCs' services over a node in temporary directories, with cgroups in a
// plain directory: enough for everything that runs no container.
//
// Ownership: owns and removes all of it. Thread safety: as its parts.

#ifndef GANTRY_SERVER_CRI_TESTING_TEST_SERVICES_H_
#define GANTRY_SERVER_CRI_TESTING_TEST_SERVICES_H_

#include <memory>

#include "server/cri/services.h"

namespace gantry::cri::testing {

class TestServices {
 public:
  TestServices();
  ~TestServices();

  Services& get();
  core::Node& node();
  // Nothing is recovered, unless a test says so before it serves.
  core::StartProgress& start();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace gantry::cri::testing

#endif  // GANTRY_SERVER_CRI_TESTING_TEST_SERVICES_H_
