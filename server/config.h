// The configuration of gantryd: a TOML file and a few flags over it
// (docs/configuration.md).
//
// Parsed and checked in one function; immutable afterwards. The registries'
// client key is named here, never read.
// Thread safety: a value. Only LoadConfig blocks: it reads the file.

#ifndef GANTRY_SERVER_CONFIG_H_
#define GANTRY_SERVER_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace gantry::server {

inline constexpr char kDefaultConfigPath[] = "/etc/gantry/gantryd.toml";

enum class LogLevel { kError, kWarning, kInfo, kDebug };

struct Config {
  // Absolute, without a trailing slash; neither lies in the other.
  std::string root = "/var/lib/gantry";
  std::string run = "/run/gantry";
  // At most 107 bytes (unix(7)).
  std::string socket = "/run/gantry/gantry.sock";
  LogLevel log_level = LogLevel::kInfo;
  // Empty: "gantry-shim" beside gantryd itself.
  std::string shim_path;
  // Who keeps cgroups: "auto", "systemd" or "cgroupfs".
  std::string cgroup_driver = "auto";
  // How long calls under way may take to end after SIGTERM.
  absl::Duration drain_timeout = absl::Seconds(5);
  // The log tells where the time of starts and execs went.
  bool trace_steps = false;

  struct Security {
    // What a container gets whose client says nothing: CRI says unconfined.
    bool default_seccomp_when_unset = false;
    bool operator==(const Security&) const = default;
  } security;

  struct Network {
    // What pods that have a network of their own get: "cni" (plugins),
    // "bridge" (built in), "none" (loopback only), or "auto": plugins, when
    // there is a configuration for them, else the bridge.
    std::string provider = "auto";
    // At most 15 bytes.
    std::string bridge = "gantry0";
    // Ranges that pods' addresses are from; empty: none of that family. At
    // least one is not empty.
    std::string subnet4 = "10.92.0.0/16";
    std::string subnet6 = "fd92:67a1:5c3e::/64";
    // 0: that of the interface of the host's default route, else 1500.
    int mtu = 0;
    struct Cni {
      // Where configurations of networks are, and where plugins are looked
      // for, in this order.
      std::string config_dir = "/etc/cni/net.d";
      std::vector<std::string> plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
      // The network that pods are put on; empty: the first by file name.
      std::string network_name;
      // For all plugins of one pod's coming or going.
      absl::Duration timeout = absl::Seconds(60);
      bool operator==(const Cni&) const = default;
    } cni;
    bool operator==(const Network&) const = default;
  } network;

  struct Registry {
    // Folders of settings per registry (certs.d/HOST/hosts.toml).
    std::vector<std::string> config_paths = {"/etc/gantry/certs.d"};
    // "host" or "host:port", spoken to by plain HTTP.
    std::vector<std::string> insecure_hosts;
    // Hosts (".example": and all below) to which redirects and token servers
    // may lead though their addresses are private.
    std::vector<std::string> internal_hosts;
    // What names of images without a registry mean: aliases ("busybox" ->
    // "registry.lan/base/busybox"), and for the rest the default registry.
    std::string default_registry = "docker.io";
    std::map<std::string, std::string> aliases;
    // "http://host:port"; empty: none.
    std::string proxy;
    // Hosts that are asked without it; as internal_hosts.
    std::vector<std::string> no_proxy;
    // For a connection, and for the next byte of an answer.
    absl::Duration connect_timeout = absl::Seconds(15);
    absl::Duration stall_timeout = absl::Seconds(30);
    // How often what a retry may mend is tried.
    int attempts = 5;
    // Paths of PEM files; empty: the system's authorities, no certificate.
    std::string ca_file;
    std::string client_certificate;
    std::string client_key;
    bool operator==(const Registry&) const = default;
  } registry;

  struct Images {
    // Names of images that clients shall not collect as garbage, whole:
    // "docker.io/library/busybox:latest".
    std::vector<std::string> pinned;
    // Of one pull, fetched and unpacked at once.
    int max_parallel_layers = 3;
    // Of one layer that is larger than two ranges, fetched at once; 1: one
    // connection per layer.
    int parallel_ranges = 4;
    int range_mib = 8;
    // A layer may inflate to so many times the size of its blob, and to 1 GiB
    // in any case.
    int max_inflation = 300;
    bool operator==(const Images&) const = default;
  } images;

  struct Containers {
    // Bytes that the writable layer of each may take; 0: any.
    uint64_t writable_layer_size = 0;
    // What becomes of output that the log does not take, and of a log that
    // grows.
    struct Log {
      // Whole lines are dropped and counted; else the program waits.
      bool drops = false;
      // Bytes of each log per second; 0: any.
      uint64_t rate = 0;
      // Bytes at which a log gets a new file, 0: never; and how many files of
      // it there are at most.
      uint64_t max_size = 0;
      int max_files = 5;
      bool operator==(const Log&) const = default;
    } log;
    bool operator==(const Containers&) const = default;
  } containers;

  // Names that a pod may be run by, beside the default one, which has none.
  std::vector<std::string> runtime_handlers;
  struct Cdi {
    // Where specifications of devices are; a later directory wins.
    std::vector<std::string> spec_dirs = {"/etc/cdi", "/var/run/cdi"};
    bool operator==(const Cdi&) const = default;
  } cdi;

  struct Threads {
    // At most this many for the steps of use cases, and for what blocks long
    // (pulls, loads, measuring directories). Threads end when idle.
    int core = 4;
    int blocking = 16;
    bool operator==(const Threads&) const = default;
  } threads;

  // Where the streams of Exec, Attach and PortForward are served.
  struct Streaming {
    // An IP address of this host.
    std::string address = "127.0.0.1";
    // 0: any that is free.
    int port = 0;
    // Paths of PEM files; both empty: no TLS.
    std::string certificate;
    std::string key;
    // A connection without a byte for so long is closed.
    absl::Duration idle_timeout = absl::Hours(4);
    bool operator==(const Streaming&) const = default;
  } streaming;

  // What Prometheus asks.
  struct Metrics {
    // "127.0.0.1:9323"; empty: it is not served.
    std::string address;
    bool operator==(const Metrics&) const = default;
  } metrics;

  bool operator==(const Config&) const = default;
};

// What the command line says; it wins over the file.
struct ConfigFlags {
  std::optional<std::string> root;
  std::optional<std::string> run;
  std::optional<std::string> socket;
  std::optional<std::string> log_level;
};

// INVALID_ARGUMENT "FILE:LINE: key: expected ..., found ..." for a key, a value
// or a combination that cannot be; "--flag: ..." where a flag is at fault.
// Without a socket of its own a run directory has it: "RUN/gantry.sock".
absl::StatusOr<Config> MakeConfig(absl::string_view toml_text,
                                  absl::string_view file_name,
                                  const ConfigFlags& flags);

// Reads the file and makes the configuration. An absent file is an error only
// if it was asked for (`path` not empty); else all is default but the flags.
absl::StatusOr<Config> LoadConfig(const std::string& path,
                                  const ConfigFlags& flags);

absl::string_view LogLevelName(LogLevel level);

}  // namespace gantry::server

#endif  // GANTRY_SERVER_CONFIG_H_
