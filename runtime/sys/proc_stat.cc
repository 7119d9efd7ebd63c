#include "runtime/sys/proc_stat.h"

#include <errno.h>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::sys {
namespace {

absl::Status Malformed(absl::string_view what, absl::string_view text) {
  return absl::DataLossError(
      absl::StrCat("process stat: no valid ", what, " in \"",
                   absl::CHexEscape(text.substr(0, 200)), "\""));
}

// Walks the columns behind the name; numbered as in man 5 proc.
class Columns {
 public:
  explicit Columns(absl::string_view text) : rest_(text) {}

  absl::string_view Next() {
    const size_t end = rest_.find(' ');
    const absl::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(end == absl::string_view::npos ? rest_.size()
                                                       : end + 1);
    return field;
  }
  void Skip(int count) {
    while (count-- > 0) Next();
  }
  template <typename T>
  bool Number(T& value) {
    return absl::SimpleAtoi(Next(), &value);
  }

 private:
  absl::string_view rest_;
};

}  // namespace

absl::StatusOr<ProcStat> ParseProcStat(absl::string_view text) {
  ProcStat stat;
  // The name may hold anything, ") " too, but what follows it never holds a
  // parenthesis: the last one ends the name.
  const size_t open = text.find(" (");
  const size_t close = text.rfind(") ");
  if (open == absl::string_view::npos || close == absl::string_view::npos ||
      close < open + 2) {
    return Malformed("name", text);
  }
  if (!absl::SimpleAtoi(text.substr(0, open), &stat.pid)) {
    return Malformed("pid", text);
  }
  stat.comm = std::string(text.substr(open + 2, close - open - 2));
  absl::string_view rest = text.substr(close + 2);
  if (!rest.empty() && rest.back() == '\n') rest.remove_suffix(1);
  Columns columns(rest);
  const absl::string_view state = columns.Next();  // 3
  if (state.size() != 1) return Malformed("state", text);
  stat.state = state[0];
  bool ok = columns.Number(stat.ppid) &&          // 4
            columns.Number(stat.pgrp) &&          // 5
            columns.Number(stat.session);         // 6
  columns.Skip(7);                                // 7 to 13
  ok = ok && columns.Number(stat.user_ticks) &&   // 14
       columns.Number(stat.system_ticks) &&       // 15
       columns.Number(stat.reaped_user_ticks) &&  // 16
       columns.Number(stat.reaped_system_ticks);  // 17
  columns.Skip(2);                                // 18, 19
  ok = ok && columns.Number(stat.num_threads);    // 20
  columns.Skip(1);                                // 21
  ok = ok && columns.Number(stat.start_ticks);    // 22
  if (!ok) return Malformed("number", text);
  return stat;
}

absl::StatusOr<ProcStat> ReadProcStat(int procfd, pid_t pid) {
  absl::StatusOr<std::string> text =
      ReadFileAt(procfd, absl::StrCat(pid, "/stat"), 4096);
  // The file of a process that ends between open and read gives ESRCH, which
  // is NOT_FOUND like ENOENT.
  RETURN_IF_ERROR(text) << "process " << pid;
  return ParseProcStat(*text);
}

absl::StatusOr<uint64_t> StartTimeOf(int procfd, pid_t pid) {
  ASSIGN_OR_RETURN(const ProcStat stat, ReadProcStat(procfd, pid));
  return stat.start_ticks;
}

}  // namespace gantry::sys
