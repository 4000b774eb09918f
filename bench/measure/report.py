"""Medians of the rounds, as a Markdown page."""
import os
import platform
import statistics

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
    "idle_mib": ("memory for them MiB", "{:.1f}"),
    "mib_s": ("MiB/s", "{:,.0f}"),
    "cpu_ms_gib": ("CPU ms/GiB", "{:,.0f}"),
    "syscalls": ("system calls/req", "{:.2f}"),
    "syscall_names": ("the commonest", "{}"),
}
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


def groups_of(measured, peers):
    """Titles of the groups and the peers of each that have results, in order."""
    groups = {}
    for name in measured:
        groups.setdefault(peers[name].group, []).append(name)
    return groups


def _table(scenario, measured, names, peers):
    reference = names[0]
    unit = scenario.primary
    heads = ["", *(COLUMNS[name][0] for name in scenario.columns), "±", f"{COLUMNS[unit][0]} relative"]
    if "cpu_us" in scenario.columns:
        heads.append("CPU relative")
    lines = ["| " + " | ".join(heads) + " |",
             "| --- |" + " ---: |" * (len(heads) - 1)]
    for name in names:
        results = measured[name]
        cells = [cell(results, column) for column in scenario.columns]
        share = spread(results, unit)
        cells.append("-" if share is None else f"{share:.0%}")
        relative = [unit] + (["cpu_us"] if "cpu_us" in scenario.columns else [])
        for column in relative:
            ours, theirs = median(measured[reference], column), median(results, column)
            cells.append(f"{theirs / ours:.2f}" if ours and theirs else "-")
        mark = " (disturbed)" if disturbed(results) else ""
        lines.append(f"| {peers[name].title}{mark} | " + " | ".join(cells) + " |")
    return lines


def disturbed(results):
    return statistics.median(result.get("others_cpu", 0) for result in results) > DISTURBED


def machine():
    model = "?"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} processors ({model}), Linux {platform.release()}"


def write(path, page):
    """page: scenarios, results, peers, versions, skipped, settings, plots."""
    settings = page["settings"]
    lines = [
        "# Results", "",
        f"{settings['date']}, {machine()}. {settings['seconds']} s each, "
        f"{settings['rounds']}; medians. Written by `{settings['command']}`.", "",
        "How it is measured and what the figures can and cannot say stands in bench/README.md. In short: ratios between "
        "lines of one table, not absolute figures; ± is half the distance between the rounds' extremes; a load "
        "generator at 100 % of a processor limits req/s, so compare CPU per request there; *relative* is to the "
        "first line. *disturbed*: other processes took more than "
        f"{DISTURBED:.0%} of a processor meanwhile.", ""]
    for scenario in page["scenarios"]:
        measured = page["results"].get(scenario.name, {})
        if not measured:
            continue
        lines += [f"## {scenario.title}", ""]
        for plot in page["plots"].get(scenario.name, ()):
            lines += [f"![{scenario.title}]({plot})", ""]
        for group, names in groups_of(measured, page["peers"]).items():
            lines += [f"{group}:", ""] + _table(scenario, measured, names, page["peers"]) + [""]
    lines += ["## Versions", ""]
    lines += [f"- {page['peers'][name].title}: {version}" +
              (f" ({page['peers'][name].note})" if page["peers"][name].note else "")
              for name, version in page["versions"].items()]
    if page["skipped"]:
        lines += ["", "## Not measured", ""]
        lines += [f"- {what}: {why}" for what, why in page["skipped"].items()]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
