"""What is measured: one function per kind of load, one line per scenario."""
import time

from measure import load, processes
from measure.peers import DOWNLOAD_BYTES

UPLOAD_BYTES = 10 * 1024 * 1024
IDLE = 10000
WARM_UP_S = 0.5
IDEAL_RAMP = 2000       # 200 clients, 100 ms each


class Scenario:
    """needs: what a peer must serve.  columns: of the table; plots: of the picture.

    rounds: of a whole and of a quick run.  by_group: peers are compared within
    their groups, else with everybody.  blocking: requests that sleep at once.
    """

    def __init__(self, name, title, needs, measure, columns, *, plots=("rate",), rounds=(2, 1),
                 by_group=False, blocking=0):
        self.name, self.title, self.needs = name, title, set(needs.split())
        self.measure, self.columns, self.plots = measure, columns, plots
        self.rounds, self.by_group, self.blocking = rounds, by_group, blocking
        self.primary = plots[0]     # what ± and the ratios are about


def warm_up(server, connections=64):
    load.run(load.client_command(server, "/hello", "-c", min(connections, 64), "-d", WARM_UP_S))


def hello(connections, close=False):
    def measure(server, seconds):
        warm_up(server, connections)
        return load.measured(server, load.wrk_command(server, connections, seconds, close))
    return measure


def ramp(*options):
    """200 clients at once; nothing has asked the server for a sleep before."""
    def measure(server, seconds):
        time.sleep(1)       # what it started with has settled
        result = load.measured(server, load.client_command(
            server, "/bench/sleep?ms=100", "-c", 200, "-d", 8 if seconds >= 2 else 4, *options))
        counts = result["per_100ms"]
        result["first_second"] = sum(counts[:10])
        result["until_90"] = until_90(counts)
        return result
    return measure


def until_90(counts):
    """Seconds until, for the first time, half a second went at 90 % of the ideal."""
    for i in range(len(counts) - 4):
        if sum(counts[i:i + 5]) >= 0.9 * IDEAL_RAMP / 2:
            return i / 10
    return None


def short_sleep(server, seconds):
    command = load.client_command(server, "/bench/sleep?ms=5", "-c", 64, "-d", seconds)
    load.run(load.client_command(server, "/bench/sleep?ms=5", "-c", 64, "-d", 1))
    return load.measured(server, command)


def some_slow(server, seconds):
    """Open loop: 2,000 requests a second, 1 % of them sleep for 100 ms."""
    options = ("-c", 64, "-r", 2000, "-s", "1:/bench/sleep?ms=100", "-d")
    load.run(load.client_command(server, "/hello", *options, 1))
    return load.measured(server, load.client_command(server, "/hello", *options, seconds))


def idle(server, seconds):
    warm_up(server)
    alone = load.measured(server, load.wrk_command(server, 32, seconds))
    before = processes.pss_mib(server.pids())
    with load.IdleConnections(server, IDLE) as connections:
        memory = processes.pss_mib(server.pids()) - before
        result = load.measured(server, load.wrk_command(server, 32, seconds))
        result["kept"] = connections.ask_again()
    result["rate_alone"] = alone["rate"]
    result["kept_rate"] = result["rate"] / alone["rate"] if alone["rate"] else 0
    result["idle_mib"] = memory
    return result


def download(server, seconds):
    result = load.measured(server, load.client_command(
        server, server.download_path_here(), "-c", 1, "-d", max(2, seconds)))
    result["mib_s"] = result["bytes"] / result["seconds"] / 2**20
    result["cpu_ms_gib"] = result["server_cpu_s"] * 1000 / (result["bytes"] / 2**30)
    return result


def upload(server, seconds):
    result = load.measured(server, load.client_command(
        server, "/bench/upload", "-u", UPLOAD_BYTES, "-c", 4, "-d", max(2, seconds)))
    octets = result["requests"] * UPLOAD_BYTES
    result["mib_s"] = octets / result["seconds"] / 2**20
    if octets:
        result["cpu_ms_gib"] = result["server_cpu_s"] * 1000 / (octets / 2**30)
    return result


def system_calls(server, _seconds):
    warm_up(server)
    return load.system_calls(server)


RATE = ["rate", "cpu_us", "p50", "p99", "p999", "pss_mib", "errors", "client_cpu"]
RAMP = ["rate", "first_second", "until_90", "p99", "cpu_us", "processes", "pss_mib", "errors"]
STREAM = ["mib_s", "cpu_ms_gib", "errors", "client_cpu"]
MIB = f"{DOWNLOAD_BYTES >> 20} MiB", f"{UPLOAD_BYTES >> 20} MiB"

ALL = [
    Scenario("keepalive-64", "Kept alive, 64 connections", "hello", hello(64), RATE,
             plots=("cpu_us", "rate"), rounds=(3, 3), by_group=True),
    Scenario("close-64", "A connection for each request, 64 at once", "hello",
             hello(64, close=True), RATE, plots=("cpu_us", "rate"), rounds=(2, 2), by_group=True),
    Scenario("keepalive-1", "Kept alive, 1 connection", "hello keepalive", hello(1), RATE,
             plots=("cpu_us", "p99")),
    Scenario("keepalive-512", "Kept alive, 512 connections", "hello keepalive", hello(512), RATE,
             plots=("cpu_us", "rate")),
    Scenario("ramp-keepalive", "200 clients at once on a 100 ms sleep, from cold, kept alive",
             "sleep keepalive", ramp(), RAMP, blocking=200),
    Scenario("ramp-close", "200 clients at once on a 100 ms sleep, from cold, a connection for each request",
             "sleep", ramp("-x"), RAMP, blocking=200),
    Scenario("sleep-5ms", "64 connections on a 5 ms sleep (ideal: 12,800 req/s)",
             "sleep keepalive", short_sleep, RATE, plots=("rate", "cpu_us"), blocking=64),
    Scenario("some-slow", "2,000 req/s of which 1 % sleep 100 ms: latency of the others",
             "hello sleep keepalive", some_slow,
             ["p50", "p90", "p99", "p999", "rate", "cpu_us", "errors"], plots=("p99", "cpu_us"), blocking=64),
    Scenario("idle-10k", "32 busy connections beside 10,000 idle ones", "hello keepalive", idle,
             ["rate", "rate_alone", "kept_rate", "cpu_us", "kept", "idle_mib", "errors"],
             plots=("rate", "idle_mib"), rounds=(1, 1)),
    Scenario("download", f"{MIB[0]} file, 1 connection", "download", download, STREAM,
             plots=("mib_s", "cpu_ms_gib")),
    Scenario("upload", f"{MIB[1]} bodies, 4 connections", "upload", upload, STREAM,
             plots=("mib_s", "cpu_ms_gib")),
    Scenario("syscalls", "System calls for each kept-alive request, 64 connections", "hello keepalive",
             system_calls, ["syscalls", "syscall_names"], plots=("syscalls",), rounds=(1, 0)),
]
