"""What a parser finds in a model's output, piece by piece."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reasoning:
    """Thinking to append."""

    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """Content to append."""

    text: str


@dataclass(frozen=True, slots=True)
class CallOpened:
    """A tool call begins.

    Attributes:
        index: which one, from 0.
        name: the function's.
        id: its id where the format has one.
    """

    index: int
    name: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class CallArguments:
    """Text to append to the JSON of a call's arguments."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class CallClosed:
    """A call is whole: its arguments, joined, are a JSON object."""

    index: int


@dataclass(frozen=True, slots=True)
class CallCut:
    """A call ends without being whole: the output ended within it, or it is malformed.

    Attributes:
        text: what the model wrote of it, its opening tag and the space before it included: what
            an answer shows as content in its place.
    """

    index: int
    text: str


Part = Reasoning | Content | CallOpened | CallArguments | CallClosed | CallCut
