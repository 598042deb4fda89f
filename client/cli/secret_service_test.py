"""`session` with its device secret in a real Secret Service: GNOME Keyring."""

import json
import os
import subprocess
import sys
import time
import unittest

PIN_CODE = 3
LIMIT_SECONDS = 60
PASSWORD = b"the password of the keyring"
SESSION = os.path.join(os.environ["TEST_SRCDIR"],
                       os.environ["TEST_WORKSPACE"], "client/cli/session")
BUS = ["dbus-send", "--session", "--print-reply"]


def ask_bus(*words):
    return subprocess.run([*BUS, *words], capture_output=True, check=True,
                          timeout=LIMIT_SECONDS).stdout.decode()


def wait_until(condition, what):
    end = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("not within a minute: " + what)
        time.sleep(0.02)


def has_owner():
    return "true" in ask_bus("--dest=org.freedesktop.DBus", "/",
                             "org.freedesktop.DBus.NameHasOwner",
                             "string:org.freedesktop.secrets")


class SecretServiceTest(unittest.TestCase):

    @classmethod
    def start_keyring(cls):
        cls.keyring = subprocess.Popen(
            ["gnome-keyring-daemon", "--foreground", "--components=secrets",
             "--unlock"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=sys.stderr)
        cls.keyring.stdin.write(PASSWORD)
        cls.keyring.stdin.close()
        # Before, a question would start another one.
        wait_until(has_owner, "the keyring is on the bus")

    @classmethod
    def stop_keyring(cls):
        cls.keyring.terminate()
        cls.keyring.wait(timeout=LIMIT_SECONDS)

    @classmethod
    def setUpClass(cls):
        cls.start_keyring()

    @classmethod
    def tearDownClass(cls):
        cls.stop_keyring()

    def setUp(self):
        self.folder = os.path.join(os.environ["TEST_TMPDIR"], self.id())
        self.environment = dict(os.environ)

    def pipe(self, text):
        reader, writer = os.pipe()
        os.write(writer, text.encode() + b"\n")
        os.close(writer)
        self.addCleanup(os.close, reader)
        return reader

    def session(self, *words, pin=None, new_pin=None):
        options = []
        descriptors = []
        for name, value in (("--pin-fd", pin), ("--new-pin-fd", new_pin)):
            if value is not None:
                descriptors.append(self.pipe(value))
                options += [name, str(descriptors[-1])]
        return subprocess.run(
            [SESSION, "--data-dir", self.folder, "--json", *options, *words],
            capture_output=True, env=self.environment,
            stdin=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=False,
            pass_fds=descriptors)

    def good(self, *words, **pins):
        result = self.session(*words, **pins)
        self.assertEqual(result.returncode, 0, result)
        return json.loads(result.stdout)

    def create(self):
        return self.good("account", "create", "--device-secret",
                         "secret-service", pin="482916")["account_id"]

    def place(self):
        return self.good("account", "pin", "status")["device_secret_place"]

    def items(self):
        """The ids of the device secrets that the service has."""
        found = subprocess.run(
            ["secret-tool", "search", "--all", "application",
             "session-messenger"], capture_output=True, check=True,
            timeout=LIMIT_SECONDS)
        lines = (found.stdout + found.stderr).decode().splitlines()
        return [line.split(" = ")[1] for line in lines
                if line.startswith("attribute.device-secret")]

    def files(self):
        folder = os.path.join(os.environ["HOME"],
                              ".local/state/session/device-secrets")
        return os.listdir(folder) if os.path.isdir(folder) else []

    def test_the_secret_is_in_the_service_and_nowhere_else(self):
        before, files = set(self.items()), self.files()
        account = self.create()
        self.assertEqual(len(set(self.items()) - before), 1)
        self.assertEqual(self.files(), files)
        self.assertEqual(self.place(), "secret-service")
        shown = self.good("account", "show", pin="482916")
        self.assertEqual(shown["account_id"], account)

    def test_it_moves(self):
        account = self.create()
        for place in ("file", "file", "secret-service"):
            items, files = set(self.items()), set(self.files())
            same = self.place() == place
            self.good("account", "pin", "move", place)
            self.assertEqual(self.place(), place)
            moved = 0 if same else 1
            self.assertEqual(len(items ^ set(self.items())), moved)
            self.assertEqual(len(files ^ set(self.files())), moved)
            shown = self.good("account", "show", pin="482916")
            self.assertEqual(shown["account_id"], account)

    def test_a_new_pin_moves_it_if_it_is_told_to(self):
        account = self.create()
        self.good("account", "pin", pin="482916", new_pin="730158")
        self.assertEqual(self.place(), "secret-service")
        self.good("account", "pin", "--device-secret", "file", pin="730158",
                  new_pin="482916")
        self.assertEqual(self.place(), "file")
        shown = self.good("account", "show", pin="482916")
        self.assertEqual(shown["account_id"], account)

    def test_without_a_service_no_try_is_counted(self):
        self.create()
        self.environment.pop("DBUS_SESSION_BUS_ADDRESS")
        self.environment["XDG_RUNTIME_DIR"] = self.folder  # No bus there.
        for words in (("show",), ("pin", "move", "file")):
            result = self.session("account", *words, pin="482916")
            self.assertEqual(result.returncode, PIN_CODE, result)
            self.assertIn(b"Secret Service", result.stderr)
        status = self.good("account", "pin", "status")
        self.assertEqual(status["wrong_pins"], 0)
        self.folder += "-another"
        result = self.session("account", "create", "--device-secret",
                              "secret-service", pin="482916")
        self.assertEqual(result.returncode, PIN_CODE, result)
        self.assertIn(b"nothing was changed", result.stderr)

    def test_a_locked_keyring_says_so(self):
        account = self.create()
        ask_bus("--dest=org.freedesktop.secrets", "/org/freedesktop/secrets",
                "org.freedesktop.Secret.Service.Lock",
                "array:objpath:/org/freedesktop/secrets/collection/login")
        result = self.session("account", "show", pin="482916")
        self.assertEqual(result.returncode, PIN_CODE, result)
        self.assertIn(b"locked", result.stderr)
        # The next login opens it.
        self.stop_keyring()
        self.start_keyring()
        shown = self.good("account", "show", pin="482916")
        self.assertEqual(shown["account_id"], account)

    def test_erasing_destroys_it_there(self):
        account = self.create()
        before = set(self.items())
        self.good("account", "pin", "duress", pin="482916", new_pin="730158")
        anew = self.good("account", "show", pin="730158")
        self.assertNotEqual(anew["account_id"], account)
        after = set(self.items())
        self.assertEqual((len(before - after), len(after - before)), (1, 1))
        self.assertEqual(self.good("account", "show", pin="730158"), anew)
        result = self.session("account", "show", pin="482916")
        self.assertEqual(result.returncode, PIN_CODE, result)


if __name__ == "__main__":
    unittest.main()
