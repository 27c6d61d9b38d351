"""Sorts the files of the workspace into one folder for each ending.

An agent of `ioi/agent/1`: it reads one JSON line after the other and answers each observation with
one step. It is a function of what it was told: started anew, it takes the same steps.
"""

import json
import sys


def listing(text):
    """The names of files and of folders in what `fs::list` found."""
    names = [line for line in text.split("\n") if line not in ("", "…")]
    folders = [name[:-1] for name in names if name.endswith("/")]
    return [name for name in names if not name.endswith("/")], folders


def ending(name):
    """`pdf` of `a.PDF`; nothing for names without an ending and for hidden ones."""
    stem, dot, last = name.rpartition(".")
    return last.lower() if dot and stem and last else ""


def plan(text):
    """The steps for one listing: the folders that are missing, and a move for each file."""
    files, folders = listing(text)
    steps = []
    for name in files:
        folder = ending(name)
        if folder == "" or folder in files:
            continue
        if folder not in folders:
            folders.append(folder)
            steps.append(("fs::mkdir", {"path": folder}))
        steps.append(("fs::move", {"path": name, "to": f"{folder}/{name}"}))
    return steps


class Agent:
    def __init__(self):
        self.steps = None
        self.moved = 0
        self.left = []
        self.last = None
        self.told = False

    def observed(self, observation):
        kind = observation["type"]
        if self.last is None:
            return
        if kind == "outcome" and observation["status"] == "confirmed":
            if self.last[0] == "fs::list":
                self.steps = plan(observation.get("content", ""))
            elif self.last[0] == "fs::move":
                self.moved += 1
        elif kind in ("outcome", "denied", "failed", "invalid"):
            self.left.append(self.last[1]["path"])
        self.last = None

    def step(self, observation):
        self.observed(observation)
        if self.steps is None and not self.left:
            return self.propose("fs::list", {"path": "."})
        if self.steps:
            return self.propose(*self.steps.pop(0))
        if not self.told:
            self.told = True
            left = f", left alone: {', '.join(self.left)}" if self.left else ""
            return {"type": "say", "text": f"{self.moved} files moved{left}"}
        return {"type": "finish", "status": "done" if self.steps is not None else "failed"}

    def propose(self, target, args):
        self.last = (target, args)
        return {"type": "propose", "target": target, "args": args}


def main():
    agent = Agent()
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] != "observe":
            continue
        step = agent.step(message["observation"])
        print(json.dumps({**step, "seq": message["seq"]}), flush=True)


main()
