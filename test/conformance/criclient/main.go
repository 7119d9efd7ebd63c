// Command criclient drives a whole pod's life against a CRI server, with the
// stubs that Kubernetes publishes for Go: what kubelet and crictl send and
// expect on the wire, independent of this repository's own proto.
//
//	criclient SOCKET IMAGE LOGDIR
//
// IMAGE is pulled if the server does not have it. Prints a line per step and
// exits with 1 at the first that is not as CRI says.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const logName = "main.log"

type client struct {
	ctx     context.Context
	runtime cri.RuntimeServiceClient
	images  cri.ImageServiceClient
}

func fail(format string, args ...any) {
	fmt.Printf("FAILED: "+format+"\n", args...)
	os.Exit(1)
}

func must[T any](step string) func(T, error) T {
	return func(value T, err error) T {
		if err != nil {
			fail("%s: %v", step, err)
		}
		fmt.Println("ok:", step)
		return value
	}
}

func expect[T comparable](what string, want, got T) {
	if want != got {
		fail("%s: wanted %v, got %v", what, want, got)
	}
	fmt.Println("ok:", what)
}

func (c client) pull(image string) {
	ref := &cri.ImageSpec{Image: image}
	found := must[*cri.ImageStatusResponse]("ImageStatus")(
		c.images.ImageStatus(c.ctx, &cri.ImageStatusRequest{Image: ref}))
	if found.Image == nil {
		must[*cri.PullImageResponse]("PullImage")(
			c.images.PullImage(c.ctx, &cri.PullImageRequest{Image: ref}))
	}
	list := must[*cri.ListImagesResponse]("ListImages")(
		c.images.ListImages(c.ctx, &cri.ListImagesRequest{}))
	expect("an image is listed", true, len(list.Images) > 0)
}

func (c client) exec(id string, want int32, command ...string) string {
	step := "ExecSync " + strings.Join(command, " ")
	done := must[*cri.ExecSyncResponse](step)(c.runtime.ExecSync(c.ctx,
		&cri.ExecSyncRequest{ContainerId: id, Cmd: command, Timeout: 30}))
	expect("its exit code", want, done.ExitCode)
	return strings.TrimSpace(string(done.Stdout))
}

func (c client) state(id string) *cri.ContainerStatus {
	response := must[*cri.ContainerStatusResponse]("ContainerStatus")(
		c.runtime.ContainerStatus(c.ctx,
			&cri.ContainerStatusRequest{ContainerId: id}))
	return response.Status
}

func (c client) life(image, logs string) {
	pod := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{
			Name: "go", Namespace: "conformance", Uid: "go-1"},
		Hostname:     "from-go",
		LogDirectory: logs,
		Labels:       map[string]string{"app": "go"},
		Linux: &cri.LinuxPodSandboxConfig{
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{
					Pid: cri.NamespaceMode_CONTAINER}}},
	}
	run := must[*cri.RunPodSandboxResponse]("RunPodSandbox")(
		c.runtime.RunPodSandbox(c.ctx, &cri.RunPodSandboxRequest{Config: pod}))
	podID := run.PodSandboxId
	created := must[*cri.CreateContainerResponse]("CreateContainer")(
		c.runtime.CreateContainer(c.ctx, &cri.CreateContainerRequest{
			PodSandboxId: podID, SandboxConfig: pod,
			Config: &cri.ContainerConfig{
				Metadata: &cri.ContainerMetadata{Name: "main"},
				Image:    &cri.ImageSpec{Image: image},
				Command: []string{"sh", "-c",
					"echo pid $$; trap 'exit 7' TERM; while :; do sleep 0.1; done"},
				LogPath: logName,
				Linux: &cri.LinuxContainerConfig{
					SecurityContext: &cri.LinuxContainerSecurityContext{
						NamespaceOptions: &cri.NamespaceOption{
							Pid: cri.NamespaceMode_CONTAINER}},
					Resources: &cri.LinuxContainerResources{
						MemoryLimitInBytes: 64 << 20}},
			}}))
	id := created.ContainerId
	must[*cri.StartContainerResponse]("StartContainer")(
		c.runtime.StartContainer(c.ctx,
			&cri.StartContainerRequest{ContainerId: id}))
	expect("it runs", cri.ContainerState_CONTAINER_RUNNING, c.state(id).State)
	expect("its host name", "from-go", c.exec(id, 0, "hostname"))
	c.exec(id, 5, "sh", "-c", "exit 5")

	stats := must[*cri.ContainerStatsResponse]("ContainerStats")(
		c.runtime.ContainerStats(c.ctx,
			&cri.ContainerStatsRequest{ContainerId: id}))
	expect("it uses memory", true,
		stats.Stats.Memory.WorkingSetBytes.Value > 0)
	listed := must[*cri.ListContainersResponse]("ListContainers")(
		c.runtime.ListContainers(c.ctx, &cri.ListContainersRequest{
			Filter: &cri.ContainerFilter{PodSandboxId: podID}}))
	expect("one container is listed", 1, len(listed.Containers))

	must[*cri.StopContainerResponse]("StopContainer")(
		c.runtime.StopContainer(c.ctx,
			&cri.StopContainerRequest{ContainerId: id, Timeout: 20}))
	ended := c.state(id)
	expect("it exited", cri.ContainerState_CONTAINER_EXITED, ended.State)
	expect("with its own code", 7, ended.ExitCode)
	log, err := os.ReadFile(filepath.Join(logs, logName))
	if err != nil {
		fail("its log: %v", err)
	}
	expect("its log", true,
		strings.HasSuffix(strings.TrimSpace(string(log)), " stdout F pid 1"))

	for _, again := range []string{"", " again"} {
		must[*cri.RemoveContainerResponse]("RemoveContainer" + again)(
			c.runtime.RemoveContainer(c.ctx,
				&cri.RemoveContainerRequest{ContainerId: id}))
		must[*cri.StopPodSandboxResponse]("StopPodSandbox" + again)(
			c.runtime.StopPodSandbox(c.ctx,
				&cri.StopPodSandboxRequest{PodSandboxId: podID}))
	}
	must[*cri.RemovePodSandboxResponse]("RemovePodSandbox")(
		c.runtime.RemovePodSandbox(c.ctx,
			&cri.RemovePodSandboxRequest{PodSandboxId: podID}))
	_, err = c.runtime.PodSandboxStatus(c.ctx,
		&cri.PodSandboxStatusRequest{PodSandboxId: podID})
	expect("the pod is gone", codes.NotFound, status.Code(err))
}

func main() {
	if len(os.Args) != 4 {
		fail("usage: criclient SOCKET IMAGE LOGDIR")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	connection, err := grpc.DialContext(ctx, "unix://"+os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithBlock())
	if err != nil {
		fail("connect: %v", err)
	}
	c := client{ctx, cri.NewRuntimeServiceClient(connection),
		cri.NewImageServiceClient(connection)}
	version := must[*cri.VersionResponse]("Version")(
		c.runtime.Version(ctx, &cri.VersionRequest{}))
	expect("its name", "gantry", version.RuntimeName)
	expect("its API", "v1", version.RuntimeApiVersion)
	c.pull(os.Args[2])
	c.life(os.Args[2], os.Args[3])
	fmt.Println("ok: a whole life")
}
