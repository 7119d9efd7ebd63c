// A systemd of a few maps, with failures on demand. Thread safety: none.

#ifndef GANTRY_RUNTIME_CGROUP_SYSTEMD_TESTING_FAKE_BUS_H_
#define GANTRY_RUNTIME_CGROUP_SYSTEMD_TESTING_FAKE_BUS_H_

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "runtime/cgroup/systemd/bus.h"

namespace gantry::cgroup::systemd::testing {

class FakeBus final : public Bus {
 public:
  // What the next calls answer, before they do anything; then they work.
  std::deque<absl::Status> failures;
  // The same, but the call has done what it was asked for.
  std::deque<absl::Status> lost_answers;
  std::map<std::string, Properties> units;
  std::vector<std::string> calls;

  absl::Status StartTransient(const std::string& unit,
                              const Properties& properties) override {
    calls.push_back("start " + unit);
    if (auto failed = Take(failures); !failed.ok()) return failed;
    if (!units.emplace(unit, properties).second) {
      return absl::AlreadyExistsError(unit);
    }
    return Take(lost_answers);
  }
  absl::Status Stop(const std::string& unit) override {
    calls.push_back("stop " + unit);
    if (auto failed = Take(failures); !failed.ok()) return failed;
    if (units.erase(unit) == 0) return absl::NotFoundError(unit);
    return Take(lost_answers);
  }
  absl::Status Kill(const std::string& unit) override {
    calls.push_back("kill " + unit);
    return Take(failures);
  }
  absl::Status SetProperties(const std::string& unit,
                             const Properties& properties) override {
    calls.push_back("set " + unit);
    if (auto failed = Take(failures); !failed.ok()) return failed;
    if (units.count(unit) == 0) return absl::NotFoundError(unit);
    units[unit] = properties;
    return Take(lost_answers);
  }
  absl::StatusOr<std::vector<ListedUnit>> List(
      const std::vector<std::string>& /*patterns*/) override {
    calls.push_back("list");
    if (auto failed = Take(failures); !failed.ok()) return failed;
    std::vector<ListedUnit> listed;
    for (const auto& [name, properties] : units) {
      listed.push_back({name, Text(properties, "Description")});
    }
    return listed;
  }
  absl::StatusOr<std::string> Version() override {
    if (auto failed = Take(failures); !failed.ok()) return failed;
    return std::string("252");
  }

  static const Value* Find(const Properties& properties,
                           const std::string& name) {
    for (const Property& property : properties) {
      if (property.name == name) return &property.value;
    }
    return nullptr;
  }
  static std::string Text(const Properties& properties,
                          const std::string& name) {
    const Value* value = Find(properties, name);
    return value == nullptr ? "" : std::get<std::string>(*value);
  }

 private:
  static absl::Status Take(std::deque<absl::Status>& answers) {
    if (answers.empty()) return absl::OkStatus();
    absl::Status answer = std::move(answers.front());
    answers.pop_front();
    return answer;
  }
};

}  // namespace gantry::cgroup::systemd::testing

#endif  // GANTRY_RUNTIME_CGROUP_SYSTEMD_TESTING_FAKE_BUS_H_
