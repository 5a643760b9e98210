"""Speaking to a running application over HTTP, as any client would."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

Document = dict[str, Any]


class Refused(Exception):
    """The application said no; the message is its own sentence."""


class Client:
    """One owner's view of the application at `url`. Every method raises `Refused` where the application does."""

    def __init__(self, url: str, owner: str = "local") -> None:
        self._http = httpx.Client(base_url=f"{url}/api/v1", headers={"X-Tutti-Owner": owner}, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str) -> Document:
        return _answer(self._http.get(path))

    def send_file(self, path: Path) -> Document:
        """The new track."""
        with path.open("rb") as file:
            return _answer(self._http.post("/tracks", files={"file": (path.name, file)}, timeout=None))

    def send_url(self, url: str) -> Document:
        """The new track."""
        return _answer(self._http.post("/tracks", json={"url": url}, timeout=None))

    def start(self, track_id: str, recipe: str, options: Mapping[str, Mapping[str, Any]] | None = None) -> Document:
        """The new job."""
        body = {"track_id": track_id, "recipe": recipe, "options": options or {}}
        return _answer(self._http.post("/jobs", json=body))

    def cancel(self, job_id: str) -> Document:
        return _answer(self._http.delete(f"/jobs/{job_id}"))

    def events(self, job_id: str) -> Iterator[Document]:
        """The job each time it changes, until it has ended."""
        with self._http.stream("GET", f"/jobs/{job_id}/events", timeout=None) as events:
            if events.is_error:
                events.read()
                _answer(events)
            for line in events.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    def wait(self, job_id: str) -> Document:
        """The job once it has ended."""
        for _ in self.events(job_id):
            pass
        return self.get(f"/jobs/{job_id}")

    def report(self, job_id: str) -> Document:
        """What the job made, by which engines, in how many seconds."""
        return self.get(f"/jobs/{job_id}/report")

    def download(self, artifact_id: str, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._http.stream("GET", f"/artifacts/{artifact_id}/content") as content:
            if content.is_error:
                content.read()
                _answer(content)
            with path.open("wb") as file:
                for chunk in content.iter_bytes():
                    file.write(chunk)


def _answer(response: httpx.Response) -> Document:
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        raise Refused(problem.get("detail") or f"{response.request.url} answered {response.status_code}")
    body: Document = response.json()
    return body
