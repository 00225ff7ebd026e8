"""Run the commands of a page and write what they print into it: what a page shows has really happened.

    python docs/tutorial/refresh.py docs/tutorial/first-hour.md

In a ```console block a line that begins with `$ ` is a command and what follows it is its output; any other block whose
first line is a comment with an absolute path is written to that path; `<!-- run: … -->` is run and shows nothing
(`$REPO` is this repository: the servers of the tests are at hand). Everything runs in one bash, as root, in a mount and
network namespace of its own: /etc, /var and /srv are overlays that are thrown away, /run is empty, and there is nothing
on the network but loopback. Needs Linux, root, util-linux, iproute2, and what the page itself uses.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
_BLOCK = re.compile(r"```(console|yaml|nginx|bash)\n(.*?)```|<!-- run: (.*?) -->", re.DOTALL)
_PATH = re.compile(r"# (/\S+)")
_HEREDOC = re.compile(r"<<-?\s*'?(\w+)'?.*\n")
_MARK = "--- end of command ---"

_SANDBOX = r"""
set -e
ip link set lo up
hostname web1
mount -t tmpfs tmpfs "$1"
for place in etc var srv; do
  mkdir -p "$1/$place/up" "$1/$place/work"
  mount -t overlay overlay -o "lowerdir=/$place,upperdir=$1/$place/up,workdir=$1/$place/work" "/$place"
done
mount -t tmpfs tmpfs /run
echo "127.0.0.1 web1" >> /etc/hosts
cd /srv
exec bash --noprofile --norc
"""


class Shell:
    """One bash in the sandbox; commands keep its folder, variables and background processes."""

    def __init__(self, folder: str) -> None:
        environment = {
            "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "COLUMNS": str(WIDTH),
            "REPO": str(Path(__file__).resolve().parents[2]),
            "ROTATOR_CACHE": os.environ.get("ROTATOR_CACHE", str(Path.home() / ".cache" / "rotator")),
        }
        argv = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]
        self._process = subprocess.Popen(
            [*argv, "bash", "-c", _SANDBOX, "sandbox", folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )

    def run(self, command: str) -> tuple[str, int]:
        """Run a command; what it printed, and its status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\nended=$?; echo; echo '{_MARK}' $ended\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.startswith(_MARK):
                return "".join(lines).rstrip(), int(line.rpartition(" ")[2])
            lines.append(line)
        raise SystemExit(f"the shell ended at: {command}\n{''.join(lines)}")

    def close(self) -> None:
        """End it with everything it started."""
        self._process.kill()
        self._process.wait()


def refreshed(text: str, shell: Shell) -> str:
    """The page with every output made anew."""

    def block(found: re.Match[str]) -> str:
        kind, body, hidden = found.groups()
        if hidden:
            _tell(hidden, shell.run(hidden))
            return found[0]
        if kind == "console":
            return f"```console\n{''.join(_ran(body, shell))}```"
        path = _PATH.match(body)
        if path is not None:
            shell.run(f"mkdir -p '{Path(path[1]).parent}'\ncat > '{path[1]}' <<'ROTATOR'\n{body}ROTATOR")
        return found[0]

    return _BLOCK.sub(block, text)


def _ran(body: str, shell: Shell) -> Iterator[str]:
    for command in _commands(body):
        yield f"$ {command}\n"
        printed, status = shell.run(command.replace("\n> ", "\n"))
        _tell(command, (printed, status))
        if printed:
            yield f"{printed}\n"


def _tell(command: str, ended: tuple[str, int]) -> None:
    sys.stderr.write(f"{ended[1]:>3} {command.splitlines()[0]}\n")


def _commands(body: str) -> Iterator[str]:
    """Commands with their continuations; the outputs of the last time are dropped."""
    command = ""
    for line in body.splitlines():
        if line.startswith("$ "):
            if command:
                yield command
            command = line.removeprefix("$ ")
        elif command and line.startswith("> ") and _goes_on(command):
            command += f"\n{line}"
    if command:
        yield command


def _goes_on(command: str) -> bool:
    """Whether the shell would ask for another line: after a backslash, and within a here-document."""
    here = _HEREDOC.search(f"{command}\n")
    return command.endswith("\\") or (here is not None and not command.endswith(f"\n> {here[1]}"))


def main() -> int:
    """Refresh the pages that are named."""
    for name in sys.argv[1:]:
        path = Path(name)
        with tempfile.TemporaryDirectory() as folder:
            shell = Shell(folder)
            try:
                path.write_text(refreshed(path.read_text(encoding="utf-8"), shell), encoding="utf-8")
            finally:
                shell.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
