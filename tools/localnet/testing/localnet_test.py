"""The commands of `localnet` itself."""

import os
import signal
import subprocess
import tempfile
import unittest

import network


def running(folder):
    """Pids of processes that work in `folder`."""
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                words = file.read()
        except OSError:
            continue
        if folder.encode() in words and b"session-" in words:
            found.append(int(pid))
    return found


class LocalnetTest(unittest.TestCase):

    def test_a_network_is_watched_hurt_and_taken_down(self):
        with network.Network(nodes=6) as net:
            status = net.localnet("status")
            self.assertIn("15 of 15 processes running", status.out)
            # A second one does not fit into the same folder.
            again = net.localnet("up", "--nodes", "6")
            self.assertEqual(again.code, 1)
            self.assertIn("is running", again.err)
            self.assertIn("15 of 15", net.localnet("status").out)

            self.assertEqual(net.localnet("kill", "node-2-router").code, 0)
            self.assertRegex(net.localnet("status").out,
                             r"node-2-router +gone")
            self.assertEqual(net.localnet("kill", "node-2-router").code, 1)
            before = net.public(net.node_folder("node-2", "router"))
            self.assertEqual(net.localnet("restart", "node-2-router").code, 0)
            self.assertRegex(net.localnet("status").out,
                             r"node-2-router +running")
            network.wait_until(
                lambda: net.public(net.node_folder("node-2", "router"))
                == before, 20, "the router is back under its old address")

            self.assertEqual(net.localnet("pause", "node-3-storage").code, 0)
            self.assertRegex(net.localnet("status").out,
                             r"node-3-storage +paused")
            self.assertEqual(net.localnet("resume", "node-3-storage").code, 0)
            self.assertEqual(net.localnet("stop", "authority-1").code, 0)
            self.assertIn("listening",
                          net.localnet("logs", "node-1-router").out)

            wrong = net.localnet("kill", "node-99-router")
            self.assertEqual(wrong.code, 1)
            self.assertIn("node-1-router", wrong.err)

            self.assertEqual(net.localnet("down").code, 0)
            self.assertEqual(running(net.directory), [])
            self.assertEqual(net.localnet("down").code, 0)

    def test_ctrl_c_leaves_no_process_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            up = subprocess.Popen(
                [network.binary("tools/localnet/localnet"), "up", "--dir",
                 folder + "/net"], stdout=subprocess.PIPE,
                stderr=subprocess.PIPE)
            up.stdout.readline()  # The authorities have started.
            up.send_signal(signal.SIGINT)
            _, errors = up.communicate(timeout=60)
            self.assertEqual(up.returncode, 1, errors)
            self.assertIn(b"interrupted", errors)
            self.assertEqual(running(folder), [])

    def test_mistakes_are_named(self):
        def localnet(*words):
            return network.Result(subprocess.run(
                [network.binary("tools/localnet/localnet"), *words],
                capture_output=True, timeout=60, check=False))

        for words, hint in ((("dance",), "dance"), ((), "what to do"),
                            (("up", "--nodes", "many"), "many"),
                            (("up", "--lemon", "1"), "--lemon"),
                            (("up", "--capacity-mib", "no"), "--capacity"),
                            (("kill",), "kill")):
            result = localnet(*words)
            self.assertEqual(result.code, 2, result)
            self.assertIn(hint, result.err)
        with tempfile.TemporaryDirectory() as folder:
            few = localnet("up", "--nodes", "4", "--dir", folder + "/net")
            self.assertEqual(few.code, 1)
            self.assertIn("three relays", few.err)
            none = localnet("status", "--dir", folder + "/none")
            self.assertEqual(none.code, 1)
            self.assertIn("no network", none.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
