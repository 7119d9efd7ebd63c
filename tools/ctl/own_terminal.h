// The terminal that gantryctl itself was started in.

#ifndef GANTRY_TOOLS_CTL_OWN_TERMINAL_H_
#define GANTRY_TOOLS_CTL_OWN_TERMINAL_H_

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <optional>

namespace gantry::ctl {

// Keys go to the program as they are typed, Ctrl-C too, until this is
// destroyed. Does nothing for what is no terminal. Thread safety: none.
class RawTerminal {
 public:
  explicit RawTerminal(int fd) : fd_(fd) {
    termios before;
    if (::tcgetattr(fd, &before) != 0) return;
    termios raw = before;
    ::cfmakeraw(&raw);
    if (::tcsetattr(fd, TCSADRAIN, &raw) == 0) before_ = before;
  }
  ~RawTerminal() {
    if (before_.has_value()) ::tcsetattr(fd_, TCSADRAIN, &*before_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  const int fd_;
  std::optional<termios> before_;
};

// Columns and rows; nothing for what is no terminal.
inline std::optional<winsize> TerminalSizeOf(int fd) {
  winsize size;
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0) return std::nullopt;
  return size;
}

}  // namespace gantry::ctl

#endif  // GANTRY_TOOLS_CTL_OWN_TERMINAL_H_
