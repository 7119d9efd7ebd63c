#include "runtime/cgroup/systemd/units.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/id.h"
#include "runtime/base/status.h"
#include "runtime/cgroup/wait.h"

namespace gantry::cgroup::systemd {

namespace {

constexpr absl::string_view kPod = "Gantry pod ";
constexpr absl::string_view kContainer = "Gantry container ";
constexpr absl::string_view kOf = " of ";

// What every unit of ours has: forgotten by systemd once it ended, in whatever
// way; not ended before others when the machine goes down; all counted.
Properties CommonProperties(std::string description) {
  return {{"Description", std::move(description)},
          {"DefaultDependencies", false},
          {"CollectMode", std::string("inactive-or-failed")},
          {"CPUAccounting", true},
          {"MemoryAccounting", true},
          {"IOAccounting", true},
          {"TasksAccounting", true}};
}

}  // namespace

std::string Units::Describe(absl::string_view kind,
                            absl::string_view id) const {
  return absl::StrCat(kind, id, kOf, absl::CEscape(owner_));
}

absl::Status Units::Persist(const std::function<absl::Status()>& ask) const {
  Backoff backoff(patience_);
  for (;;) {
    absl::Status status = ask();
    if (!absl::IsUnavailable(status) || !backoff.Pause()) return status;
  }
}

absl::Status Units::MakeSlice(const Unit& unit, absl::string_view id) const {
  const Properties properties = CommonProperties(Describe(kPod, id));
  absl::Status made = Persist([this, &unit, &properties] {
    return bus_->StartTransient(unit.name, properties);
  });
  // An attempt whose answer was lost made it.
  return absl::IsAlreadyExists(made) ? absl::OkStatus() : made;
}

absl::Status Units::MakeScope(const Unit& unit, absl::string_view id, pid_t pid,
                              const Properties& limits,
                              const std::function<bool()>& has_process) const {
  Properties properties = CommonProperties(Describe(kContainer, id));
  properties.push_back({"Slice", unit.slice});
  properties.push_back({"Delegate", true});
  properties.push_back(
      {"PIDs", std::vector<uint32_t>{static_cast<uint32_t>(pid)}});
  properties.insert(properties.end(), limits.begin(), limits.end());
  auto start = [this, &unit, &properties] {
    return bus_->StartTransient(unit.name, properties);
  };
  absl::Status made = Persist(start);
  if (!absl::IsAlreadyExists(made)) return made;
  if (has_process()) return absl::OkStatus();
  RETURN_IF_ERROR(Stop(unit.name)) << "end what an earlier start left";
  return Persist(start);
}

absl::Status Units::SetLimits(const std::string& unit,
                              const Properties& limits) const {
  if (limits.empty()) return absl::OkStatus();
  return Persist(
      [this, &unit, &limits] { return bus_->SetProperties(unit, limits); });
}

absl::Status Units::Stop(const std::string& unit) const {
  absl::Status stopped = Persist([this, &unit] { return bus_->Stop(unit); });
  return absl::IsNotFound(stopped) ? absl::OkStatus() : stopped;
}

absl::Status Units::End(const std::string& unit) const {
  // Nobody in it is an error, too; what else is wrong Stop will tell.
  bus_->Kill(unit).IgnoreError();
  return Stop(unit);
}

absl::StatusOr<std::vector<OwnUnit>> Units::List() const {
  std::vector<ListedUnit> listed;
  RETURN_IF_ERROR(Persist([this, &listed]() -> absl::Status {
    ASSIGN_OR_RETURN(listed, bus_->List({"gantry-*.scope", "*-*.slice"}));
    return absl::OkStatus();
  }));
  const std::string suffix = absl::StrCat(kOf, absl::CEscape(owner_));
  std::vector<OwnUnit> own;
  for (ListedUnit& unit : listed) {
    absl::string_view id = unit.description;
    if (!absl::ConsumeSuffix(&id, suffix)) continue;
    if (!absl::ConsumePrefix(&id, kPod) &&
        !absl::ConsumePrefix(&id, kContainer)) {
      continue;
    }
    // The name has to agree: a description can be anybody's.
    if (!IsId(id) ||
        !absl::StrContains(unit.name, absl::StrCat("-", id, "."))) {
      continue;
    }
    own.push_back({std::move(unit.name), std::string(id)});
  }
  return own;
}

}  // namespace gantry::cgroup::systemd
