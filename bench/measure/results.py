"""What has been measured: a table for each scenario and group, kept as JSON.

A table holds, for each peer, one result per round.  It is filled from one
invocation of bench/run, or with --append from several: a result that is there
is not measured again, so a run may be interrupted at any point.
"""
import json
import os


class Results:
    def __init__(self, directory):
        self.directory = directory
        self.path = os.path.join(directory, "results.json")
        self.tables = {}        # scenario -> group -> peer -> list of results
        self.versions = {}      # peer -> its version
        self.skipped = {}       # "peer" or "peer scenario" -> why
        self.settings = {}

    def load(self):
        """Takes over what an earlier invocation has left, if there is something."""
        if os.path.exists(self.path):
            with open(self.path) as file:
                kept = json.load(file)
            self.tables, self.versions = kept["tables"], kept["versions"]
            self.skipped, self.settings = kept["skipped"], kept["settings"]

    def save(self):
        os.makedirs(self.directory, exist_ok=True)
        with open(self.path + ".new", "w") as file:
            json.dump({"settings": self.settings, "versions": self.versions,
                       "skipped": self.skipped, "tables": self.tables}, file, indent=1)
            file.write("\n")
        os.replace(self.path + ".new", self.path)

    def rounds(self, scenario, group, peer):
        """The results of a peer, a list that may be appended to."""
        return self.tables.setdefault(scenario, {}).setdefault(group, {}).setdefault(peer, [])

    def forget(self, scenario, groups):
        """Drops these tables of a scenario, and what was skipped in it."""
        for group in groups:
            self.tables.get(scenario, {}).pop(group, None)
        for key in [key for key in self.skipped if key.endswith(f" {scenario}") or " " not in key]:
            del self.skipped[key]

    def skip(self, why, peer, scenario=None):
        self.skipped[f"{peer} {scenario}" if scenario else peer] = why

    def is_skipped(self, peer, scenario):
        return peer in self.skipped or f"{peer} {scenario}" in self.skipped

    def table(self, scenario, group, order):
        """{peer: results} of those that have some, in this order."""
        measured = self.tables.get(scenario, {}).get(group, {})
        return {peer: measured[peer] for peer in order if measured.get(peer)}
