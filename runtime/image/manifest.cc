#include "runtime/image/manifest.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/base/status.h"
#include "runtime/json/json.h"

namespace gantry::image {
namespace {

using json::Value;

constexpr size_t kMaxLayers = 500;
constexpr size_t kMaxIndexEntries = 10'000;

absl::StatusOr<Digest> DigestField(const Value& object, absl::string_view key) {
  ASSIGN_OR_RETURN(std::string text, object.StringField(key));
  absl::StatusOr<Digest> digest = Digest::Parse(text);
  if (!digest.ok()) {
    return object.Error(absl::StrCat(key, ": ", digest.status().message()));
  }
  return digest;
}

absl::StatusOr<Platform> ParsePlatform(const Value& value) {
  if (!value.IsObject()) return value.Error("expected an object");
  Platform platform;
  ASSIGN_OR_RETURN(platform.os, value.StringField("os"));
  ASSIGN_OR_RETURN(platform.architecture, value.StringField("architecture"));
  ASSIGN_OR_RETURN(platform.variant, value.StringField("variant"));
  return platform;
}

absl::StatusOr<Descriptor> ParseDescriptor(const Value& value) {
  if (!value.IsObject()) return value.Error("expected an object");
  ASSIGN_OR_RETURN(Digest digest, DigestField(value, "digest"));
  Descriptor descriptor = {.digest = std::move(digest)};
  ASSIGN_OR_RETURN(descriptor.media_type, value.StringField("mediaType"));
  if (!value.Find("size")) return value.Error("size is missing");
  ASSIGN_OR_RETURN(descriptor.size, value.IntField("size"));
  if (descriptor.size < 0) return value.Error("size is negative");
  ASSIGN_OR_RETURN(descriptor.annotations, value.StringMapField("annotations"));
  if (std::optional<Value> platform = value.Find("platform")) {
    ASSIGN_OR_RETURN(descriptor.platform, ParsePlatform(*platform));
  }
  return descriptor;
}

absl::StatusOr<std::vector<Descriptor>> ParseDescriptors(const Value& doc,
                                                         absl::string_view key,
                                                         size_t most) {
  ASSIGN_OR_RETURN(std::vector<Value> items, doc.ArrayField(key));
  if (items.size() > most) {
    return absl::ResourceExhaustedError(
        absl::StrCat(doc.path(), ": ", items.size(), " ", key, ", at most ",
                     most, " are allowed"));
  }
  std::vector<Descriptor> out;
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(Descriptor descriptor, ParseDescriptor(item));
    out.push_back(std::move(descriptor));
  }
  return out;
}

absl::StatusOr<Index> ParseIndex(const Value& doc, std::string media_type) {
  Index index = {.media_type = std::move(media_type)};
  ASSIGN_OR_RETURN(index.manifests,
                   ParseDescriptors(doc, "manifests", kMaxIndexEntries));
  ASSIGN_OR_RETURN(index.annotations, doc.StringMapField("annotations"));
  return index;
}

absl::StatusOr<Manifest> ParseManifest(const Value& doc,
                                       std::string media_type) {
  std::optional<Value> config = doc.Find("config");
  if (!config) return doc.Error("neither an image manifest nor an index");
  ASSIGN_OR_RETURN(Descriptor descriptor, ParseDescriptor(*config));
  Manifest manifest = {.media_type = std::move(media_type),
                       .config = std::move(descriptor)};
  ASSIGN_OR_RETURN(manifest.layers,
                   ParseDescriptors(doc, "layers", kMaxLayers));
  ASSIGN_OR_RETURN(manifest.annotations, doc.StringMapField("annotations"));
  return manifest;
}

// The document's type: what it says itself, what its carrier said, else what
// its members show. All three must agree (CVE-2021-41190).
absl::StatusOr<std::string> TypeOf(const Value& doc,
                                   absl::string_view expected) {
  ASSIGN_OR_RETURN(std::string own, doc.StringField("mediaType"));
  const bool known = IsIndexType(expected) || IsManifestType(expected);
  if (!own.empty() && known && own != expected) {
    return doc.Error(absl::StrCat("mediaType is ", own,
                                  ", but it was announced as ", expected));
  }
  std::string type = own.empty() && known ? std::string(expected) : own;
  const bool has_manifests = doc.Find("manifests").has_value();
  const bool has_image =
      doc.Find("layers").has_value() || doc.Find("config").has_value();
  if (has_manifests && has_image) {
    return doc.Error("it has the members of an index and of an image manifest");
  }
  if (type.empty()) {
    type = std::string(has_manifests ? kOciIndexType : kOciManifestType);
  }
  if (!IsIndexType(type) && !IsManifestType(type)) {
    return absl::UnimplementedError(
        absl::StrCat(doc.path(), ": media type ", type, " is not supported"));
  }
  if (IsIndexType(type) ? has_image : has_manifests) {
    return doc.Error(absl::StrCat("its members do not fit its type ", type));
  }
  return type;
}

// "v7" is 7, "v8" is 8; -1 if there is no such number.
int VariantNumber(absl::string_view variant) {
  int number = -1;
  if (variant.empty() || variant[0] != 'v' ||
      !absl::SimpleAtoi(variant.substr(1), &number)) {
    return -1;
  }
  return number;
}

// arm64 means v8, arm means v7, amd64 means v1, where nothing else is said.
std::string Normal(const Platform& platform) {
  if (!platform.variant.empty()) return platform.variant;
  if (platform.architecture == "arm64") return "v8";
  if (platform.architecture == "arm") return "v7";
  if (platform.architecture == "amd64") return "v1";
  return "";
}

// How well `have` serves `want`: higher is better, -1 not at all.
int Fitness(const Platform& have, const Platform& want) {
  if (have.os != want.os || have.architecture != want.architecture) return -1;
  const std::string mine = Normal(want);
  const std::string theirs = Normal(have);
  if (mine == theirs) return 1000;
  const int number = VariantNumber(theirs);
  if (number >= 0 && VariantNumber(mine) >= 0) {
    return number < VariantNumber(mine) ? number + 1 : -1;
  }
  // Not an architecture with numbered variants.
  return theirs.empty() ? 0 : -1;
}

absl::StatusOr<std::vector<HistoryEntry>> ParseHistory(const Value& doc) {
  std::vector<HistoryEntry> history;
  ASSIGN_OR_RETURN(std::vector<Value> items, doc.ArrayField("history"));
  for (const Value& item : items) {
    if (!item.IsObject()) return item.Error("expected an object");
    HistoryEntry entry;
    ASSIGN_OR_RETURN(entry.created, item.StringField("created"));
    ASSIGN_OR_RETURN(entry.created_by, item.StringField("created_by"));
    ASSIGN_OR_RETURN(entry.author, item.StringField("author"));
    ASSIGN_OR_RETURN(entry.comment, item.StringField("comment"));
    ASSIGN_OR_RETURN(entry.empty_layer, item.BoolField("empty_layer"));
    history.push_back(std::move(entry));
  }
  return history;
}

absl::Status ParseExecution(const Value& doc, ImageConfig* config) {
  std::optional<Value> execution = doc.Find("config");
  if (!execution) return absl::OkStatus();
  if (!execution->IsObject()) return execution->Error("expected an object");
  const Value& from = *execution;
  ASSIGN_OR_RETURN(config->user, from.StringField("User"));
  ASSIGN_OR_RETURN(config->env, from.StringListField("Env"));
  ASSIGN_OR_RETURN(config->entrypoint, from.StringListField("Entrypoint"));
  ASSIGN_OR_RETURN(config->cmd, from.StringListField("Cmd"));
  ASSIGN_OR_RETURN(config->working_dir, from.StringField("WorkingDir"));
  ASSIGN_OR_RETURN(config->volumes, from.KeysField("Volumes"));
  ASSIGN_OR_RETURN(config->exposed_ports, from.KeysField("ExposedPorts"));
  ASSIGN_OR_RETURN(config->labels, from.StringMapField("Labels"));
  ASSIGN_OR_RETURN(config->stop_signal, from.StringField("StopSignal"));
  return absl::OkStatus();
}

absl::Status ParseRootfs(const Value& doc, ImageConfig* config) {
  std::optional<Value> rootfs = doc.Find("rootfs");
  if (!rootfs) return doc.Error("rootfs is missing");
  ASSIGN_OR_RETURN(std::string type, rootfs->StringField("type"));
  if (type != "layers") return rootfs->Error("type is not \"layers\"");
  ASSIGN_OR_RETURN(std::vector<Value> items, rootfs->ArrayField("diff_ids"));
  for (const Value& item : items) {
    ASSIGN_OR_RETURN(std::string text, item.String());
    absl::StatusOr<Digest> digest = Digest::Parse(text);
    if (!digest.ok()) return item.Error(digest.status().message());
    config->diff_ids.push_back(*std::move(digest));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsIndexType(absl::string_view media_type) {
  return media_type == kOciIndexType || media_type == kDockerListType;
}

bool IsManifestType(absl::string_view media_type) {
  return media_type == kOciManifestType || media_type == kDockerManifestType;
}

std::string ToString(const Platform& platform) {
  return absl::StrCat(platform.os, "/", platform.architecture,
                      platform.variant.empty() ? "" : "/", platform.variant);
}

absl::StatusOr<std::variant<Manifest, Index>> ParseManifestOrIndex(
    absl::string_view text, absl::string_view media_type) {
  ASSIGN_OR_RETURN(Value doc, Value::Parse(text, "manifest",
                                           {.max_bytes = kMaxManifestBytes}));
  if (!doc.IsObject()) return doc.Error("expected an object");
  ASSIGN_OR_RETURN(int64_t version, doc.IntField("schemaVersion", 2));
  if (version != 2) {
    return absl::UnimplementedError(
        absl::StrCat("manifest: schema version ", version,
                     " is not supported, only version 2"));
  }
  ASSIGN_OR_RETURN(std::string type, TypeOf(doc, media_type));
  if (IsIndexType(type)) return ParseIndex(doc, std::move(type));
  return ParseManifest(doc, std::move(type));
}

bool PlatformFits(const Platform& have, const Platform& want) {
  return Fitness(have, want) >= 0;
}

absl::StatusOr<Descriptor> ChoosePlatform(const Index& index,
                                          const Platform& want) {
  const Descriptor* best = nullptr;
  int best_fitness = -1;
  std::vector<std::string> found;
  for (const Descriptor& manifest : index.manifests) {
    // Without a platform (a single-platform layout) it may be what is wanted;
    // its configuration tells later.
    const int fitness =
        manifest.platform ? Fitness(*manifest.platform, want) : 0;
    found.push_back(manifest.platform ? ToString(*manifest.platform)
                                      : "unknown");
    if (fitness > best_fitness) {
      best = &manifest;
      best_fitness = fitness;
    }
  }
  if (best == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no image for ", ToString(want), " in the index, only ",
                     found.empty() ? "nothing" : absl::StrJoin(found, ", ")));
  }
  return *best;
}

absl::StatusOr<ImageConfig> ParseImageConfig(absl::string_view text) {
  ASSIGN_OR_RETURN(Value doc, Value::Parse(text, "image configuration",
                                           {.max_bytes = kMaxManifestBytes}));
  if (!doc.IsObject()) return doc.Error("expected an object");
  ImageConfig config;
  ASSIGN_OR_RETURN(config.platform, ParsePlatform(doc));
  ASSIGN_OR_RETURN(config.created, doc.StringField("created"));
  ASSIGN_OR_RETURN(config.author, doc.StringField("author"));
  RETURN_IF_ERROR(ParseExecution(doc, &config));
  RETURN_IF_ERROR(ParseRootfs(doc, &config));
  ASSIGN_OR_RETURN(config.history, ParseHistory(doc));
  return config;
}

}  // namespace gantry::image
