import static java.util.concurrent.TimeUnit.SECONDS;

import com.google.protobuf.ByteString;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import runtime.v1.Api.*;
import runtime.v1.ImageServiceGrpc;
import runtime.v1.RuntimeServiceGrpc;

/**
 * Drives a whole pod's life with the code that protoc makes for Java.
 *
 * <p>PodLife SOCKET IMAGE LOG_DIR: IMAGE is pulled. Prints a line per step and
 * exits with 1 at the first that is not as CRI says.
 */
final class PodLife {
  private final RuntimeServiceGrpc.RuntimeServiceBlockingStub runtime;
  private final ImageServiceGrpc.ImageServiceBlockingStub images;
  private final ImageSpec image;
  private final String logs;

  private PodLife(ManagedChannel channel, String image, String logs) {
    runtime = RuntimeServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(120, SECONDS);
    images = ImageServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(120, SECONDS);
    this.image = ImageSpec.newBuilder().setImage(image).build();
    this.logs = logs;
  }

  private static void expect(String what, Object wanted, Object got) {
    if (!wanted.equals(got)) {
      throw new AssertionError(what + ": wanted " + wanted + ", got " + got);
    }
    System.out.println("ok: " + what);
  }

  private String exec(String id, int exitCode, String... command) {
    ExecSyncResponse done = runtime.execSync(ExecSyncRequest.newBuilder()
        .setContainerId(id).addAllCmd(List.of(command)).setTimeout(30).build());
    expect("exit code of " + String.join(" ", command), exitCode,
        done.getExitCode());
    return done.getStdout().toStringUtf8().trim();
  }

  private ContainerStatus status(String id) {
    return runtime.containerStatus(ContainerStatusRequest.newBuilder()
        .setContainerId(id).build()).getStatus();
  }

  private void pull() {
    String id = images.pullImage(
        PullImageRequest.newBuilder().setImage(image).build()).getImageRef();
    expect("ListImages", List.of(id), images.listImages(
        ListImagesRequest.getDefaultInstance()).getImagesList().stream()
        .map(Image::getId).toList());
  }

  private PodSandboxConfig podConfig() {
    return PodSandboxConfig.newBuilder()
        .setMetadata(PodSandboxMetadata.newBuilder()
            .setName("java").setNamespace("clients").setUid("java-1"))
        .setHostname("from-java").setLogDirectory(logs).putLabels("app", "java")
        .setLinux(LinuxPodSandboxConfig.newBuilder().setSecurityContext(
            LinuxSandboxSecurityContext.newBuilder().setNamespaceOptions(
                NamespaceOption.newBuilder().setPid(NamespaceMode.CONTAINER))))
        .build();
  }

  private ContainerConfig containerConfig() {
    return ContainerConfig.newBuilder()
        .setMetadata(ContainerMetadata.newBuilder().setName("main"))
        .setImage(image).setLogPath("main.log")
        .addAllCommand(List.of("sh", "-c",
            "echo $COLOUR; trap 'exit 7' TERM; while :; do sleep 0.1; done"))
        .addEnvs(KeyValue.newBuilder().setKey("COLOUR")
            .setValue(ByteString.copyFromUtf8("green")))
        .setLinux(LinuxContainerConfig.newBuilder()
            .setResources(LinuxContainerResources.newBuilder()
                .setMemoryLimitInBytes(64 << 20))
            .setSecurityContext(LinuxContainerSecurityContext.newBuilder()
                .setNamespaceOptions(NamespaceOption.newBuilder()
                    .setPid(NamespaceMode.CONTAINER))))
        .build();
  }

  private void life() throws Exception {
    PodSandboxConfig config = podConfig();
    String pod = runtime.runPodSandbox(RunPodSandboxRequest.newBuilder()
        .setConfig(config).build()).getPodSandboxId();
    String id = runtime.createContainer(CreateContainerRequest.newBuilder()
        .setPodSandboxId(pod).setSandboxConfig(config)
        .setConfig(containerConfig()).build()).getContainerId();
    expect("created", ContainerState.CONTAINER_CREATED, status(id).getState());
    runtime.startContainer(
        StartContainerRequest.newBuilder().setContainerId(id).build());
    expect("started", ContainerState.CONTAINER_RUNNING, status(id).getState());
    expect("host name", "from-java", exec(id, 0, "hostname"));
    expect("environment", "green", exec(id, 0, "sh", "-c", "echo $COLOUR"));
    exec(id, 5, "sh", "-c", "exit 5");
    ContainerStats stats = runtime.containerStats(ContainerStatsRequest
        .newBuilder().setContainerId(id).build()).getStats();
    expect("it uses memory", true,
        stats.getMemory().getWorkingSetBytes().getValue() > 0);
    expect("ListContainers", List.of(id), runtime.listContainers(
        ListContainersRequest.newBuilder().setFilter(ContainerFilter
            .newBuilder().setPodSandboxId(pod)).build())
        .getContainersList().stream().map(Container::getId).toList());
    end(pod, id);
  }

  private void end(String pod, String id) throws Exception {
    runtime.stopContainer(StopContainerRequest.newBuilder()
        .setContainerId(id).setTimeout(20).build());
    expect("stopped", ContainerState.CONTAINER_EXITED, status(id).getState());
    expect("its own exit code", 7, status(id).getExitCode());
    expect("its log", true, Files.readString(Path.of(logs, "main.log"))
        .endsWith(" stdout F green\n"));
    runtime.removeContainer(
        RemoveContainerRequest.newBuilder().setContainerId(id).build());
    runtime.stopPodSandbox(
        StopPodSandboxRequest.newBuilder().setPodSandboxId(pod).build());
    runtime.removePodSandbox(
        RemovePodSandboxRequest.newBuilder().setPodSandboxId(pod).build());
    Status.Code code = Status.Code.OK;
    try {
      runtime.podSandboxStatus(
          PodSandboxStatusRequest.newBuilder().setPodSandboxId(pod).build());
    } catch (StatusRuntimeException error) {
      code = error.getStatus().getCode();
    }
    expect("the pod is gone", Status.Code.NOT_FOUND, code);
    images.removeImage(RemoveImageRequest.newBuilder().setImage(image).build());
    expect("no image is left", 0, images.listImages(
        ListImagesRequest.getDefaultInstance()).getImagesCount());
  }

  public static void main(String[] arguments) {
    EpollEventLoopGroup loop = new EpollEventLoopGroup(1);
    ManagedChannel channel = NettyChannelBuilder
        .forAddress(new DomainSocketAddress(arguments[0]))
        .eventLoopGroup(loop).channelType(EpollDomainSocketChannel.class)
        .usePlaintext().build();
    int exitCode = 0;
    try {
      PodLife client = new PodLife(channel, arguments[1], arguments[2]);
      expect("Version", "gantry", client.runtime.version(
          VersionRequest.getDefaultInstance()).getRuntimeName());
      client.pull();
      client.life();
      System.out.println("ok: a whole life");
    } catch (Throwable error) {
      error.printStackTrace();
      exitCode = 1;
    }
    channel.shutdownNow();
    loop.shutdownGracefully();
    System.exit(exitCode);
  }
}
