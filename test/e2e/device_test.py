"""Devices: nodes of the host, directories of them, and those that a CDI
specification describes."""

import json
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_fields import covers


class Device(gantry_case.GantryCase):

    @classmethod
    def new_server(cls):
        server = super().new_server()
        cls.cdi = server.top + "/cdi"
        os.makedirs(cls.cdi + "/low")
        os.makedirs(cls.cdi + "/high")
        server.more_config = (
            f'[cdi]\nspec_dirs = ["{cls.cdi}/low", "{cls.cdi}/high"]\n')
        return server

    def setUp(self):
        super().setUp()
        # Nodes of the test's own: the null and zero devices under other names.
        self.nodes = self.server.top + "/nodes"
        os.makedirs(self.nodes + "/sub")
        for name, minor in (("one", 3), ("two", 5), ("sub/three", 7)):
            path = f"{self.nodes}/{name}"
            os.mknod(path, stat.S_IFCHR | 0o640, os.makedev(1, minor))
            os.chown(path, 11, 12)
        host.write(self.nodes + "/file", "no device\n")
        os.symlink("one", self.nodes + "/link")
        self.addCleanup(self.remove_nodes)
        self.addCleanup(self.remove_pods)

    def remove_nodes(self):
        for folder, _, names in os.walk(self.nodes, topdown=False):
            for name in names:
                os.unlink(os.path.join(folder, name))
            os.rmdir(folder)
        for folder in ("low", "high"):
            for name in os.listdir(f"{self.cdi}/{folder}"):
                os.unlink(f"{self.cdi}/{folder}/{name}")

    def device(self, name, inside, permissions="rwm"):
        return self.api.Device(host_path=f"{self.nodes}/{name}",
                               container_path=inside, permissions=permissions)

    def look(self, container, *paths):
        """Type, numbers, mode and owner of nodes."""
        return self.inside(container, "stat -c '%F %t:%T %a %u:%g' " +
                           " ".join(paths)).split("\n")

    def cdi_file(self, place, content):
        path = f"{self.cdi}/{place}"
        host.write(path, content if isinstance(content, str)
                   else json.dumps(content))

    def cdi_config(self, names, more):
        config = self.container_config(**more)
        for name in names:
            config.CDI_devices.add(name=name)
        return config

    def start(self, pod, config):
        container = self.create(pod, config)
        self.call("StartContainer", container_id=container)
        return container

    def test_single_nodes_through_links_too(self):
        container = self.make_container(self.make_pod(), devices=[
            self.device("one", "/dev/mine"),
            self.device("link", "/dev/deep/er/linked")])
        self.assertEqual(
            self.look(container, "/dev/mine", "/dev/deep/er/linked"),
            ["character special file 1:3 640 11:12"] * 2)
        self.inside(container, "echo x > /dev/mine")

    def test_a_directory_stands_for_all_nodes_below(self):
        container = self.make_container(self.make_pod(), devices=[
            self.device("", "/dev/all")])
        self.assertEqual(sorted(self.inside(
            container, "find /dev/all -type c").split("\n")),
            ["/dev/all/one", "/dev/all/sub/three", "/dev/all/two"])
        self.assertEqual(self.inside(container, "find /dev/all -type f"), "")

    def test_what_is_no_device_is_said_at_create(self):
        pod = self.make_pod()
        for name, code in (("none", "NOT_FOUND"),
                           ("file", "INVALID_ARGUMENT")):
            self.assert_code(code, "CreateContainer", f"/nodes/{name}",
                             pod_sandbox_id=pod, config=self.container_config(
                                 devices=[self.device(name, "/dev/x")]))
        self.assert_code("INVALID_ARGUMENT", "CreateContainer",
                         "config.devices[0].permissions", pod_sandbox_id=pod,
                         config=self.container_config(
                             devices=[self.device("one", "/dev/x", "rx")]))
        self.assertEqual(list(self.list_containers()), [])

    def test_a_privileged_container_gets_its_own_devices_as_well(self):
        pod = self.make_pod(privileged=True)
        container = self.make_container(
            pod, security={"privileged": True},
            devices=[self.device("one", "/dev/mine")])
        self.assertEqual(self.look(container, "/dev/mine"),
                         ["character special file 1:3 640 11:12"])

    def test_cdi_devices_bring_what_their_files_say(self):
        self.cdi_file("low/vendor.yaml", f"""---
cdiVersion: "0.7.0"
kind: example.com/dev
containerEdits:
  env: [CDI_FILE=yes, CLIENT=cdi]
devices:
- name: "0"
  containerEdits:
    env: [CDI_DEVICE=zero]
    deviceNodes:
    - path: /dev/cdi0
      hostPath: {self.nodes}/two
      permissions: r
    - path: /dev/cdi1
      type: c
      major: 1
      minor: 5
      fileMode: 0600
      uid: 21
      gid: 22
    mounts:
    - hostPath: {self.nodes}/file
      containerPath: /opt/cdi/file
      options: [ro, nosuid, nodev, bind]
    additionalGids: [4321]
""")
        container = self.start(self.make_pod(), self.cdi_config(
            ["example.com/dev=0"], {"env": {"CLIENT": "client"}}))
        self.assertEqual(
            self.look(container, "/dev/cdi0", "/dev/cdi1"),
            ["character special file 1:5 640 11:12",
             "character special file 1:5 600 21:22"])
        self.assertEqual(self.inside(container, "cat /opt/cdi/file"),
                         "no device")
        self.assertIn(b"Read-only", self.exec_sync(
            container, "echo x > /opt/cdi/file").stderr)
        self.assertEqual(self.inside(
            container, "echo $CDI_FILE $CDI_DEVICE $CLIENT"), "yes zero cdi")
        self.assertIn("4321", self.inside(container, "id -G").split())

    @covers("CDIDevice.name", "ContainerConfig.CDI_devices")
    def test_cdi_errors_say_what_is_wrong(self):
        def spec(value, **more):
            return {"cdiVersion": "0.6.0", "kind": "example.com/dev",
                    "devices": [{"name": "x", "containerEdits":
                                 {"env": ["X=" + value], **more}}]}
        pod = self.make_pod()

        def refused(code, containing, name="example.com/dev=x"):
            self.assert_code(code, "CreateContainer", containing,
                             pod_sandbox_id=pod,
                             config=self.cdi_config([name], {}))
        refused("INVALID_ARGUMENT", "config.CDI_devices[0].name", "x")
        refused("NOT_FOUND", "example.com/dev=x")
        self.cdi_file("low/broken.json", "{")
        refused("NOT_FOUND", "broken.json")
        self.cdi_file("low/a.json", spec("a"))
        self.cdi_file("low/b.json", spec("b"))
        refused("FAILED_PRECONDITION", "b.json")
        self.cdi_file("high/c.json", spec("c"))
        container = self.start(pod, self.cdi_config(["example.com/dev=x"], {}))
        self.assertEqual(self.inside(container, "echo $X"), "c")
        self.cdi_file("high/c.json", spec("c", hooks=[{
            "hookName": "createContainer", "path": "/bin/hook"}]))
        refused("UNIMPLEMENTED", "createContainer hook /bin/hook")
        self.cdi_file("high/c.json", spec("c", deviceNodes=[{
            "path": "/dev/gone", "hostPath": self.nodes + "/gone"}]))
        refused("NOT_FOUND", "/nodes/gone")
        # Annotations bring nothing.
        config = self.container_config(
            annotations={"cdi.k8s.io/x": "example.com/dev=x"})
        container = self.start(pod, config)
        self.assertEqual(self.inside(container, "echo ,$X,"), ",,")


if __name__ == "__main__":
    gantry_case.main()
