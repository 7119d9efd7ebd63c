#include "tools/bench/soak_worker.h"

#include <fcntl.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/sys/file.h"

namespace gantry::bench {
namespace {

namespace v1 = ctl::v1;

// Kept for the report; a server that fails always must not fill the memory.
constexpr size_t kMostFailures = 5;
constexpr size_t kMostContainers = 2;

absl::Status Refused(const absl::Status& status) {
  if (status.ok()) return absl::InternalError("should have been refused");
  // That nobody answers is no refusal.
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)
             ? status
             : absl::OkStatus();
}

}  // namespace

struct SoakWorker::Operation {
  const char* name;
  int weight;
  bool (SoakWorker::*possible)() const;
  absl::Status (SoakWorker::*run)();
};

std::span<const SoakWorker::Operation> SoakWorker::Operations() {
  using W = SoakWorker;
  static constexpr Operation kOperations[] = {
      {"RunPodSandbox", 4, &W::HasRoomForPod, &W::RunPod},
      {"CreateContainer", 5, &W::HasRoomForContainer, &W::Create},
      {"StartContainer", 6, &W::HasCreated, &W::Start},
      {"StartContainer of a running one", 1, &W::HasRunning, &W::StartAgain},
      {"ExecSync", 5, &W::HasRunning, &W::Exec},
      {"ExecSync in one that stays", 2, &W::Always, &W::ExecInStaying},
      {"ExecSync in an ended one", 1, &W::HasExited, &W::ExecInExited},
      {"StopContainer", 3, &W::HasAny, &W::StopContainer},
      {"RemoveContainer", 2, &W::HasAny, &W::RemoveContainer},
      {"StopPodSandbox", 1, &W::HasPod, &W::StopPod},
      {"RemovePodSandbox", 1, &W::HasPod, &W::RemovePod},
      {"lists", 2, &W::Always, &W::Lists},
      {"ContainerStatus", 2, &W::HasAny, &W::Status},
      {"ListContainerStats", 2, &W::HasRunning, &W::Stats},
  };
  return kOperations;
}

SoakWorker::SoakWorker(Endpoint* endpoint, uint64_t seed, int first_number,
                       std::string staying)
    : endpoint_(*endpoint),
      random_(seed),
      next_number_(first_number),
      staying_(std::move(staying)) {}

template <typename Wanted>
std::vector<SoakWorker::Place> SoakWorker::Find(const Wanted& wanted) const {
  std::vector<Place> places;
  for (size_t pod = 0; pod < pods_.size(); ++pod) {
    for (size_t i = 0; i < pods_[pod].containers.size(); ++i) {
      if (wanted(pods_[pod], pods_[pod].containers[i]))
        places.push_back({pod, i});
    }
  }
  return places;
}

std::vector<SoakWorker::Place> SoakWorker::InState(State state) const {
  return Find([state](const Pod&, const Container& container) {
    return container.state == state;
  });
}

std::vector<SoakWorker::Place> SoakWorker::Startable() const {
  return Find([](const Pod& pod, const Container& container) {
    return pod.ready && container.state == State::kCreated;
  });
}

bool SoakWorker::HasAny() const {
  return !Find([](const Pod&, const Container&) { return true; }).empty();
}

bool SoakWorker::HasCreated() const { return !Startable().empty(); }

bool SoakWorker::HasRoom(const Pod& pod) {
  return pod.ready && pod.containers.size() < kMostContainers;
}

bool SoakWorker::HasRoomForContainer() const {
  for (const Pod& pod : pods_) {
    if (HasRoom(pod)) return true;
  }
  return false;
}

// Not by a distribution of the library: those differ between libraries.
size_t SoakWorker::Choose(size_t count) { return random_() % count; }

SoakWorker::Place SoakWorker::Pick(const std::vector<Place>& places) {
  const Place place = places[Choose(places.size())];
  current_ = place.pod;
  return place;
}

SoakWorker::Pod& SoakWorker::PickPod() {
  current_ = Choose(pods_.size());
  return pods_[current_];
}

absl::Status SoakWorker::RunPod() {
  const int number = next_number_++;
  ASSIGN_OR_RETURN(std::string id, endpoint_.RunPod(number, &life_));
  pods_.push_back({std::move(id), number});
  return absl::OkStatus();
}

absl::Status SoakWorker::Create() {
  do {
    PickPod();
  } while (!HasRoom(pods_[current_]));
  Pod& pod = pods_[current_];
  Container container;
  container.number = next_number_++;
  ASSIGN_OR_RETURN(
      container.id,
      endpoint_.CreateContainer(pod.id, pod.number, container.number, &life_));
  pod.containers.push_back(std::move(container));
  return absl::OkStatus();
}

absl::Status SoakWorker::Start() {
  Container& container = At(Pick(Startable()));
  RETURN_IF_ERROR(endpoint_.StartContainer(container.id, &life_));
  container.state = State::kRunning;
  return absl::OkStatus();
}

absl::Status SoakWorker::StartAgain() {
  return Refused(
      endpoint_.StartContainer(At(Pick(InState(State::kRunning))).id, &life_));
}

absl::Status SoakWorker::Exec() {
  return endpoint_.ExecTrue(At(Pick(InState(State::kRunning))).id, &life_);
}

absl::Status SoakWorker::ExecInStaying() {
  return endpoint_.ExecTrue(staying_, &life_);
}

absl::Status SoakWorker::ExecInExited() {
  return Refused(
      endpoint_.ExecTrue(At(Pick(InState(State::kExited))).id, &life_));
}

absl::Status SoakWorker::StopContainer() {
  Container& container =
      At(Pick(Find([](const Pod&, const Container&) { return true; })));
  RETURN_IF_ERROR(endpoint_.StopContainer(container.id, &life_));
  // One that was only created stays so, or not: servers differ. It is removed
  // before long.
  container.state = State::kExited;
  return absl::OkStatus();
}

absl::Status SoakWorker::RemoveContainer() {
  const Place place =
      Pick(Find([](const Pod&, const Container&) { return true; }));
  RETURN_IF_ERROR(endpoint_.RemoveContainer(At(place).id, &life_));
  RemoveLogs({.containers = {At(place)}});
  auto& containers = pods_[place.pod].containers;
  containers.erase(containers.begin() + place.index);
  return absl::OkStatus();
}

absl::Status SoakWorker::StopPod() {
  Pod& pod = PickPod();
  RETURN_IF_ERROR(endpoint_.StopPod(pod.id, &life_));
  pod.ready = false;
  for (Container& container : pod.containers) container.state = State::kExited;
  return absl::OkStatus();
}

absl::Status SoakWorker::RemovePod() {
  const Pod pod = PickPod();
  RETURN_IF_ERROR(endpoint_.RemovePod(pod.id, &life_));
  RemoveLogs(pod);
  pods_.erase(pods_.begin() + current_);
  return absl::OkStatus();
}

absl::Status SoakWorker::Lists() {
  ctl::Client& client = endpoint_.client();
  ASSIGN_OR_RETURN(const v1::ListPodSandboxResponse pods,
                   client.Call(v1::ListPodSandboxRequest()));
  if (pods.items_size() < static_cast<int>(pods_.size())) {
    return absl::InternalError("fewer pods than were made");
  }
  return client.Call(v1::ListContainersRequest()).status();
}

absl::Status SoakWorker::Status() {
  const Container& container =
      At(Pick(Find([](const Pod&, const Container&) { return true; })));
  v1::ContainerStatusRequest request;
  request.set_container_id(container.id);
  ASSIGN_OR_RETURN(const v1::ContainerStatusResponse answer,
                   endpoint_.client().Call(request));
  const bool runs = answer.status().state() == v1::CONTAINER_RUNNING;
  if (runs == (container.state == State::kRunning)) return absl::OkStatus();
  return absl::InternalError(runs ? "runs, but was stopped"
                                  : "does not run, but was started");
}

absl::Status SoakWorker::Stats() {
  v1::ListContainerStatsRequest request;
  request.mutable_filter()->set_id(At(Pick(InState(State::kRunning))).id);
  ASSIGN_OR_RETURN(const v1::ListContainerStatsResponse answer,
                   endpoint_.client().Call(request));
  return answer.stats_size() == 1
             ? absl::OkStatus()
             : absl::InternalError("no statistics of a running container");
}

void SoakWorker::RemoveLogs(const Pod& pod) {
  for (const Container& container : pod.containers) {
    sys::UnlinkAt(AT_FDCWD, endpoint_.LogPath(container.number)).IgnoreError();
  }
}

void SoakWorker::Note(const char* what, const absl::Status& status) {
  ++done_[what];
  if (status.ok()) return;
  ++failed_;
  if (failures_.size() < kMostFailures) {
    failures_.push_back(absl::StrCat(what, ": ", status.ToString()));
  }
}

// What a pod is like after a failure is unknown: it goes.
void SoakWorker::Forget(size_t index) {
  const Pod pod = pods_[index];
  pods_.erase(pods_.begin() + index);
  Note("StopPodSandbox", endpoint_.StopPod(pod.id, &life_));
  Note("RemovePodSandbox", endpoint_.RemovePod(pod.id, &life_));
  RemoveLogs(pod);
}

void SoakWorker::Step() {
  int weights = 0;
  for (const Operation& operation : Operations()) {
    if ((this->*operation.possible)()) weights += operation.weight;
  }
  int chosen = static_cast<int>(Choose(static_cast<size_t>(weights)));
  for (const Operation& operation : Operations()) {
    if (!(this->*operation.possible)()) continue;
    chosen -= operation.weight;
    if (chosen >= 0) continue;
    current_ = pods_.size();
    life_ = Life();
    const size_t pods = pods_.size();
    const absl::Status status = (this->*operation.run)();
    Note(operation.name, status);
    if (!status.ok() && current_ < pods) Forget(current_);
    return;
  }
}

void SoakWorker::End() {
  while (!pods_.empty()) Forget(pods_.size() - 1);
}

}  // namespace gantry::bench
