"""What bodies of requests may be, and what is answered to those that are refused."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(description="What is read, as it is.")]


class DocumentBody(BaseModel):
    """A document of a request."""

    model_config = ConfigDict(extra="forbid", title="Document")

    text: Text
    id: str | None = Field(None, max_length=1000, description="Comes back with the record.")


class ExtractBody(BaseModel):
    """A text, or several, or documents with ids of their own: one of the three."""

    model_config = ConfigDict(extra="forbid", title="Extract")

    text: Text | None = None
    texts: list[str] | None = Field(None, min_length=1)
    documents: list[DocumentBody] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [self.text is not None, self.texts is not None, self.documents is not None]
        if sum(given) != 1:
            raise ValueError("give one of text, texts and documents")
        return self


class ChatMessage(BaseModel):
    """A message of a chat; of the parts of a content, those of text are read."""

    role: str
    content: str | list[dict[str, Any]] | None = None

    def text(self) -> str:
        """Return the text of the message."""
        if isinstance(self.content, list):
            parts = [str(part.get("text", "")) for part in self.content]
            return "\n".join(part for part in parts if part)
        return self.content or ""


class ChatBody(BaseModel):
    """A request as OpenAI's clients send it; what is not named here does not change the answer."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool = False
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None


def error_body(status: int, message: str) -> dict[str, Any]:
    """Return the body of an answer that says why there is no other, in OpenAI's form."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "code": status, "param": None}}
