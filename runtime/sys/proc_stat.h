// /proc/PID/stat (proc(5)): state, parent, CPU and start time of a process.
//
// The start time makes a pid a name for ever: a pid that comes again has
// another one. Thread-safe; reads one small file.

#ifndef GANTRY_RUNTIME_SYS_PROC_STAT_H_
#define GANTRY_RUNTIME_SYS_PROC_STAT_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace gantry::sys {

struct ProcStat {
  pid_t pid = 0;
  std::string comm;
  char state = '?';
  pid_t ppid = 0;
  pid_t pgrp = 0;
  pid_t session = 0;
  // CPU of all its threads, ended ones too, and of the children that it reaped,
  // with those that they had reaped; clock ticks.
  uint64_t user_ticks = 0;
  uint64_t system_ticks = 0;
  uint64_t reaped_user_ticks = 0;
  uint64_t reaped_system_ticks = 0;
  int num_threads = 0;
  uint64_t start_ticks = 0;  // clock ticks since boot
};

// DATA_LOSS for text that is no stat line. The command name may contain
// anything, also ") ".
absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text);

// `procfd`: a directory descriptor of /proc. NOT_FOUND if there is no such
// process.
absl::StatusOr<ProcStat> ReadProcStat(int procfd, pid_t pid);
absl::StatusOr<uint64_t> StartTimeOf(int procfd, pid_t pid);

}  // namespace gantry::sys

#endif  // GANTRY_RUNTIME_SYS_PROC_STAT_H_
