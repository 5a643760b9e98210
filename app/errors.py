"""Everything that can go wrong, in one tree. A class's docstring is its message, filled in with the facts.

Each class knows its HTTP status and whether trying again can help. The message says what happened and what to do.
"""

from typing import Any, ClassVar


class TuttiError(Exception):
    """Something went wrong inside Tutti. The server's log has the details."""

    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        template = " ".join((type(self).__doc__ or "").split())
        super().__init__(template.format(**facts))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.facts)

    @classmethod
    def slug(cls) -> str:
        """The class's name as in `unknown-track`: the last part of a problem document's type."""
        return "".join(f"-{c.lower()}" if c.isupper() else c for c in cls.__name__).strip("-")


def problem_of(error: TuttiError) -> dict[str, Any]:
    """An error as the members of an RFC 9457 problem document."""
    return {
        "type": f"/problems/{error.slug()}",
        "title": error.slug().replace("-", " ").capitalize(),
        "status": error.status,
        "detail": str(error),
    }


def _rebuild(kind: type[TuttiError], facts: dict[str, Any]) -> TuttiError:
    return kind(**facts)


class BadRequest(TuttiError):
    """The request cannot be understood: {reason}."""

    status = 400


# What was sent


class BadAudio(BadRequest):
    """This audio cannot be used: {reason}."""

    status = 422


class NotAudio(BadAudio):
    """{filename} is not audio that can be read: {reason}. Send mp3, wav, flac, ogg, m4a or aiff."""


class EmptyFile(BadAudio):
    """{filename} is empty. Choose a file with audio in it."""


class NoSound(BadAudio):
    """{filename} holds no audio frames (0 s). Choose a longer recording."""


class TruncatedAudio(BadAudio):
    """{filename} ends after {decoded_s:.1f} s of {declared_s:.1f} s. Send the whole file again."""


class TooLong(BadAudio):
    """{filename} is longer than the {limit_s:.0f} s allowed here. Cut it, or raise TUTTI_MAX_DURATION_S."""


class TooLarge(BadRequest):
    """The upload is larger than the {limit_bytes} bytes allowed here. Send a compressed file, or raise
    TUTTI_MAX_UPLOAD_BYTES."""

    status = 413


class MissingField(BadRequest):
    """The form field {field} is missing. Send the file in a multipart field of that name."""

    status = 422


class ForbiddenUrl(BadRequest):
    """{url} cannot be fetched: {reason}. Give a public http or https link straight to an audio file."""

    status = 422


class UrlFailed(BadRequest):
    """{url} could not be fetched: {reason}. Check the link, or upload the file itself."""

    status = 422


class UnknownRecipe(BadRequest):
    """There is no recipe called {recipe}. Choose one of: {known}."""

    status = 422


class UnknownOption(BadRequest):
    """{option} is not an option here: {reason}."""

    status = 422


# What was asked for


class NotFound(TuttiError):
    """There is nothing here."""

    status = 404


class UnknownTrack(NotFound):
    """There is no track {track_id} in this library. GET /api/v1/tracks lists them."""


class UnknownJob(NotFound):
    """There is no job {job_id} in this library. GET /api/v1/jobs lists them."""


class UnknownArtifact(NotFound):
    """There is no artifact {artifact} here. GET /api/v1/tracks/ID/artifacts lists them."""


class NotReady(TuttiError):
    """{what} is not there yet: the job is {status}. Ask again when it is completed."""

    status = 409


class TrackInUse(TuttiError):
    """Track {track_id} is being worked on by job {job_id}. Cancel that job first."""

    status = 409


# What stops the work


class JobCancelled(TuttiError):
    """The job was cancelled."""

    status = 409


class NoEngine(TuttiError):
    """No engine for {task} can run here. {reasons}"""

    status = 409


class WeightsMissing(TuttiError):
    """The weights {weights} are not in {models_dir}. Get them with: python -m app.weights fetch {weights}"""

    status = 409


class WeightsBroken(TuttiError):
    """The weights {weights} in {models_dir} are not what they should be: {reason}. Delete them and fetch them again."""

    status = 409


class WeightsUnreachable(TuttiError):
    """The weights {weights} could not be fetched ({reason}). Try again later, or put these files into {folder} by
    hand: {files}"""

    status = 503
    retry = True


class ArtifactGone(TuttiError):
    """{role} is no longer in the store. Run the job again."""

    status = 410
    retry = True


class BrokenDocument(TuttiError):
    """{role} is not what it should be: {reason}. Run the job again."""

    status = 422


class StageFailed(TuttiError):
    """The stage {stage} failed: {reason}"""
