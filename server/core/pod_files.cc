#include "server/core/pod_files.h"

#include <fcntl.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/sys/atomic_write.h"
#include "runtime/sys/file.h"
#include "server/core/paths.h"

namespace gantry::core {
namespace {

// What a pod id contributes to a host name: as much as users know it by.
constexpr size_t kShortIdLength = 12;
constexpr mode_t kReadableByAll = 0644;
constexpr size_t kHostFileLimit = 1 << 20;

// The host's file; a host without one has an empty one.
absl::StatusOr<std::string> HostFile(const char* path) {
  absl::StatusOr<std::string> content =
      sys::ReadFileAt(AT_FDCWD, path, kHostFileLimit);
  if (absl::IsNotFound(content.status())) return std::string();
  return content;
}

absl::Status Write(int pod_run_fd, absl::string_view name,
                   absl::string_view content) {
  RETURN_IF_ERROR(sys::AtomicWriteAt(pod_run_fd, name, content, kReadableByAll,
                                     sys::Durability::kCrash))
      << "write the pod's " << name;
  return absl::OkStatus();
}

bool IsEmpty(const DnsConfig& dns) {
  return dns.servers.empty() && dns.searches.empty() && dns.options.empty();
}

}  // namespace

std::string PodHostname(const PodRequest& request, absl::string_view pod_id,
                        absl::string_view host_name) {
  if (!request.hostname.empty()) return request.hostname;
  if (request.namespaces.network() == spec::NODE) {
    return std::string(host_name);
  }
  return std::string(pod_id.substr(0, kShortIdLength));
}

std::string ResolvConf(const DnsConfig& dns, absl::string_view host_content) {
  if (IsEmpty(dns)) return std::string(host_content);
  std::string content;
  if (!dns.searches.empty()) {
    absl::StrAppend(&content, "search ", absl::StrJoin(dns.searches, " "),
                    "\n");
  }
  for (const std::string& server : dns.servers) {
    absl::StrAppend(&content, "nameserver ", server, "\n");
  }
  if (!dns.options.empty()) {
    absl::StrAppend(&content, "options ", absl::StrJoin(dns.options, " "),
                    "\n");
  }
  return content;
}

std::string HostsFile(bool host_network, absl::string_view host_content,
                      absl::string_view address, absl::string_view hostname) {
  if (host_network) return std::string(host_content);
  std::string content =
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "ff00::0\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\n"
      "ff02::2\tip6-allrouters\n";
  // Without an address the pod still finds itself by its name.
  absl::StrAppend(&content, address.empty() ? "127.0.0.1" : address, "\t",
                  hostname, "\n");
  return content;
}

absl::Status WritePodFiles(int pod_run_fd, const PodRequest& request,
                           absl::string_view hostname) {
  ASSIGN_OR_RETURN(std::string resolv_conf, HostFile("/etc/resolv.conf"));
  RETURN_IF_ERROR(
      Write(pod_run_fd, kHostnameFile, absl::StrCat(hostname, "\n")));
  return Write(pod_run_fd, kResolvConfFile,
               ResolvConf(request.dns, resolv_conf));
}

absl::Status WriteHostsFile(int pod_run_fd, const PodRequest& request,
                            absl::string_view hostname,
                            absl::string_view address) {
  ASSIGN_OR_RETURN(std::string hosts, HostFile("/etc/hosts"));
  const bool host_network = request.namespaces.network() == spec::NODE;
  return Write(pod_run_fd, kHostsFile,
               HostsFile(host_network, hosts, address, hostname));
}

}  // namespace gantry::core
