#include "server/core/merge_resources.h"

namespace gantry::core {

void MergeResources(const spec::Resources& update, spec::Resources& target) {
  // MergeFrom overwrites what is set and would append huge page limits twice.
  spec::Resources merged = update;
  for (const spec::HugepageLimit& old : target.hugepages()) {
    bool replaced = false;
    for (const spec::HugepageLimit& limit : update.hugepages()) {
      replaced = replaced || limit.page_size() == old.page_size();
    }
    if (!replaced) *merged.add_hugepages() = old;
  }
  target.clear_hugepages();
  target.MergeFrom(merged);
}

}  // namespace gantry::core
