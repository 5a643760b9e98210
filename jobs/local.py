"""The application on this machine, in processes of its own: Ray, Serve and all, from serve_config.yaml."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import yaml

CONFIG = Path(__file__).parent.parent / "serve_config.yaml"
START_LIMIT_S = 300
"""Long enough for a cold disk to load torch in every replica; a warm start takes about half a minute."""


class NotStarted(Exception):
    """The application did not come up; the message ends with the end of its log."""


class LocalApplication:
    """`serve run serve_config.yaml`, on a port and with settings of one's own choosing."""

    def __init__(self, port: int = 8000, settings: Mapping[str, Any] | None = None) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._folder = Path(tempfile.mkdtemp(prefix="tutti-"))
        self.log = self._folder / "serve.log"
        self._config = self._folder / "serve_config.yaml"
        config = yaml.safe_load(CONFIG.read_text())
        config["http_options"]["port"] = port
        [application] = config["applications"]
        application["args"]["settings"] |= {name: str(value) for name, value in (settings or {}).items()}
        self._config.write_text(yaml.safe_dump(config))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers. Raises `NotStarted`."""
        command = [str(Path(sys.executable).parent / "serve"), "run", str(self._config)]
        environment = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0", **os.environ}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=CONFIG.parent
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut it down as Ctrl-C does."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End every process of it at once, as a power cut does."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True)
        self._end(signal.SIGKILL)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(family)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """The processes of one deployment, such as `separation`."""
        assert self._process is not None, "the application is not running"
        title = f"ServeReplica:tutti:{deployment}"
        children = psutil.Process(self._process.pid).children(recursive=True)
        return [child for child in children if title in " ".join(_command(child))]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait()
        self._process = None

    def _wait(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while not is_up(self.url):
            if process.poll() is not None or time.monotonic() > deadline:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise NotStarted(f"The application did not start. The end of its log, {self.log}:\n{tail}")
            time.sleep(0.5)


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def is_up(url: str) -> bool:
    """Whether the application answers at `url`."""
    try:
        answer = httpx.get(f"{url}/api/v1/health", timeout=10)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json().get("status") == "healthy"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
