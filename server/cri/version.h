// The version of Gantry, by semantic versioning; the only place that says it.

#ifndef GANTRY_SERVER_CRI_VERSION_H_
#define GANTRY_SERVER_CRI_VERSION_H_

namespace gantry::cri {

inline constexpr char kRuntimeName[] = "gantry";
inline constexpr char kRuntimeVersion[] = "0.1.0";

}  // namespace gantry::cri

#endif  // GANTRY_SERVER_CRI_VERSION_H_
