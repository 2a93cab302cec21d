"""Files of what the vendor counted: told by what they hold, read exactly or not at all."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from vendor_exports import HAIKU, SONNET, ApiDay, Telemetry, model, request

from sessionmill.errors import NotVendorUsage, UsageError, VendorUsageMalformed
from sessionmill.testing import ClaudeTranscript
from sessionmill.vendor import files
from sessionmill.vendor.files import Reading

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 10, tzinfo=UTC)
AS_OF = datetime(2026, 3, 4, tzinfo=UTC)


def read(content: bytes) -> Reading:
    return files.read(content, "a.json", AS_OF)


def page(**of_record: Any) -> bytes:
    return ApiDay(DAY).record("alice@example.com", model(input=1), **of_record).pages()[0]


# ── the API ──


def test_a_record_has_a_row_for_each_model_and_one_for_its_sessions() -> None:
    sonnet, haiku = model(SONNET, 1, 2, 3, 4, cents=1025), model(HAIKU, 5, 6)
    [content] = ApiDay(DAY).record("alice@example.com", sonnet, haiku, sessions=3).pages()
    of_sessions, of_sonnet, of_haiku = read(content).usage
    assert (of_sessions.model, of_sessions.sessions) == (None, 3)
    assert (of_sonnet.vendor_name, of_sonnet.day, of_sonnet.model) == (
        "alice@example.com",
        DAY,
        SONNET,
    )
    assert of_sonnet[6:10] == (1, 2, 3, 4)
    assert of_sonnet.cost_usd == Decimal("10.25"), "cents are dollars here"
    assert (of_haiku.input_tokens, of_haiku.output_tokens) == (5, 6)
    assert of_haiku.cost_usd == 0


def test_an_actor_may_be_a_key() -> None:
    [content] = ApiDay(DAY).record("build server", model(input=1)).pages()
    assert {row.vendor_name for row in read(content).usage} == {"build server"}


def test_a_part_of_a_cent_is_kept_to_the_last_digit() -> None:
    [content] = ApiDay(DAY).record("alice@example.com", model(cents=0.1)).pages()
    assert read(content).usage[1].cost_usd == Decimal("0.001")


def test_a_model_that_a_record_names_twice_is_summed_up() -> None:
    twice = [model(SONNET, 1, 2, 3, 4, cents=5), model(SONNET, 10, 20, 30, 40, cents=50)]
    [content] = ApiDay(DAY).record("alice@example.com", *twice).pages()
    [_, row] = read(content).usage
    assert row[6:10] == (11, 22, 33, 44)
    assert row.cost_usd == Decimal("0.55")


@pytest.mark.parametrize("date_text", ["2026-03-02", "2026-03-02T00:00:00Z"])
def test_a_day_is_written_in_either_way_that_is_documented(date_text: str) -> None:
    assert read(page(date=date_text)).usage[0].day == DAY


def test_fields_that_nobody_knows_yet_do_no_harm() -> None:
    assert read(page(of_the_future={"a": [1]})).usage


def test_a_day_without_usage_is_a_page_without_records() -> None:
    [content] = ApiDay(DAY).pages()
    assert read(content).usage == []


def test_pages_may_be_one_a_line() -> None:
    day = ApiDay(DAY)
    for name in ("a@example.com", "b@example.com", "c@example.com"):
        day.record(name, model(input=1))
    readings = [read(part) for part in day.pages(1)]
    together = read(b"\n".join(day.pages(1)))
    assert together.usage == [row for reading in readings for row in reading.usage]


def test_a_day_whose_last_page_is_missing_is_told() -> None:
    day = ApiDay(DAY).record("a@example.com", model()).record("b@example.com", model())
    first, last = map(read, day.pages(1))
    assert files.unfinished_days([first]) == [DAY]
    assert files.unfinished_days([last, first]) == []


# ── telemetry ──


def test_a_point_tells_who_in_which_session_used_what() -> None:
    told = Telemetry("delta").tokens(AT, "cacheRead", 48_000, query_source="main")
    [point] = read(told.content).points
    assert (point.vendor_name, point.session_id, point.model) == (
        "alice@example.com",
        "0f3c",
        SONNET,
    )
    assert (point.token_class, point.query_source) == ("cacheRead", "main")
    assert point.value == 48_000
    assert point.at_ns == AT.timestamp() * 1e9
    assert point.temporality == "delta"


def test_dollars_are_read_as_they_are_written() -> None:
    [point] = read(Telemetry("delta").cost(AT, 0.0568196).content).points
    assert (point.token_class, point.value) == ("cost", Decimal("0.0568196"))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"user.email": "a@x", "user.account_uuid": "u", "user.id": "i"}, "a@x"),
        ({"user.account_uuid": "u", "user.account_id": "a", "user.id": "i"}, "u"),
        ({"user.id": "i"}, "i"),
        ({}, "(no name)"),
    ],
)
@pytest.mark.parametrize("on_resource", [False, True], ids=["of the point", "of the resource"])
def test_who_it_was_is_the_best_name_there_is_wherever_it_stands(
    attributes: dict[str, str], name: str, on_resource: bool
) -> None:
    told = [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()]
    point: dict[str, Any] = {"timeUnixNano": "5", "asInt": "7"}
    point["attributes"] = [] if on_resource else told
    content = request(
        "claude_code.token.usage", "delta", point, resource=attributes if on_resource else None
    )
    [read_point] = read(content).points
    assert read_point.vendor_name == name


@pytest.mark.parametrize(
    "value", [{"asInt": "7"}, {"asInt": 7}, {"asDouble": 7}, {"asDouble": 7.0}]
)
def test_a_count_is_read_however_json_writes_it(value: dict[str, Any]) -> None:
    content = request("claude_code.token.usage", "cumulative", {"timeUnixNano": 5} | value)
    [point] = read(content).points
    assert point.value == 7
    assert (point.at_ns, point.started_ns) == (5, 0)


def test_the_order_of_attributes_tells_no_counter_from_another() -> None:
    def stream(*keys: str) -> str:
        told = [{"key": key, "value": {"stringValue": key}} for key in keys]
        point = {"timeUnixNano": "5", "asInt": "7", "attributes": told}
        [read_point] = read(request("claude_code.token.usage", "delta", point)).points
        return read_point.stream

    assert stream("a", "b") == stream("b", "a") != stream("a", "c")


def test_a_point_that_says_that_there_is_no_value_says_nothing() -> None:
    point = {"timeUnixNano": "5", "flags": 1}
    assert read(request("claude_code.token.usage", "delta", point)).points == []


def test_other_metrics_logs_and_spans_are_passed_over() -> None:
    other = request("claude_code.session.count", "delta", {"timeUnixNano": "5", "asDouble": "NaN"})
    ours = Telemetry("delta").tokens(AT, "input", 1).content
    noise = b'{"resourceLogs":[{"scopeLogs":[]}]}\n{"resourceSpans":[]}\n\n'
    assert len(read(noise + other + ours).points) == 1


def test_one_request_may_be_a_file_written_out_for_people() -> None:
    content = Telemetry("delta").tokens(AT, "input", 1).content
    pretty = json.dumps(json.loads(content), indent=2).encode()
    assert read(pretty).points == read(content).points == read(b"\xef\xbb\xbf" + content).points


def test_a_line_that_is_still_being_written_waits_for_another_time() -> None:
    told = Telemetry("delta").tokens(AT, "input", 1).tokens(AT, "output", 2)
    assert len(read(told.content[:-9]).points) == 1


# ── what is refused ──

_TRANSCRIPT = ClaudeTranscript("0f3c")
_TRANSCRIPT.prompt()
SESSION = bytes(_TRANSCRIPT)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"not JSON",
        b"[]",
        b"{}",
        b"7\n8\n",
        b'{"data": []}',
        SESSION,
        b'{"resourceLogs":[]}',
        b"[" * 100_000,
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_a_file_of_neither_kind_is_refused_with_both_their_names(content: bytes) -> None:
    with pytest.raises(NotVendorUsage, match=r"^a\.json is neither a page .* nor metrics in") as e:
        read(content)
    assert isinstance(e.value, UsageError)


NUMBERLESS = [
    page(date="yesterday"),
    page(actor={"type": "robot"}),
    page(model_breakdown=[{"model": SONNET}]),
    *(
        page(model_breakdown=[model(**{"input": 1} | of_model)])
        for of_model in (
            {"input": -1},
            {"output": 1.5},
            {"output": "12"},
            {"cache_read": None},
            {"cache_creation": 2**63},
            {"cents": -1},
            {"cents": "NaN"},
            {"cents": "many"},
        )
    ),
    page(
        model_breakdown=[model() | {"estimated_cost": {"currency": "EUR", "amount": 1}}],
    ),
]


@pytest.mark.parametrize("content", NUMBERLESS)
def test_a_page_that_is_not_as_documented_is_refused(content: bytes) -> None:
    with pytest.raises(VendorUsageMalformed, match=r"^a\.json, line 1: .*nothing was imported"):
        read(content)


POINTLESS: list[dict[str, Any]] = [
    {"asInt": "7"},
    {"timeUnixNano": "0", "asInt": "7"},
    {"timeUnixNano": "-5", "asInt": "7"},
    {"timeUnixNano": "soon", "asInt": "7"},
    {"timeUnixNano": str(2**63), "asInt": "7"},
    {"timeUnixNano": "5"},
    {"timeUnixNano": "5", "asInt": "-7"},
    {"timeUnixNano": "5", "asInt": "seven"},
    {"timeUnixNano": "5", "asDouble": "NaN"},
    {"timeUnixNano": "5", "asDouble": "Infinity"},
    {"timeUnixNano": "5", "asDouble": 1e300},
    {"timeUnixNano": "5", "asDouble": 7.5},
    {"timeUnixNano": "5", "asInt": True},
]


@pytest.mark.parametrize("point", POINTLESS)
def test_a_point_without_a_count_or_a_time_is_refused_with_its_line(point: dict[str, Any]) -> None:
    before = Telemetry("delta").tokens(AT, "input", 1).content
    with pytest.raises(VendorUsageMalformed, match=r"^a\.json, line 2: "):
        read(before + request("claude_code.token.usage", "delta", point))


def test_a_counter_of_no_temporality_and_one_that_is_none_are_refused() -> None:
    content = Telemetry("delta").tokens(AT, "input", 1).content
    for broken in (
        content.replace(b'"aggregationTemporality":1', b'"aggregationTemporality":0'),
        content.replace(b'"sum":', b'"gauge":'),
    ):
        with pytest.raises(VendorUsageMalformed):
            read(broken)


def test_a_broken_line_among_others_is_refused() -> None:
    content = Telemetry("delta").tokens(AT, "input", 1).content
    with pytest.raises(VendorUsageMalformed, match="line 2"):
        read(content + b"{broken\n" + content)
