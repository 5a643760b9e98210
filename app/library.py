"""Taking a recording into somebody's library, and out of it again: audio, store and catalogue together."""

from pathlib import Path, PurePath

from app import audio
from app.catalogue import Catalogue, Track
from app.store import Store


class Library:
    """Everybody's tracks with their bytes. Blocking: call it from a thread."""

    def __init__(self, catalogue: Catalogue, store: Store, max_duration_s: float) -> None:
        self._catalogue = catalogue
        self._store = store
        self._max_duration_s = max_duration_s

    def add(self, owner: str, path: Path, filename: str, title: str = "", artist: str = "") -> Track:
        """Keep a copy of the recording at `path`. Where no title or artist is given, its tags or its name say them.

        Raises what `audio.probe` raises; then nothing is kept.
        """
        found = audio.probe(path, filename, self._max_duration_s)
        blob = self._store.put(path)
        track = self._catalogue.add_track(
            owner=owner,
            title=title or found.title or PurePath(filename).stem,
            artist=artist or found.artist or "",
            filename=filename,
            digest=blob.digest,
            size_bytes=blob.size_bytes,
            container=found.container,
            codec=found.codec,
            rate_hz=found.rate_hz,
            channels=found.channels,
            duration_s=found.duration_s,
        )
        self._store.put(path)  # again, in case a twin's deletion took it before this track was known
        return track

    def delete(self, owner: str, track_id: str) -> None:
        """Forget a track, and delete what was only its own. Raises `UnknownTrack`, `TrackInUse`."""
        leftovers = self._catalogue.delete_track(owner, track_id)
        for key in leftovers.keys:
            self._store.delete_result(key)
        for digest in leftovers.digests:
            if not self._catalogue.names(digest):  # somebody may have sent the same bytes meanwhile
                self._store.delete(digest)
