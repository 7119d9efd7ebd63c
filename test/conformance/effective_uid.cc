// Says as whom it runs: critest starts it set-uid root, by another user, to see
// whether no_new_privs holds.

#include <unistd.h>

#include <cstdio>

int main() {
  std::printf("Effective uid: %u\n", geteuid());
  return 0;
}
