"""What the soaks of all languages share: many requests to a server whose
workers come and go, every answer checked.  soak_LANGUAGE.py brings the
servlet and the requests; REQUESTS in the environment is how many."""

import itertools
import multiprocessing
import os
import re
import sys
import tempfile
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test", "e2e"))

import server as harness  # noqa: E402
from client import Client, head  # noqa: E402

REQUESTS = int(os.environ.get("REQUESTS", "1000000"))
PROCESSES, CONNECTIONS = 2, 32      # clients, and connections of each
ON_A_CONNECTION = 100               # requests before a new connection is made
TIMEOUT = 100                       # seconds for an answer: then it hangs

# So that thousands of workers are forked, and dozens serve at once.  A slow
# machine is no failure: nothing is refused for its age, TIMEOUT says what hangs.
CONFIG = """workers { min = 1, max = 50, max_requests = 400, idle_timeout = 0.5 }
timeouts { queue = 0 }
"""


class Clients(multiprocessing.get_context("fork").Process):
    """So many connections that ask in turn for what `ask` says."""

    def __init__(self, address, ask, left, failures):
        super().__init__()
        self.address, self.ask, self.left, self.failures = address, ask, left, failures

    def run(self):
        threads = [threading.Thread(target=self.connections) for _ in range(CONNECTIONS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def take(self):
        """The number of the next request, or 0 when all have been made."""
        with self.left.get_lock():
            number = self.left.value
            self.left.value = max(0, number - ON_A_CONNECTION)
        return number

    def connections(self):
        for number in iter(self.take, 0):
            first = max(0, number - ON_A_CONNECTION)
            try:
                with Client(self.address, TIMEOUT) as c:
                    for i in range(first, number):
                        self.request(c, i)
            except Exception as e:
                self.failures.put("after request %d: %r" % (first, e))

    def request(self, client, i):
        target, status, pattern = self.ask(i)
        client.send(head(target))
        r = client.read()
        if r.status != status or not re.search(pattern, r.body):
            self.failures.put("%s: %d %r" % (target, r.status, r.body[:200]))


def soak(language, config, ask, died=None):
    """Serves config and asks REQUESTS times: ask(number) is the target, the
    status and the pattern of the answer.  died: a pattern of what the log may
    say of workers that died, where that is part of the soak."""
    module = os.path.join(os.path.dirname(harness.BINARY), "module", language + ".so")
    if not os.path.exists(module):
        print("skipped: %s (module/%s.so was not built)" % (language, language))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        server = harness.Server(directory, config + CONFIG)
        server.start()
        try:
            return drive(language, server, ask, died)
        finally:
            server.kill()


def soak_text(language, extension, text, ask):
    """The same of one servlet, given as its text."""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "soak." + extension)
        with open(path, "w") as f:
            f.write(text)
        return soak(language, 'load_module ("module.%s", "%s")\nload_servlet ("%s", "/*")\n' % (
            language, extension, path), ask)


def drive(language, server, ask, died):
    context = multiprocessing.get_context("fork")
    left, failures = context.Value("q", REQUESTS), context.SimpleQueue()
    clients = [Clients(server.address, ask, left, failures) for _ in range(PROCESSES)]
    seen, most, failed, start = set(), 0, [], time.monotonic()
    for c in clients:
        c.start()
    for tick in itertools.count():
        while not failures.empty():
            failed.append(failures.get())
        if not any(c.is_alive() for c in clients):
            break
        workers = server.workers()
        seen.update(workers)
        most = max(most, len(workers))
        time.sleep(0.2)
    seconds = time.monotonic() - start
    server.stop()
    deaths = [line for line in server.log().splitlines()
              if re.search(r"died|fatal error|did not stop|killed", line)
              and not (died and re.search(died, line))]
    print("%s: %d requests in %.0f s, %d failed; %d workers seen, %d at once, %d died" % (
        language, REQUESTS, seconds, len(failed), len(seen), most, len(deaths)), flush=True)
    for line in failed[:10] + deaths[:10]:
        print("    " + line)
    return 1 if failed or deaths or any(c.exitcode for c in clients) else 0
