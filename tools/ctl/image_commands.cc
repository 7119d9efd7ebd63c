// gantryctl load, images, rmi: images on the node.

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/strings/str_cat.h"
#include "runtime/base/status.h"
#include "runtime/base/unique_fd.h"
#include "runtime/sys/file.h"
#include "tools/ctl/command.h"
#include "tools/ctl/error_text.h"
#include "tools/ctl/format.h"
#include "tools/ctl/interrupt.h"
#include "tools/ctl/resolve.h"

namespace gantry::ctl {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
// A signal may come right before a wait, or to another thread.
constexpr int kLookAgainMilliseconds = 100;

// The next piece of `input`; empty at its end.
absl::StatusOr<std::string> NextOf(int input) {
  if (Interrupted()) return absl::CancelledError("interrupted");
  std::string chunk(kChunkBytes, '\0');
  const ssize_t got = read(input, chunk.data(), chunk.size());
  // EINTR: a signal, after which there is nothing more to load.
  if (got < 0 && errno == EINTR) return absl::CancelledError("interrupted");
  if (got < 0) return ErrnoStatus(errno, "read what is to be loaded");
  chunk.resize(static_cast<size_t>(got));
  return chunk;
}

// A pipe, such as a shell makes for `<(...)`: only who has it open can read it.
bool IsStream(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

// Waits for its first writer; a signal ends that.
absl::StatusOr<UniqueFd> OpenStream(const std::string& path) {
  ASSIGN_OR_RETURN(UniqueFd pipe,
                   sys::OpenAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  pollfd waited = {pipe.get(), POLLIN, 0};
  int ready = 0;
  while (ready == 0) {
    if (Interrupted()) return absl::CancelledError("interrupted");
    ready = poll(&waited, 1, kLookAgainMilliseconds);
    if (ready < 0 && errno == EINTR) ready = 0;
  }
  if (ready < 0) {
    return ErrnoStatus(errno, absl::StrCat("wait for a writer of ", path));
  }
  if (fcntl(pipe.get(), F_SETFL, 0) != 0) {
    return ErrnoStatus(errno, absl::StrCat("set up ", path));
  }
  return pipe;
}

absl::StatusOr<admin::v1::LoadResponse> LoadStream(Client& client, int input) {
  return client.LoadChunks([input] { return NextOf(input); });
}

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(
      realpath(path.c_str(), nullptr), &free);
  if (real == nullptr) return ErrnoStatus(errno, absl::StrCat("load ", path));
  return std::string(real.get());
}

// Of "-" (standard input), a pipe, or what the server opens itself.
absl::StatusOr<admin::v1::LoadResponse> LoadFrom(Client& client,
                                                 const std::string& source) {
  if (source == "-") {
    if (!isatty(STDIN_FILENO)) return LoadStream(client, STDIN_FILENO);
    return absl::InvalidArgumentError(
        "load -: standard input is a terminal; give it a tar");
  }
  if (IsStream(source)) {
    ASSIGN_OR_RETURN(const UniqueFd pipe, OpenStream(source), "load");
    return LoadStream(client, pipe.get());
  }
  ASSIGN_OR_RETURN(std::string path, AbsolutePath(source));
  return client.LoadPath(path);
}

absl::Status Load(Context& context, Client& client, const std::string& source) {
  absl::StatusOr<admin::v1::LoadResponse> loaded = LoadFrom(client, source);
  if (!loaded.ok()) {
    if (absl::IsUnimplemented(loaded.status())) {
      return WithHint(loaded.status(), "only a gantryd has gantryctl load");
    }
    return loaded.status();
  }
  if (context.json) return context.PrintJson(*loaded);
  for (const admin::v1::LoadedImage& image : loaded->images()) {
    if (image.names().empty()) {
      context.out << "loaded " << ShortId(image.id()) << " (without a name)\n";
    }
    for (const std::string& name : image.names()) {
      context.out << "loaded " << Printable(name) << " (" << ShortId(image.id())
                  << ")\n";
    }
  }
  return absl::OkStatus();
}

// "docker.io/library/busybox" and "latest"; a tag has no slash behind it.
std::pair<std::string, std::string> SplitTag(const std::string& name) {
  const size_t colon = name.rfind(':');
  if (colon == std::string::npos || name.find('/', colon) != name.npos) {
    return {name, ""};
  }
  return {name.substr(0, colon), name.substr(colon + 1)};
}

absl::Status Images(Context& context, Client& client) {
  ASSIGN_OR_RETURN(v1::ListImagesResponse images,
                   client.Call(v1::ListImagesRequest()));
  if (context.json) return context.PrintJson(images);
  Table table({"IMAGE", "TAG", "ID", "SIZE"});
  for (const v1::Image& image : images.images()) {
    const std::string id = ShortId(image.id());
    const std::string size = HumanSize(image.size());
    for (const std::string& name : image.repo_tags()) {
      const auto [repository, tag] = SplitTag(name);
      table.Add({repository, tag, id, size});
    }
    if (!image.repo_tags().empty()) continue;
    std::string name = "<none>";
    if (!image.repo_digests().empty()) {
      name = image.repo_digests(0).substr(0, image.repo_digests(0).find('@'));
    }
    table.Add({name, "<none>", id, size});
  }
  context.out << table.ToString();
  return absl::OkStatus();
}

absl::Status RemoveImage(Client& client, const std::string& name) {
  ASSIGN_OR_RETURN(v1::ImageStatusResponse image,
                   FindImage(client, name, /*verbose=*/false));
  v1::RemoveImageRequest request;
  request.mutable_image()->set_image(image.image().id());
  RETURN_IF_ERROR(client.Call(request)) << "remove image " << name;
  return absl::OkStatus();
}

}  // namespace

void AddImageCommands(CLI::App& app, Context& context) {
  const auto word = std::make_shared<std::string>();
  CLI::App* load = app.add_subcommand(
      "load", "Load images of an OCI layout or docker-archive");
  load->add_option("FILE", *word,
                   "A tar, a pipe, a directory, or - for standard input")
      ->required();
  load->callback([&context, word] {
    RunWithClient(context, [&](Client& c) { return Load(context, c, *word); });
  });
  app.add_subcommand("images", "List the images on this node")
      ->callback([&context] {
        RunWithClient(context, [&](Client& c) { return Images(context, c); });
      });
  const auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* rmi =
      app.add_subcommand("rmi", "Remove images with all their names");
  rmi->add_option("IMAGE", *names, "Names or ids")->required();
  rmi->callback([&context, names] {
    RunWithClient(context, [&](Client& c) {
      return ForEach(context, *names, [&](const std::string& name) {
        return RemoveImage(c, name);
      });
    });
  });
}

}  // namespace gantry::ctl
