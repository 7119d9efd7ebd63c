// States in a word for people.

#ifndef GANTRY_TOOLS_CTL_STATE_NAME_H_
#define GANTRY_TOOLS_CTL_STATE_NAME_H_

#include "proto/cri/v1/api.pb.h"

namespace gantry::ctl {

inline const char* StateName(::runtime::v1::ContainerState state) {
  switch (state) {
    case ::runtime::v1::CONTAINER_CREATED:
      return "created";
    case ::runtime::v1::CONTAINER_RUNNING:
      return "running";
    case ::runtime::v1::CONTAINER_EXITED:
      return "exited";
    default:
      return "unknown";
  }
}

inline const char* StateName(::runtime::v1::PodSandboxState state) {
  return state == ::runtime::v1::SANDBOX_READY ? "ready" : "not ready";
}

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_STATE_NAME_H_
