"""UTS: a pod has a host name of its own."""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "../lib"))
import gantry_case
import gantry_host as host
from gantry_case import say


class Uts(gantry_case.GantryCase):

    def test_the_pod_has_its_own_name_and_the_host_keeps_its(self):
        before = socket.gethostname()
        pod = self.make_pod(hostname="inside")
        container = self.make_container(pod)
        self.assertEqual(self.inside(container, "hostname"), "inside")
        self.assertEqual(self.inside(container, "cat /etc/hostname"), "inside")
        self.assertIn("inside", self.inside(container, "cat /etc/hosts"))
        self.assertEqual(socket.gethostname(), before)
        theirs = os.readlink(f"/proc/{self.pid(container)}/ns/uts")
        ours = os.readlink("/proc/self/ns/uts")
        self.assertNotEqual(theirs, ours)
        say(f"host {before} in {ours}, container 'inside' in {theirs}")

    def test_a_name_set_inside_is_the_pods_alone(self):
        before = socket.gethostname()
        pod = self.make_pod(hostname="first", privileged=True)
        security = {"privileged": True}
        one = self.make_container(pod, security=security)
        other = self.make_container(pod, security=security)
        self.inside(one, "hostname second")
        self.assertEqual(self.inside(other, "hostname"), "second")
        self.assertEqual(socket.gethostname(), before)
        self.assertEqual(host.namespaces(self.pid(one))["uts"],
                         host.namespaces(self.pid(other))["uts"])

    def test_without_privilege_no_name_can_be_set(self):
        container = self.make_container(self.make_pod(hostname="fixed"))
        self.assertNotEqual(
            self.exec_sync(container, "hostname other").exit_code, 0)
        self.assertEqual(self.inside(container, "hostname"), "fixed")

    def test_a_pod_without_a_name_has_the_beginning_of_its_id(self):
        pod = self.make_pod()
        container = self.make_container(pod)
        self.assertEqual(self.inside(container, "hostname"), pod[:12])

    def test_a_pod_on_the_hosts_network_has_the_hosts_name(self):
        container = self.make_container(self.make_pod(network="NODE"))
        self.assertEqual(self.inside(container, "hostname"),
                         socket.gethostname())


if __name__ == "__main__":
    gantry_case.main()
