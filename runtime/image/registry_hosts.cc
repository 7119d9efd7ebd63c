#include "runtime/image/registry_hosts.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "runtime/base/status.h"
#include "runtime/conf/table.h"
#include "runtime/sys/file.h"

namespace gantry::image {
namespace {

using conf::Bad;
using conf::Table;

constexpr size_t kMaxFileBytes = size_t{1} << 20;
constexpr size_t kMaxHosts = 64;
constexpr char kHub[] = "registry-1.docker.io";

bool IsHub(absl::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == kHub;
}

// The host that serves what `domain` names.
std::string ServingHost(absl::string_view domain) {
  return IsHub(domain) ? kHub : std::string(domain);
}

http::Url OriginOf(absl::string_view domain, absl::string_view scheme) {
  absl::StatusOr<http::Url> url =
      http::ParseUrl(absl::StrCat(scheme, "://", domain, "/"));
  // The reference parser has let only hosts through.
  return url.ok() ? *url : http::Url{.scheme = "https", .host = "invalid"};
}

RegistryHost DefaultHost(absl::string_view domain,
                         const RegistryOptions& options) {
  const std::string serving = ServingHost(domain);
  const http::Url https = OriginOf(serving, "https");
  const bool insecure = options.insecure_hosts.count(serving) != 0 ||
                        options.insecure_hosts.count(https.host) != 0;
  const bool loopback =
      http::IsLoopbackHost(https.host) && !absl::EndsWith(serving, ":443");
  RegistryHost host;
  host.root = insecure || loopback ? OriginOf(serving, "http") : https;
  host.root.target = "/v2";
  host.is_configured = insecure;
  host.tls = options.tls;
  host.connect_timeout = options.connect_timeout;
  return host;
}

// Whether `url` leads to the registry that `domain` names. The port of another
// scheme counts as its own: who wrote the URL chose the scheme.
bool IsNamed(const http::Url& url, absl::string_view domain) {
  const http::Url named = OriginOf(ServingHost(domain), url.scheme);
  return url.host == named.host && url.port == named.port;
}

absl::Status SetRoot(const conf::Where& where, absl::string_view text,
                     bool override_path, absl::string_view domain,
                     RegistryHost* host) {
  const bool has_scheme = absl::StrContains(text, "://");
  absl::StatusOr<http::Url> url =
      http::ParseUrl(absl::StrCat(has_scheme ? "" : "https://", text));
  if (!url.ok() || absl::StrContains(url->target, '?')) {
    // Not shown: it may hold a password.
    return Bad(where, "expected a URL such as \"https://mirror.example:5000\"");
  }
  if (IsHub(url->host)) url->host = kHub;
  while (absl::EndsWith(url->target, "/")) url->target.pop_back();
  if (!override_path && !absl::EndsWith(url->target, "/v2")) {
    url->target += "/v2";
  }
  host->is_named = IsNamed(*url, domain);
  const bool is_default = ServingHost(domain) == kHub && url->host == kHub;
  if (!host->is_named && !is_default) host->name_space = std::string(domain);
  host->root = *std::move(url);
  return absl::OkStatus();
}

absl::Status TakeCapabilities(Table& table, RegistryHost* host) {
  std::vector<std::string> names;
  RETURN_IF_ERROR(table.Take("capabilities", names));
  if (names.empty()) return absl::OkStatus();
  host->may_pull = host->may_resolve = false;
  for (const std::string& name : names) {
    const std::string lower = absl::AsciiStrToLower(name);
    if (lower == "pull") {
      host->may_pull = true;
    } else if (lower == "resolve") {
      host->may_resolve = true;
    } else if (lower != "push" && lower != "referrers") {
      return Bad(table.At("capabilities"),
                 absl::StrCat("expected pull, resolve, push or referrers, "
                              "found \"",
                              name, "\""));
    }
  }
  return absl::OkStatus();
}

std::string Below(absl::string_view folder, absl::string_view path) {
  if (absl::StartsWith(path, "/")) return std::string(path);
  return absl::StrCat(folder, "/", path);
}

// A path, paths, or pairs of certificate and key.
absl::Status TakeClient(Table& table, absl::string_view folder,
                        http::TlsOptions* tls) {
  const toml::node* node = table.TakeNode("client");
  if (node == nullptr) return absl::OkStatus();
  constexpr absl::string_view kExpected =
      "a path, or a list of paths or of pairs of paths";
  std::vector<std::pair<std::string, std::string>> pairs;
  if (std::optional<std::string> path = node->value_exact<std::string>()) {
    pairs.emplace_back(*path, "");
  } else if (node->is_array()) {
    for (const toml::node& entry : *node->as_array()) {
      const toml::array* pair = entry.as_array();
      std::optional<std::string> certificate = entry.value_exact<std::string>();
      std::optional<std::string> key = "";
      if (pair != nullptr && pair->size() == 2) {
        certificate = pair->get(0)->value_exact<std::string>();
        key = pair->get(1)->value_exact<std::string>();
      }
      if (!certificate || !key) {
        return table.WrongType(entry, "client", kExpected);
      }
      pairs.emplace_back(*certificate, *key);
    }
  } else {
    return table.WrongType(*node, "client", kExpected);
  }
  for (const auto& [certificate, key] : pairs) {
    if (certificate.empty()) {
      return Bad(table.At("client"), "expected the path of a certificate");
    }
  }
  if (pairs.empty()) return absl::OkStatus();
  const auto& [certificate, key] = pairs.front();
  tls->client_certificate = Below(folder, certificate);
  tls->client_key = key.empty() ? "" : Below(folder, key);
  return absl::OkStatus();
}

absl::Status TakeHeaders(Table& table, http::Headers* headers) {
  ASSIGN_OR_RETURN(Table header, table.TakeTable("header"));
  for (const std::string& name : header.Keys()) {
    std::vector<std::string> values;
    RETURN_IF_ERROR(header.TakeOneOrMore(name, values));
    for (const std::string& value : values) {
      auto is_control = [](unsigned char c) { return c < ' ' || c == 0x7f; };
      if (std::any_of(value.begin(), value.end(), is_control) ||
          std::any_of(name.begin(), name.end(), [](unsigned char c) {
            return !absl::ascii_isalnum(c) && c != '-' && c != '_';
          })) {
        // Not shown: it may be a credential.
        return Bad(header.At(name), "expected a header without control bytes");
      }
      headers->Add(name, value);
    }
  }
  return absl::OkStatus();
}

// What stands for one host; the rest of `table` is another's.
absl::Status TakeHost(Table& table, absl::string_view folder,
                      RegistryHost* host, bool* override_path,
                      std::vector<std::string>* authorities) {
  RETURN_IF_ERROR(TakeCapabilities(table, host));
  RETURN_IF_ERROR(table.TakeOneOrMore("ca", *authorities));
  for (std::string& path : *authorities) {
    if (path.empty()) return Bad(table.At("ca"), "expected a path");
    path = Below(folder, path);
  }
  RETURN_IF_ERROR(TakeClient(table, folder, &host->tls));
  RETURN_IF_ERROR(table.Take("skip_verify", host->tls.insecure_skip_verify));
  RETURN_IF_ERROR(TakeHeaders(table, &host->headers));
  RETURN_IF_ERROR(table.Take("override_path", *override_path));
  std::string timeout;
  RETURN_IF_ERROR(table.Take("dial_timeout", timeout));
  if (!timeout.empty() &&
      (!absl::ParseDuration(timeout, &host->connect_timeout) ||
       host->connect_timeout <= absl::ZeroDuration() ||
       host->connect_timeout > absl::Hours(1))) {
    return Bad(table.At("dial_timeout"),
               absl::StrCat("expected a time such as \"5s\", found \"", timeout,
                            "\""));
  }
  return absl::OkStatus();
}

RegistryHost NewHost(const RegistryOptions& options) {
  RegistryHost host;
  host.is_configured = true;
  host.tls = options.tls;
  host.connect_timeout = options.connect_timeout;
  return host;
}

// A mistake of who configured this node, whatever the cause: not of the client,
// and an absent file is not an absent image.
absl::Status Misconfigured(const absl::Status& status) {
  return absl::FailedPreconditionError(status.message());
}

// Reads what `host` trusts, and sees to it that the certificate it shows can be
// read.
absl::Status LoadFiles(const std::vector<std::string>& authorities,
                       RegistryHost* host) {
  for (const std::string& path : authorities) {
    ASSIGN_OR_RETURN(std::string pem,
                     sys::ReadFileAt(AT_FDCWD, path, kMaxFileBytes), "ca");
    if (!absl::StrContains(pem, "-----BEGIN ")) {
      return absl::InvalidArgumentError(
          absl::StrCat("ca: ", path, ": there is no certificate in PEM form"));
    }
    absl::StrAppend(&host->tls.more_authorities, pem, "\n");
  }
  for (const std::string& path :
       {host->tls.client_certificate, host->tls.client_key}) {
    if (path.empty()) continue;
    // Read by libcurl; a key does not stay in our memory.
    RETURN_IF_ERROR(sys::OpenAt(AT_FDCWD, path, O_RDONLY)) << "client";
  }
  return absl::OkStatus();
}

// Docker's form.
absl::StatusOr<RegistryHost> HostOfCertificates(
    const std::string& folder, absl::string_view domain,
    const RegistryOptions& options) {
  RegistryHost host = DefaultHost(domain, options);
  host.is_configured = true;
  ASSIGN_OR_RETURN(std::vector<sys::DirEntry> entries,
                   sys::ListDirAt(AT_FDCWD, folder), "read " << folder);
  std::vector<std::string> names;
  for (const sys::DirEntry& entry : entries) names.push_back(entry.name);
  std::sort(names.begin(), names.end());
  std::vector<std::string> authorities;
  bool has_client = false;
  for (absl::string_view name : names) {
    if (absl::EndsWith(name, ".crt")) {
      authorities.push_back(absl::StrCat(folder, "/", name));
    }
    if (!has_client && absl::ConsumeSuffix(&name, ".cert")) {
      has_client = true;
      const std::string stem = absl::StrCat(folder, "/", name);
      const bool has_key = std::binary_search(names.begin(), names.end(),
                                              absl::StrCat(name, ".key"));
      host.tls.client_certificate = stem + ".cert";
      host.tls.client_key = has_key ? stem + ".key" : "";
    }
  }
  RETURN_IF_ERROR(LoadFiles(authorities, &host)) << folder;
  return host;
}

// Empty if there is none.
std::string FolderOf(absl::string_view domain,
                     const std::vector<std::string>& config_paths) {
  std::vector<std::string> names;
  const size_t colon = domain.rfind(':');
  if (colon != absl::string_view::npos && !absl::EndsWith(domain, "]")) {
    names.push_back(absl::StrCat(domain.substr(0, colon), "_",
                                 domain.substr(colon + 1), "_"));
  }
  names.push_back(std::string(domain));
  names.push_back("_default");
  for (const std::string& root : config_paths) {
    for (const std::string& name : names) {
      const std::string folder = absl::StrCat(root, "/", name);
      if (sys::ExistsAt(AT_FDCWD, folder)) return folder;
    }
  }
  return "";
}

}  // namespace

std::string RegistryHost::Target(absl::string_view repository,
                                 absl::string_view path) const {
  return absl::StrCat(root.target, "/", repository, "/", path,
                      name_space.empty() ? "" : "?ns=", name_space);
}

absl::StatusOr<ParsedHosts> ParseHostsFile(absl::string_view text,
                                           absl::string_view folder,
                                           absl::string_view domain,
                                           const RegistryOptions& options) {
  const std::string file = absl::StrCat(folder, "/hosts.toml");
  ASSIGN_OR_RETURN(toml::table parsed, conf::Parse(text, file));
  Table top(parsed, file, "");
  ParsedHosts all;
  ASSIGN_OR_RETURN(Table hosts, top.TakeTable("host"));
  for (const std::string& key : hosts.KeysInOrder()) {
    if (all.hosts.size() == kMaxHosts) {
      return Bad(hosts.At(key), absl::StrCat("more than ", kMaxHosts,
                                             " hosts for one registry"));
    }
    ASSIGN_OR_RETURN(Table table, hosts.TakeTable(key));
    RegistryHost host = NewHost(options);
    bool override_path = false;
    RETURN_IF_ERROR(TakeHost(table, folder, &host, &override_path,
                             &all.authorities.emplace_back()));
    RETURN_IF_ERROR(table.CheckAllTaken());
    RETURN_IF_ERROR(SetRoot(hosts.At(key), key, override_path, domain, &host));
    all.hosts.push_back(std::move(host));
  }
  RegistryHost host = NewHost(options);
  bool override_path = false;
  RETURN_IF_ERROR(TakeHost(top, folder, &host, &override_path,
                           &all.authorities.emplace_back()));
  std::string server;
  RETURN_IF_ERROR(top.Take("server", server));
  if (server.empty()) {
    host.root = DefaultHost(domain, options).root;
  } else {
    RETURN_IF_ERROR(
        SetRoot(top.At("server"), server, override_path, domain, &host));
  }
  all.hosts.push_back(std::move(host));
  RETURN_IF_ERROR(top.CheckAllTaken());
  return all;
}

absl::StatusOr<std::vector<RegistryHost>> HostsOf(
    absl::string_view domain, const RegistryOptions& options) {
  const std::string folder = FolderOf(domain, options.config_paths);
  if (folder.empty()) {
    return std::vector<RegistryHost>{DefaultHost(domain, options)};
  }
  const std::string file = folder + "/hosts.toml";
  absl::StatusOr<std::string> text =
      sys::ReadFileAt(AT_FDCWD, file, kMaxFileBytes);
  if (absl::IsNotFound(text.status())) {
    absl::StatusOr<RegistryHost> host =
        HostOfCertificates(folder, domain, options);
    if (!host.ok()) return Misconfigured(host.status());
    return std::vector<RegistryHost>{*std::move(host)};
  }
  if (!text.ok()) return Misconfigured(text.status());
  absl::StatusOr<ParsedHosts> parsed =
      ParseHostsFile(*text, folder, domain, options);
  if (!parsed.ok()) return Misconfigured(parsed.status());
  for (size_t i = 0; i < parsed->hosts.size(); ++i) {
    absl::Status loaded = LoadFiles(parsed->authorities[i], &parsed->hosts[i]);
    if (!loaded.ok()) return Misconfigured(Annotate(loaded, file));
  }
  return std::move(parsed->hosts);
}

}  // namespace gantry::image
