"""Medians of the rounds, as a Markdown page with plots."""
import os
import platform
import statistics

from measure import plot, scenarios

EVERYBODY = "everybody"         # the group of scenarios that do not go by group

# name: (heading, format)
COLUMNS = {
    "rate": ("req/s", "{:,.0f}"),
    "cpu_us": ("CPU µs/req", "{:.1f}"),
    "p50": ("p50", "latency"), "p90": ("p90", "latency"),
    "p99": ("p99", "latency"), "p999": ("p99.9", "latency"),
    "pss_mib": ("memory MiB", "{:.1f}"),
    "processes": ("processes", "{:.0f}"),
    "errors": ("errors", "{:,.0f}"),
    "client_cpu": ("client CPU", "{:.0%}"),
    "first_second": ("in the first second", "{:,.0f}"),
    "until_90": ("90 % of ideal after", "{:.1f} s"),
    "rate_alone": ("req/s without", "{:,.0f}"),
    "kept_rate": ("of that", "{:.0%}"),
    "kept": ("idle ones kept", "{:,.0f}"),
    "idle_mib": ("MiB for them", "{:.1f}"),
    "mib_s": ("MiB/s", "{:,.0f}"),
    "cpu_ms_gib": ("CPU ms/GiB", "{:,.0f}"),
    "syscalls": ("system calls/req", "{:.2f}"),
    "syscall_names": ("the commonest", "{}"),
}
LESS_IS_BETTER = {"cpu_us", "p50", "p99", "idle_mib", "cpu_ms_gib", "syscalls"}
DISTURBED = 0.15        # of one processor, used by others


def value_of(result, name):
    if name in ("p50", "p90", "p99", "p999"):
        return result.get("latency_us", {}).get(name)
    return result.get(name)


def median(results, name):
    """Over the rounds; None (never reached) counts as worst."""
    values = [value_of(result, name) for result in results]
    if not values or all(isinstance(value, str) for value in values):
        return values[0] if values else None
    values = sorted(float("inf") if value is None else value for value in values)
    middle = statistics.median_high(values) if float("inf") in values else statistics.median(values)
    return None if middle == float("inf") else middle


def spread(results, name):
    """Half the distance of the extremes, relative to the median."""
    values = [value_of(result, name) for result in results]
    if len(values) < 2 or any(not isinstance(value, (int, float)) for value in values):
        return None
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle else None


def latency_text(us):
    if us < 1000:
        return f"{us:.0f} µs"
    return f"{us / 1000:.1f} ms" if us < 100000 else f"{us / 1e6:.2f} s"


def cell(results, name):
    value = median(results, name)
    if value is None:
        return "never" if name == "until_90" else "-"
    form = COLUMNS[name][1]
    return latency_text(value) if form == "latency" else form.format(value)


def ratio(ours, theirs, name):
    """Median over the rounds of what theirs is to ours in the same round, or None."""
    pairs = [(value_of(one, name), value_of(other, name)) for one, other in zip(ours, theirs)]
    ratios = [b / a for a, b in pairs if isinstance(a, (int, float)) and isinstance(b, (int, float)) and a]
    return statistics.median(ratios) if ratios else None


def ratio_cell(ours, theirs, name):
    value = ratio(ours, theirs, name)
    return "-" if value is None else f"{value:.2f}"


def disturbed(results):
    return statistics.median(result.get("others_cpu", 0) for result in results) > DISTURBED


def machine():
    model = "?"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} processors ({model}), Linux {platform.release().split('-')[0]}"


def extent(tables):
    """How many rounds of how many seconds."""
    lists = [results for _, table in tables for results in table.values()]
    rounds = max(len(results) for results in lists)
    seconds = statistics.median(result.get("seconds", 1) for results in lists for result in results)
    return f"{rounds} round{'s' if rounds > 1 else ''} of {seconds:.0f} s."


def is_ours(name):
    return name.startswith("modserver")


class Page:
    """results.md and its plots, from a Results."""

    def __init__(self, results, peers, groups):
        self.results, self.peers, self.groups = results, peers, groups

    def tables(self, scenario):
        """(group, {peer: results}) of those measured, in order."""
        for group in self.groups if scenario.by_group else [EVERYBODY]:
            table = self.results.table(scenario.name, group, list(self.peers))
            if table:
                yield group, table

    def title(self, name, scenario):
        peer = self.peers[name]
        lacking = scenario.name.startswith("keepalive") and "keepalive" not in peer.serves
        return peer.title + (" †" if lacking else "")

    def table(self, scenario, table):
        ours = next(iter(table.values()))
        compared = list(dict.fromkeys([scenario.primary] + [name for name in ("rate", "cpu_us")
                                                            if name in scenario.columns]))
        heads = ["", *(COLUMNS[name][0] for name in scenario.columns), "±",
                 *(COLUMNS[name][0].replace(" µs/req", "") + " ×" for name in compared)]
        lines = ["| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for name, results in table.items():
            share = spread(results, scenario.primary)
            cells = [self.title(name, scenario) + (" (disturbed)" if disturbed(results) else ""),
                     *(cell(results, column) for column in scenario.columns),
                     "-" if share is None else f"{share:.0%}",
                     *(ratio_cell(ours, results, column) for column in compared)]
            lines.append("| " + " | ".join(cells) + " |")
        return lines

    def plot(self, scenario):
        """The file name of its picture."""
        file = f"{scenario.name}.svg"
        path = os.path.join(self.results.directory, file)
        tables = list(self.tables(scenario))
        if scenario.name.startswith("ramp"):
            series = [(self.peers[name].title, middle["per_100ms"])
                      for name, results in tables[0][1].items()
                      for middle in [sorted(results, key=lambda result: result["rate"])[len(results) // 2]]]
            plot.lines(path, scenario.title, [(label, [count * 10 for count in counts]) for label, counts in series],
                       0.1, scenarios.IDEAL_RAMP, "answers per second; 2,000 is the ideal")
            return file
        groups = []
        for group, table in tables:
            rows = [(self.title(name, scenario), is_ours(name),
                     [(median(results, column) or 0, cell(results, column)) for column in scenario.plots])
                    for name, results in table.items()]
            groups.append((group if scenario.by_group else "", rows))
        panels = [COLUMNS[column][0] + (", less is better" if column in LESS_IS_BETTER else "")
                  for column in scenario.plots]
        plot.bars(path, scenario.title, panels, groups)
        return file

    def summary(self):
        """One line a table: ours, the best other, what ours is to it."""
        lines = ["| | | modserver | best other | | ours / theirs |", "| --- | --- | ---: | --- | ---: | ---: |"]
        for scenario in scenarios.ALL:
            column = scenario.primary
            best = min if column in LESS_IS_BETTER else max
            for group, table in self.tables(scenario):
                ours, *others = table
                others = [name for name in others if not is_ours(name) and median(table[name], column)]
                if not is_ours(ours) or not others:
                    continue
                other = best(others, key=lambda name: median(table[name], column))
                back = ratio(table[other], table[ours], column)
                what = f"{scenario.title}: {group}" if scenario.by_group else scenario.title
                lines.append(f"| {what} | {COLUMNS[column][0]} | {cell(table[ours], column)} | "
                             f"{self.peers[other].title} | {cell(table[other], column)} | "
                             f"{'-' if back is None else f'{back:.2f}'} |")
        return lines

    def lines(self):
        settings = self.results.settings
        yield from [
            "# Results", "",
            f"{settings['date']}, commit {settings['commit']}, {settings['machine']}; medians of the rounds.", "",
            "How it is measured and what the figures can and cannot say stands in bench/README.md. In short: compare "
            "within one table only. × is relative to the table's first line, the median of the ratios in each "
            "round; ± is half the distance between the rounds' extremes of the first × column. A load generator at "
            "100 % of a processor limits req/s, so compare CPU per request there. † closes each connection, as it "
            f"has no keep-alive. *disturbed*: other processes took more than {DISTURBED:.0%} of a processor.", "",
            "## In short", "", *self.summary(), ""]
        for scenario in scenarios.ALL:
            tables = list(self.tables(scenario))
            if tables:
                yield from [f"## {scenario.title}", "", f"![{scenario.title}]({self.plot(scenario)})", "",
                            extent(tables), ""]
            for group, table in tables:
                if scenario.by_group:
                    yield from [f"### {group}", ""]
                yield from [*self.table(scenario, table), ""]
        yield from ["## Versions and notes", ""]
        for name, peer in self.peers.items():
            if name in self.results.versions:
                yield f"- {peer.title}: {self.results.versions[name]}" + (f"; {peer.note}" if peer.note else "")
        if self.results.skipped:
            yield from ["", "## Not measured", ""]
            yield from [f"- {what}: {why}" for what, why in self.results.skipped.items()]

    def write(self):
        with open(os.path.join(self.results.directory, "results.md"), "w") as file:
            file.write("\n".join(self.lines()) + "\n")


def write(results, peers, groups):
    Page(results, peers, groups).write()
