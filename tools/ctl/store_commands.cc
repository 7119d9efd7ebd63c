// gantryctl save, tag, untag, du, prune, fsck: what a gantryd offers for its
// images beyond CRI.

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"

namespace gantry::ctl {
namespace {

using admin::v1::SaveRequest;
using admin::v1::VerifyFinding;

absl::Status Explained(const absl::Status& status) {
  if (!absl::IsUnimplemented(status)) return status;
  return WithHint(status, "only a gantryd has this, and a new one");
}

struct SaveWords {
  std::vector<std::string> images;
  std::string file = "-";
  std::string format = "oci";
};

absl::Status SaveInto(int fd, Client& client, const SaveRequest& request) {
  return Explained(client.Save(
      request,
      [fd](const admin::v1::SaveResponse& response) {
        return sys::WriteAll(fd, response.chunk());
      },
      Interrupted));
}

absl::Status Save(Client& client, const SaveWords& words) {
  SaveRequest request;
  request.mutable_images()->Assign(words.images.begin(), words.images.end());
  if (words.format == "docker") request.set_format(SaveRequest::DOCKER_ARCHIVE);
  if (words.file == "-") {
    if (isatty(STDOUT_FILENO)) {
      return absl::InvalidArgumentError(
          "save: standard output is a terminal; give a file by -o");
    }
    return SaveInto(STDOUT_FILENO, client, request);
  }
  // The file is there as a whole, or as it was before.
  const std::string partial = absl::StrCat(words.file, ".partial-", getpid());
  ASSIGN_OR_RETURN(
      UniqueFd out,
      sys::OpenAt(AT_FDCWD, partial, O_WRONLY | O_CREAT | O_EXCL, 0644));
  absl::Cleanup remove = [&] {
    sys::UnlinkAt(AT_FDCWD, partial).IgnoreError();
  };
  RETURN_IF_ERROR(SaveInto(out.get(), client, request));
  RETURN_IF_ERROR(sys::RenameAt(AT_FDCWD, partial, AT_FDCWD, words.file));
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::Status Tag(Client& client, const std::string& image,
                 const std::string& name) {
  admin::v1::TagRequest request;
  request.set_image(image);
  request.set_name(name);
  return Explained(client.Call(request).status());
}

absl::Status Untag(Client& client, const std::string& name) {
  admin::v1::UntagRequest request;
  request.set_name(name);
  const auto untagged = client.Call(request);
  if (!untagged.ok()) return Explained(untagged.status());
  if (untagged->removed()) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("no image has the name ", name));
}

std::string NamesOf(
    const google::protobuf::RepeatedPtrField<std::string>& names,
    const std::string& id) {
  return names.empty() ? absl::StrCat("<none> (", ShortId(id), ")")
                       : absl::StrJoin(names, " ");
}

absl::Status DiskUsage(Context& context, Client& client) {
  const auto usage = client.Call(admin::v1::UsageRequest());
  if (!usage.ok()) return Explained(usage.status());
  if (context.json) return context.PrintJson(*usage);
  Table images({"IMAGE", "OWN", "SHARED", "CONTAINERS", ""});
  for (const admin::v1::ImageUsage& image : usage->images()) {
    std::string notes = image.pinned() ? "pinned" : "";
    if (!image.incomplete().empty()) {
      absl::StrAppend(&notes, notes.empty() ? "" : ", ",
                      "incomplete: ", image.incomplete());
    }
    images.Add({NamesOf(image.names(), image.id()),
                HumanSize(image.own_bytes()), HumanSize(image.shared_bytes()),
                absl::StrCat(image.containers()), notes});
  }
  context.out << images.ToString();
  if (!usage->containers().empty()) {
    Table containers({"CONTAINER", "NAME", "WRITTEN", "FILES"});
    for (const admin::v1::ContainerUsage& one : usage->containers()) {
      containers.Add({ShortId(one.id()), one.name(), HumanSize(one.bytes()),
                      absl::StrCat(one.inodes())});
    }
    context.out << '\n' << containers.ToString();
  }
  context.out << "\nimages together: " << HumanSize(usage->images_bytes())
              << ", " << usage->images_inodes() << " files\n";
  return absl::OkStatus();
}

absl::Status Prune(Context& context, Client& client,
                   const admin::v1::PruneRequest& request) {
  const auto pruned = client.Call(request);
  if (!pruned.ok()) return Explained(pruned.status());
  if (context.json) return context.PrintJson(*pruned);
  for (const admin::v1::PrunedImage& image : pruned->images()) {
    context.out << (request.dry_run() ? "would remove " : "removed ")
                << Printable(NamesOf(image.names(), image.id())) << '\n';
  }
  context.out << HumanSize(pruned->freed_bytes())
              << (request.dry_run() ? " would be free\n" : " are free\n");
  return absl::OkStatus();
}

std::string TextOf(const VerifyFinding& finding) {
  const bool layer = finding.kind() == VerifyFinding::BAD_LAYER;
  std::string text = absl::StrCat(finding.kind() == VerifyFinding::UNUSED ? ""
                                  : layer ? "layer "
                                          : "blob ",
                                  finding.object(), ": ", finding.problem());
  for (const std::string& image : finding.images()) {
    absl::StrAppend(&text, "\n  of image ", ShortId(image));
  }
  if (finding.repaired()) {
    absl::StrAppend(&text, "\n  ",
                    finding.kind() == VerifyFinding::BAD_BLOB
                        ? "removed: pull or load the image again"
                    : layer ? "mended"
                            : "removed");
  }
  return text;
}

absl::Status Fsck(Context& context, Client& client, bool repair) {
  admin::v1::VerifyRequest request;
  request.set_repair(repair);
  int bad = 0;
  int unverified = 0;
  admin::v1::VerifyTotals totals;
  RETURN_IF_ERROR(Explained(client.Verify(
      request,
      [&](const admin::v1::VerifyProgress& progress) -> absl::Status {
        if (progress.has_totals()) totals = progress.totals();
        if (!progress.has_finding()) return absl::OkStatus();
        const VerifyFinding& finding = progress.finding();
        if (finding.kind() == VerifyFinding::UNVERIFIED) {
          ++unverified;
        } else if (!finding.repaired()) {
          ++bad;
        }
        if (context.json) return context.PrintJson(progress);
        if (finding.kind() == VerifyFinding::UNVERIFIED) {
          return absl::OkStatus();
        }
        // Each line on its own, so that text of the server keeps to it.
        for (absl::string_view line : absl::StrSplit(TextOf(finding), '\n')) {
          context.out << Printable(line) << '\n';
        }
        context.out << std::flush;
        return absl::OkStatus();
      },
      Interrupted)));
  context.exit_code = bad > 0 ? 1 : 0;
  if (context.json) return context.PrintJson(totals);
  context.out << totals.blobs() << " blobs and " << totals.layers()
              << " layers verified, " << HumanSize(totals.bytes()) << '\n';
  if (unverified > 0) {
    context.out << unverified
                << " layers came without a blob to compare them with\n";
  }
  if (bad > 0 && !repair) {
    context.out << "mend with: gantryctl fsck --repair\n";
  }
  return absl::OkStatus();
}

void AddSave(CLI::App& app, Context& context) {
  const auto words = std::make_shared<SaveWords>();
  CLI::App* save =
      app.add_subcommand("save", "Write images to an archive, as they came");
  save->add_option("IMAGE", words->images, "Names or ids")->required();
  save->add_option("-o,--output-file", words->file,
                   "The file; - for standard output")
      ->capture_default_str();
  save->add_option("--format", words->format,
                   "oci (image layout) or docker (docker-archive)")
      ->check(CLI::IsMember({"oci", "docker"}))
      ->capture_default_str();
  save->callback([&context, words] {
    RunWithClient(context, [&](Client& c) { return Save(c, *words); });
  });
}

void AddTags(CLI::App& app, Context& context) {
  const auto words = std::make_shared<std::pair<std::string, std::string>>();
  CLI::App* tag = app.add_subcommand("tag", "Give an image one more name");
  tag->add_option("IMAGE", words->first, "Name or id")->required();
  tag->add_option("NAME", words->second, "The new name, with a tag")
      ->required();
  tag->callback([&context, words] {
    RunWithClient(context, [&](Client& c) {
      return Tag(c, words->first, words->second);
    });
  });
  const auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* untag =
      app.add_subcommand("untag", "Take names away; the images stay");
  untag->add_option("NAME", *names, "Names with tags")->required();
  untag->callback([&context, names] {
    RunWithClient(context, [&](Client& c) {
      return ForEach(context, *names,
                     [&](const std::string& name) { return Untag(c, name); });
    });
  });
}

}  // namespace

void AddStoreCommands(CLI::App& app, Context& context) {
  AddSave(app, context);
  AddTags(app, context);
  app.add_subcommand("du", "Show what images and containers take on the disk")
      ->callback([&context] {
        RunWithClient(context,
                      [&](Client& c) { return DiskUsage(context, c); });
      });
  const auto all = std::make_shared<bool>(false);
  const auto dry_run = std::make_shared<bool>(false);
  CLI::App* prune = app.add_subcommand(
      "prune", "Remove images without a name that no container uses");
  prune->add_flag("-a,--all", *all, "Those with names as well");
  prune->add_flag("-n,--dry-run", *dry_run, "Only tell what would go");
  prune->callback([&context, all, dry_run] {
    admin::v1::PruneRequest request;
    request.set_dangling_only(!*all);
    request.set_dry_run(*dry_run);
    RunWithClient(context,
                  [&](Client& c) { return Prune(context, c, request); });
  });
  const auto repair = std::make_shared<bool>(false);
  CLI::App* fsck = app.add_subcommand(
      "fsck", "Verify all blobs and layers of the image store");
  fsck->add_flag("--repair", *repair, "Mend what is broken");
  fsck->callback([&context, repair] {
    RunWithClient(context,
                  [&](Client& c) { return Fsck(context, c, *repair); });
  });
}

}  // namespace gantry::ctl
