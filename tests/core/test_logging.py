"""Logs are JSON with the agreed fields, and secrets never reach them."""

import json
import logging
import time

import pytest
import structlog

from loppestars_core.kit.logging import accept_request_id, configure_logging, current_request_id, redact_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl"


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line


class TestFormat:
    def test_fields(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Time, level, event, component and the context's request id, for structlog and the standard library alike."""
        configure_logging("api")
        with structlog.contextvars.bound_contextvars(request_id="r-1"):
            assert current_request_id() == "r-1"
            structlog.get_logger("test").info("photo done", faces=2)
            line = last_line(capsys)
            assert {"time", "level", "event", "component", "request_id", "faces"} <= set(line)
            assert (line["level"], line["component"], line["request_id"]) == ("info", "api", "r-1")
            logging.getLogger("library").warning("careful: %s", "x")
            line = last_line(capsys)
            assert (line["event"], line["component"], line["request_id"]) == ("careful: x", "api", "r-1")

    def test_level(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Below the level nothing is written."""
        configure_logging("api", "WARNING")
        structlog.get_logger("test").info("quiet")
        assert capsys.readouterr().out == ""


class TestSecrets:
    @pytest.mark.parametrize(
        "text",
        [
            f"Authorization: Bearer {TOKEN}",
            f"token {TOKEN} refused",
            "GET /x?access_token=hunter2&a=1",
            "https://s3/x?X-Amz-Signature=hunter2",
            "/storage/v1/object/sign/b/k?expires=1&signature=hunter2",
            "postgresql://someone:hunter2@db:5432/x",
        ],
    )
    def test_patterns(self, text: str) -> None:
        """Tokens, passwords in URLs and signatures are replaced, the rest of the text stays."""
        cleaned = redact_text(text)
        assert "hunter2" not in cleaned
        assert TOKEN not in cleaned
        assert cleaned != text

    def test_keys_and_e_mail(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Values under telling keys and e-mail addresses are replaced at any depth, also in tracebacks."""
        configure_logging("api")
        structlog.get_logger("test").info("x", headers={"authorization": "abc", "a": ["someone@example.com"]})
        line = last_line(capsys)
        assert line["headers"] == {"authorization": "[…]", "a": ["[e-mail]"]}
        try:
            raise ValueError("someone@example.com")  # noqa: TRY301 - the point of the test
        except ValueError:
            structlog.get_logger("test").exception("failed")
        assert "someone@example.com" not in str(last_line(capsys))


class TestRequestId:
    @pytest.mark.parametrize("candidate", ["abc-123", "A" * 64, "01H:x.y_z"])
    def test_harmless_ones_are_kept(self, candidate: str) -> None:
        """The caller's own identifier goes through."""
        assert accept_request_id(candidate) == candidate

    @pytest.mark.parametrize("candidate", [None, "", "A" * 65, "a b", "a\nb", "å", "<script>"])
    def test_others_are_replaced(self, candidate: str | None) -> None:
        """Anything else is replaced by a new one."""
        assert accept_request_id(candidate) != candidate


class TestLength:
    @pytest.mark.parametrize("piece", ["a", "eyJ-", "eyJa.", "a@", "@", "a.b@", "bearer ", "://a:", "&token="])
    def test_long_texts_cost_little(self, piece: str) -> None:
        """Redaction takes time in proportion to the text; before, 64 KB of a path took 8 seconds."""

        def seconds(size: int) -> float:
            text = piece * (size // len(piece))
            started = time.thread_time()
            redact_text(text)
            return time.thread_time() - started

        assert seconds(64_000) < 24 * max(min(seconds(8_000) for _ in range(3)), 0.0005) + 0.01

    @pytest.mark.parametrize("text", [f"({TOKEN})", f"a.{TOKEN}x", "<some.one+x@mail.example.com>", "@a@b.example"])
    def test_words_with_a_secret(self, text: str) -> None:
        """Wherever in a word it stands."""
        cleaned = redact_text(text)
        assert TOKEN not in cleaned
        assert "@mail" not in cleaned
        assert "a@b" not in cleaned

    @pytest.mark.parametrize("text", ["a.b.c", "user@host", "eyJust a word", "https://host.example/a@b", "1.5 @ 2.5"])
    def test_what_stays(self, text: str) -> None:
        """Ordinary text is left alone."""
        assert redact_text(text) == text
